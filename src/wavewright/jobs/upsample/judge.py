"""How much of a lost band an upsampler brings back: beside what needs no network at all.

Every full-band sound is degraded, brought back, and compared with itself: whole sounds, each with its own figures. One
too long for memory is taken in pieces, whose sums are gathered.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from wavewright import atomic
from wavewright.audio import files
from wavewright.audio.bandwidth import BandEdge
from wavewright.audio.degradation import Degradation, degraded, lowered
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import istft, stft
from wavewright.data.degrade import degradation_of
from wavewright.errors import AudioFileError, DataError, OutputError
from wavewright.jobs.upsample.subjects import LeftOut, Subject, of_files
from wavewright.jobs.upsample.upsampling import Upsampler, play
from wavewright.metrics.spectral import LogSpectralDistance
from wavewright.metrics.waveform import ErrorSums
from wavewright.report import png

N_FFT, HOP = 1024, 256
SILENCE = 1e-4
PATCH = 8192
"""Samples of a patch, as the papers take them."""
MOST_SNR = 120.0
"""dB; where nothing at all is wrong. Single precision goes no further."""
PICTURED_SECONDS = 20.0
EMPTY = 0.8
"""Of half the full rate: a file whose sound ends below this has no upper band to compare with."""

NOISE_GAIN = float(np.sqrt(np.exp(np.euler_gamma) / (0.375 / 1.5)))
"""What makes noise as loud as it was measured: a mean logarithm of power lies below the logarithm of the mean, and
frames of random phase that overlap by three quarters cancel each other in part (Hann: mean square 0.375, sum 1.5)."""

SOUNDS = ("hr", "lr", "sr")
"""What is written of each file: its high resolution, the low one at the same rate, and what the model made of it."""
TABLE = "figures.csv"


@dataclass(frozen=True)
class Figures:
    """Of one way to bring one sound back: SNR in dB over the whole, the mean over patches, and both LSDs."""

    snr: float
    snr_patches: float
    lsd: float

    @property
    def lsd10(self) -> float:
        """LSD in decimal logarithms."""
        return self.lsd / float(np.log(10))

    def to_dict(self) -> dict[str, float | None]:
        """As JSON has it; None for what is not defined."""
        told = {"snr": self.snr, "snr_patches": self.snr_patches, "lsd": self.lsd, "lsd10": self.lsd10}
        return {name: value if math.isfinite(value) else None for name, value in told.items()}


@dataclass(frozen=True)
class Judged:
    """One file: the figures of each way, by its name; how its band was lost; what is worth knowing of it.

    ``name`` is the subject's.
    """

    name: str
    path: Path
    seconds: float
    ways: dict[str, Figures]
    how: Degradation = field(default_factory=Degradation)
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """All that was measured, and what could not be."""

    judged: tuple[Judged, ...]
    left_out: tuple[LeftOut, ...] = ()


class ShapedNoise:
    """Noise in the missing band whose loudness follows the band below, as the sounds it was fitted to have it.

    For each bin above the edge, the mean of the log power less that of the band below; no network, and no secret: what
    any learned upsampler has to beat in LSD.
    """

    def __init__(self, sounds: Sequence[FloatArray], rate: int, low_rate: int) -> None:
        self._edge = max(2, round(0.9 * N_FFT * low_rate / rate / 2))
        logs = [self._split(sound) for sound in sounds]
        levels, tops = (np.concatenate(parts, axis=-1) for parts in zip(*logs, strict=True))
        loud = levels > levels.max() - np.log(1e5)
        self._shape = (tops[:, loud] - levels[loud]).mean(axis=1)  # (bins above the edge,)

    def _split(self, sound: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        power = np.abs(stft(sound, N_FFT, HOP)).astype(np.float64) ** 2 + 1e-12
        return np.log(power[self._edge // 2 : self._edge].mean(axis=0)), np.log(power[self._edge :])

    def __call__(self, low: FloatArray, seed: int = 0) -> FloatArray:
        """``low`` ``(time,)`` at the full rate with noise above its band."""
        X = stft(low, N_FFT, HOP)
        level, _ = self._split(low)
        dice = np.random.default_rng(seed)
        phase = np.exp(2j * np.pi * dice.random((len(self._shape), X.shape[1])))
        X[self._edge :] += NOISE_GAIN * np.exp(0.5 * (self._shape[:, None] + level)) * phase
        return istft(X, HOP, len(low))


def spline(low: FloatArray, rate: int, low_rate: int, time: int) -> FloatArray:
    """Samples at the low rate brought up by a cubic spline, which is what the papers begin with."""
    if len(low) < 2:
        return np.full(time, low[0] if len(low) else 0.0, np.float32)
    at = np.arange(len(low)) * (rate / low_rate)
    return np.asarray(CubicSpline(at, low)(np.minimum(np.arange(time), at[-1])), np.float32)


class Tally:
    """The figures of an output beside the sound it should be, gathered piece by piece.

    Patches of `PATCH` samples lie one behind the other in each piece, the last one as long as it is; those that hold
    nothing but silence have no SNR and are passed over.
    """

    def __init__(self) -> None:
        self._sums, self._spectra = ErrorSums(), LogSpectralDistance()
        self._decibels, self._patches = 0.0, 0

    def add(self, output: FloatArray, target: FloatArray) -> None:
        """Count one more piece ``(time,)`` of both."""
        self._sums.add(output, target)
        self._spectra.add(output, target)
        edges = np.arange(0, len(target), PATCH)
        energy = np.add.reduceat(np.square(target, dtype=np.float64), edges)
        error = np.add.reduceat(np.square(target.astype(np.float64) - output), edges)
        sizes = np.diff(np.append(edges, len(target)))
        for e, d in zip(energy[energy > sizes * SILENCE**2], error[energy > sizes * SILENCE**2], strict=True):
            self._decibels += _snr(float(e), float(d))
            self._patches += 1

    @property
    def figures(self) -> Figures:
        """What they come to; NaN where the sound is silent."""
        patches = self._decibels / self._patches if self._patches else math.nan
        return Figures(_snr(self._sums.target_energy, self._sums.error_energy), patches, self._spectra.lsd)


def _snr(energy: float, error: float) -> float:
    if energy == 0:
        return math.nan
    return min(MOST_SNR, 10 * math.log10(energy / error)) if error > 0 else MOST_SNR


def figures(output: FloatArray, target: FloatArray) -> Figures:
    """The figures of an output ``(time,)`` beside the sound it should be."""
    tally = Tally()
    tally.add(output, target)
    return tally.figures


def ways_of(
    upsampler: Upsampler, full: FloatArray, how: Degradation, noise: ShapedNoise | None = None
) -> tuple[dict[str, Figures], dict[str, FloatArray]]:
    """Figures of the model and of what needs none, for one sound ``(time,)``; and what each makes of it."""
    sounds = restored(upsampler, full, how, noise)
    return {name: figures(sound, full) for name, sound in sounds.items()}, sounds


def restored(
    upsampler: Upsampler, full: FloatArray, how: Degradation, noise: ShapedNoise | None = None
) -> dict[str, FloatArray]:
    """What the model makes of a sound ``(time,)`` whose band was lost, and what needs no model makes of it.

    ``resampler`` is the low sound at the full rate, which the model hears.
    """
    rate, low_rate = upsampler.rate, upsampler.low_rate
    low = degraded(full, rate, low_rate, how)
    ways = {
        "model": play(upsampler, low),
        "spline": spline(lowered(full, rate, low_rate, how), rate, low_rate, len(full)),
        "resampler": low,
        "ideal low-pass": degraded(full, rate, low_rate, Degradation("brick-wall")),
    }
    return ways if noise is None else ways | {"shaped noise": noise(low)}


def evaluate(
    upsampler: Upsampler,
    sources: Sequence[Path],
    how: Degradation | str,
    *,
    noise: ShapedNoise | None = None,
    output: Path | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Judged]:
    """`judge` of sound files and folders of them.

    Raises:
        AudioFileError: a source is not there.
        DataError: no file can be measured: all are unreadable, below the full rate, or silent.
    """
    subjects, left = of_files(upsampler, sources, output)
    return list(
        judge(upsampler, subjects, how, left, noise=noise, output=output, force=force, progress=progress).judged
    )


def judge(
    upsampler: Upsampler,
    subjects: Sequence[Subject],
    how: Degradation | str,
    left_out: Sequence[LeftOut] = (),
    *,
    noise: ShapedNoise | None = None,
    output: Path | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Degrade full-band sounds, bring them back, and measure; with ``output``, keep sounds, pictures and the table.

    Args:
        how: a degradation, or the name of a kind: ``mix`` draws another one for each sound.
        left_out: what is known already not to be measurable; more is added where it turns out to be so.

    Raises:
        OutputError: ``output`` holds one of the files already (without ``force``), or cannot be written; found before
            any work.
        DataError: nothing is left to measure.
    """
    if output is not None:
        _refuse_outputs(output, subjects, force)
    judged, left = [], list(left_out)
    for number, subject in enumerate(subjects):
        drawn = how if isinstance(how, Degradation) else degradation_of(how, [0xE7A1, number])
        try:
            judged.append(_judge(upsampler, subject, drawn, noise, output, force))
        except (AudioFileError, DataError) as error:
            left.append(LeftOut(subject.path, str(error)))
        if progress is not None:
            progress(number + 1, len(subjects))
    if not judged:
        raise DataError(f"none of {len(left)} sounds can be measured; the first: {left[0].why}")
    if output is not None:
        atomic.write_text(output / TABLE, _csv(judged))
    return Verdict(tuple(judged), tuple(left))


def _judge(
    upsampler: Upsampler,
    subject: Subject,
    how: Degradation,
    noise: ShapedNoise | None,
    output: Path | None,
    force: bool,
) -> Judged:
    tallies: dict[str, Tally] = {}
    edge = BandEdge(upsampler.rate)
    with contextlib.ExitStack() as exits:
        writers = []
        for kind in SOUNDS if output is not None else ():
            place = _place(output or Path(), subject, kind, "wav")
            writer = files.Writer(place, upsampler.rate, 1, force=force, frames=subject.frames)
            writers.append(exits.enter_context(writer))
        loudest, first = 0.0, tuple[FloatArray, ...]()
        for full in subject.pieces():
            edge.add(full)
            loudest = max(loudest, float(np.abs(full).max(initial=0.0)))
            ways = restored(upsampler, full, how, noise)
            for name, sound in ways.items():
                tallies.setdefault(name, Tally()).add(sound, full)
            kept = (full, ways["resampler"], ways["model"])
            for writer, sound in zip(writers, kept, strict=False):
                writer.write(sound[np.newaxis])
            first = first or tuple(sound[: round(PICTURED_SECONDS * upsampler.rate)] for sound in kept)
        if loudest < SILENCE:
            raise DataError(f"{subject.path} is silent: it never rises above −80 dBFS")
    if output is not None:
        _keep_pictures(output, subject, first)
    note = ""
    if edge.hz < EMPTY * upsampler.rate / 2:
        note = f"{subject.path} holds nothing above {edge.hz:,.0f} Hz itself: its figures say little"
    seconds = subject.frames / upsampler.rate
    return Judged(subject.name, subject.path, seconds, {name: one.figures for name, one in tallies.items()}, how, note)


def means(judged: Sequence[Judged]) -> dict[str, Figures]:
    """The mean of each way's figures over files."""
    return {
        way: Figures(
            *(
                float(np.nanmean(values)) if not np.isnan(values).all() else math.nan
                for values in (
                    np.array([getattr(one.ways[way], name) for one in judged]) for name in ("snr", "snr_patches", "lsd")
                )
            )
        )
        for way in judged[0].ways
    }


# ── what is kept ──────────────────────────────────────────────────────────────────────────────────────────────────


def _place(folder: Path, subject: Subject, kind: str, suffix: str) -> Path:
    return folder / f"{subject.name}.{kind}.{suffix}"


def _refuse_outputs(folder: Path, subjects: Sequence[Subject], force: bool) -> None:
    """Raise where anything is there already; makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {folder} cannot be made: {error.strerror}; choose another place") from error
    places = [_place(folder, one, kind, suffix) for one in subjects for kind in SOUNDS for suffix in ("wav", "png")]
    for place in (*places, folder / TABLE):
        atomic.refuse_existing(place, force=force)


def _keep_pictures(folder: Path, subject: Subject, kept: Sequence[FloatArray]) -> None:
    """Spectrograms on one scale of colours."""
    top = float(decibels(kept[0]).max())
    for kind, sound in zip(SOUNDS, kept, strict=True):
        atomic.write_bytes(_place(folder, subject, kind, "png"), spectrogram(sound, top))


def spectrogram(sound: FloatArray, top: float | None = None) -> bytes:
    """A PNG of a sound's spectrum over time, the highest frequency on top, 90 dB deep from ``top`` dB downwards."""
    levels = decibels(sound)
    top = float(levels.max()) if top is None else top
    return png.heat_map(levels, top - 90, top)


def decibels(sound: FloatArray) -> NDArray[np.float64]:
    """Power in dB ``(bins, frames)``, the highest frequency first."""
    power = np.abs(stft(sound, N_FFT, HOP)).astype(np.float64) ** 2
    return np.asarray(10 * np.log10(np.maximum(power, 1e-10))[::-1])


def _csv(judged: Sequence[Judged]) -> str:
    """The table: a row for each file, then the means."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    ways = list(judged[0].ways)
    names = ("snr", "snr_patches", "lsd", "lsd10")
    writer.writerow(["file", "seconds", "degradation", *(f"{way} {name}" for way in ways for name in names)])
    rows = [(str(one.path), f"{one.seconds:.3f}", one.how.kind, one.ways) for one in judged]
    for path, seconds, kind, found in [*rows, ("mean", "", "", means(judged))]:
        cells = [f"{getattr(found[way], name):.4f}" for way in ways for name in names]
        writer.writerow([path, seconds, kind, *cells])
    return file.getvalue()

"""How much of a lost band an upsampler brings back: beside what needs no network at all.

Every full-band file is degraded, brought back, and compared with itself: whole files, each with its own figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from wavewright import atomic
from wavewright.audio import files
from wavewright.audio.degradation import Degradation, degraded, lowered
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.audio.spectra import istft, stft
from wavewright.errors import DataError
from wavewright.jobs.upsampling import Upsampler, play
from wavewright.metrics import spectral
from wavewright.report import png

N_FFT, HOP = 1024, 256
SILENCE = 1e-4
PATCH = 8192


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


@dataclass(frozen=True)
class Judged:
    """One file: the figures of each way, by its name."""

    path: Path
    seconds: float
    ways: dict[str, Figures]


class ShapedNoise:
    """Noise in the missing band whose loudness follows the band below, as the sounds it was fitted to have it.

    For each bin above the edge, the mean of the log power less that of the band below; no network, and no secret: what
    any learned upsampler has to beat in LSD.
    """

    def __init__(self, sounds: Sequence[FloatArray], rate: int, low_rate: int) -> None:
        self._edge = round(0.9 * N_FFT * low_rate / rate / 2)
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
        X[self._edge :] += np.exp(0.5 * (self._shape[:, None] + level)) * phase
        return istft(X, HOP, len(low))


def figures(output: FloatArray, target: FloatArray) -> Figures:
    """The figures of an output ``(time,)`` beside the sound it should be."""
    error, energy = np.square(target - output, dtype=np.float64), np.square(target, dtype=np.float64)
    patches = [
        10 * np.log10(e / max(d, 1e-12))
        for start in range(0, max(1, len(target) - PATCH + 1), PATCH)
        if (e := energy[start : start + PATCH].sum()) > PATCH * SILENCE**2
        for d in [error[start : start + PATCH].sum()]
    ]
    return Figures(
        float(10 * np.log10(energy.sum() / max(error.sum(), 1e-12))),
        float(np.mean(patches)) if patches else float("nan"),
        spectral.lsd(output, target),
    )


def spline(low: FloatArray, rate: int, low_rate: int, time: int) -> FloatArray:
    """Samples at the low rate brought up by a cubic spline, which is what the papers begin with."""
    at = np.arange(len(low)) * (rate / low_rate)
    return np.asarray(CubicSpline(at, low)(np.minimum(np.arange(time), at[-1])), np.float32)


def evaluate(
    upsampler: Upsampler,
    sources: Sequence[Path],
    how: Degradation,
    *,
    noise: ShapedNoise | None = None,
    output: Path | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Judged]:
    """Degrade full-band files, bring them back, and measure; with ``output``, keep the sounds and their pictures there.

    Raises:
        AudioFileError: a file that cannot be read.
        DataError: one that is below the full rate, or silent.
    """
    found = files.find(list(sources))
    if not found:
        raise DataError(f"no sound files in {', '.join(map(str, sources))}; name files or folders with full-band sound")
    for path in found:
        if files.info(path).rate < upsampler.rate:
            raise DataError(
                f"{path} is at {files.info(path).rate} Hz, below the full rate of {upsampler.rate}: it cannot tell how "
                "well its upper band comes back; leave it out"
            )
    judged = []
    for number, path in enumerate(found, start=1):
        recording = resample(files.read(path), upsampler.rate)
        full = np.ascontiguousarray(recording.samples.mean(axis=0))
        if np.abs(full).max(initial=0.0) < SILENCE:
            raise DataError(f"{path} is silent: nothing can be measured; leave it out")
        ways, sound = ways_of(upsampler, full, how, noise)
        judged.append(Judged(path, len(full) / upsampler.rate, ways))
        if output is not None:
            _keep(output, path, upsampler.rate, {"hr": full, **sound}, force)
        if progress is not None:
            progress(number, len(found))
    return judged


def ways_of(
    upsampler: Upsampler, full: FloatArray, how: Degradation, noise: ShapedNoise | None = None
) -> tuple[dict[str, Figures], dict[str, FloatArray]]:
    """Figures of the model and of what needs none, for one sound ``(time,)``; and the sounds ``lr`` and ``sr``."""
    rate, low_rate = upsampler.rate, upsampler.low_rate
    samples = lowered(full, rate, low_rate, how)
    low = degraded(full, rate, low_rate, how)
    model = play(upsampler, low)
    others = {
        "spline": spline(samples, rate, low_rate, len(full)),
        "resampler": low,
        "ideal low-pass": degraded(full, rate, low_rate, Degradation("brick-wall")),
    }
    if noise is not None:
        others["shaped noise"] = noise(low)
    ways = {"model": figures(model, full), **{name: figures(other, full) for name, other in others.items()}}
    return ways, {"lr": low, "sr": model}


def _keep(folder: Path, path: Path, rate: int, sounds: dict[str, FloatArray], force: bool) -> None:
    for name, sound in sounds.items():
        files.write(folder / f"{path.stem}.{name}.wav", Recording(sound[np.newaxis], rate), force=force)
        picture = folder / f"{path.stem}.{name}.png"
        atomic.refuse_existing(picture, force=force)
        atomic.write_bytes(picture, spectrogram(sound))


def spectrogram(sound: FloatArray) -> bytes:
    """A PNG of a sound's spectrum over time, the highest frequency on top, 90 dB deep."""
    power = np.abs(stft(sound, N_FFT, HOP)).astype(np.float64) ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-10))[::-1]
    top = float(decibels.max())
    return png.heat_map(decibels, top - 90, top)


def means(judged: Sequence[Judged]) -> dict[str, Figures]:
    """The mean of each way's figures over files."""
    return {
        way: Figures(
            float(np.mean([one.ways[way].snr for one in judged])),
            float(np.nanmean([one.ways[way].snr_patches for one in judged])),
            float(np.mean([one.ways[way].lsd for one in judged])),
        )
        for way in judged[0].ways
    }

"""What a recording is worth: level, clipping, DC, noise, silence, bandwidth. One pass in blocks, with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.compiled import compiled

BLOCK = 1 << 18
FULL_SCALE = 0.9999  # 16-bit files end at 0.99997, 24-bit ones at 0.9999999
SHORTEST_FLAT = 4  # equal samples in a row at the very top that no unclipped wave would hold
FRAME_SECONDS = 0.05
SILENT_DBFS = -60.0
FFT_SIZE = 4096
FLOOR_DB = -90.0  # below the spectrum's peak; what 16 bits can hold of music


@dataclass(frozen=True)
class Quality:
    """The quality of one recording, all channels together.

    Levels in dBFS (a full-scale square wave has 0), None where there is nothing but digital silence. ``full_scale``,
    ``flat_tops``, ``silence``: shares, 0 to 1: of samples at full scale; of samples in runs of equal ones at the file's
    own highest or lowest value; of 50 ms frames below -60 dBFS. ``dc``: mean, full scale at 1. ``noise_floor``: the
    quietest hundredth that is not digital silence. ``bandwidth``: Hz, above it the spectrum has fallen into the floor.
    ``non_finite``: how many samples are NaN or infinite (they are left out of all the rest).
    """

    rate: int
    channels: int
    frames: int
    seconds: float
    peak: float | None
    rms: float | None
    full_scale: float
    flat_tops: float
    dc: float
    noise_floor: float | None
    silence: float
    bandwidth: float
    non_finite: int

    @property
    def clipped(self) -> float:
        """The share of samples that were cut off, at full scale or below it."""
        return max(self.full_scale, self.flat_tops)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "clipped": self.clipped}


def inspect(source: Recording | Path | str) -> Quality:
    """Measure a recording, or a file of any length block by block.

    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 1000 / 48000 * np.arange(48000)).astype(np.float32)[None]
    >>> quality = inspect(Recording(0.5 * tone, 48000))
    >>> round(quality.peak, 2), round(quality.rms, 2)
    (-6.02, -9.03)

    Raises:
        AudioFileError: the file cannot be read.
    """
    if isinstance(source, Recording):
        measured = _Measured(source.rate, source.channels)
        for start in range(0, source.frames, BLOCK):
            measured.add(source.samples[:, start : start + BLOCK])
    else:
        about = files.info(source)
        measured = _Measured(about.rate, about.channels)
        for block in _blocks(source):
            measured.add(block)
    return measured.quality()


def _blocks(path: Path | str) -> Iterator[FloatArray]:
    return files.blocks(path, BLOCK, finite=False)


class _Measured:
    """Running sums over the blocks of one recording."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels, self.frames = rate, channels, 0
        self.non_finite = self.full_scale = self.counted = 0
        self.total = self.power = 0.0
        self.tops, self.bottoms = _Extreme(), _Extreme()
        self.frame = max(1, round(FRAME_SECONDS * rate))
        self.levels: list[NDArray[np.float64]] = []
        self.spectrum = np.zeros(FFT_SIZE // 2 + 1)
        self.spectra = 0

    def add(self, block: FloatArray) -> None:
        """Count one block, (channels, time)."""
        finite = np.isfinite(block)
        bad = block.size - int(np.count_nonzero(finite))
        if bad:
            self.non_finite += bad
            block = np.where(finite, block, np.float32(0))
        self.frames += block.shape[1]
        self.counted += block.size - bad
        for channel in block:
            row = np.ascontiguousarray(channel)
            total, power, full = _sums(row, FULL_SCALE)
            self.total += total
            self.power += power
            self.full_scale += full
            self.tops.add(row)
            self.bottoms.add(-row)
            self._add_spectrum(row)
        usable = block.shape[1] // self.frame * self.frame
        if usable:
            cut = block[:, :usable].reshape(self.channels, -1, self.frame)
            means = cut.mean(axis=2, dtype=np.float64)
            squares = np.einsum("cft,cft->cf", cut, cut) / self.frame
            # each frame without its own mean: an offset is no sound
            self.levels.append(np.maximum(squares - means**2, 0.0).mean(axis=0))

    def _add_spectrum(self, row: FloatArray) -> None:
        count = len(row) // FFT_SIZE
        if not count:
            return
        cut = row[: count * FFT_SIZE].reshape(count, FFT_SIZE)
        power = np.abs(fft.rfft((cut - cut.mean(axis=1, keepdims=True)) * _WINDOW, axis=1)) ** 2
        self.spectrum += power.sum(axis=0)
        self.spectra += count

    def quality(self) -> Quality:
        """What the sums say."""
        count = max(self.counted, 1)
        levels = np.concatenate(self.levels) if self.levels else np.zeros(0)
        sounding = np.sort(levels[levels > 1e-14])
        floor = float(np.mean(sounding[: max(1, len(sounding) // 100)])) if len(sounding) else 0.0
        peak = max(self.tops.value, self.bottoms.value)
        flat = sum(side.flat for side in (self.tops, self.bottoms) if side.value > 0.5 * peak)
        return Quality(
            rate=self.rate,
            channels=self.channels,
            frames=self.frames,
            seconds=round(self.frames / self.rate, 3),
            peak=_decibels(peak**2),
            rms=_decibels(self.power / count),
            full_scale=self.full_scale / count,
            flat_tops=flat / count,
            dc=self.total / count,
            noise_floor=_decibels(floor),
            silence=float(np.mean(levels < 10 ** (SILENT_DBFS / 10))) if len(levels) else 0.0,
            bandwidth=self._bandwidth(floor),
            non_finite=self.non_finite,
        )

    def _bandwidth(self, floor: float) -> float:
        """The highest frequency at which the mean spectrum stands above the noise floor and above FLOOR_DB."""
        if not self.spectra:
            return 0.0
        smooth = np.convolve(self.spectrum / self.spectra, np.ones(9) / 9, "same")
        # what white noise of the floor's level would show in every bin; a recording without rests tells no floor
        quiet = floor < 0.01 * self.power / max(self.counted, 1)
        noise = floor * float(np.sum(_WINDOW**2)) if quiet else 0.0
        above = np.flatnonzero(smooth > max(2 * noise, float(smooth.max()) * 10 ** (FLOOR_DB / 10), 1e-12))
        return float(above[-1]) * self.rate / FFT_SIZE if len(above) else 0.0


class _Extreme:
    """The highest value of a recording so far, and how many samples lie at it in runs."""

    def __init__(self) -> None:
        self.value, self.flat = 0.0, 0

    def add(self, row: FloatArray) -> None:
        """Take one more block into account; a run across two blocks counts as two."""
        top = float(row.max(initial=0.0))
        if top > self.value:
            self.value, self.flat = top, 0
        if top == self.value and top > 1e-4:
            self.flat += int(_flat_run(row, np.float32(top), SHORTEST_FLAT))


@compiled
def _flat_run(x: FloatArray, top: float, shortest: int) -> int:
    """How many samples equal ``top`` in runs of at least ``shortest``."""
    total = 0
    run = 0
    for i in range(len(x)):
        if x[i] == top:
            run += 1
        else:
            if run >= shortest:
                total += run
            run = 0
    return total + run if run >= shortest else total


@compiled
def _sums(x: FloatArray, full_scale: float) -> tuple[float, float, int]:
    """Sum, sum of squares, and how many samples reach full scale."""
    total = 0.0
    power = 0.0
    full = 0
    for i in range(len(x)):
        value = float(x[i])
        total += value
        power += value * value
        if abs(value) >= full_scale:
            full += 1
    return total, power, full


def _decibels(power: float) -> float | None:
    return round(10 * float(np.log10(power)), 2) if power > 0 else None


_WINDOW = np.kaiser(FFT_SIZE, 14.0).astype(np.float32)  # its side lobes lie below FLOOR_DB

"""How one recording follows another: the coarse lag, the drifting line, and the linear response between them.

Everything is measured on *stretches*: pieces of the dry recording, each with the longer span of the wet one
opposite.
Their cross-spectra, each stretch at equal weight, are averaged; what the device distorts averages out. What remains is
its best linear approximation (Bussgang), H(f) = Sxy / Sxx, and the coherence |Sxy|² / (Sxx·Syy) that says how much of
the wet recording it explains (Bendat & Piersol, Random Data, chapters 5 and 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from wavewright.audio.recording import FloatArray

Complex = NDArray[np.complex64]
Real = NDArray[np.floating]

QUIET = 1e-4  # a stretch this far below the loudest (power) holds nothing to compare
BANDS = 16
HOP_SECONDS = 0.005
BATCH = 32


@dataclass(frozen=True)
class Line:
    """Where the wet recording answers: sample ``t`` of the dry one is met at ``t + lag + slope * t`` of the wet one."""

    lag: float
    slope: float = 0.0

    def at(self, t: float) -> float:
        """The lag, in samples, at sample ``t`` of the dry recording."""
        return self.lag + self.slope * t

    def along(self, t: Real) -> Real:
        """The same for an array of samples."""
        return np.asarray(self.lag + self.slope * t, dtype=np.float64)


@dataclass(frozen=True)
class Stretches:
    """Cross-spectra of ``count`` stretches, the wet spans taken along a `Line` (so lags here are what it leaves over).

    ``cross``: (count, bins); ``dry``, ``wet``: mean power spectra, (bins,); ``starts``: (count,) in dry samples;
    ``size``: FFT length; ``before``: samples of the span that lie ahead of lag 0.
    """

    starts: NDArray[np.int64]
    cross: Complex
    dry: Real
    wet: Real
    size: int
    before: int

    @property
    def count(self) -> int:
        """How many stretches there are."""
        return len(self.starts)

    def coherence(self) -> Real:
        """Coherence above what chance gives with so many stretches, smoothed over neighbours: (bins,), 0 to 1."""
        chance = 1.0 / self.count
        smooth = ndimage.uniform_filter1d(self._raw_coherence(), 9)
        return np.asarray(np.clip((smooth - chance) / (1 - chance), 0.0, 1.0))

    def evidence(self) -> float:
        """Mean coherence over its value by chance: about 1 for unrelated recordings, far above for a true pair."""
        return float(self.count * np.mean(self._raw_coherence()[2:]))

    def snr(self) -> Real:
        """Signal-to-noise ratio of the averaged cross-spectrum, bin by bin: (bins,)."""
        coherence = self.coherence()
        return self.count * coherence / np.maximum(1 - coherence, 1e-6)

    def bandwidth(self) -> float:
        """The share of the band in which the two recordings go together, 0 to 1."""
        coherence = self.coherence()
        return float(coherence.sum() ** 2 / max(float(np.sum(coherence**2)), 1e-30) / len(coherence))

    def to_lags(self, weight: Real | Complex) -> tuple[Real, Real]:
        """The cross-spectra times ``weight`` (bins,) over lags ``-before .. size - before``: mean, standard error."""
        rows = fft.irfft(self.cross * weight.astype(np.complex64), self.size, axis=1)
        rows = np.roll(rows, self.before, axis=1).astype(np.float64)
        return rows.mean(axis=0), rows.std(axis=0) / np.sqrt(max(len(rows) - 1, 1))

    def residual_lags(self) -> tuple[Real, Real]:
        """The lag of every stretch against the mean of the others, sub-sample, and its peak's sharpness: each (count,).

        The maximum-likelihood weighting of Hannan and Thomson, with the mean response's own phase taken out. A stretch
        has no part in the mean it is held against: else unrelated recordings would seem to agree.
        """
        mean = np.mean(self.cross, axis=0)
        coherence = np.minimum(self.coherence() + 1e-4, 0.999)
        power = np.maximum(np.abs(mean), 1e-30)
        weight = (coherence / (1 - coherence) / np.sqrt(self.dry * self.wet + 1e-30) / power).astype(np.float32)
        lags = np.empty(self.count)
        sharpness = np.empty(self.count)
        for i, cross in enumerate(self.cross):
            others = np.conj(mean - cross / self.count)
            # the template's phase is out, so lag 0 sits at index 0 and earlier lags wrap to the end
            peaks = fft.irfft(cross * others * weight, self.size)
            near = np.roll(peaks, self.size // 8)[: self.size // 4]
            top = int(np.clip(np.argmax(near), 1, len(near) - 2))
            lags[i] = top + parabola(near[top - 1 : top + 2]) - self.size // 8
            sharpness[i] = near[top] / (np.std(near) + 1e-30)
        return lags, sharpness

    def _raw_coherence(self) -> Real:
        mean = np.mean(self.cross, axis=0)
        return np.asarray(np.abs(mean) ** 2 / (self.dry * self.wet + 1e-30), dtype=np.float64)


def parabola(three: NDArray[np.floating]) -> float:
    """Where the parabola through three neighbouring values peaks, from the middle one: -0.5 to 0.5 samples.

    >>> import numpy as np
    >>> round(parabola(np.array([0.0, 1.0, 0.5])), 3)
    0.167
    """
    left, middle, right = (float(value) for value in three)
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def span(x: FloatArray, start: int, size: int) -> FloatArray:
    """Samples ``start .. start + size`` of ``x`` (time,), zeros where it has none."""
    out = np.zeros(size, dtype=np.float32)
    first, last = max(start, 0), min(start + size, len(x))
    if last > first:
        out[first - start : last - start] = x[first:last]
    return out


def stretches(
    dry: FloatArray, wet: FloatArray, line: Line, bounds: tuple[int, int], length: int, most: int, groups: int = 0
) -> Stretches:
    """Cross-spectra of up to ``most`` stretches of ``length`` samples between the dry samples ``bounds`` (first, last).

    The wet spans are four times as long, and follow ``line`` to a fraction of a sample. Quiet stretches are passed
    over. With ``groups`` the stretches are averaged, neighbours together, into that many rows.
    """
    size, before = 4 * length, length
    starts = _audible(dry, wet, line, bounds, length, most)
    count = len(starts)
    rows = min(groups, count) if groups else count
    bins = size // 2 + 1
    cross = np.zeros((rows, bins), dtype=np.complex64)
    dry_power, wet_power = np.zeros(bins), np.zeros(bins)
    window = np.hanning(length).astype(np.float32)
    fade = np.ones(size, dtype=np.float32)
    fade[: length // 8] = np.hanning(length // 4)[: length // 8]
    fade[-(length // 8) :] = fade[: length // 8][::-1]
    ramp = 2j * np.pi * np.arange(bins) / size
    row_of = np.arange(count) * rows // max(count, 1)
    for first in range(0, count, BATCH):
        batch = starts[first : first + BATCH]
        lags = line.along(batch + length / 2)
        whole = np.floor(lags).astype(np.int64)
        x = np.stack([span(dry, int(start), length) for start in batch]) * window
        y = np.stack([span(wet, int(start + lag) - before, size) for start, lag in zip(batch, whole, strict=True)])
        X = fft.rfft(x, size, axis=1)
        Y = fft.rfft((y - y.mean(axis=1, keepdims=True)) * fade, axis=1)
        energy_x, energy_y = np.abs(X) ** 2, np.abs(Y) ** 2
        total_x, total_y = energy_x.sum(axis=1) + 1e-30, energy_y.sum(axis=1) + 1e-30
        # the span starts ``before`` samples early and the line's fraction late: both leave as one linear phase
        shift = np.exp(ramp * (before + lags - whole)[:, None]).astype(np.complex64) if line.slope else None
        product = np.conj(X) * Y / np.sqrt(total_x * total_y)[:, None]
        product *= np.exp(ramp * (before + line.lag % 1)).astype(np.complex64) if shift is None else shift
        for row in range(row_of[first], row_of[first + len(batch) - 1] + 1):
            cross[row] += product[row_of[first : first + len(batch)] == row].sum(axis=0)
        dry_power += (energy_x / total_x[:, None]).sum(axis=0)
        wet_power += (energy_y / total_y[:, None]).sum(axis=0)
    if rows < count:
        cross /= np.bincount(row_of)[:, None]
    return Stretches(starts, cross, dry_power / max(count, 1), wet_power / max(count, 1), size, before)


def _audible(
    dry: FloatArray, wet: FloatArray, line: Line, bounds: tuple[int, int], length: int, most: int
) -> NDArray[np.int64]:
    """Starts of stretches that are heard in both recordings, evenly thinned to ``most``."""
    first, last = bounds
    hop = length // 2
    starts = np.arange(first, last - length + 1, hop, dtype=np.int64)
    met = np.floor(starts + line.along(starts + length / 2)).astype(np.int64)
    inside = (met >= 0) & (met + length <= len(wet)) & (starts + length <= len(dry))
    starts, met = starts[inside], met[inside]
    heard = np.ones(len(starts), dtype=bool)
    for x, at in ((dry, starts), (wet, met)):
        power = _power_by_block(x, hop)
        power = np.append(power[:-1] + power[1:], power[-1:])[np.minimum(at // hop, len(power) - 1)]
        heard &= power > max(QUIET * float(power.max(initial=0.0)), 1e-13)
    starts = starts[heard]
    thinned = np.linspace(0, max(len(starts) - 1, 0), min(most, len(starts))).round().astype(int)
    return np.asarray(starts[thinned], dtype=np.int64)


def _power_by_block(x: FloatArray, size: int) -> Real:
    """Mean power of every ``size`` samples of ``x`` (time,), the last few left out."""
    count = max(len(x) // size, 1)
    blocks = x[: count * size].reshape(count, -1)
    return np.asarray(np.einsum("bt,bt->b", blocks, blocks) / size, dtype=np.float64)


def coarse_lags(dry: FloatArray, wet: FloatArray, rate: int, count: int, near: int = 0) -> list[int]:
    """The ``count`` likeliest lags of ``wet`` against ``dry`` in samples, best first, to some milliseconds.

    Correlates how the level of sixteen bands rises and falls, which survives distortion, inversion and clock drift.
    Of lags that fit alike, as with music in loops, the one closest to ``near`` is taken.
    """
    hop = max(8, round(HOP_SECONDS * rate))
    a, b = _band_levels(dry, hop), _band_levels(wet, hop)
    size = fft.next_fast_len(a.shape[1] + b.shape[1], real=True)
    cross = np.conj(fft.rfft(a, size)) * fft.rfft(b, size)
    score = fft.irfft(cross.sum(axis=0), size)
    # chance grows with the square root of the overlap; a sliver of overlap is worth no more for being short
    lags = np.arange(size)
    lags = np.where(lags >= b.shape[1], lags - size, lags)
    overlap = np.minimum(a.shape[1], b.shape[1] - lags) - np.maximum(0, -lags)
    least = max(min(a.shape[1], b.shape[1]) // 4, 20)
    score = np.where(overlap > 4, score / np.sqrt(np.maximum(overlap, least)), -np.inf)
    score *= 1 - 0.1 * np.abs(lags - near / hop) / size
    found = []
    for _ in range(count):
        top = int(np.argmax(score))
        found.append(int(lags[top]) * hop)
        score[np.abs(lags - lags[top]) < 20] = -np.inf
    return found


def phase_lag(dry: FloatArray, wet: FloatArray) -> int:
    """The lag in samples at which the phases of the two recordings, taken whole, agree best (no drift allowed for)."""
    size = fft.next_fast_len(len(dry) + len(wet), real=True)
    cross = np.conj(fft.rfft(dry, size)) * fft.rfft(wet, size)
    power = np.abs(cross)
    cross /= np.sqrt(power * ndimage.uniform_filter1d(power, 301)) + 1e-12 * float(power.max()) + 1e-30
    top = int(np.argmax(np.abs(fft.irfft(cross, size))))
    return top - size if top >= len(wet) else top


def _band_levels(x: FloatArray, hop: int) -> FloatArray:
    """How the log level of each band moves: (bands, frames), each band with mean 0, deviation 1, clipped at 3."""
    size = 4 * hop
    frames = max((len(x) - size) // hop + 1, 1)
    edges = np.unique(np.round(np.geomspace(2, size // 2, BANDS + 1)).astype(int))
    window = np.hanning(size).astype(np.float32)
    levels = np.empty((len(edges) - 1, frames), dtype=np.float32)
    padded = x if len(x) >= size else span(x, 0, size)
    views = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    for start in range(0, frames, 4096):
        power = np.abs(fft.rfft(views[start : start + 4096] * window, axis=1)) ** 2
        levels[:, start : start + 4096] = np.add.reduceat(power, edges[:-1], axis=1).T
    levels = np.log(levels + 1e-6 * np.maximum(levels.max(axis=1, keepdims=True), 1e-12))
    levels -= ndimage.uniform_filter1d(levels, 201, axis=1)
    levels /= levels.std(axis=1, keepdims=True) + 1e-6
    return np.asarray(np.clip(levels, -3, 3), dtype=np.float32)

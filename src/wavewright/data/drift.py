"""Two clocks that do not run alike: the line that the lags follow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled
from wavewright.data.correlate import Line, Real, Stretches

STEEPEST = 500e-6  # two sound cards differ by tens of ppm; beyond this the speed was changed on purpose
SHARPEN_REACH = 24  # samples at either end
SHARPEN_SPAN = 512


def search_line(stretches: Stretches, line: Line, steepest: float = STEEPEST) -> Line:
    """The line on which most energy of the stretches' correlations gathers.

    A Hough transform: for each slope the correlograms are sheared and summed, and the best lag is looked up. ``line``
    is the one along which the stretches were taken.
    """
    middles = stretches.starts + stretches.size / 8
    centre = float(np.mean(middles))
    reach = 3 * stretches.before // 4  # beyond it the spans are faded in
    decimation = max(1, stretches.size // 8192)
    whiten = 1 / np.sqrt(stretches.dry * stretches.wet + 1e-12 * float(np.max(stretches.dry * stretches.wet)) + 1e-30)
    rows = []
    for cross in stretches.cross:
        peaks = np.roll(fft.irfft(cross * whiten.astype(np.float32), stretches.size), reach)[: 2 * reach]
        energy = ndimage.uniform_filter1d(peaks**2, 3 * decimation)[::decimation]
        rows.append(energy / (energy.mean() + 1e-30))
    table = np.asarray(rows, dtype=np.float32)  # (count, lags)
    longest = max(float(np.max(np.abs(middles - centre))), 1.0)
    steps = min(math.ceil(steepest * longest / decimation), reach // decimation)
    best = (-np.inf, 0, 0.0)
    for step in range(-steps, steps + 1):
        slope = step * decimation / longest
        shears = np.round(slope * (middles - centre) / decimation).astype(int)
        total = _sheared_sum(table, shears)
        top = int(np.argmax(total))
        # a tie goes to the steadier clock
        height = float(total[top]) * (1 - 1e-6 * abs(step))
        if height > best[0]:
            best = (height, top, slope)
    _, top, slope = best
    lag_at_centre = float(line.at(centre)) + top * decimation - reach
    total_slope = line.slope + slope
    return Line(lag_at_centre - total_slope * centre, total_slope)


def sharpen_line(stretches: Stretches, line: Line) -> Line:
    """``line`` with the slope, within some samples at the ends, at which the stretches shifted by it add up to most.

    The responses are cut to a short span around their common peak, where a shift is a turn of few phases.
    """
    middles = stretches.starts + stretches.size / 8
    t = (middles - middles.mean()) / max(float(np.max(np.abs(middles - middles.mean()))), 1.0)
    whiten = (1 / np.sqrt(stretches.dry * stretches.wet + 1e-30)).astype(np.float32)
    responses = np.roll(fft.irfft(stretches.cross * whiten, stretches.size, axis=1), stretches.before, axis=1)
    width = min(SHARPEN_SPAN, stretches.size // 2)
    energy = ndimage.uniform_filter1d(np.mean(responses.astype(np.float64) ** 2, axis=0), 33)
    edge = stretches.before // 4
    first = edge + int(np.argmax(energy[edge : 2 * stretches.before])) - width // 2
    first = int(np.clip(first, 0, stretches.size - width))
    spectra = fft.rfft(responses[:, first : first + width] * np.hanning(width).astype(np.float32), axis=1)
    turn = 2j * np.pi * np.arange(spectra.shape[1]) / width
    ends = 0.0
    for candidates in (np.arange(-SHARPEN_REACH, SHARPEN_REACH + 1), np.arange(-9, 10) / 10):
        heights = [
            float(np.sum(np.abs(np.sum(spectra * np.exp(np.outer(t, turn * (ends + more))), axis=0)) ** 2))
            for more in candidates
        ]
        ends += float(candidates[int(np.argmax(heights))])
    slope = ends / max(float(np.max(np.abs(middles - middles.mean()))), 1.0)
    return Line(line.lag - slope * float(middles.mean()), line.slope + slope)


def refine_line(stretches: Stretches, line: Line) -> tuple[Line, float, float]:
    """``line`` corrected by the lags that the stretches still show: the line, its slope's error, the share that agree.

    Least squares over the stretches whose lags lie within three deviations of the rest. The error comes from the
    medians of twelve sections of the recording, as what is played shifts the lags of neighbours together.
    """
    lags, sharpness = stretches.residual_lags()
    middles = stretches.starts + stretches.size / 8
    weights = np.minimum(sharpness, 30.0) ** 2
    t = middles - float(np.average(middles, weights=weights))
    offset, slope = _weighted_median(lags, weights), 0.0
    for _ in range(12):
        errors = lags - offset - slope * t
        limit = max(3 * 1.4826 * _weighted_median(np.abs(errors), weights), 0.25)
        offset, slope = _fit(t, lags, weights * (np.abs(errors) <= limit))
    errors = lags - offset - slope * t
    agree = float(np.mean(np.abs(errors) <= max(8.0, stretches.size / 2048)))
    near = np.abs(errors) <= limit
    error = _slope_error(t[near], errors[near], weights[near])
    origin = float(middles[0] - t[0])
    return Line(line.lag + offset - slope * origin, line.slope + slope), error, agree


def _fit(t: Real, lags: Real, weights: Real) -> tuple[float, float]:
    """Weighted least squares: the lag at t = 0 and the slope."""
    total = max(float(np.sum(weights)), 1e-30)
    centre, level = float(np.sum(weights * t) / total), float(np.sum(weights * lags) / total)
    spread = float(np.sum(weights * (t - centre) ** 2))
    slope = float(np.sum(weights * (t - centre) * (lags - level)) / spread) if spread > 0 else 0.0
    return level - slope * centre, slope


def _slope_error(t: Real, errors: Real, weights: Real) -> float:
    """One standard error of a slope through ``errors``, each twelfth of them counted as one measurement."""
    parts = [part for part in np.array_split(np.argsort(t), 12) if len(part)]
    if len(parts) < 4:
        return float("inf")
    levels = np.array([_weighted_median(errors[part], weights[part]) for part in parts])
    centres = np.array([float(np.mean(t[part])) for part in parts])
    spread = max(float(np.sum((centres - centres.mean()) ** 2)), 1e-30)
    return float(np.sqrt(np.sum(levels**2) / (len(parts) - 2) / spread))


def _weighted_median(values: Real, weights: Real) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, 0.5 * share[-1])])


@compiled
def _sheared_sum(table: FloatArray, shears: NDArray[np.int64]) -> FloatArray:
    """Rows of ``table`` (rows, lags), each moved back by its shear around the ends, summed: (lags,)."""
    lags = table.shape[1]
    total = np.zeros(lags, dtype=np.float32)
    for r in range(table.shape[0]):
        turn = shears[r] % lags
        for i in range(lags - turn):
            total[i] += table[r, i + turn]
        for i in range(turn):
            total[lags - turn + i] += table[r, i]
    return total

"""A delay that wanders: tape that speeds up and slows down, clocks that drift this way and that.

The delay of overlapping stretches is measured against the device's own mean response (Hannan and Thomson's weighting,
as in `wavewright.data.correlate`). One stretch alone may mislead: silence shows any lag, a held tone shows one in every
period. So the delays are found together, as the path through all correlations that gathers most of them and bends least
(Viterbi, 1967), then refined between the samples, and smoothed by penalised least squares (Whittaker, 1923) that passes
movements up to `PASSES_HZ` and rejects outliers (Tukey's biweight). The wet recording is read along that path and
measured again, until nothing moves any more: what is left over is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, interpolate, linalg, ndimage

from wavewright.audio.recording import FloatArray
from wavewright.audio.warp import read_along, read_at
from wavewright.compiled import compiled
from wavewright.data.correlate import BATCH, Complex, Line, Real, Stretches, parabola, span, stretches

STRETCH_SECONDS = 0.085
REACH_SECONDS = 0.0015  # how far from the straight line the delay may wander, either way
PASSES_HZ = 3.0  # movements of the delay that are followed at half their size in one turn
STEEPEST = 0.002  # samples of delay a sample; wow of a millisecond at 0.3 Hz has this much
TURNS = 5
LOOKS, LOOK_SECONDS = 6, 8.0
SETTLED = 0.02  # samples: a turn that moves the path by no more is the last
SHARP = 3.0  # a correlation counts where its peak stands so many deviations out
STEADY = 0.5  # … or where this share of its spectrum agrees, ends cut through included
BEND = 0.5  # what a step of one sample costs the path, in squared deviations
MATTERS = 0.25  # samples rms: a smaller wander is left alone
SURE = 4.0  # … and one of fewer standard errors
GAIN = 0.995  # … and one whose removal leaves more than this share of what the linear response left unexplained


@dataclass(frozen=True, eq=False)
class Wander:
    """By how much the delay differs from the straight line, over the dry recording's time.

    ``times``: samples of the dry recording, (knots,), evenly spaced; ``lags``: samples, (knots,), positive where the
    wet recording is later than the line. ``rms`` and ``peak``: of the lags, in samples. ``error``: one standard error
    of a lag. ``residual``: rms in samples of the delays that single stretches still show once the path is taken out,
    what their measurement adds included. ``before`` and ``after``: the share of the wet recording that no linear
    response explains, without and with the correction. ``heard``: share of the stretches that could be measured.
    """

    times: Real
    lags: Real
    rms: float
    peak: float
    error: float
    residual: float
    before: float
    after: float
    heard: float

    @property
    def matters(self) -> bool:
        """Whether it is beyond doubt, large enough to harm, and a correction makes the pair fit better."""
        return self.rms > max(MATTERS, SURE * self.error) and self.after < GAIN * self.before

    def at(self, n: Real) -> Real:
        """The lag at samples ``n`` of the dry recording: cubic between the knots, straight on beyond them."""
        return _curve(self.times, self.lags, n)

    def to_dict(self, rate: int) -> dict[str, Any]:
        """The figures as plain values, ready for JSON, times also in µs at ``rate`` Hz; the path itself is left out."""
        lags = {"rms": self.rms, "peak": self.peak, "residual_rms": self.residual}
        return {
            **{f"{name}_samples": round(value, 3) for name, value in lags.items()},
            **{f"{name}_us": round(1e6 * value / rate, 2) for name, value in lags.items()},
            "unexplained_before": round(self.before, 4),
            "unexplained_after": round(self.after, 4),
            "heard": round(self.heard, 3),
        }


def track(dry: FloatArray, wet: FloatArray, rate: int, line: Line) -> tuple[Line, Wander] | None:
    """``line`` corrected, and how ``wet`` (time,) wanders around it, or None where too little can be measured.

    Both are taken as they are: hold their bass back first, as `wavewright.data.align` does.
    """
    length = 2 ** round(np.log2(STRETCH_SECONDS * rate))
    hop = length // 2
    starts = np.arange(0, len(dry) - length + 1, hop, dtype=np.int64)
    if len(starts) < 16:
        return None
    times = starts + length / 2
    path = np.zeros(len(starts))
    reach = round(REACH_SECONDS * rate)
    unexplained: list[float] = []
    for turn in range(TURNS):
        warped = _along(wet, line, times, path, len(dry))
        found = stretches(dry, warped, Line(0.0), (0, len(dry)), hop, 1200, groups=64)
        if found.count < 16:
            return None
        weight = _sharpening(found) if turn else _whitening(found)
        rows, steady, left_over = _correlations(dry, warped, found, weight, starts, length, reach)
        if not turn:
            rows, steady = np.sqrt(ndimage.uniform_filter1d(rows**2, 3, axis=1)), 0 * steady
        unexplained.append(left_over)
        if turn == 2 and left_over > GAIN * unexplained[0]:
            break  # nothing is won: more turns would only follow the noise
        steps = max(2, round(STEEPEST * hop))
        coarse = _best_path(rows, steps, BEND)
        lags, weights = _refined(rows, coarse, steady, reach)
        if np.count_nonzero(weights) < 16:
            return None
        smooth, scatter = _smoothed(lags, weights, hop / rate)
        left = float(np.sqrt(np.average(np.minimum(lags, 4 * reach) ** 2, weights=weights)))
        moved = float(np.sqrt(np.average((smooth - np.average(smooth, weights=weights)) ** 2, weights=weights)))
        if turn == TURNS - 1 or (turn and moved < SETTLED):
            break
        path += smooth
    slope, lag = (float(value) for value in np.polyfit(times, path, 1))
    path = path - lag - slope * times
    return Line(line.lag + lag, line.slope + slope), Wander(
        times=times,
        lags=path,
        rms=float(np.sqrt(np.mean(path**2))),
        peak=float(np.max(np.abs(path))),
        error=scatter,
        residual=left,
        before=unexplained[0],
        after=unexplained[-1],
        heard=float(np.mean(weights > 0)),
    )


def wanders(dry: FloatArray, wet: FloatArray, rate: int, line: Line) -> bool:
    """Whether ``wet`` seems to wander around ``line``, told from samples of the pair taken all over it.

    A clock that wanders does so everywhere; looking at `LOOKS` places costs a fraction of following a long recording.
    """
    seconds = len(dry) / rate
    if seconds > LOOKS * LOOK_SECONDS:
        frames = round(LOOK_SECONDS * rate)
        starts = np.linspace(0, len(dry) - frames, LOOKS).astype(int)
        pace = 1 + line.slope
        answers = [read_at(wet[None], s * pace + line.lag, pace, frames)[0] for s in starts]
        dry, wet, line = np.concatenate([dry[s : s + frames] for s in starts]), np.concatenate(answers), Line(0.0)
    found = track(dry, wet, rate, line)
    return found is not None and found[1].matters


def _curve(times: Real, lags: Real, n: Real) -> Real:
    spline = interpolate.CubicSpline(times, lags, bc_type="natural")
    inside = np.clip(n, times[0], times[-1])
    slopes = spline(times[[0, -1]], 1)
    beyond = np.where(n < times[0], slopes[0], slopes[1]) * (n - inside)
    return np.asarray(spline(inside) + beyond, dtype=np.float64)


def _along(wet: FloatArray, line: Line, times: Real, path: Real, frames: int) -> FloatArray:
    """``wet`` (time,) on the dry recording's time base: (frames,)."""
    straight: FloatArray = read_along(wet[None], lambda n: n + line.along(n) + _curve(times, path, n), frames)[0]
    return straight


def _whitening(found: Stretches) -> Complex:
    """The weight that makes a pulse of whatever two stretches have in common; all that serves as long as the delays
    are spread so far that the mean response is blurred."""
    product = found.dry * found.wet
    return np.asarray(1 / np.sqrt(product + 1e-12 * float(product.max()) + 1e-30), dtype=np.complex64)


def _sharpening(found: Stretches) -> Complex:
    """The weight of Hannan and Thomson with the mean response's own phase taken out."""
    mean = np.mean(found.cross, axis=0)
    coherence = np.minimum(found.coherence() + 1e-4, 0.999)
    power = np.sqrt(found.dry * found.wet + 1e-30) * np.maximum(np.abs(mean), 1e-30)
    return np.asarray(np.conj(mean) * coherence / (1 - coherence) / power, dtype=np.complex64)


def _correlations(
    dry: FloatArray,
    wet: FloatArray,
    found: Stretches,
    weight: Complex,
    starts: NDArray[np.int64],
    length: int,
    reach: int,
) -> tuple[FloatArray, FloatArray, float]:
    """Correlation of each stretch, its spectrum weighted, over lags −reach … reach in its deviations: (count, lags).

    The rows of stretches that are not heard in both recordings are zero. Also what makes a row's deviations those of
    the share of the stretch's spectrum that agrees, (count,): 1 where all of it does. And the share of the wet
    recording's energy that no linear response explains (its coherence with the dry one, weighted by its spectrum).
    """
    size, before = found.size, found.before
    ramp = np.exp(2j * np.pi * before * np.arange(size // 2 + 1) / size)
    template = (weight * ramp).astype(np.complex64)
    window = np.hanning(length).astype(np.float32)
    rows = np.zeros((len(starts), 2 * reach + 1), dtype=np.float32)
    steady = np.zeros(len(starts), dtype=np.float32)
    power = np.zeros((2, len(starts)))
    wide = min(4 * reach, size // 4)
    dry_power, wet_power = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1)
    cross = np.zeros(size // 2 + 1, dtype=np.complex128)
    for first in range(0, len(starts), BATCH):
        batch = starts[first : first + BATCH]
        x = np.stack([span(dry, int(start), length) for start in batch]) * window
        y = np.stack([span(wet, int(start) - before, size) for start in batch])
        part = slice(first, first + len(batch))
        power[0, part] = np.mean(x**2, axis=1)
        power[1, part] = np.mean(y[:, before : before + length] ** 2, axis=1)
        X, Y = fft.rfft(x, size, axis=1), fft.rfft(y[:, before : before + length] * window, size, axis=1)
        dry_power += np.sum(np.abs(X) ** 2, axis=0)
        wet_power += np.sum(np.abs(Y) ** 2, axis=0)
        cross += np.sum(np.conj(X) * Y, axis=0)
        scale = np.sqrt(np.sum(x**2, axis=1) * np.sum(y**2, axis=1) + 1e-30)[:, None]
        spectrum = np.conj(X) * fft.rfft(y, axis=1) * template / scale
        near = np.roll(fft.irfft(spectrum, size, axis=1), wide, axis=1)[:, : 2 * wide + 1]
        deviation = np.std(near, axis=1) + 1e-30
        rows[part] = near[:, wide - reach : wide + reach + 1] / deviation[:, None]
        steady[part] = deviation * size / (2 * np.sum(np.abs(spectrum), axis=1) + 1e-30)
    quiet = np.maximum(1e-7 * power.max(axis=1, keepdims=True), 1e-13)
    rows[np.any(power <= quiet, axis=0)] = 0
    explained = np.abs(cross) ** 2 / (dry_power + 1e-9 * dry_power.max() + 1e-30)
    return rows, steady, float(1 - explained.sum() / max(wet_power.sum(), 1e-30))


def _refined(rows: FloatArray, path: NDArray[np.int64], steady: FloatArray, reach: int) -> tuple[Real, Real]:
    """Sub-sample lags of the peaks next to the path, and their weights, zero for what cannot be trusted: (count,).

    A peak counts where it stands out. That of a held tone does not, but says as much: there nearly all of the spectrum
    agrees, and which of its periods is meant the path knows.
    """
    count, width = rows.shape
    lags, weights = np.zeros(count), np.zeros(count)
    for i in range(count):
        low, high = max(int(path[i]) - 3, 1), min(int(path[i]) + 4, width - 1)
        top = low + int(np.argmax(rows[i, low:high]))
        three = rows[i, top - 1 : top + 2]
        sharp = float(three[1])
        if sharp < max(three[0], three[2]) or (sharp < SHARP and sharp * steady[i] < STEADY):
            continue
        lags[i] = top + parabola(three) - reach
        weights[i] = np.clip(sharp, SHARP, 12.0) ** 2
    return lags, weights


def _smoothed(lags: Real, weights: Real, hop_seconds: float) -> tuple[Real, float]:
    """The smooth path through ``lags``, and its standard error in samples.

    Minimises Σ w (lag − path)² + λ Σ (second difference of path)². A sine of ω radians a knot comes out 1 / (1 + λ ω⁴)
    as large. A hundredth of the penalty goes to the first difference: it keeps the path from swinging out where nothing
    is heard.
    """
    knots = len(lags)
    omega = 2 * np.pi * PASSES_HZ * hop_seconds
    stiff = 1 / omega**4
    trust = weights / weights[weights > 0].mean()
    level = stiff * (0.1 * omega) ** 2
    bands = np.zeros((3, knots))  # diagonals of λ DᵀD, the main one last, as LAPACK keeps a symmetric band
    for place, value in enumerate((1.0, -2.0, 1.0)):
        bands[2, place : knots - 2 + place] += stiff * value**2
    bands[2, :-1] += level
    bands[2, 1:] += level
    bands[1, 1:] -= level
    bands[1, 1:-1] -= 2 * stiff
    bands[1, 2:] -= 2 * stiff
    bands[0, 2:] += stiff
    path = np.zeros(knots)
    robust = trust
    for _ in range(6):
        system = bands.copy()
        system[2] += robust + 1e-9
        path = np.asarray(linalg.solveh_banded(system, robust * lags))
        errors = lags - path
        limit = 4.685 * max(1.4826 * _median(np.abs(errors), trust), 0.02)
        robust = trust * np.clip(1 - (errors / limit) ** 2, 0, None) ** 2
    kept = max(float(robust.sum()), 1e-30)
    scatter = float(np.sqrt(np.sum(robust * errors**2) / kept))
    # so many knots share in one value of the path (the area under its response is about 1.1 / λ^¼ of the whole)
    shared = max(np.pi / (1.11 * omega), 1.0)
    return path, scatter / np.sqrt(shared)


def _median(values: Real, weights: Real) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, 0.5 * share[-1])])


@compiled
def _best_path(rows: FloatArray, steps: int, bend: float) -> NDArray[np.int64]:
    """The lag of each row, (count,), that gives the most in all, each step of ``d`` lags costing bend · d²."""
    count, width = rows.shape
    came_from = np.zeros((count, width), dtype=np.int16)
    total = np.zeros(width)
    after = np.zeros(width)
    for k in range(width):
        total[k] = max(rows[0, k], np.float32(0)) ** 2
    for i in range(1, count):
        for k in range(width):
            best, source = -np.inf, k
            for j in range(max(k - steps, 0), min(k + steps, width - 1) + 1):
                value = total[j] - bend * (k - j) ** 2
                if value > best or (value == best and abs(j - k) < abs(source - k)):
                    best, source = value, j
            height = min(max(rows[i, k], np.float32(0)), np.float32(12))
            after[k] = best + height**2
            came_from[i, k] = source
        total, after = after, total
    path = np.zeros(count, dtype=np.int64)
    path[-1] = np.argmax(total)
    for i in range(count - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path

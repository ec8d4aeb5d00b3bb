"""Sync clicks: found in the dry recording by their silence around them, and in the wet one by its first surprise.

The wet recording may still ring when a click comes, and it may hum. So its past is taken out by linear prediction, and
the click's arrival is the first sample that the past does not explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, signal

from wavewright.audio.recording import FloatArray
from wavewright.data.correlate import Line, Real, span

ENDS_SECONDS = 20.0  # clicks are looked for this close to either end
SILENCE_SECONDS = 0.01
LOUD = 0.05  # a click's peak is at least this share of full scale
FAINT = 0.01  # and what surrounds it at most this share of the peak
LONGEST_SECONDS = 0.0015
ORDER = 16
SHARE = 0.03


@dataclass(frozen=True)
class ClickScan:
    """``count`` clicks were answered ``after`` samples past the line (or before), within ``spread`` of each other."""

    after: float
    count: int
    spread: float


def find_clicks(dry: FloatArray, rate: int) -> list[int]:
    """Where the clicks near both ends of ``dry`` (time,) begin, in samples; empty where there are none."""
    reach = round(ENDS_SECONDS * rate)
    if len(dry) <= 2 * reach:
        return _clicks_in(dry, 0, rate)
    last = len(dry) - reach
    return _clicks_in(dry[:reach], 0, rate) + _clicks_in(dry[last:], last, rate)


def _clicks_in(x: FloatArray, offset: int, rate: int) -> list[int]:
    level = np.abs(x)
    gap = round(SILENCE_SECONDS * rate)
    longest = max(4, round(LONGEST_SECONDS * rate))
    peak = float(level.max(initial=0.0))
    if peak < LOUD:
        return []
    active = np.flatnonzero(level > FAINT * peak)
    firsts = active[np.flatnonzero(np.diff(active, prepend=-gap - 1) > gap)]
    lasts = active[np.flatnonzero(np.diff(active, append=len(x) + gap + 1) > gap)]
    found = []
    for first, last in zip(firsts, lasts, strict=True):
        height = float(level[first : last + 1].max())
        if last - first < longest and height >= max(LOUD, 0.3 * peak) and first >= gap and last + gap < len(x):
            found.append(offset + int(first) + onset(x[first - 8 : last + 9]) - 8)
    return found


def onset(x: Real | FloatArray, noise: float = 0.0) -> int:
    """The first sample of ``x`` that rises above ``noise`` and a few hundredths of its peak.

    A causal [1 2 1] / 4 removes the ringing at the Nyquist frequency that a fractional delay puts ahead of a click.
    """
    smooth = np.abs(signal.lfilter([0.25, 0.5, 0.25], [1.0], x))
    limit = max(SHARE * float(smooth.max(initial=0.0)), noise)
    return int(np.argmax(smooth > limit))


def scan_clicks(clicks: list[int], wet: FloatArray, line: Line, rate: int) -> ClickScan | None:
    """The lag at which ``wet`` (time,) first answers ``clicks``, looked for around ``line``; None where it does not.

    Answers are averaged, each weighted by how quiet it was before, as one click alone may fall into a hum or a tail.
    """
    past, ahead, reach = round(0.05 * rate), round(0.008 * rate), round(0.02 * rate)
    answers, noises, own, beyond = [], [], [], []
    for click in clicks:
        expected = click + line.at(click)
        start = int(np.ceil(expected - 1e-6)) - ahead
        known = min(past, start)
        if known < past // 5 or start + ahead + reach > len(wet):
            continue
        surprise, noise = _unexplained(span(wet, start - known, known + ahead + reach), known)
        if float(np.max(np.abs(surprise))) < 6 * noise:
            continue
        answers.append(surprise)
        noises.append(noise)
        own.append(onset(surprise, 1.5 * noise) - ahead)
        beyond.append(start + ahead - expected)
    if not answers:
        return None
    weights = 1 / np.maximum(np.array(noises), 1e-7) ** 2
    weights /= weights.sum()
    mean = np.tensordot(weights, np.array(answers), axes=1)
    noise = float(np.sqrt(np.sum((weights * np.array(noises)) ** 2)))
    after = onset(mean, 1.5 * noise) - ahead + (float(np.mean(beyond)) if line.slope == 0 else 0.0)
    return ClickScan(after, len(answers), float(max(own) - min(own)))


def _unexplained(x: FloatArray, past: int) -> tuple[Real, float]:
    """What linear prediction from the first ``past`` samples leaves of the rest, and its peak while nothing happens."""
    y = x.astype(np.float64) - np.mean(x[:past])
    quiet = y[:past] * np.hanning(past)
    energy = signal.correlate(quiet, quiet, method="fft")[past - 1 : past + ORDER]
    if energy[0] <= 1e-20:
        return y[past:], 0.0
    energy[0] *= 1 + 1e-6
    predictor = np.concatenate([[1.0], -linalg.solve_toeplitz(energy[:ORDER], energy[1 : ORDER + 1])])
    left = signal.lfilter(predictor, [1.0], y)
    return left[past:], float(np.max(np.abs(left[past // 4 : past])))

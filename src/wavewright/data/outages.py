"""Where a recording stands still at full scale: its converter, or the device, was driven out of its range altogether.

A wave that is too loud touches full scale at its peaks, for milliseconds. A stretch that stays there longer than
`SHORTEST_SECONDS` is no sound: a supply that has just been switched on, a coupling capacitor that charges, a blocked
stage. What comes behind it is not yet the device either: it recovers, and no single stretch tells how long that takes,
since there is sound upon it. Where there are several such outages, the sound averages out and the recovery stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.quality import FULL_SCALE

SHORTEST_SECONDS = 0.05
"""Half a period of 10 Hz."""
GUARD_SECONDS = 0.005
"""Left out before an outage, too: it begins where the trouble does, not where full scale is reached."""
STEP_SECONDS = 0.01
LONGEST_RECOVERY = 5.0
FEWEST = 8
"""Outages from which a recovery can be told; with fewer it is taken to be as long as the outage itself."""
BY_CHANCE = 4.0
"""Standard deviations of a mean that chance does not reach."""
LONGEST_FIT = 10
RECOVERED = 3e-3
"""Power of what is left of a recovery, over the sound's, at which it is over."""

Stretch = tuple[int, int]


def outages(wet: FloatArray, rate: int) -> list[Stretch]:
    """Stretches ``[start, stop)`` in samples of ``wet`` (channels, time) in which a channel stands at full scale.

    >>> x = np.zeros((1, 48_000), np.float32)
    >>> x[0, 10_000:20_000] = 1
    >>> outages(x, 48_000)
    [(10000, 20000)]
    """
    stuck = (np.abs(wet) >= FULL_SCALE).any(axis=0)
    edges = np.flatnonzero(np.diff(stuck, prepend=False, append=False)).reshape(-1, 2)
    long = edges[edges[:, 1] - edges[:, 0] >= SHORTEST_SECONDS * rate]
    return [(int(start), int(stop)) for start, stop in long]


def usable(wet: FloatArray, rate: int) -> list[Stretch] | None:
    """The stretches of ``wet`` (channels, time) between its outages, each from where the device has recovered.

    None where there are no outages: all of it is.
    """
    found = outages(wet, rate)
    if not found:
        return None
    settled = recovery(wet, rate, found)
    guard = round(GUARD_SECONDS * rate)
    ends = [start - guard for start, _ in found[1:]] + [wet.shape[1]]
    begins = [max(stop, start + settled) if settled else 2 * stop - start for start, stop in found]
    stretches = [(0, found[0][0] - guard), *zip(begins, ends, strict=True)]
    return [(start, stop) for start, stop in stretches if stop > start]


def recovery(wet: FloatArray, rate: int, found: Sequence[Stretch]) -> int:
    """Samples from the start of an outage to where the device answers as it always does; 0 where that cannot be told.

    The mean over all outages of what follows them, in steps of `STEP_SECONDS`, comes down to where it ends. As long as
    it can be told from chance it is followed; from there on it is taken to go on as it did, along an exponential.
    """
    starts = [start for start, _ in found]
    reach = int(np.median(np.diff(starts))) if len(starts) > 1 else 0
    step = round(STEP_SECONDS * rate)
    steps = min(reach, round(LONGEST_RECOVERY * rate)) // step
    whole = [start for start in starts if start + steps * step <= wet.shape[1]]
    if len(whole) < FEWEST or steps < 8:
        return 0
    answers = np.stack([_in_steps(wet[:, start : start + steps * step], step) for start in whole])
    last = max(1, steps // 8)
    away = np.abs(
        answers.mean(axis=0) - answers[:, -last:].mean()
    )  # (steps): the sound has gone, the recovery is there
    noise = float(answers[:, -last:].std()) / np.sqrt(len(whole))
    sound = np.mean([np.var(wet[:, start + (steps - last) * step : start + steps * step]) for start in whole])
    wanted = float(np.sqrt(RECOVERED * sound))
    told = np.flatnonzero(away > max(BY_CHANCE * noise, wanted))
    end = int(told[-1]) + 1 if len(told) else 1
    begin = max(int(np.flatnonzero(away[:end] > 0.5 * away.max())[-1]), end - LONGEST_FIT) if len(told) else end
    if end - begin >= 3 and BY_CHANCE * noise > wanted > 0:
        slope, level = np.polyfit(np.arange(begin, end), np.log(away[begin:end]), 1)
        if slope < 0:
            end = max(end, int(np.ceil((np.log(wanted) - level) / slope)))
    return min(end, steps) * step


def _in_steps(x: FloatArray, step: int) -> NDArray[np.float64]:
    """Means (steps) of ``x`` (channels, steps · step), the channel that stands out most."""
    means: NDArray[np.float64] = x.reshape(len(x), -1, step).mean(axis=2, dtype=np.float64)
    return np.asarray(means[int(np.argmax(np.abs(means).max(axis=1)))])


def within(stretches: Sequence[Stretch], start: int, stop: int) -> list[Stretch]:
    """The parts of ``stretches`` that lie in ``[start, stop)``.

    >>> within([(0, 5), (8, 20)], 3, 10)
    [(3, 5), (8, 10)]
    """
    cut = ((max(start, begin), min(stop, end)) for begin, end in stretches)
    return [(begin, end) for begin, end in cut if end > begin]


def widened(stretches: Sequence[Stretch], length: int, start: int, stop: int) -> list[Stretch]:
    """``stretches`` in ``[start, stop)``, each made at least ``length`` samples long, first to its front; what then
    overlaps is one.

    >>> widened([(2, 5), (20, 40)], 10, 0, 100)
    [(0, 10), (20, 40)]
    """
    joined: list[Stretch] = []
    for begin, end in within(stretches, start, stop):
        begin = max(start, min(begin, end - length))
        end = min(stop, max(end, begin + length))
        begin = max(start, min(begin, end - length))
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined

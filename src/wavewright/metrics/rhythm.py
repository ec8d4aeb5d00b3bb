"""Do loops keep their rhythm? The histogram of the time from onset to onset, and how far two sets are apart in it.

Intervals are compared by their logarithms: sixteenths in place of eighths are one octave away. A sound in which nothing
begins twice counts with one interval as long as itself, so that neither silence nor a drone goes unseen. What times
between onsets tell of rhythm: Dixon, "Automatic extraction of tempo and beat from expressive performances" (JNMR 2001).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.onsets import onsets
from wavewright.audio.recording import FloatArray

Float64Array = NDArray[np.float64]

SHORTEST, LONGEST = 0.05, 3.2
"""Seconds that the histogram spans: six octaves."""
BINS = 36
"""Six to the octave."""

RHYTHMIC = 4
"""Onsets of half of its sounds from which on a corpus is one of loops."""


def intervals_of(sounds: Iterable[FloatArray], rate: int) -> Float64Array:
    """log2 of the seconds from each onset to the next, of all ``sounds`` ``(time,)`` together."""
    found: list[Float64Array] = []
    for sound in sounds:
        seconds = np.diff(onsets(sound, rate)) / rate
        found.append(seconds if seconds.size else np.array([max(sound.size, 1) / rate]))
    return np.log2(np.concatenate(found)) if found else np.zeros(0)


def histogram(intervals: Float64Array) -> Float64Array:
    """Shares ``(BINS,)`` of intervals (log2 of seconds), from `SHORTEST` to `LONGEST`; what lies beyond is in the
    outermost.

    >>> shares = histogram(np.log2([0.25, 0.25, 0.5, 9.0]))
    >>> shares[shares > 0]
    array([0.5 , 0.25, 0.25])
    """
    if not intervals.size:
        return np.zeros(BINS)
    edges = np.linspace(np.log2(SHORTEST), np.log2(LONGEST), BINS + 1)
    inside = np.clip(intervals, edges[0], np.nextafter(edges[-1], 0))
    return np.histogram(inside, edges)[0] / intervals.size


def centres() -> Float64Array:
    """Seconds in the middle of each bin of `histogram`, ``(BINS,)``."""
    return np.asarray(SHORTEST * (LONGEST / SHORTEST) ** ((np.arange(BINS) + 0.5) / BINS))


def is_rhythmic(sounds: Iterable[FloatArray], rate: int) -> bool:
    """Whether half of the sounds have `RHYTHMIC` onsets or more: loops, and not one-shots."""
    counts = [len(onsets(sound, rate)) for sound in sounds]
    return bool(counts) and float(np.median(counts)) >= RHYTHMIC

"""Sounds end to end on a tape with silence between them, and the windows it is cut into: which sample comes where.

A network that sees ``context`` samples back computes those anew for every window. With windows of its own for every
sound, most of what is computed for short sounds lies behind their ends. So sounds share windows:

    sound · gap · sound · gap · …        each gap ``context`` samples long, a part of the sound behind it

What a network predicts in a sound rests on that sound and the silence before it alone. A window reads the ``context``
in front of its first sample from the tape: the gap, or what the sound was so far. Hence no window begins in a gap: one
that ends there is followed by one that begins with the next sound. Of all ways to cut a tape, this takes the fewest
windows.

Before the first sound lies silence without end, and belongs to that sound; so does what lies behind the last one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Pieces(NamedTuple):
    """Stretches of sounds and where they go, all ``(pieces,)``: ``frames`` samples of the sound with number ``sound``
    from its sample ``first`` on, to ``row`` from ``column`` on. Negative samples are the silence before a sound."""

    row: Indices
    column: Indices
    sound: Indices
    first: Indices
    frames: Indices

    @classmethod
    def rows(cls, sound: Indices, first: Indices, frames: int) -> Pieces:
        """One for each row."""
        rows = np.arange(len(sound))
        return cls(rows, np.zeros_like(rows), sound, first, np.full_like(rows, frames))

    def below(self, rows: int) -> Pieces:
        """The same, ``rows`` further down."""
        return self._replace(row=self.row + rows)


@dataclass(frozen=True)
class Tape:
    """Sounds in an ``order``, from ``begins`` up to ``ends``, all ``(sounds,)``.

    Example:
        >>> tape = Tape.of(np.array([70, 50, 20]), np.array([2, 0, 1]), context=10)
        >>> tape.begins, tape.ends
        (array([  0,  30, 110]), array([ 20, 100, 160]))
        >>> tape.windows(64)  # the second ends in the gap behind sample 100
        array([  0,  64, 128])
        >>> tape.windows(40)
        array([  0,  40,  80, 120])
    """

    order: Indices
    begins: Indices
    ends: Indices
    context: int

    @classmethod
    def of(cls, lengths: Indices, order: Indices, context: int) -> Tape:
        """The tape of sounds of these ``lengths`` in samples; the first begins at 0."""
        ends = np.cumsum(lengths[order] + context) - context
        return cls(order, ends - lengths[order], ends, context)

    def windows(self, length: int, first: int = 0) -> Indices:
        """Where windows of ``length`` begin that hold every sample of every sound once, the first of them at ``first``,
        which may be negative."""
        begins, ends = self.begins.tolist(), self.ends.tolist()
        windows, place, sound = [], first, 0
        while sound < len(ends):
            windows.append(place)
            place += length
            sound = bisect_right(ends, place, lo=sound)  # the one at this place, or behind the gap that is there
            place = max(place, begins[sound]) if sound < len(ends) else place
        return np.array(windows, dtype=np.int64)

    def pieces(self, windows: Indices, length: int) -> Pieces:
        """What lies in ``windows`` ``(rows,)``, the context in front of each included: ``context + length`` columns."""
        begin, end = windows - self.context, windows + length
        last = len(self.ends) - 1
        lowest = np.minimum(np.searchsorted(self.ends, begin, side="right"), last)
        highest = np.minimum(np.searchsorted(self.ends, end, side="left"), last)
        counts = highest - lowest + 1
        row = np.repeat(np.arange(len(windows)), counts)
        place = lowest[row] + within(counts)  # in the order
        start = np.where(place == lowest[row], begin[row], self.ends[place - 1])
        stop = np.where(place == highest[row], end[row], self.ends[place])
        return Pieces(row, start - begin[row], self.order[place], start - self.begins[place], stop - start)


def within(counts: Indices) -> Indices:
    """0 … n − 1 for each n of ``counts``, end to end.

    >>> within(np.array([3, 1, 2]))
    array([0, 1, 2, 0, 0, 1])
    """
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)

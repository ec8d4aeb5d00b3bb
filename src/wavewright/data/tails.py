"""Series with one long tail, such as rain, wind or sales, drawn halfway to a normal one before a process hears of them.

A normal process guesses the mean of what could have been, and a few cloudbursts make that mean a drizzle that never
falls. By their ranks alone, each value put where a normal one of the same rank would lie, such series are no strangers
to it, and its guess is their median (a Gaussian copula; Liu, Lafferty and Wasserman, "The Nonparanormal", 2009). But
there a small error far up the tail becomes a large one on the way back. Halfway between value and rank it at most
doubles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from wavewright.data.masks import Mask

Series = NDArray[np.float64]

ONE_SIDED = 4.0
"""A tail is long that reaches so many times further from the mean than the other end."""

KNOTS = 512
"""Values, at most, at which a tail is measured; straight lines lie between."""


@dataclass(frozen=True)
class Tails:
    """Which values become which: ``knots`` ``(3, count)``, series, value, and what becomes of it; both rise.

    A series of which nothing is said stays as it is. ``alike``: what is said of series 0 is said of all.

    >>> rain = np.array([[-0.1] * 90 + [0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0]])
    >>> tails = Tails.learn(rain, np.ones(rain.shape, bool))
    >>> tails.drawn(rain).max().round(1).item(), np.allclose(tails.back(tails.drawn(rain)), rain)
    (6.7, True)
    """

    knots: Series
    alike: bool = False

    @classmethod
    def learn(cls, scaled: Series, given: Mask, *, alike: bool = False) -> Tails:
        """Measure the long tails among series ``(series, time)`` of mean 0 and deviation 1, where they are ``given``.

        ``alike``: all series are examples of one.
        """
        rows = [scaled[given]] if alike else [row[there] for row, there in zip(scaled, given, strict=True)]
        found = []
        for number, row in enumerate(rows):
            value, counts = np.unique(row, return_counts=True)
            if not len(value) or max(value[-1], -value[0]) <= ONE_SIDED * min(value[-1], -value[0]):
                continue
            score = ndtri((np.cumsum(counts) - counts / 2) / len(row))
            score -= np.average(score, weights=counts)
            score /= max(1e-6, float(np.sqrt(np.average(score**2, weights=counts))))
            some = np.linspace(0, len(value) - 1, min(KNOTS, len(value))).round().astype(int)
            drawn = (value + score)[some] / 2
            found.append(np.stack([np.full(len(some), float(number)), value[some], drawn]))
        return cls(np.concatenate(found, axis=1) if found else np.empty((3, 0)), alike)

    def drawn(self, scaled: Series) -> Series:
        """Series ``(…, series, time)`` drawn halfway; NaN stays NaN."""
        return self._through(scaled, 1, 2)

    def back(self, drawn: Series) -> Series:
        """Series that were drawn, as they were."""
        return self._through(drawn, 2, 1)

    def _through(self, x: Series, of: int, to: int) -> Series:
        """By straight lines from knot to knot; beyond the last, value and rank no longer part."""
        out = np.array(x)
        slope = 0.5 if to == 2 else 2.0
        for number in np.unique(self.knots[0]).astype(int):
            knots = self.knots[:, self.knots[0] == number]
            at = ... if self.alike else (..., number, slice(None))
            inside = np.clip(x[at], knots[of, 0], knots[of, -1])
            out[at] = np.interp(inside, knots[of], knots[to]) + slope * (x[at] - inside)
        return out

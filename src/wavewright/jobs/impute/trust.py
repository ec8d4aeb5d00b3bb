"""How much of a network's correction is taken: as much as helped where values were hidden, for each length of gap.

Across a single missing value the first guess is as good as can be, and any correction noise; within a day of them the
network knows more. Of errors e that the first guess leaves, and corrections c, the share t that is taken has

    t = min(argmin Σ |e − t c|, argmin Σ (e − t c)²), within 0 and 1

Both sums are convex in t, so neither error is larger than it was without the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.data.bridge import CLASSES, LONG, kinds
from wavewright.data.masks import Mask

Values = NDArray[np.float64]

NAMES = tuple(f"trust_{first}" for first in (1, *LONG))
"""What figures call the share for gaps of one value, of two …: of so many, or more."""


@dataclass(frozen=True)
class Trust:
    """The share of a correction that is taken in gaps of each class of lengths, from 0 to 1."""

    shares: tuple[float, ...] = (1.0,) * CLASSES[1]

    @classmethod
    def measured(cls, error: Values, correction: Values, kind: NDArray[np.int64]) -> Trust:
        """What is best for hidden values ``(count,)``, of which ``kind`` says the class (`wavewright.data.bridge`).

        A class of which nothing was hidden is trusted as the next shorter one.

        >>> kind = np.zeros(4, int)
        >>> Trust.measured(np.array([1.0, -2, 3, 4]), np.array([2.0, -4, 6, 8]), kind).shares[0]
        0.5
        """
        shares: list[float] = []
        for number in range(CLASSES[1]):
            at = kind % CLASSES[1] == number
            shares.append(_share(error[at], correction[at]) if at.any() else (shares or [0.0])[-1])
        return cls(tuple(shares))

    @classmethod
    def told(cls, figures: Mapping[str, float]) -> Trust:
        """As the figures of a model have it."""
        return cls(tuple(float(figures.get(name, 1.0)) for name in NAMES))

    @property
    def figures(self) -> dict[str, float]:
        """By name."""
        return dict(zip(NAMES, self.shares, strict=True))

    def of(self, kind: NDArray[np.int64]) -> Values:
        """The share for each value of these classes."""
        return np.array(self.shares)[kind % CLASSES[1]]

    def where(self, shown: Mask) -> Values:
        """The share for each value ``(series, time)`` where only what is ``shown`` is known."""
        return self.of(kinds(shown))


WHOLE = Trust()
"""All that a network says."""


def _share(error: Values, correction: Values) -> float:
    squares = float(correction @ correction)
    if squares < 1e-12:
        return 0.0
    moved = correction != 0
    ratio, weight = error[moved] / correction[moved], np.abs(correction[moved])
    order = np.argsort(ratio)
    half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    median = float(ratio[order][min(int(half), len(order) - 1)])  # Σ |c| |e / c − t| is least at its weighted median
    return min(max(min(float(error @ correction) / squares, median), 0.0), 1.0)

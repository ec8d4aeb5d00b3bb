"""How far apart two sets of numbers are as distributions: the Wasserstein-1 (earth mover's) distance.

It is the area between the two distribution functions (Vallender, "Calculation of the Wasserstein distance between
probability distributions on the line", 1974), in the unit of the numbers themselves: a set moved by d is d away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def wasserstein(a: ArrayLike, b: ArrayLike) -> float:
    """∫ |F_a(x) − F_b(x)| dx between the values ``(n,)`` and ``(m,)``; NaN where either set is empty.

    >>> wasserstein([0, 1, 2], [5, 6, 7])
    5.0
    """
    first, second = np.sort(np.asarray(a, np.float64).ravel()), np.sort(np.asarray(b, np.float64).ravel())
    if not first.size or not second.size:
        return float("nan")
    every = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(one, every[:-1], side="right") / one.size for one in (first, second)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(every)))


def drawn_floor(a: ArrayLike, b: ArrayLike, count: int, draws: int = 20, seed: int = 0) -> float:
    """Mean distance from ``b`` of ``count`` values drawn from ``a`` without replacement: what so small a set is away by
    chance alone. NaN where either is empty.
    """
    first = np.asarray(a, np.float64).ravel()
    random = np.random.default_rng(seed)
    size = min(count, first.size)
    if not size:
        return float("nan")
    return float(np.mean([wasserstein(random.choice(first, size, replace=False), b) for _ in range(draws)]))


def parted_floor(values: ArrayLike, count: int, draws: int = 20, seed: int = 0) -> float:
    """Mean distance of ``count`` of the ``values``, half of them at most, from the others; NaN for fewer than two."""
    every = np.asarray(values, np.float64).ravel()
    random = np.random.default_rng(seed)
    size = min(count, every.size // 2)
    if not size:
        return float("nan")
    orders = [random.permutation(every) for _ in range(draws)]
    return float(np.mean([wasserstein(order[:size], order[size:]) for order in orders]))

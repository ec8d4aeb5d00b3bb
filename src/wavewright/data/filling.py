"""Simple ways to fill the gaps of series: what any learned one has to beat. No torch.

All take ``(series, time)`` with NaN in the gaps and give the same without them; what is given is never touched. A
series of which nothing is given becomes zeros.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Series = NDArray[np.float64]


def mean(values: Series) -> Series:
    """Every gap the mean of what its series gives.

    >>> mean(np.array([[1.0, np.nan, 3.0]]))
    array([[1., 2., 3.]])
    """
    given = ~np.isnan(values)
    count = given.sum(axis=-1, keepdims=True)
    average = np.where(given, values, 0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    return np.where(given, values, average)


def last(values: Series) -> Series:
    """Every gap the last value given before it; the first one where there is none before.

    >>> last(np.array([[np.nan, 1.0, np.nan, np.nan, 3.0]]))
    array([[1., 1., 1., 1., 3.]])
    """
    given = ~np.isnan(values)
    place = np.where(given, np.arange(values.shape[-1]), -1)
    before = np.maximum.accumulate(place, axis=-1)
    first = given.argmax(axis=-1)[:, None]
    filled = np.take_along_axis(values, np.where(before < 0, first, before), axis=-1)
    return np.nan_to_num(filled)


def linear(values: Series) -> Series:
    """A straight line from the value before a gap to the one behind it; level beyond the first and the last.

    >>> linear(np.array([[1.0, np.nan, np.nan, 4.0]]))
    array([[1., 2., 3., 4.]])
    """
    return _each(values, np.interp)


def spline(values: Series) -> Series:
    """A natural cubic spline through what is given; level beyond the first and the last."""

    def curve(at: Series, known: Series, told: Series) -> Series:
        if len(known) < 3:
            return np.asarray(np.interp(at, known, told))
        inside = np.clip(at, known[0], known[-1])
        return np.asarray(CubicSpline(known, told, bc_type="natural")(inside))

    return _each(values, curve)


def seasonal_naive(values: Series, season: int) -> Series:
    """Every gap the nearest given value a whole number of seasons before it, or behind it; else the straight line.

    >>> seasonal_naive(np.array([[1.0, 2.0, np.nan, 2.0, 1.0, np.nan]]), season=2)
    array([[1., 2., 1., 2., 1., 2.]])
    """
    filled = values.copy()
    missing = np.isnan(filled)
    for distance in range(season, values.shape[-1], season):
        if not missing.any():
            break
        for shift in (distance, -distance):
            other = np.full_like(values, np.nan)
            if shift > 0:
                other[:, shift:] = values[:, :-shift]
            else:
                other[:, :shift] = values[:, -shift:]
            found = missing & ~np.isnan(other)
            filled[found] = other[found]
            missing &= ~found
    return np.where(np.isnan(filled), linear(values), filled)


def _each(values: Series, curve: Callable[[Series, Series, Series], Series]) -> Series:
    filled = values.copy()
    for row in filled:
        gap = np.isnan(row)
        if gap.all():
            row[:] = 0
        elif gap.any():
            known = np.flatnonzero(~gap).astype(np.float64)
            row[gap] = curve(np.flatnonzero(gap).astype(np.float64), known, row[~gap])
    return filled

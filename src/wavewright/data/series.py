"""What a network hears of series with gaps: the series bridged, what of them is given, and the calendar. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.data.dates import DAY, YEAR
from wavewright.data.masks import Mask
from wavewright.data.tables import Table
from wavewright.errors import DataError

WEEK = 7 * DAY

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """Mean, standard deviation and range of each series, by what of it is given: networks hear numbers near 1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Scale:
        """The scale of ``values`` ``(series, time)``, NaN in the gaps; a series that never moves keeps its units."""
        given = ~np.isnan(values)
        count = np.maximum(given.sum(axis=1), 1)
        mean = np.where(given, values, 0).sum(axis=1) / count
        deviation = np.sqrt(np.where(given, np.square(values - mean[:, None]), 0).sum(axis=1) / count)
        still = deviation <= 1e-9 * np.abs(mean)
        lowest = np.where(given, values, np.inf).min(axis=1)
        highest = np.where(given, values, -np.inf).max(axis=1)
        none = ~given.any(axis=1)
        lowest[none] = highest[none] = 0.0
        parts = (mean, np.where(still, 1.0, deviation), lowest, highest)
        return cls(*(tuple(part.tolist()) for part in parts))

    @classmethod
    def read(cls, told: Mapping[str, Any], series: int) -> Scale:
        """What `to_dict` gave, of so many ``series``.

        Raises:
            TypeError, ValueError, AttributeError: it is none, or one of others.
        """
        scale = cls(**{name: tuple(map(float, part)) for name, part in told.items()})
        parts = np.array(list(vars(scale).values()))
        if parts.shape != (len(vars(scale)), series) or not np.isfinite(parts).all() or min(scale.deviation) <= 0:
            raise ValueError(f"a scale of {series} series has finite means, deviations above 0, and their ranges")
        return scale

    def within(self, guess: NDArray[np.float64], shown: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled guesses ``(series, time)`` of the first series, none beyond what it ever was or is ``shown`` to be.

        Rain does not fall below nothing, and humidity not above all.
        """
        rows = slice(len(guess))
        ends = [self.there(np.array(end)[:, None])[rows, 0] for end in (self.lowest, self.highest)]
        low = np.fmin(ends[0], np.fmin.reduce(shown, axis=1))
        high = np.fmax(ends[1], np.fmax.reduce(shown, axis=1))
        return np.clip(guess, low[:, None], high[:, None])

    def there(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` ``(series, time)`` as networks hear them."""
        return np.asarray((values - np.array(self.mean)[:, None]) / np.array(self.deviation)[:, None])

    def back(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """And in their own units again."""
        scaled = np.asarray(values, np.float64) * np.array(self.deviation)[:, None]
        return np.asarray(scaled + np.array(self.mean)[:, None])

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values, ready for JSON."""
        return {name: list(part) for name, part in vars(self).items()}


def cycles_of(table: Table) -> tuple[float, ...]:
    """Seconds of the day, the week and the year, as far as the grid of a table can show them; none without dates."""
    count = table.values.shape[1]
    return tuple(cycle for cycle in (DAY, WEEK, YEAR) if 0 < 4 * table.seconds <= cycle <= 2 * table.seconds * count)


def calendar(table: Table, cycles: Sequence[float]) -> FloatArray:
    """Sine and cosine of the time in each of these ``cycles``, ``(channels, time)``.

    Raises:
        DataError: there are cycles, but the table has no dates.
    """
    if cycles and not table.seconds:
        raise DataError(
            f"table {table.path} has no dates, and the run learned days or years; add its dates, or name them by --date"
        )
    count = table.values.shape[1]
    at = table.start + table.seconds * np.arange(count)
    rows = [turn(2 * np.pi * at / cycle) for cycle in cycles for turn in (np.sin, np.cos)]
    return np.asarray(rows, np.float32).reshape(len(rows), count)


def heard(bridged: NDArray[Any], given: Mask, when: FloatArray) -> FloatArray:
    """``(2 series + calendar, time)``: the series with a first guess in their gaps, what is given, the calendar."""
    return np.concatenate([bridged.astype(np.float32), given.astype(np.float32), when])

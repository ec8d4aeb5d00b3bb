"""What a network hears of series with gaps: the series bridged, what of them is given, and the calendar. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.data import filling
from wavewright.data.masks import Mask
from wavewright.data.tables import Table

DAY, WEEK, YEAR = 86_400.0, 604_800.0, 31_556_952.0

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each series, by what of it is given: networks hear numbers near 1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Scale:
        """The scale of ``values`` ``(series, time)``, NaN in the gaps; a series that never moves keeps its units."""
        deviation = np.nanstd(values, axis=1)
        return cls(tuple(np.nanmean(values, axis=1).tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist()))

    def there(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` ``(series, time)`` as networks hear them."""
        return np.asarray((values - np.array(self.mean)[:, None]) / np.array(self.deviation)[:, None])

    def back(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """And in their own units again."""
        scaled = np.asarray(values, np.float64) * np.array(self.deviation)[:, None]
        return np.asarray(scaled + np.array(self.mean)[:, None])

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values, ready for JSON."""
        return {"mean": list(self.mean), "deviation": list(self.deviation)}


def calendar(table: Table) -> FloatArray:
    """Sine and cosine of the time of day, week and year, ``(channels, time)``; only cycles that the grid can show.

    A table without dates has none.
    """
    count = table.values.shape[1]
    at = table.start + table.seconds * np.arange(count)
    rows = [
        turn(2 * np.pi * at / cycle)
        for cycle in (DAY, WEEK, YEAR)
        if 0 < 4 * table.seconds <= cycle <= 2 * table.seconds * count
        for turn in (np.sin, np.cos)
    ]
    return np.asarray(rows, np.float32).reshape(len(rows), count)


def heard(scaled: NDArray[np.float64], given: Mask, when: FloatArray) -> FloatArray:
    """``(2 series + calendar, time)``: bridged by straight lines where not ``given``, the mask, the calendar."""
    bridged = filling.linear(np.where(given, scaled, np.nan))
    return np.concatenate([bridged.astype(np.float32), given.astype(np.float32), when])

"""Dates of a table's rows: from text to seconds, from seconds to places on a grid. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import DataError

DAY, YEAR = 86_400.0, 31_556_952.0
PARTS = ("year", "month", "day", "hour", "minute", "second")
NAMES = ("date", "datetime", "time", "timestamp", "ds")
LAST = 2.5e11
"""Seconds beyond which a number is no date that the calendar knows."""

EMPTIEST = 50
"""Times of a grid for each moment there is, at most; beyond, the dates keep no such grid."""


def columns_with(names: Sequence[str]) -> list[str]:
    """The columns that say when: one with a name of `NAMES`, or parts of a date beginning with the year."""
    small = {name.lower(): name for name in names}
    for name in NAMES:
        if name in small:
            return [small[name]]
    parts = [small[part] for part in PARTS if part in small]
    return parts if "year" in small and len(parts) > 1 else []


@lru_cache(maxsize=1 << 20)
def moment(cells: tuple[str, ...]) -> float:
    """Seconds since 1970 of a date in one cell or in parts; a number is taken as it is. Without a zone it is UTC.

    Raises:
        ValueError: that is no date.

    >>> moment(("2016-07-01 13:00",)) - moment(("2016/07/01",)), moment(("2016", "7", "1")) == moment(("20160701",))
    (46800.0, True)
    """
    if len(cells) > 1:
        numbers = [int(float(cell)) for cell in cells]
        year, month, day, *clock = [*numbers, *[1] * (3 - len(numbers))]
        return datetime(year, month, day, *clock, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
    text = cells[0].strip()
    try:
        found = datetime.fromisoformat(text.replace("/", "-") if text[4:5] == "/" else text)
    except ValueError:
        number = float(text)
        if not np.isfinite(number):
            raise ValueError(f"{text} is no date") from None
        return number
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def said(seconds: float) -> str:
    """A moment in words.

    >>> said(moment(("2016-07-01 13:00",))), said(12.0)
    ('2016-07-01 13:00:00', '12')
    """
    if not 1e6 < abs(seconds) < LAST:
        return f"{seconds:g}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True)
class Grid:
    """``count`` times, ``seconds`` apart from ``start``, and the ``place`` of each row among them."""

    start: float
    seconds: float
    count: int
    place: NDArray[np.int64]
    told: tuple[str, ...]


def step_of(moments: NDArray[np.float64]) -> float:
    """Seconds from one to the next of sorted ``moments``: what most of them keep; months and years are mean ones."""
    if len(moments) < 2:
        return 1.0
    apart = np.diff(moments)
    steps, counts = np.unique(apart, return_counts=True)
    step = float(steps[counts.argmax()])
    months = (apart >= 28 * DAY) & (apart <= 31 * DAY)
    if apart.min() >= 28 * DAY and months.mean() >= 0.3:
        return YEAR / 12
    if counts.max() < 0.3 * len(apart):
        step = float(np.median(apart))
    return YEAR if 365 * DAY <= step <= 366 * DAY else step


def grid_of(table: str, times: NDArray[np.float64], step: float = 0.0) -> Grid:
    """The grid that ``times`` keep, with a ``step`` in seconds or their own where it is 0.

    Raises:
        DataError: they keep none.
    """
    moments = np.unique(times)
    told = []
    own = step or step_of(moments)
    steps = np.round((moments[-1] - moments[0]) / own)  # may be more than an integer holds
    if not steps < EMPTIEST * len(moments) + EMPTIEST:
        raise DataError(
            f"{table}: {len(moments):,} dates on a grid of {own:g} s would leave {steps + 1 - len(moments):,.0f} gaps "
            f"between {said(float(moments[0]))} and {said(float(moments[-1]))}; give the step in seconds by --every"
        )
    place, count = np.round((times - moments[0]) / own).astype(np.int64), int(steps) + 1
    off = int(np.count_nonzero(np.abs(times - moments[0] - place * own) > (0.07 if own > 27 * DAY else 1e-6) * own))
    if off:
        told.append(f"{off} dates moved to the nearest of a grid of {own:g} s")
    missing = count - len(np.unique(place))
    if missing:
        told.append(f"{missing} of {count} times have no row: gaps")
    return Grid(float(moments[0]), own, count, place, tuple(told))


def refuse_twice(
    table: str,
    grid: Grid,
    times: NDArray[np.float64],
    series: NDArray[np.int64] | None,
    row: Callable[[int], int],
) -> None:
    """Raise `DataError` where two rows of one series (all of one, where None) stand at one time of the grid."""
    number = np.zeros(len(times), np.int64) if series is None else series
    order = np.lexsort((grid.place, number))
    same = (np.diff(grid.place[order]) == 0) & (np.diff(number[order]) == 0)
    if not same.any():
        return
    first, second = sorted(order[np.flatnonzero(same)[0] + np.array([0, 1])].tolist())
    remedy = "name the columns that tell the series of a long table apart by --keys"
    if series is not None:
        remedy = "have such rows averaged by --combine mean"
    what = "the same date" if series is None else "the same date and the same keys"
    raise DataError(
        f"{table}: rows {row(first)} and {row(second)} have {what}, {said(float(times[first]))}"
        f"{'' if times[first] == times[second] else f' on a grid of {grid.seconds:g} s'}; keep one of them, or "
        f"{remedy}"
    )

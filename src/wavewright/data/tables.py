"""Tables as series on one grid of time: whatever a .csv or a .parquet file holds, with NaN where nothing is known.

A *wide* table has a column for each series and a row for each time; a *long* one has a row for each value, with its
series named in other columns. Times may come in any order, with rows missing; they are put on the grid whose step most
of them keep. Which cell every value came from is kept, so that gaps can be filled in the file itself.

A table is read a few thousand rows at a time, and only the numbers of the columns that are wanted are kept: a long one
of hundreds of millions of rows, combined into some thousand series, needs memory for the series alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.data import dates, table_columns, table_text
from wavewright.data.dates import Grid
from wavewright.data.table_columns import Numbers
from wavewright.data.table_text import Dialect
from wavewright.errors import DataError, SettingsError
from wavewright.settings import checked, did_you_mean, setting

COUNTERS = ("", "#", "no", "nr", "id", "index", "row", "unnamed: 0")
COMBINED = ("none", "mean", "sum")
LARGEST = 500_000_000
"""Values, series by times, that a table may hold: 4 GB of them."""
LARGEST_NUMBER = 1e100
"""Values beyond it, either way, are refused: the sum of their squares would be infinite."""
PENDING = 1 << 22
"""Rows of a long table after which those of one series and date are combined."""

POINTS = Dialect()
Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class TableSettings:
    """How a table is to be read. The defaults find dates and series by themselves."""

    columns: tuple[str, ...] = setting((), "the series, by their columns' names; absent: all columns of numbers")
    date: str = setting("", "the column with the time, or several: year,month,day,hour; absent: found by name")
    every: float = setting(0.0, "seconds from one time to the next; 0: what most of the dates keep", low=0)
    before: str = setting("", "only rows whose date lies before this one")
    keys: tuple[str, ...] = setting((), "columns that name the series: the table is long, a row for each value")
    value: str = setting("", "the column of a long table that holds the values")
    combine: str = setting(
        "none", "rows of a long table with the same keys and date become one; none: refused", choices=COMBINED
    )
    least_given: int = setting(0, "series of a long table with fewer values than this are left out", low=0)
    sentinels: tuple[str, ...] = setting((), "further texts or numbers that mean nothing is known, such as -999")


@dataclass(frozen=True)
class Table:
    """Series on a grid.

    ``values`` ``(series, time)`` float64, NaN in the gaps. ``seconds`` between two times of the grid; 0 where the table
    has no dates and rows are counted. ``row`` ``(series, time)`` and ``column`` ``(series,)``: the cell of each value,
    row −1 where the table has none.
    """

    path: Path
    names: tuple[str, ...]
    values: Values
    start: float
    seconds: float
    row: Rows
    column: Rows
    told: tuple[str, ...] = ()
    """What was done to times and columns, in words."""
    dialect: Dialect = POINTS

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which values are known."""
        return ~np.isnan(self.values)

    def only(self, names: Sequence[str]) -> Table:
        """The same with the series of these ``names``, in their order."""
        places = [self.names.index(name) for name in names]
        return replace(
            self, names=tuple(names), values=self.values[places], row=self.row[places], column=self.column[places]
        )


def columns_of(path: Path) -> tuple[str, ...]:
    """The names of a table's columns.

    Raises:
        DataError: there is no such table, or it has no names.
    """
    return tuple(table_columns.names_of(path))


def read(path: Path, settings: TableSettings = TableSettings(), *, step: float = 0.0, empty: bool = False) -> Table:
    """The series of a table.

    Args:
        path: a .csv or a .parquet file.
        settings: how to read it.
        step: seconds of the grid it must keep; 0 for its own.
        empty: whether a series may be all gaps.

    Raises:
        DataError: no table, no numbers, or some beyond `LARGEST_NUMBER`; dates given twice or that cannot be read; a
            series of all gaps.
        SettingsError: columns that the table does not have.
    """
    checked(settings)
    path = Path(path)
    names = table_columns.names_of(path)
    dialect = POINTS if table_columns.is_parquet(path) else table_text.dialect_of(path)
    _refuse_columns(path, names, settings)
    when = _split(settings.date) or dates.columns_with(names)
    if (settings.keys and not (when and settings.value)) or (settings.before and not when):
        raise SettingsError(
            [f"table {path} with --keys is long: name its column of values by --value, and that of its dates by --date"]
            if settings.keys
            else [f"table {path} has no dates, so that none lies before {settings.before}; name them by --date"]
        )
    numbers = Numbers(settings.sentinels, dialect.decimal)
    reader = _Reader(path, names, when, settings, dialect, numbers)
    table = reader.long(step) if settings.keys else reader.wide(step)
    if not table.names:
        raise DataError(f"table {path} has no column of numbers; a series is a column of numbers, gaps allowed")
    bare = [name for name, known in zip(table.names, table.given, strict=True) if not known.any()]
    if bare and not empty:
        remedy = "take its rows out" if settings.keys else "leave it out by naming the others with --columns"
        raise DataError(f"table {path}: series {bare[0]!r} is all gaps, nothing can be learned of it; {remedy}")
    _refuse_endless(table)
    told = table.told + ((f"{numbers.infinite} infinite values count as gaps",) if numbers.infinite else ())
    return replace(table, told=told, dialect=dialect)


def summary(table: Table) -> dict[str, Any]:
    """What the table holds, for logs and machines."""
    return {
        "series": list(table.names),
        "times": table.values.shape[1],
        "seconds": table.seconds,
        "missing": float(np.isnan(table.values).mean()),
        "told": list(table.told),
    }


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _refuse_columns(path: Path, names: Sequence[str], settings: TableSettings) -> None:
    value = [settings.value] if settings.value else []
    unknown = [
        f"table {path} has no column {name!r}: {did_you_mean(name, names)}"
        for name in (*settings.columns, *settings.keys, *_split(settings.date), *value)
        if name not in names
    ]
    if unknown:
        raise SettingsError(unknown)


def _refuse_endless(table: Table) -> None:
    """Raise `DataError` where a value is so large that a computer cannot square and sum it."""
    largest = np.fmax(np.fmax.reduce(table.values, axis=1), -np.fmin.reduce(table.values, axis=1))
    endless = np.flatnonzero(largest > LARGEST_NUMBER)
    if len(endless):
        raise DataError(
            f"table {table.path}: series {table.names[endless[0]]!r} holds {largest[endless[0]]:g}, and numbers beyond "
            f"{LARGEST_NUMBER:g} cannot be reckoned with; call it a gap by --sentinels, or tell the column in other "
            "units"
        )


@dataclass
class _Reader:
    """One way through a file: what is wanted of it, and where it is."""

    path: Path
    names: list[str]
    when: list[str]
    settings: TableSettings
    dialect: Dialect
    numbers: Numbers

    def wide(self, step: float) -> Table:
        """A column for each series."""
        wanted = list(self.settings.columns) or [name for name in self.names if name not in self.when]
        parts: dict[str, list[Values]] = {name: [] for name in wanted}
        told, times, rows, count = [], [], [], 0
        for chunk in table_columns.chunks(self.path, [*wanted, *self.when], self.names, self.dialect, self.when):
            moments, inside = self._moments(chunk, count)
            for name in list(parts):
                found = self.numbers.of(chunk[name])
                if isinstance(found, str):
                    if self.settings.columns:
                        raise DataError(
                            f"table {self.path}: column {name!r} holds {found!r}, which is no number; mend it, call it "
                            "a gap by --sentinels, or leave the column out"
                        )
                    told.append(f"column {name!r} is left out: it holds {found!r}, which is no number")
                    del parts[name]
                    continue
                parts[name].append(found[inside])
            count += len(inside)
            rows.append(np.flatnonzero(inside) + count - len(inside))
            times.append(moments[inside])
            self._refuse_size(len(parts), count)
        place = np.concatenate(rows) if rows else np.empty(0, np.int64)
        if not len(place):
            raise self._no_rows()
        series = {name: np.concatenate(part) for name, part in parts.items()}
        if not self.settings.columns:
            series = {name: values for name, values in series.items() if not _counts(name, values)}
        grid = (
            self._grid(np.concatenate(times), step)
            if self.when
            else Grid(0.0, 0.0, len(place), np.arange(len(place)), ())
        )
        if self.when:
            dates.refuse_twice(f"table {self.path}", grid, np.concatenate(times), None, lambda at: int(place[at]) + 2)
        self._refuse_size(len(series), grid.count)
        values = np.full((len(series), grid.count), np.nan)
        row = np.full((len(series), grid.count), -1, np.int64)
        for number, one in enumerate(series.values()):
            values[number, grid.place] = one
            row[number, grid.place] = place
        column = np.array([self.names.index(name) for name in series], np.int64)
        return Table(self.path, tuple(series), values, grid.start, grid.seconds, row, column, (*told, *grid.told))

    def long(self, step: float) -> Table:
        """A row for each value, its series named by keys."""
        keys: dict[str, int] = {}
        rows, count, combined = _Long(self.settings.combine), 0, self.settings.combine != "none"
        wanted = [*self.settings.keys, self.settings.value, *self.when]
        for chunk in table_columns.chunks(self.path, list(dict.fromkeys(wanted)), self.names, self.dialect, self.when):
            moments, inside = self._moments(chunk, count)
            found = self.numbers.of(chunk[self.settings.value])
            if isinstance(found, str):
                raise DataError(
                    f"table {self.path}: column {self.settings.value!r} holds {found!r}, which is no number"
                )
            labels = [
                "/".join(map(_word, parts)) for parts in zip(*(chunk[name] for name in self.settings.keys), strict=True)
            ]
            series = np.fromiter((keys.setdefault(label, len(keys)) for label in labels), np.int64, len(labels))
            rows.add(series[inside], moments[inside], found[inside], np.flatnonzero(inside) + count)
            count += len(inside)
            self._refuse_size(1, rows.count)
        series, times, values, place = rows.all()
        if not len(series):
            raise self._no_rows()
        known = np.bincount(series[~np.isnan(values)], minlength=len(keys))
        kept = np.flatnonzero(known >= self.settings.least_given) if self.settings.least_given else np.unique(series)
        if not len(kept):
            raise DataError(
                f"table {self.path}: no series has {self.settings.least_given} values, the most is {known.max()}; ask "
                "for fewer by --least-given"
            )
        number = np.full(len(keys), -1)
        number[kept] = np.arange(len(kept))
        stay = number[series] >= 0
        series, times, values, place = number[series[stay]], times[stay], values[stay], place[stay]
        grid = self._grid(times, step)
        if not combined:
            dates.refuse_twice(f"table {self.path}", grid, times, series, lambda at: int(place[at]) + 2)
        self._refuse_size(len(kept), grid.count)
        out = np.full((len(kept), grid.count), np.nan)
        cell = np.full((len(kept), grid.count), -1, np.int64)
        out[series, grid.place] = values
        cell[series, grid.place] = -1 if combined else place
        labels = list(keys)
        column = np.full(len(kept), self.names.index(self.settings.value))
        told = grid.told
        if len(kept) < len(keys):
            told = (
                *told,
                f"{len(keys) - len(kept)} of {len(keys)} series have fewer than {self.settings.least_given} "
                "values and are left out",
            )
        return Table(self.path, tuple(labels[one] for one in kept), out, grid.start, grid.seconds, cell, column, told)

    def _moments(self, chunk: dict[str, Any], count: int) -> tuple[Values, NDArray[np.bool_]]:
        """When the rows of a chunk are, and which of them lie before the end that was asked for."""
        length = len(next(iter(chunk.values())))
        if not self.when:
            return np.zeros(length), np.ones(length, bool)
        found = table_columns.moments(self.path, {name: chunk[name] for name in self.when}, count + 2)
        if not self.settings.before:
            return found, np.ones(length, bool)
        try:
            return found, found < dates.moment((self.settings.before,))
        except ValueError as error:
            raise SettingsError([f"before = {self.settings.before!r} is no date such as 2016-07-01"]) from error

    def _grid(self, times: Values, step: float) -> Grid:
        grid = dates.grid_of(f"table {self.path}", times, step or self.settings.every)
        own = dates.step_of(np.unique(times))
        if step and len(times) > 2 and own < 0.99 * step and not self.settings.every:
            raise DataError(
                f"table {self.path} has a date every {own:g} s, the run learned from one every {step:g} s; give a "
                "table with those steps, or train on this one"
            )
        return grid

    def _no_rows(self) -> DataError:
        before = self.settings.before
        return DataError(f"table {self.path} has no rows " + (f"before {before}" if before else "below its names"))

    def _refuse_size(self, series: int, count: int) -> None:
        if series * count > LARGEST:
            raise DataError(
                f"table {self.path}: {series:,} series of {count:,} times are {series * count:,} values, at most "
                f"{LARGEST:,} can be held; choose fewer by --columns or --before, or split the file"
            )


class _Long:
    """Rows of a long table: kept as they are, or those of one series and date combined as they come."""

    def __init__(self, combine: str) -> None:
        self.combine = combine
        self.parts: list[tuple[Rows, Values, Values, Rows]] = []
        self.count = self.fresh = 0

    def add(self, series: Rows, times: Values, values: Values, place: Rows) -> None:
        """More rows. While combining, the last of the four counts how many values are in a sum."""
        if self.combine != "none":
            known = ~np.isnan(values)
            series, times, values, place = series[known], times[known], values[known], np.ones(known.sum(), np.int64)
        self.parts.append((series, times, values, place))
        self.count += len(series)
        self.fresh += len(series)
        if self.combine != "none" and self.fresh > PENDING:
            self._gather()

    def _gather(self) -> None:
        """One row for each series and date: the sum of its values, and how many they are."""
        series, times, values, counts = self._joined()
        order = np.lexsort((times, series))
        series, times, values, counts = series[order], times[order], values[order], counts[order]
        new = np.ones(len(series), bool)
        new[1:] = (np.diff(series) != 0) | (np.diff(times) != 0)
        begin = np.flatnonzero(new)
        if len(begin):
            self.parts = [(series[begin], times[begin], np.add.reduceat(values, begin), np.add.reduceat(counts, begin))]
        self.count, self.fresh = len(begin), 0

    def _joined(self) -> tuple[Rows, Values, Values, Rows]:
        if not self.parts:
            none = np.empty(0, np.int64)
            return none, np.empty(0), np.empty(0), none
        first, second, third, fourth = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        return first, second, third, fourth

    def all(self) -> tuple[Rows, Values, Values, Rows]:
        """Series, times, values and rows of the file; where rows were combined there is no such row."""
        if self.combine == "none":
            return self._joined()
        self._gather()
        series, times, values, counts = self._joined()
        return series, times, values / counts if self.combine == "mean" else values, counts


def _word(key: object) -> str:
    return f"{key:g}" if isinstance(key, float) else str(key).strip()


def _counts(name: str, numbers: Values) -> bool:
    """Whether a column only numbers the rows."""
    return name.lower() in COUNTERS and bool((np.diff(numbers) == 1).all())

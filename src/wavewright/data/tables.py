"""Tables as series on one grid of time: whatever a .csv or a .parquet file holds, with NaN where nothing is known.

A *wide* table has a column for each series and a row for each time; a *long* one has a row for each value, with its
series named in other columns. Times may come in any order, with rows missing; they are put on the grid whose step most
of them keep. Which cell every value came from is kept, so that gaps can be filled in the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.data import table_text
from wavewright.errors import DataError, SettingsError
from wavewright.settings import checked, did_you_mean, setting

NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""What a cell says that knows nothing, in small letters."""

DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")
DATE_NAMES = ("date", "datetime", "time", "timestamp", "ds")
COUNTERS = ("", "#", "no", "nr", "id", "index", "row", "unnamed: 0")
LARGEST = 500_000_000
"""Values, series by times, that a table may hold: 4 GB of them."""


@dataclass(frozen=True)
class TableSettings:
    """How a table is to be read. The defaults find dates and series by themselves."""

    columns: tuple[str, ...] = setting((), "the series, by their columns' names; absent: all columns of numbers")
    date: str = setting("", "the column with the time, or several: year,month,day,hour; absent: found by name")
    keys: tuple[str, ...] = setting((), "columns that name the series: the table is long, a row for each value")
    value: str = setting("", "the column of a long table that holds the values")
    sentinels: tuple[str, ...] = setting((), "further texts that mean nothing is known, such as -999")


@dataclass(frozen=True)
class Table:
    """Series on a grid.

    ``values`` ``(series, time)`` float64, NaN in the gaps. ``seconds`` between two times of the grid; 0 where the table
    has no dates and rows are counted. ``row`` ``(series, time)`` and ``column`` ``(series,)``: the cell of each value,
    row −1 where the table has none.
    """

    path: Path
    names: tuple[str, ...]
    values: NDArray[np.float64]
    start: float
    seconds: float
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    told: tuple[str, ...] = ()
    """What was done to the times, in words."""

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which values are known."""
        return ~np.isnan(self.values)


def read(path: Path, settings: TableSettings = TableSettings()) -> Table:
    """The series of a table.

    Raises:
        DataError: no table, no numbers, dates given twice or that cannot be read, or a series of all gaps.
        SettingsError: columns that the table does not have.
    """
    checked(settings)
    names, cells = _cells(path)
    unknown = [
        f"column {name!r}: {did_you_mean(name, names)}"
        for name in (*settings.columns, *settings.keys, *_split(settings.date), *_split(settings.value))
        if name not in names
    ]
    if unknown:
        raise SettingsError([f"table {path} has no {what}" for what in unknown])
    nothing = NOTHING | {text.strip().lower() for text in settings.sentinels}
    dates = _date_columns(names, settings)
    times = _times(path, [cells[names.index(name)] for name in dates], dates) if dates else None
    if settings.keys:
        return _long(path, names, cells, times, settings, nothing)
    return _wide(path, names, cells, times, settings, nothing, dates)


# ── cells ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """The columns' names, and the text of each column."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    lines = table_text.rows(path, table_text.delimiter_of(path))
    names = [name.strip() for name in next(lines)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"table {path} has two columns named {twice[0]!r}; give each a name of its own")
    columns: list[list[str]] = [[] for _ in names]
    for cells in lines:
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    if not columns[0]:
        raise DataError(f"table {path} has no rows below its names")
    return names, columns


def _parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(f"table {path}: reading it needs pip install 'wavewright[tables]'; or save as .csv") from error
    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"table {path} is no .parquet file that can be read ({error}); save it anew") from error
    return list(table.column_names), [
        ["" if cell is None else str(cell) for cell in table.column(name).to_pylist()] for name in table.column_names
    ]


def _numbers(cells: Sequence[str], nothing: frozenset[str]) -> NDArray[np.float64] | None:
    """A column as numbers, NaN where it says nothing; None where a cell is something else."""
    found = np.empty(len(cells))
    for place, cell in enumerate(cells):
        text = cell.strip()
        if text.lower() in nothing:
            found[place] = np.nan
            continue
        try:
            found[place] = float(text)
        except ValueError:
            return None
    found[np.isinf(found)] = np.nan
    return found


# ── times ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _date_columns(names: Sequence[str], settings: TableSettings) -> list[str]:
    """The columns that say when: as told, by a name of `DATE_NAMES`, or parts of a date beginning with the year."""
    if settings.date:
        return _split(settings.date)
    small = {name.lower(): name for name in names}
    for name in DATE_NAMES:
        if name in small:
            return [small[name]]
    parts = [small[part] for part in DATE_PARTS if part in small]
    return parts if "year" in small and len(parts) > 1 else []


def _times(path: Path, columns: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.float64]:
    """Seconds since 1970 of each row."""
    found = np.empty(len(columns[0]))
    for place, cells in enumerate(zip(*columns, strict=True)):
        try:
            found[place] = _moment(cells)
        except (ValueError, OverflowError) as error:
            said = " ".join(cells)
            raise DataError(
                f"table {path}, row {place + 2}: {said!r} in {', '.join(names)} is no date such as 2016-07-01 13:00, "
                "nor a number; mend it, or name the column with the dates by --date"
            ) from error
    return found


def _moment(cells: Sequence[str]) -> float:
    if len(cells) > 1:
        numbers = [int(float(cell)) for cell in cells]
        year, month, day, *clock = [*numbers, *[1] * (3 - len(numbers))]
        return datetime(year, month, day, *clock, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
    text = cells[0].strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class _Grid:
    start: float
    seconds: float
    count: int
    place: NDArray[np.int64]
    told: tuple[str, ...]


def _grid(path: Path, times: NDArray[np.float64], where: NDArray[np.int64] | None = None) -> _Grid:
    """The grid that most neighbouring times keep, and the place of each row on it.

    ``where`` numbers each row's series; only rows of one series may not share a time.
    """
    series = np.zeros(len(times), np.int64) if where is None else where
    moments = np.unique(times)
    if len(moments) == 1:
        step = 1.0
    else:
        steps, counts = np.unique(np.diff(moments), return_counts=True)
        step = float(steps[counts.argmax()])
    place = np.round((times - moments[0]) / step).astype(np.int64)
    off = int(np.count_nonzero(np.abs(times - moments[0] - place * step) > 1e-6 * step))
    count = int(place.max()) + 1
    order = np.lexsort((place, series))
    same = (np.diff(place[order]) == 0) & (np.diff(series[order]) == 0)
    if same.any():
        first, second = sorted(order[np.flatnonzero(same)[0] + np.array([0, 1])].tolist())
        raise DataError(
            f"table {path}: rows {first + 2} and {second + 2} have the same date, {_said(times[first])}"
            f"{'' if times[first] == times[second] else ' on the grid'}; keep one of them, or name the columns that "
            "tell the series apart by --keys"
        )
    told = []
    if off:
        told.append(f"{off} dates moved to the nearest of a grid of {step:g} s")
    missing = count - len(np.unique(place))
    if missing:
        told.append(f"{missing} of {count} times have no row: gaps")
    return _Grid(float(moments[0]), step, count, place, tuple(told))


def _said(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}" if seconds > 1e6 else f"{seconds:g}"


# ── series ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _wide(
    path: Path,
    names: list[str],
    cells: list[list[str]],
    times: NDArray[np.float64] | None,
    settings: TableSettings,
    nothing: frozenset[str],
    dates: list[str],
) -> Table:
    wanted = settings.columns or tuple(name for name in names if name not in dates)
    found: dict[str, NDArray[np.float64]] = {}
    for name in wanted:
        numbers = _numbers(cells[names.index(name)], nothing)
        if numbers is None and settings.columns:
            raise DataError(f"table {path}: column {name!r} holds something that is no number; leave it out")
        if numbers is not None and (settings.columns or not _counts(name, numbers)):
            found[name] = numbers
    _refuse(path, found, settings)
    rows = len(cells[0])
    grid = _Grid(0.0, 0.0, rows, np.arange(rows), ()) if times is None else _grid(path, times)
    _refuse_size(path, len(found), grid.count)
    values = np.full((len(found), grid.count), np.nan)
    row = np.full((len(found), grid.count), -1, np.int64)
    for series, numbers in enumerate(found.values()):
        values[series, grid.place] = numbers
        row[series, grid.place] = np.arange(rows)
    column = np.array([names.index(name) for name in found])
    seconds = 0.0 if times is None else grid.seconds
    return Table(path, tuple(found), values, grid.start, seconds, row, column, grid.told)


def _long(
    path: Path,
    names: list[str],
    cells: list[list[str]],
    times: NDArray[np.float64] | None,
    settings: TableSettings,
    nothing: frozenset[str],
) -> Table:
    if times is None or not settings.value:
        raise SettingsError(
            [f"table {path} with --keys is long: name its column of values by --value, and that of its dates by --date"]
        )
    numbers = _numbers(cells[names.index(settings.value)], nothing)
    if numbers is None:
        raise DataError(f"table {path}: column {settings.value!r} holds something that is no number")
    keys = ["/".join(parts) for parts in zip(*(cells[names.index(name)] for name in settings.keys), strict=True)]
    known = {name: place for place, name in enumerate(dict.fromkeys(keys))}
    series = np.array([known[key] for key in keys])
    grid = _grid(path, times, series)
    _refuse_size(path, len(known), grid.count)
    values = np.full((len(known), grid.count), np.nan)
    row = np.full((len(known), grid.count), -1, np.int64)
    values[series, grid.place] = numbers
    row[series, grid.place] = np.arange(len(numbers))
    _refuse(path, dict(zip(known, values, strict=True)), settings)
    column = np.full(len(known), names.index(settings.value))
    return Table(path, tuple(known), values, grid.start, grid.seconds, row, column, grid.told)


def _counts(name: str, numbers: NDArray[np.float64]) -> bool:
    """Whether a column only numbers the rows."""
    return name.lower() in COUNTERS and bool((np.diff(numbers) == 1).all())


def _refuse(path: Path, found: dict[str, NDArray[np.float64]], settings: TableSettings) -> None:
    if not found:
        raise DataError(f"table {path} has no column of numbers; a series is a column of numbers, gaps allowed")
    empty = [name for name, numbers in found.items() if np.isnan(numbers).all()]
    if empty:
        remedy = "leave it out by naming the others with --columns" if not settings.keys else "take its rows out"
        raise DataError(f"table {path}: series {empty[0]!r} is all gaps, nothing can be learned of it; {remedy}")


def _refuse_size(path: Path, series: int, count: int) -> None:
    if series * count > LARGEST:
        raise DataError(
            f"table {path}: {series:,} series of {count:,} times are {series * count:,} values, at most {LARGEST:,} "
            "can be held; choose fewer by --columns, or split the file"
        )


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def filled_lines(table: Table, filled: NDArray[np.float64]) -> Iterator[str]:
    """The lines of the .csv file that ``table`` was read from, its gaps filled from ``filled`` ``(series, time)``.

    Every other character is as it was. Quoted line breaks inside cells are not known here and refused on reading.
    """
    delimiter = table_text.delimiter_of(table.path)
    series, time = np.nonzero(np.isnan(table.values) & (table.row >= 0))
    rows, columns = table.row[series, time], table.column[series]
    changes: dict[int, list[tuple[int, str]]] = {}
    for row, column, value in zip(rows.tolist(), columns.tolist(), filled[series, time].tolist(), strict=True):
        changes.setdefault(row, []).append((column, f"{value:.6g}"))
    with table.path.open(encoding="utf-8", newline="") as file:
        yield file.readline()
        row = 0
        for line in file:
            body = line.rstrip("\r\n")
            if not body:
                yield line
                continue
            yield table_text.replaced(body, delimiter, changes.get(row, [])) + line[len(body) :]
            row += 1


def summary(table: Table) -> dict[str, Any]:
    """What the table holds, for logs and machines."""
    return {
        "series": list(table.names),
        "times": table.values.shape[1],
        "seconds": table.seconds,
        "missing": float(np.isnan(table.values).mean()),
        "told": list(table.told),
    }


def write_parquet(table: Table, filled: NDArray[np.float64], output: Path) -> None:
    """The .parquet file that ``table`` was read from, its gaps filled from ``filled``; types and order stay.

    Raises:
        OutputError: it cannot be written.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    whole = parquet.read_table(table.path)
    for column in np.unique(table.column).tolist():
        field = whole.schema.field(column)
        cells = whole.column(column).to_pylist()
        for series in np.flatnonzero(table.column == column):
            gaps = np.flatnonzero(np.isnan(table.values[series]) & (table.row[series] >= 0))
            for place in gaps:
                value = float(filled[series, place])
                cells[table.row[series, place]] = round(value) if pyarrow.types.is_integer(field.type) else value
        whole = whole.set_column(column, field, pyarrow.array(cells, type=field.type))
    with atomic.replacing(output) as temporary:
        parquet.write_table(whole, temporary)

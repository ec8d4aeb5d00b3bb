"""The columns of a table as they come, a few thousand rows at a time: numbers where they are numbers, else text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.data import dates, table_text
from wavewright.data.table_text import Dialect
from wavewright.errors import DataError

ROWS = 1 << 14
"""Rows in memory as text."""

NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""What a cell says that knows nothing, in small letters."""

PARQUET = (".parquet", ".pq")

Column = Sequence[str] | NDArray[np.float64]
"""Cells of a .csv file as text; of a .parquet file numbers, NaN where it has none, or text."""


def is_parquet(path: Path) -> bool:
    """Whether the name says that a table is a .parquet file."""
    return path.suffix.lower() in PARQUET


def names_of(path: Path) -> list[str]:
    """The columns' names.

    Raises:
        DataError: there is no such table, two columns have one name, or the first line holds values, not names.
    """
    if is_parquet(path):
        names = [str(name) for name in _parquet_file(path).schema_arrow.names]
    else:
        first = next(table_text.rows(path, table_text.dialect_of(path).delimiter))
        names = [name.strip() for name in first]
        if all(_is_value(name) for name in names):
            raise DataError(
                f"table {path}: its first line, {', '.join(names[:6])}, holds values and no names; put a line with the "
                "columns' names above it"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"table {path} has two columns named {twice[0]!r}; give each a name of its own")
    return names


def _is_value(text: str) -> bool:
    if text.lower() in NOTHING:
        return bool(text)
    try:
        dates.moment((text.replace(",", "."),))
    except (ValueError, OverflowError):
        return False
    return True


def chunks(
    path: Path, wanted: Sequence[str], names: Sequence[str], dialect: Dialect, when: Sequence[str] = ()
) -> Iterator[dict[str, Column]]:
    """The ``wanted`` columns, `ROWS` rows at a time; dates are numbers in the columns ``when``, elsewhere text."""
    if is_parquet(path):
        for batch in _parquet_file(path).iter_batches(batch_size=ROWS, columns=list(wanted)):
            yield {name: _arrow(batch.column(name), dated=name in when) for name in wanted}
        return
    places = [names.index(name) for name in wanted]
    lines = itertools.islice(table_text.rows(path, dialect.delimiter), 1, None)
    while block := list(itertools.islice(lines, ROWS)):
        yield {name: [row[place] for row in block] for name, place in zip(wanted, places, strict=True)}


def _parquet_file(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"table {path}: there is no such file; name a .csv or a .parquet file")
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(f"table {path}: reading it needs pip install 'wavewright[tables]'; or save as .csv") from error
    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"table {path} is no .parquet file that can be read ({error}); save it anew") from error


def _arrow(column: Any, *, dated: bool) -> Column:
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if dated and (pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind)):
        days = column.cast(pyarrow.timestamp("us", tz=getattr(kind, "tz", None))).cast(pyarrow.int64())
        return np.asarray(days.to_numpy(zero_copy_only=False), np.float64) / 1e6
    if pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_decimal(kind):
        return np.asarray(column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    return ["" if cell is None else str(cell) for cell in column.to_pylist()]


class Numbers:
    """Turns columns into numbers, NaN where nothing is known; counts the infinite ones, which are nothing either."""

    def __init__(self, sentinels: Sequence[str], decimal: str) -> None:
        self.nothing = NOTHING | {text.strip().lower() for text in sentinels}
        self.values = np.array([value for value in map(_number, sentinels) if value is not None])
        self.decimal = decimal
        self.infinite = 0

    def of(self, cells: Column) -> NDArray[np.float64] | str:
        """The numbers, or the first cell that is none."""
        if isinstance(cells, np.ndarray):
            found = cells.copy()
        else:
            read = self._text(cells)
            if isinstance(read, str):
                return read
            found = read
        endless = np.isinf(found)
        self.infinite += int(np.count_nonzero(endless))
        found[endless | np.isin(found, self.values)] = np.nan
        return found

    def _text(self, cells: Sequence[str]) -> NDArray[np.float64] | str:
        if self.decimal != ".":
            cells = [cell.replace(self.decimal, ".") for cell in cells]
        found = np.empty(len(cells))
        for place, cell in enumerate(cells):
            try:
                found[place] = float(cell)
            except ValueError:
                if cell.strip().lower() not in self.nothing:
                    return cell
                found[place] = np.nan
        return found if not any("_" in cell for cell in cells) else next(cell for cell in cells if "_" in cell)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def moments(path: Path, columns: Mapping[str, Column], first_row: int) -> NDArray[np.float64]:
    """Seconds since 1970 of each row, from its date in one column or in parts.

    Raises:
        DataError: a date that cannot be read; its row is named.
    """
    cells = list(columns.values())
    if len(cells) == 1 and isinstance(cells[0], np.ndarray):
        if np.isnan(cells[0]).any():
            row = first_row + int(np.flatnonzero(np.isnan(cells[0]))[0])
            raise DataError(f"table {path}, row {row}: there is no date in {next(iter(columns))!r}; give each row one")
        return cells[0]
    texts = [[f"{one:.0f}" for one in part] if isinstance(part, np.ndarray) else part for part in cells]
    found = np.empty(len(texts[0]))
    for place, parts in enumerate(zip(*texts, strict=True)):
        try:
            found[place] = dates.moment(parts)
        except (ValueError, OverflowError) as error:
            raise DataError(
                f"table {path}, row {first_row + place}: {' '.join(parts)!r} in {', '.join(columns)} is no date such "
                "as 2016-07-01 13:00, nor a number; mend it, or name the column with the dates by --date"
            ) from error
    return found

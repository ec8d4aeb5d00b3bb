"""Writing a table with its gaps filled: into the cells where nothing stood, all else byte for byte; or as a grid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.data import dates, table_columns, table_text
from wavewright.data.tables import Table

DIGITS = 6
"""Of a value that is filled in."""


def write(table: Table, filled: NDArray[np.float64], output: Path, *, grid: bool = False) -> None:
    """Write the file that ``table`` was read from with its gaps filled from ``filled`` ``(series, time)``.

    Args:
        table: as it was read.
        filled: without gaps.
        output: of the same format; with ``grid`` a .csv.
        grid: a new wide table with a row for every time.

    Raises:
        OutputError: it cannot be written.
    """
    if not grid and table_columns.is_parquet(table.path):
        _write_parquet(table, filled, output)
        return
    lines = grid_lines(table, filled) if grid else filled_lines(table, filled)
    with atomic.replacing(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def filled_lines(table: Table, filled: NDArray[np.float64]) -> Iterator[str]:
    """The records of the .csv file that ``table`` was read from, line ends included, its gaps filled."""
    dialect = table.dialect
    series, time = np.nonzero(np.isnan(table.values) & (table.row >= 0))
    rows, columns = table.row[series, time], table.column[series]
    changes: dict[int, list[tuple[int, str]]] = {}
    for row, column, value in zip(rows.tolist(), columns.tolist(), filled[series, time].tolist(), strict=True):
        changes.setdefault(row, []).append((column, written(value).replace(".", dialect.decimal)))
    with table.path.open(encoding="utf-8", newline="") as file:
        row = -1  # the line with the names
        for record in table_text.records(file, dialect.delimiter):
            body = record.rstrip("\r\n")
            if not body:
                yield record
                continue
            yield table_text.replaced(body, dialect.delimiter, changes.get(row, [])) + record[len(body) :]
            row += 1


def grid_lines(table: Table, filled: NDArray[np.float64]) -> Iterator[str]:
    """A wide table: a date, and a value for each series; what was given is written so that it is read as it was."""
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',"\r\n') else name for name in table.names]
    yield ",".join(["date" if table.seconds else "row", *quoted]) + "\n"
    given = table.given
    for time in range(table.values.shape[1]):
        when = dates.said(table.start + time * table.seconds) if table.seconds else str(time)
        cells = [
            repr(float(value)) if known else written(float(guess))
            for value, known, guess in zip(table.values[:, time], given[:, time], filled[:, time], strict=True)
        ]
        yield ",".join([when, *cells]) + "\n"


def written(value: float) -> str:
    """A value as it is filled in.

    >>> written(1234.56789), written(-0.5)
    ('1234.57', '-0.5')
    """
    return f"{value:.{DIGITS}g}"


def _write_parquet(table: Table, filled: NDArray[np.float64], output: Path) -> None:
    """Cells replaced in the columns themselves: types, order and every given bit stay."""
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    whole = parquet.read_table(table.path)
    for place in np.unique(table.column).tolist():
        field = whole.schema.field(place)
        mask, values = np.zeros(whole.num_rows, bool), np.zeros(whole.num_rows)
        for series in np.flatnonzero(table.column == place):
            gaps = np.isnan(table.values[series]) & (table.row[series] >= 0)
            mask[table.row[series, gaps]] = True
            values[table.row[series, gaps]] = filled[series, gaps]
        if not mask.any():
            continue
        kind = _plain(field.type)
        column = whole.column(place).cast(kind).combine_chunks()
        filled_column = compute.replace_with_mask(column, mask, _as(kind, values[mask]))
        whole = whole.set_column(place, field, filled_column.cast(field.type))
    with atomic.replacing(output) as temporary:
        parquet.write_table(whole, temporary)


def _plain(kind: Any) -> Any:
    """The type in which cells of ``kind`` can be replaced: that of a dictionary's values, whole strings for views."""
    import pyarrow

    plain = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    return pyarrow.large_string() if pyarrow.types.is_string_view(plain) else plain


def _as(kind: object, values: NDArray[np.float64]) -> object:
    """``values`` in the type of a column: whole where it counts, text where it is text."""
    import pyarrow

    if pyarrow.types.is_integer(kind):
        return pyarrow.array(np.round(values).astype(np.int64)).cast(kind)
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        return pyarrow.array([written(float(value)) for value in values], type=kind)
    return pyarrow.array(values).cast(kind, safe=False)

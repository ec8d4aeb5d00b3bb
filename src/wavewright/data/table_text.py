"""The text of a table, cell by cell, with nothing of it lost: what is not changed is written back byte for byte."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from wavewright.errors import DataError

DELIMITERS = ",;\t|"
SNIFFED = 1 << 16
LONGEST_LINE = 1 << 24


def delimiter_of(path: Path) -> str:
    """What stands between the cells of a .csv file: the one of ``, ; tab |`` that its first line has most of.

    Raises:
        DataError: the file is missing, empty, or is no text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(SNIFFED)
    except OSError as error:
        raise DataError(f"table {path}: {error.strerror}; name a .csv or a .parquet file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"table {path} is not UTF-8 text; save it as UTF-8, or as .parquet") from error
    if not first.strip():
        raise DataError(f"table {path} is empty; its first line must name the columns")
    return max(DELIMITERS, key=first.count)


def rows(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The rows of a table, the first with the columns' names, cells as text without their quotes.

    Raises:
        DataError: a row that has other cells than the first, or is no text.
    """
    for number, cells in enumerate(_lines(path, delimiter), start=1):
        if number == 1:
            width = len(cells)
        elif len(cells) != width:
            raise DataError(
                f"table {path}: row {number} has {len(cells)} cells, the first has {width}; mend that row, or quote "
                f"what holds a {delimiter!r}"
            )
        yield cells


def _lines(path: Path, delimiter: str) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (cells for cells in csv.reader(file, delimiter=delimiter, strict=True) if cells)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"table {path} cannot be read as text in cells: {error}; save it anew as UTF-8") from error


def spans(line: str, delimiter: str) -> list[tuple[int, int]]:
    """Where each cell of one ``line`` begins and ends, quotes included.

    >>> line = 'a,"b,c",,d'
    >>> [line[begin:end] for begin, end in spans(line, ",")]
    ['a', '"b,c"', '', 'd']
    """
    found, begin, place, quoted = [], 0, 0, False
    while place < len(line):
        sign = line[place]
        if sign == '"':
            quoted = not quoted
        elif sign == delimiter and not quoted:
            found.append((begin, place))
            begin = place + 1
        place += 1
    return [*found, (begin, place)]


def replaced(line: str, delimiter: str, changes: Sequence[tuple[int, str]]) -> str:
    """``line`` with some cells replaced, by (column, new text); every other character stays as it is.

    >>> replaced("2010;NA;-21", ";", [(1, "129.5")])
    '2010;129.5;-21'
    """
    places = spans(line, delimiter)
    for column, text in sorted(changes, reverse=True):
        begin, end = places[column]
        line = line[:begin] + text + line[end:]
    return line

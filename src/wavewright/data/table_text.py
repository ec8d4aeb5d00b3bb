"""The text of a table, cell by cell, with nothing of it lost: what is not changed is written back byte for byte."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from wavewright.errors import DataError

DELIMITERS = ",;\t|"
SNIFFED = 1 << 16
LOOKED_AT = 1000
"""Rows by which it is told whether numbers have a decimal point or a decimal comma."""

Records = list[list[str]]


@dataclass(frozen=True)
class Dialect:
    """How a .csv file is written: what stands between its cells, and the sign of its decimals."""

    delimiter: str = ","
    decimal: str = "."


def dialect_of(path: Path) -> Dialect:
    """The dialect of a .csv file.

    The delimiter is the one of ``, ; tab |`` that its first line has most of. Where that is not the comma, and numbers
    such as ``1,5`` stand in the first rows but none such as ``1.5``, decimals have a comma.

    Raises:
        DataError: the file is missing, empty, or is no text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((line for line in iter(lambda: file.readline(SNIFFED), "") if line.strip()), "")
    except OSError as error:
        raise DataError(f"table {path}: {error.strerror}; name a .csv or a .parquet file") from error
    except UnicodeDecodeError as error:
        raise _no_text(path, error) from error
    if not first.strip():
        raise DataError(f"table {path} is empty; its first line must name the columns")
    if "\0" in first:
        raise DataError(f"table {path} is no text: it holds zero bytes; save it as .csv in UTF-8, or as .parquet")
    delimiter = max(DELIMITERS, key=first.count)
    cells = [cell.strip() for row in itertools.islice(rows(path, delimiter), LOOKED_AT) for cell in row]
    commas = delimiter != "," and any(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in cells)
    points = any(re.fullmatch(r"[+-]?\d*\.\d+", cell) for cell in cells)
    if commas and points:
        raise DataError(
            f"table {path} has numbers with a decimal comma and numbers with a decimal point; write all of them alike"
        )
    return Dialect(delimiter, "," if commas else ".")


def rows(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The rows of a table, the first with the columns' names, cells as text without their quotes.

    Raises:
        DataError: a row that has other cells than the first, or is no text.
    """
    width = 0
    for number, cells in enumerate(_lines(path, delimiter), start=1):
        width = width or len(cells)
        if len(cells) != width:
            raise DataError(
                f"table {path}: row {number} has {len(cells)} cells, the first has {width}; mend that row, or quote "
                f"what holds a {delimiter!r}"
            )
        yield cells


def _lines(path: Path, delimiter: str) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (cells for cells in csv.reader(file, delimiter=delimiter, strict=True) if cells)
    except UnicodeDecodeError as error:
        raise _no_text(path, error) from error
    except csv.Error as error:
        raise DataError(f"table {path} cannot be read as cells: {error}; mend its quotes, or save it anew") from error


def _no_text(path: Path, error: UnicodeDecodeError) -> DataError:
    wrong = " ".join(f"{byte:02x}" for byte in error.object[error.start : error.start + 4])
    return DataError(f"table {path} is not UTF-8 text throughout (bytes {wrong}); save it as UTF-8, or as .parquet")


def records(file: TextIO, delimiter: str) -> Iterator[str]:
    """The records of a .csv file, line ends included; a line break inside quotes does not end one."""
    whole = ""
    for line in file:
        whole += line
        if '"' not in whole or _closed(whole, delimiter):
            yield whole
            whole = ""
    if whole:
        yield whole


def spans(line: str, delimiter: str) -> list[tuple[int, int]]:
    """Where each cell of one record begins and ends, quotes included.

    As `csv` has it, a quote means something at the beginning of a cell alone.

    >>> line = 'a,"b,c",,5" pipe'
    >>> [line[begin:end] for begin, end in spans(line, ",")]
    ['a', '"b,c"', '', '5" pipe']
    """
    found, begin = list[tuple[int, int]](), 0
    while True:
        end = line.find(delimiter, _behind_quotes(line, begin))
        if end < 0:
            return [*found, (begin, len(line))]
        found.append((begin, end))
        begin = end + 1


def _closed(record: str, delimiter: str) -> bool:
    """Whether the last cell's quotes are closed again."""
    begin = spans(record, delimiter)[-1][0]
    return not record.startswith('"', begin) or _closing(record, begin) >= 0


def _behind_quotes(line: str, begin: int) -> int:
    """The place behind the quotes of the cell that begins there; the line's end where they are never closed."""
    if not line.startswith('"', begin):
        return begin
    closing = _closing(line, begin)
    return len(line) if closing < 0 else closing + 1


def _closing(line: str, begin: int) -> int:
    """Where the quote at ``begin`` is closed, two quotes side by side being one inside; −1 where it is not."""
    place = line.find('"', begin + 1)
    while place >= 0 and line.startswith('"', place + 1):
        place = line.find('"', place + 2)
    return place


def replaced(line: str, delimiter: str, changes: Sequence[tuple[int, str]]) -> str:
    """``line`` with some cells replaced, by (column, new text); every other character stays as it is.

    >>> replaced("2010;NA;-21", ";", [(1, "129.5")])
    '2010;129.5;-21'
    """
    if not changes:
        return line
    places = spans(line, delimiter)
    for column, text in sorted(changes, reverse=True):
        begin, end = places[column]
        line = line[:begin] + text + line[end:]
    return line

"""JSON from strangers: bounded in size, depth and number of values before anything is built from it.

Python's own reader would take a gigabyte for some files of a few megabytes, recurse as deep as a file nests, and accept
NaN, doubled keys and endless digits. Here each of these is one sentence.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from wavewright.errors import ModelFileError

MOST_BYTES = 64 * 2**20
MOST_VALUES = 4_000_000
DEEPEST = 32
LONGEST_NUMBER = 40
_CHUNK = 2**20
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def read(path: Path) -> dict[str, Any]:
    """The JSON object that the file ``path`` holds.

    Raises:
        ModelFileError: the file is missing, larger than 64 MB, no JSON object, nested deeper than 32 levels, or holds
            more than four million values, a key twice, or NaN.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ModelFileError(
                f"is too large for a model file: {size >> 20} MB; at most {MOST_BYTES >> 20} MB are read"
            )
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"cannot be read: {error.strerror or error}; name an existing model file") from error
    if len(content) > MOST_BYTES:
        raise ModelFileError(f"is larger than {MOST_BYTES >> 20} MB, too large for a model file")
    return parse(content)


def parse(content: bytes) -> dict[str, Any]:
    """The JSON object in ``content``, under the same limits as `read`."""
    if not content.strip():
        raise ModelFileError("is empty; a model file holds a JSON object")
    if b"\0" in content[:4096]:
        raise ModelFileError("is not text in UTF-8, so it is no model: name a run, or a .nam, .json or .onnx file")
    _refuse_excess(_STRING.sub(b"", content))
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_not_a_number,
            parse_int=_whole,
            parse_float=_number,
        )
    except UnicodeDecodeError as error:
        raise ModelFileError("is not text in UTF-8, so it is no JSON model file") from error
    except json.JSONDecodeError as error:
        raise ModelFileError(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"holds a JSON {kind(value)}; a model file holds an object")
    return value


def kind(value: object) -> str:
    """What JSON calls ``value``."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object"}
    return names.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """``value`` for an error message: short, and printable whatever it holds."""
    if isinstance(value, (list, dict)):
        return f"a {kind(value)} of {len(value)}"
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refuse_excess(bare: bytes) -> None:
    """Refuse JSON, its strings already cut out, that is too deep or has too many values."""
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > MOST_VALUES:
        raise ModelFileError(f"holds more than {MOST_VALUES:,} values, too many for a model file")
    depth = 0
    for start in range(0, len(bare), _CHUNK):
        codes = np.frombuffer(bare, np.uint8, min(_CHUNK, len(bare) - start), start)
        opened = ((codes == ord("[")) | (codes == ord("{"))).astype(np.int32)
        closed = (codes == ord("]")) | (codes == ord("}"))
        levels = depth + np.cumsum(opened - closed)
        if levels.max() > DEEPEST:
            raise ModelFileError(f"nests deeper than {DEEPEST} levels, too deep for a model file")
        depth = int(levels[-1])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ModelFileError(f"holds the key {shown(doubled)} twice; each may occur once")
    return table


def _not_a_number(word: str) -> NoReturn:
    raise ModelFileError(f"holds {word}; all numbers must be finite")


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ModelFileError(f"holds a number of {len(digits)} digits; at most {LONGEST_NUMBER} are read")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ModelFileError(f"holds the number {shown(digits)}, which is too large")
    return value

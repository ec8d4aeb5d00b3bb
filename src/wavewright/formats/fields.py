"""Typed looks into tables of a model file; what is missing or of another type is told by its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import ModelFileError
from wavewright.formats.strict_json import kind, shown

Table = Mapping[str, Any]


class _Needed:
    """Marks a field without which a file means nothing."""


NEEDED: Final = _Needed()


def field(table: Table, key: str, where: str, types: tuple[type, ...], what: str, default: Any = NEEDED) -> Any:
    """``table[key]`` where it is one of ``types``; ``default`` where the key is absent.

    Raises:
        ModelFileError: the key is needed and absent, or its value is of another type.
    """
    if key not in table:
        if default is NEEDED:
            raise ModelFileError(f"{where} lacks {key!r}, which must be {what}")
        return default
    value = table[key]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise ModelFileError(f"{where}.{key} is {shown(value)}: must be {what}")
    return value


def whole(table: Table, key: str, where: str, default: Any = NEEDED) -> int:
    """A whole number."""
    return int(field(table, key, where, (int,), "a whole number", default))


def number(table: Table, key: str, where: str, default: Any = NEEDED) -> float:
    """Any number."""
    return float(field(table, key, where, (int, float), "a number", default))


def flag(table: Table, key: str, where: str, default: Any = NEEDED) -> bool:
    """True or false."""
    return bool(field(table, key, where, (bool,), "true or false", default))


def text(table: Table, key: str, where: str, default: Any = NEEDED) -> str:
    """A string."""
    return str(field(table, key, where, (str,), "a string", default))


def subtable(table: Table, key: str, where: str, default: Any = NEEDED) -> dict[str, Any]:
    """A JSON object."""
    return dict(field(table, key, where, (dict,), "an object", default))


def items(table: Table, key: str, where: str, default: Any = NEEDED) -> list[Any]:
    """A JSON list."""
    return list(field(table, key, where, (list,), "a list", default))


def as_table(value: object, where: str) -> dict[str, Any]:
    """``value``, which must be a JSON object."""
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} is {shown(value)}: must be an object")
    return value


def whole_list(table: Table, key: str, where: str) -> tuple[int, ...]:
    """A list of whole numbers."""
    values = items(table, key, where)
    wrong = [value for value in values if not isinstance(value, int) or isinstance(value, bool)]
    if wrong:
        raise ModelFileError(f"{where}.{key} holds {shown(wrong[0])}: must hold whole numbers")
    return tuple(values)


def weights(values: list[Any], expected: int, what: str) -> NDArray[np.float32]:
    """The flat weights of a model, once there are as many as its sizes ask for and all are finite numbers."""
    if len(values) != expected:
        raise ModelFileError(f"holds {len(values):,} weights, but {what} has {expected:,}; the file is damaged")
    return _numbers(values, (expected,), "weights")


def array(value: object, shape: tuple[int, ...], where: str) -> NDArray[np.float32]:
    """Numbers of that shape, kept as lists within lists, once every list is as long as it says and all are finite.

    >>> array([[1, 2.5]], (1, 2), "matrix")
    array([[1. , 2.5]], dtype=float32)
    """
    return _numbers(_flat(value, shape, shape, where), shape, where).reshape(shape)


def _flat(value: object, shape: tuple[int, ...], whole_shape: tuple[int, ...], where: str) -> list[Any]:
    sizes = " × ".join(map(str, whole_shape))
    if not isinstance(value, list):
        raise ModelFileError(f"{where} is {shown(value)}: must be a list, for there must be {sizes} numbers in all")
    if len(value) != shape[0]:
        raise ModelFileError(f"{where} has {len(value):,} entries: must have {shape[0]:,}, of {sizes} numbers in all")
    if len(shape) == 1:
        return value
    return [each for at, row in enumerate(value) for each in _flat(row, shape[1:], whole_shape, f"{where}[{at}]")]


def _numbers(values: list[Any], shape: tuple[int, ...], where: str) -> NDArray[np.float32]:
    def place(at: int) -> str:
        return where + "".join(f"[{index}]" for index in np.unravel_index(at, shape))

    wrong = [at for at, value in enumerate(values) if type(value) not in (float, int)]
    if wrong:
        value = values[wrong[0]]
        raise ModelFileError(f"{place(wrong[0])} is {shown(value)}, a {kind(value)}: all weights must be numbers")
    wide = np.array(values, dtype=np.float64)
    outside = np.flatnonzero(~(np.abs(wide) <= np.finfo(np.float32).max))
    if outside.size:
        at = int(outside[0])
        raise ModelFileError(f"{place(at)} is {wide[at]:g}: all weights must be finite 32-bit numbers")
    return wide.astype(np.float32)

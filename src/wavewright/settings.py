"""Settings as frozen dataclasses: one set of fields is the Python API, the flags and the TOML recipe.

Every problem in a set of settings is collected and told at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wavewright.errors import SettingsError

T = TypeVar("T")


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: Iterable[str] | None = None,
    flags: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with its one-line ``help`` and the values it allows.

    ``low`` and ``high`` are allowed themselves, ``above`` is not. ``flags`` are further names on the command line.
    """
    limits = {"low": low, "high": high, "above": above}
    rules = {**limits, "choices": None if choices is None else tuple(choices), "flags": flags}
    return dataclasses.field(default=default, metadata={"help": help, **rules})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A closing remark for an error about an unknown ``word``: the nearest of ``known``, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(known)}"


def problems_of(settings: Any, where: str = "") -> list[str]:
    """Every rule that the values of a settings dataclass break, nested ones included; empty where all is well."""
    found = []
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        name = f"{where}{field.name}"
        if dataclasses.is_dataclass(value):
            found += problems_of(value, f"{name}.")
            continue
        complaint = _wrong_type(value, hints[field.name]) or _out_of_range(value, field.metadata)
        if complaint:
            found.append(f"setting {name} = {value!r}: {complaint}")
    return found


def checked(settings: T) -> T:
    """Give ``settings`` back, or raise `SettingsError` with all that is wrong with it."""
    problems = problems_of(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def from_mapping(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build settings of dataclass ``kind`` from a mapping, tables in it becoming nested dataclasses.

    Raises:
        SettingsError: unknown keys (with the nearest known one), wrong types, values out of range; all at once.
    """
    problems: list[str] = []
    settings = _build(kind, values, "", problems)
    if settings is not None:
        problems += problems_of(settings)
    if problems or settings is None:
        raise SettingsError(problems)
    return settings


def from_toml(kind: type[T], path: Path) -> T:
    """Read a recipe: a TOML file whose keys are the fields of ``kind``.

    Raises:
        SettingsError: the file is missing, is not TOML, or its values are not allowed.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"recipe {path}: {error.strerror}; name a TOML file"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"recipe {path} is not TOML: {error}"]) from error
    return from_mapping(kind, values)


def from_words(kind: type[Any], words: Iterable[str], whose: str) -> dict[str, Any]:
    """Fields of dataclass ``kind`` from words such as ``width=64``; ``whose`` settings they are is told in errors.

    Whole numbers, numbers, yes and no, texts and lists of whole numbers (``16,64,256``) can be said so.

    Raises:
        SettingsError: an unknown name (with the nearest known one), no ``=``, a value of another type; all at once.
    """
    problems: list[str] = []
    given: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    readers = {name: _reader(hints[name]) for name in (field.name for field in dataclasses.fields(kind))}
    known = [name for name, reader in readers.items() if reader is not None]
    for word in words:
        name, equals, value = word.partition("=")
        reader = readers.get(name)
        if not equals:
            problems.append(f"{word!r} is no setting with its value; write it as name=value")
        elif reader is None:
            problems.append(f"{whose} has no setting {name}: {did_you_mean(name, known)}")
        else:
            try:
                given[name] = reader(value)
            except ValueError:
                problems.append(f"{whose}, setting {name} = {value!r}: must be {_READERS[hints[name]][0]}")
    if problems:
        raise SettingsError(problems)
    return given


def _yes(word: str) -> bool:
    if word not in ("true", "false", "yes", "no"):
        raise ValueError(word)
    return word in ("true", "yes")


_READERS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    int: ("a whole number", int),
    float: ("a number", float),
    bool: ("true or false", _yes),
    str: ("a text", str),
    tuple[int, ...]: ("whole numbers with commas between", lambda value: tuple(map(int, value.split(",")))),
}


def _reader(hint: Any) -> Callable[[str], Any] | None:
    return _READERS[hint][1] if hint in _READERS else None


def to_mapping(settings: Any) -> dict[str, Any]:
    """The plain values of a settings dataclass, ready for JSON; `from_mapping` brings it back."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(settings).items()
    }


def _build(kind: type[T], values: Mapping[str, Any], where: str, problems: list[str]) -> T | None:
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            problems.append(f"unknown setting {where}{name}: {did_you_mean(name, fields)}")
        elif dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            given[name] = _build(typing.cast(type[Any], hints[name]), value, f"{where}{name}.", problems)
        elif isinstance(value, list):
            given[name] = tuple(value)
        elif (
            isinstance(value, int)
            and not isinstance(value, bool)
            and _allows(hints[name], float)
            and not _allows(hints[name], int)
        ):
            given[name] = float(value)
        elif isinstance(value, str) and _allows(hints[name], Path):
            given[name] = Path(value)
        else:
            given[name] = value
    missing = [
        name
        for name, field in fields.items()
        if name not in given and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    problems += [f"setting {where}{name} is missing" for name in missing]
    return None if missing else kind(**given)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _allows(hint: Any, kind: type) -> bool:
    return kind in _alternatives(hint)


def _wrong_type(value: Any, hint: Any) -> str | None:
    for alternative in _alternatives(hint):
        origin = typing.get_origin(alternative) or alternative
        if origin is typing.Literal:
            if value in typing.get_args(alternative):
                return None
        elif origin is float:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return None
        elif origin is int:
            if isinstance(value, int) and not isinstance(value, bool):
                return None
        elif origin is Any or isinstance(value, origin):
            return None
    words = [
        alternative.__name__ if isinstance(alternative, type) else str(alternative)
        for alternative in _alternatives(hint)
    ]
    return f"must be {' or '.join(word.replace('NoneType', 'absent') for word in words)}"


def _out_of_range(value: Any, rules: Mapping[str, Any]) -> str | None:
    choices = rules.get("choices")
    if choices is not None and value is not None and value not in choices:
        return did_you_mean(str(value), choices)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    if not math.isfinite(value):
        return "must be a finite number"
    low, high, above = rules.get("low"), rules.get("high"), rules.get("above")
    if (
        (low is not None and value < low)
        or (high is not None and value > high)
        or (above is not None and value <= above)
    ):
        parts = [
            f"at least {low}" if low is not None else "",
            f"above {above}" if above is not None else "",
            f"at most {high}" if high is not None else "",
        ]
        return "must be " + " and ".join(part for part in parts if part)
    return None

"""From a settings dataclass to command-line flags and back: the same fields, names, help and limits."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import tyro

from wavewright.errors import SettingsError
from wavewright.settings import from_toml, problems_of

T = TypeVar("T")

SHOWN_LIMIT = 1e9
"""Limits beyond this are there for safety and of no interest in the help."""

POSITIONAL: Any = tyro.conf.Positional
"""Marks a field that is given by its place: ``Annotated[Path, POSITIONAL, option("what went in")]``."""


APPENDED: Any = tyro.conf.UseAppendAction
"""Marks a field of several values that takes one each time its flag is given."""


def option(help: str, *, short: str | None = None, name: str | None = None, metavar: str | None = None) -> Any:
    """What tyro should know of a field: ``x: Annotated[Path, option("where to write", short="-o")]``."""
    return tyro.conf.arg(help=help, name=name, aliases=None if short is None else (short,), metavar=metavar)


def parse(kind: type[T], command: str, arguments: Sequence[str], settings: Any = None) -> T:
    """Read ``arguments`` into dataclass ``kind``, or print the help and leave, as `tyro.cli` does.

    Nested settings dataclasses become flags without a prefix. The defaults of the field named ``settings`` are those
    of the object given here, or of a ``--recipe FILE.toml`` among the arguments; flags win over both.

    Raises:
        SettingsError: values out of range, in the flags or in the recipe.
    """
    shown = _shown(cast(Any, kind))
    recipe, rest = _recipe(arguments)
    hints = typing.get_type_hints(kind)
    if recipe is not None:
        if "settings" not in hints:
            raise SettingsError([f"{command} takes no --recipe"])
        settings = from_toml(hints["settings"], recipe)
    start: Any = tyro.MISSING_NONPROP
    if settings is not None:
        required = {field.name: tyro.MISSING for field in dataclasses.fields(shown) if _required(field)}
        start = shown(**required, settings=_copy(settings, _shown(hints["settings"])))
    parsed = tyro.cli(
        shown,
        prog=f"wavewright {command}",
        description=inspect.getdoc(kind),
        args=rest,
        default=start,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    values = _copy(parsed, kind)
    problems = [_as_option(problem) for problem in problems_of(values)]
    if problems:
        raise SettingsError(problems)
    return values


def _as_option(problem: str) -> str:
    """Name the flag the user typed: ``setting settings.train.minutes = …`` becomes ``option --minutes = …``."""
    found = re.match(r"setting (?:\w+\.)*(\w+)", problem)
    return problem if found is None else f"option --{found[1].replace('_', '-')}{problem[found.end() :]}"


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _recipe(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    rest = list(arguments)
    for index, word in enumerate(rest):
        if word == "--recipe":
            if index + 1 == len(rest):
                raise SettingsError(["--recipe wants a TOML file behind it"])
            path = Path(rest[index + 1])
            del rest[index : index + 2]
            return path, rest
        if word.startswith("--recipe="):
            del rest[index]
            return Path(word.removeprefix("--recipe=")), rest
    return None, rest


@functools.cache
def _shown(kind: Any) -> Any:
    """A twin of dataclass ``kind`` whose annotations tell tyro the help and the choices kept in field metadata."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(kind):
        hint: Any = hints[field.name]
        if dataclasses.is_dataclass(hint):
            inner = _shown(cast(Any, hint))
            default = dataclasses.field(default_factory=inner)
            fields.append((field.name, inner, default))
            continue
        if "help" in field.metadata and hint == tuple[str, ...]:
            hint = APPENDED[hint]
        choices = field.metadata.get("choices")
        if choices:
            optional = type(None) in typing.get_args(hint)
            hint = Literal[choices] | None if optional else Literal[choices]
        if "help" in field.metadata:
            hint = Annotated[
                hint, tyro.conf.arg(help=_help(field.metadata), aliases=field.metadata.get("flags") or None)
            ]
        if _required(field):
            fields.append((field.name, hint, dataclasses.field()))
        else:
            fields.append((field.name, hint, dataclasses.field(default=field.default)))
    return dataclasses.make_dataclass(kind.__name__, fields, frozen=True)


def _help(rules: typing.Mapping[str, Any]) -> str:
    limits = [
        f"{word} {rules[key]:g}"
        for key, word in (("low", "at least"), ("above", "above"), ("high", "at most"))
        if rules.get(key) is not None and abs(rules[key]) < SHOWN_LIMIT
    ]
    return str(rules["help"]) + (f" [{', '.join(limits)}]" if limits else "")


def _copy(values: Any, kind: type[T]) -> T:
    hints = typing.get_type_hints(kind)
    given = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = getattr(values, field.name)
        nested = dataclasses.is_dataclass(hints[field.name]) and dataclasses.is_dataclass(value)
        given[field.name] = _copy(value, cast(type[Any], hints[field.name])) if nested else value
    return kind(**given)


def value_of(words: Sequence[str], *names: str) -> str | None:
    """The value that follows one of the flags ``names`` in ``words``, before they are parsed; None where it is not."""
    for index, word in enumerate(words):
        for name in names:
            if word == name and index + 1 < len(words):
                return words[index + 1]
            if name.startswith("--") and word.startswith(f"{name}="):
                return word.removeprefix(f"{name}=")
    return None

"""What a .nam file tells about its model: who made it of what, how loud it is, how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wavewright.errors import ModelFileError
from wavewright.formats.strict_json import shown

GEAR_TYPES = ("amp", "pedal", "pedal_amp", "amp_cab", "amp_pedal_cab", "preamp", "studio")
TONE_TYPES = ("clean", "overdrive", "crunch", "hi_gain", "fuzz")
NUMBERS = ("loudness", "gain", "input_level_dbu", "output_level_dbu")
TEXTS = ("name", "modeled_by", "gear_type", "gear_make", "gear_model", "tone_type")
TABLES = ("date", "training")


@dataclass(frozen=True)
class NamMetadata:
    """The metadata of a model; what is None is not written.

    ``loudness`` in dBFS, ``gain`` from 0 (clean) to 1, levels in dBu at digital full scale. ``others`` keeps entries of
    other programs as they are.
    """

    loudness: float | None = None
    gain: float | None = None
    name: str | None = None
    modeled_by: str | None = None
    gear_type: str | None = None
    gear_make: str | None = None
    gear_model: str | None = None
    tone_type: str | None = None
    input_level_dbu: float | None = None
    output_level_dbu: float | None = None
    date: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    others: Mapping[str, Any] = field(default_factory=dict)


def read(table: Any) -> NamMetadata:
    """Metadata from a file's plain values; null counts as absent.

    Raises:
        ModelFileError: an entry of the wrong type.
    """
    if table is None:
        return NamMetadata()
    if not isinstance(table, dict):
        raise ModelFileError(f"metadata is {shown(table)}: must be an object")
    known: dict[str, Any] = {}
    for names, types, what in (
        (NUMBERS, (int, float), "a number"),
        (TEXTS, (str,), "a string"),
        (TABLES, (dict,), "an object"),
    ):
        for name in names:
            value = table.get(name)
            if value is None:
                continue
            if not isinstance(value, types) or isinstance(value, bool):
                raise ModelFileError(f"metadata.{name} is {shown(value)}: must be {what}")
            known[name] = _printable(value, name) if isinstance(value, str) else value
    others = {key: value for key, value in table.items() if key not in (*NUMBERS, *TEXTS, *TABLES)}
    return NamMetadata(**known, others=others)


def _printable(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ModelFileError(
            f"metadata.{name} holds half a character (a lone surrogate) and cannot be shown"
        ) from error
    return value


def write(metadata: NamMetadata) -> dict[str, Any]:
    """Plain values for a file, in the order in which the reference trainer writes them."""
    order = ("date", "loudness", "gain", *TEXTS, "input_level_dbu", "output_level_dbu", "training")
    plain = {name: getattr(metadata, name) for name in order if getattr(metadata, name) is not None}
    return {**plain, **metadata.others}


def date(moment: datetime) -> dict[str, int]:
    """A moment as the format keeps it."""
    return {name: getattr(moment, name) for name in ("year", "month", "day", "hour", "minute", "second")}

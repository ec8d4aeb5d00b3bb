"""What an ONNX file tells of itself in its metadata: names and texts, bounded and checked one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wavewright.errors import ModelFileError
from wavewright.formats import fields, nam_metadata, strict_json
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.strict_json import shown

HIGHEST_RATE = 1_000_000
LONGEST = 100_000_000
"""Samples, of anything that is counted in samples."""
CONVENTION = 1
"""The version of these rules that is written, under the key ``wavewright``, and the latest that is read."""
MOST_KNOBS = 64

NEEDED = ("sample_rate", "states")


@dataclass(frozen=True)
class Told:
    """The metadata of a file. ``states`` gives for each state's input its output and its ``start`` after silence."""

    rate: int
    states: Mapping[str, Mapping[str, Any]]
    knobs: Mapping[str, tuple[float, float]]
    latency: int
    receptive_field: int
    prewarm: int
    kind: str | None
    metadata: NamMetadata


def read(properties: Mapping[str, str]) -> Told:
    """The metadata from a file's own pairs of texts.

    Raises:
        ModelFileError: something is missing, or is not what it must be.
    """
    missing = [name for name in NEEDED if name not in properties]
    if missing:
        raise ModelFileError(
            f"does not say how it is played block by block: its metadata lacks {' and '.join(missing)}; "
            "export it with wavewright export --to onnx, or add them (docs/onnx.md)"
        )
    if "wavewright" in properties and _whole(properties, "wavewright", 1) > CONVENTION:
        raise ModelFileError(f"follows the rules of version {properties['wavewright'][:10]}; update Wavewright")
    about: dict[str, Any] = {}
    for names, read_one in (
        (nam_metadata.NUMBERS, _number),
        (nam_metadata.TEXTS, _text),
        (nam_metadata.TABLES, _table),
    ):
        about |= {name: read_one(properties, name) for name in names if name in properties}
    states = _table(properties, "states")
    return Told(
        rate=_whole(properties, "sample_rate", 1, HIGHEST_RATE),
        states={name: fields.subtable(states, name, "states") for name in states},
        knobs=_knobs(_table(properties, "knobs")) if "knobs" in properties else {},
        latency=_whole(properties, "latency", 0, default=0),
        receptive_field=_whole(properties, "receptive_field", 1, default=1),
        prewarm=_whole(properties, "prewarm", 0, default=0),
        kind=properties.get("network"),
        metadata=nam_metadata.read(about),
    )


def _whole(properties: Mapping[str, str], name: str, low: int, high: int = LONGEST, default: int | None = None) -> int:
    if name not in properties and default is not None:
        return default
    text = properties[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise ModelFileError(f"has the metadata {name} = {shown(text)}: must be a whole number from {low} to {high:,}")
    return int(text)


def _number(properties: Mapping[str, str], name: str) -> float:
    text = properties[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ModelFileError(f"has the metadata {name} = {shown(text)}: must be a finite number")
    return value


def _text(properties: Mapping[str, str], name: str) -> str:
    return properties[name]


def _table(properties: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        return strict_json.parse(properties[name].encode("utf-8", "surrogatepass"))
    except ModelFileError as error:
        raise ModelFileError(f"has metadata {name} that {error}") from error


def _knobs(table: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    if len(table) > MOST_KNOBS:
        raise ModelFileError(f"has {len(table)} knobs; at most {MOST_KNOBS} are read")
    found = {}
    for name, ends in table.items():
        numbers = isinstance(ends, list) and len(ends) == 2 and all(type(end) in (int, float) for end in ends)
        if not numbers or not all(map(math.isfinite, ends)) or ends[0] == ends[1]:
            raise ModelFileError(f"has the knob {shown(name)} from {shown(ends)}: must be two different numbers")
        found[name] = (float(ends[0]), float(ends[1]))
    return found

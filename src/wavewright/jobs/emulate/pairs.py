"""What a twin is learned from: pairs of a dry and a wet recording, each with the positions of the device's knobs.

    train emulate dry.flac wet_a.flac wet_b.flac wet_c.flac --knob gain=0,0.5,1

is one dry recording with three wet ones, and so is this manifest, which may hold any pairs and any number of knobs::

    [[pair]]
    dry = "dry.flac"
    wet = "wet_a.flac"
    knobs = { gain = 0.0, tone = 0.5 }

Paths are relative to the manifest's folder. Every pair names the same knobs. A knob's range is what the pairs cover: a
network hears its position in that range, from 0 to 1. No torch here.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavewright.errors import SettingsError
from wavewright.settings import did_you_mean

MOST_KNOBS = 16
MOST_PAIRS = 1000
LARGEST_MANIFEST = 2**20
"""Limits far beyond any device: more is a mistake."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_KEYS = ("dry", "wet", "knobs")


@dataclass(frozen=True)
class Knob:
    """A knob and the range that the recordings cover.

    >>> Knob("gain", 0.0, 10.0).position(2.5)
    0.25
    """

    name: str
    low: float
    high: float

    def position(self, value: float) -> float:
        """Where ``value`` lies in the range, 0 at its low end and 1 at its high one."""
        return (value - self.low) / (self.high - self.low)

    @property
    def middle(self) -> float:
        """The value in the middle of the range."""
        return 0.5 * (self.low + self.high)

    def __str__(self) -> str:
        return f"{self.name} {self.low:g} to {self.high:g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"name": self.name, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class PairFiles:
    """A dry and a wet recording, and where each knob stood, by name."""

    dry: Path
    wet: Path
    knobs: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The knobs' values in words; the wet file's name where there are no knobs."""
        return label_of(self.knobs) or self.wet.name


@dataclass(frozen=True)
class Capture:
    """All pairs of one device, and its knobs in the order in which a network takes them."""

    pairs: tuple[PairFiles, ...]
    knobs: tuple[Knob, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Every recording once, in the order in which the pairs name them."""
        return list(dict.fromkeys(path for pair in self.pairs for path in (pair.dry, pair.wet)))

    def positions(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """Each knob's position, 0 to 1, at these values."""
        return tuple(knob.position(values[knob.name]) for knob in self.knobs)


def label_of(values: Mapping[str, float]) -> str:
    """Knob values in words.

    >>> label_of({"gain": 0.5, "tone": 3})
    'gain=0.5 tone=3'
    """
    return " ".join(f"{name}={value:g}" for name, value in values.items())


def one_pair(dry: Path, wet: Path) -> Capture:
    """A dry and a wet recording of a device without knobs."""
    return Capture((PairFiles(dry, wet),))


def from_flags(recordings: Sequence[Path], knobs: Sequence[str] = ()) -> Capture:
    """``DRY WET …`` with a ``NAME=VALUE,VALUE,…`` for each knob: one value for each wet recording, in their order.

    Raises:
        SettingsError: with every problem: too few recordings, words that are no knobs, as many values as there are not
            wet recordings, a knob named twice, two wet recordings at one position.

    >>> from_flags([Path("dry.wav"), Path("a.wav"), Path("b.wav")], ["gain=0,10"]).pairs[1].label
    'gain=10'
    """
    if len(recordings) < 2:
        raise SettingsError([f"train emulate wants two recordings or more, DRY WET …; {len(recordings)} were given"])
    dry, *wets = recordings
    problems: list[str] = []
    columns: dict[str, list[float]] = {}
    for word in knobs:
        name, values = _parsed(word, problems)
        if name is None or values is None:
            continue
        if name in columns:
            problems.append(f"knob {name} is given twice; give each knob once, with a value for every wet recording")
        elif len(values) != len(wets):
            problems.append(
                f"knob {name} has {len(values)} value{'s' * (len(values) != 1)}, but there are {len(wets)} wet "
                f"recordings ({', '.join(path.name for path in wets)}); give one value for each, in their order"
            )
        columns.setdefault(name, values)
    if not knobs and len(wets) > 1:
        problems.append(
            f"{len(wets)} wet recordings, but no knob that tells them apart: add --knob NAME=VALUE,VALUE,… with a "
            "value for each, or name pairs of their own in a manifest (--pairs)"
        )
    if problems:
        raise SettingsError(problems)
    return gathered([
        PairFiles(dry, wet, {name: values[at] for name, values in columns.items()}) for at, wet in enumerate(wets)
    ])  # fmt: skip


def read_manifest(path: Path) -> Capture:
    """The pairs of a TOML manifest.

    Raises:
        SettingsError: the file is missing, is not TOML, or what it says cannot be used; every problem at once.
    """
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise SettingsError([f"manifest {path} is larger than {LARGEST_MANIFEST} bytes; name a TOML file of pairs"])
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"manifest {path}: {error.strerror}; name a TOML file of pairs"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"manifest {path} is not TOML: {error}"]) from error
    problems = [
        f"manifest {path}: unknown key {name!r}: {did_you_mean(name, ['pair'])}" for name in table if name != "pair"
    ]
    entries = table.get("pair", [])
    if not isinstance(entries, list) or not entries:
        problems.append(f"manifest {path} holds no pairs; write [[pair]] with dry, wet and knobs for each")
        entries = []
    pairs = [_pair(path, number, entry, problems) for number, entry in enumerate(entries, start=1)]
    if problems:
        raise SettingsError(problems)
    return gathered([pair for pair in pairs if pair is not None])


def gathered(pairs: Sequence[PairFiles]) -> Capture:
    """Pairs as one capture, each knob's range worked out.

    Raises:
        SettingsError: pairs that name different knobs, a recording that is the wet one twice, a knob that never moves,
            two wet recordings of one dry one at the same position, more pairs or knobs than any device has.
    """
    problems = []
    names = list(pairs[0].knobs) if pairs else []
    for number, pair in enumerate(pairs, start=1):
        where = f"pair {number} ({pair.wet.name})"
        problems += [
            f"{where}: knob {name} has no value; every pair names every knob"
            for name in names
            if name not in pair.knobs
        ]
        for name in pair.knobs:
            if name not in names:
                remark = did_you_mean(name, names) if names else "it names none"
                problems.append(f"{where}: unknown knob {name}, which pair 1 does not name: {remark}")
    if len(names) > MOST_KNOBS or len(pairs) > MOST_PAIRS:
        problems.append(f"{len(names)} knobs and {len(pairs)} pairs: at most {MOST_KNOBS} and {MOST_PAIRS} are allowed")
    if problems:
        raise SettingsError(problems)
    seen: dict[tuple[object, ...], PairFiles] = {}
    wets: dict[Path, int] = {}
    for number, pair in enumerate(pairs, start=1):
        key = (pair.dry, *(pair.knobs[name] for name in names))
        if pair.wet in wets:
            problems.append(
                f"pairs {wets[pair.wet]} and {number} both have the wet recording {pair.wet}; name each once"
            )
        elif names and key in seen:
            problems.append(
                f"{seen[key].wet.name} and {pair.wet.name} both say {pair.label} of {pair.dry.name}: a device answers "
                "one way at one position; leave one of them away, or correct its values"
            )
        seen.setdefault(key, pair)
        wets.setdefault(pair.wet, number)
    knobs = []
    for name in names:
        values = [float(pair.knobs[name]) for pair in pairs]
        if min(values) == max(values):
            problems.append(f"knob {name} stands at {values[0]:g} in every recording: leave it away, or add recordings")
        knobs.append(Knob(name, min(values), max(values)))
    if problems:
        raise SettingsError(problems)
    ordered = (PairFiles(pair.dry, pair.wet, {name: float(pair.knobs[name]) for name in names}) for pair in pairs)
    return Capture(tuple(ordered), tuple(knobs))


def knob_values(words: Sequence[str], knobs: Sequence[Knob], *, missing_is_middle: bool = False) -> dict[str, float]:
    """``NAME=VALUE`` words as the value of every knob, held to the range that was trained.

    Raises:
        SettingsError: every problem: unknown names (with the nearest known one), knobs without a value (unless
            ``missing_is_middle``), values that are no numbers or outside the range.

    >>> knob_values(["gain=2.5"], [Knob("gain", 0.0, 10.0)])
    {'gain': 2.5}
    """
    known = {knob.name: knob for knob in knobs}
    if words and not known:
        raise SettingsError([f"--knob {words[0]}: this twin has no knobs; leave --knob away"])
    problems: list[str] = []
    given: dict[str, float] = {}
    for word in words:
        name, values = _parsed(word, problems)
        if name is None or values is None:
            continue
        if name not in known:
            problems.append(f"unknown knob {name}: {did_you_mean(name, known)}")
        elif len(values) != 1:
            problems.append(f"--knob {word}: give one value; for a knob that moves there is --automation")
        elif name in given:
            problems.append(f"knob {name} is given twice")
        elif not known[name].low <= values[0] <= known[name].high:
            problems.append(
                f"knob {name} = {values[0]:g}: the twin was trained from {known[name].low:g} to {known[name].high:g}"
            )
        given.setdefault(name, values[0])
    if not missing_is_middle:
        problems += [
            f"knob {knob} has no value; add --knob {knob.name}=VALUE" for knob in knobs if knob.name not in given
        ]
    if problems:
        raise SettingsError(problems)
    return {knob.name: given.get(knob.name, knob.middle) for knob in knobs}


def _parsed(word: str, problems: list[str]) -> tuple[str | None, list[float] | None]:
    """``NAME=VALUE,VALUE,…`` in parts; what is wrong goes to ``problems``."""
    name, equals, rest = word.partition("=")
    if not equals or not _NAME.fullmatch(name):
        problems.append(
            f"--knob {word}: must be NAME=VALUE or NAME=VALUE,VALUE,…, "
            "the name of letters, digits, - and _, a letter first"
        )
        return None, None
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        problems.append(f"--knob {word}: the values must be numbers with commas between them")
        return name, None
    return name, values


def _pair(manifest: Path, number: int, entry: object, problems: list[str]) -> PairFiles | None:
    """One ``[[pair]]`` of a manifest; what is wrong goes to ``problems``."""
    where = f"manifest {manifest}, pair {number}"
    if not isinstance(entry, dict):
        problems.append(f"{where} is no table; write [[pair]] with dry, wet and knobs")
        return None
    problems += [f"{where}: unknown key {key!r}: {did_you_mean(key, _KEYS)}" for key in entry if key not in _KEYS]
    paths = {}
    for key in ("dry", "wet"):
        value = entry.get(key)
        if not isinstance(value, str) or not value:
            problems.append(f"{where}: {key} = {value!r}: must be the name of a sound file")
        else:
            paths[key] = manifest.parent / value
    knobs = entry.get("knobs", {})
    if not isinstance(knobs, dict):
        problems.append(f"{where}: knobs = {knobs!r}: must be a table such as {{ gain = 0.5 }}")
        knobs = {}
    values = {}
    for name, value in knobs.items():
        if not _NAME.fullmatch(name):
            problems.append(f"{where}: knob {name!r}: a name is of letters, digits, - and _, a letter first")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            problems.append(f"{where}: knob {name} = {value!r}: must be a number")
        else:
            values[name] = float(value)
    return PairFiles(paths["dry"], paths["wet"], values) if len(paths) == 2 else None

"""What a store holds and where it came from: one item for every source file, with the hash of its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wavewright.errors import DataError

SCHEMA = "wavewright-store"
VERSION = 1
LARGEST = 256 * 2**20
"""Bytes of JSON beyond which a manifest is refused unread: about half a million files."""

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """A source file: what it was, where its sound lies in a track of the store, and what was done to it.

    ``rate``, ``channels`` and ``frames`` are the file's own; ``start`` and ``length`` count samples of ``track``.
    """

    path: str
    sha256: str
    rate: int
    channels: int
    frames: int
    track: str
    start: int
    length: int
    done: tuple[str, ...] = ()


@dataclass(frozen=True)
class Track:
    """A named track: ``channels`` rows of ``frames`` float32 samples, ``offset`` samples into the audio file."""

    name: str
    channels: int
    frames: int
    offset: int


@dataclass(frozen=True)
class Manifest:
    """The table of contents of a store at ``rate`` Hz."""

    rate: int
    tracks: tuple[Track, ...]
    items: tuple[Item, ...]

    @property
    def samples(self) -> int:
        """How many float32 values the audio file must hold."""
        return sum(track.channels * track.frames for track in self.tracks)

    def to_json(self) -> str:
        """The manifest as JSON text, which `parse` brings back."""
        return json.dumps({"schema": SCHEMA, "version": VERSION, **dataclasses.asdict(self)}, indent=1) + "\n"


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes as hexadecimal; the file is read in blocks.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"data file {path}: {error.strerror or error}; is it still there?") from error


def changed(manifest: Manifest) -> list[Path]:
    """The source files that are gone, or whose content is no longer what the store was made from."""
    first_hash = {Path(item.path): item.sha256 for item in manifest.items}
    return [path for path, sha256 in first_hash.items() if not path.is_file() or hash_file(path) != sha256]


def load(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        DataError: the file is missing, too large, not JSON, of another schema or a newer version, or a field is
            missing, of the wrong type, or out of range.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"manifest {path} has {size} bytes, at most {LARGEST} are read; prepare the store anew")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"manifest {path}: {error.strerror or error}; is {path.parent} a store?") from error
    except UnicodeDecodeError as error:
        raise DataError(f"manifest {path} is not text; prepare the store anew") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Manifest:
    """The manifest in JSON ``text``; ``path`` names it in errors, which are those of `load`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"manifest {path} is not JSON ({error}); prepare the store anew") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"manifest {path}: field schema must be {SCHEMA!r}; this is not a store of wavewright")
    if content.get("version") != VERSION:
        raise DataError(
            f"manifest {path}: field version = {content.get('version')!r}, this wavewright reads {VERSION}; "
            "prepare the store anew"
        )
    rate = _number(content, "rate", path, "rate", least=1)
    tracks = tuple(
        _record(Track, entry, path, f"tracks[{i}]") for i, entry in enumerate(_list(content, "tracks", path))
    )
    items = tuple(_record(Item, entry, path, f"items[{i}]") for i, entry in enumerate(_list(content, "items", path)))
    _check_layout(tracks, items, path)
    return Manifest(rate, tracks, items)


def _check_layout(tracks: tuple[Track, ...], items: tuple[Item, ...], path: Path) -> None:
    """Tracks lie one behind the other, items inside their tracks."""
    position = 0
    frames: dict[str, int] = {}
    for i, track in enumerate(tracks):
        if track.name in frames:
            raise DataError(f"manifest {path}: field tracks[{i}].name = {track.name!r} appears twice")
        if track.offset != position:
            raise DataError(f"manifest {path}: field tracks[{i}].offset = {track.offset}, must be {position}")
        frames[track.name] = track.frames
        position += track.channels * track.frames
    for i, item in enumerate(items):
        if item.track not in frames:
            raise DataError(f"manifest {path}: field items[{i}].track = {item.track!r} is none of {sorted(frames)}")
        if item.start + item.length > frames[item.track]:
            raise DataError(
                f"manifest {path}: field items[{i}].length = {item.length} from {item.start} runs past the "
                f"{frames[item.track]} samples of track {item.track!r}"
            )


def _record(kind: type[T], entry: Any, path: Path, where: str) -> T:
    """One `Track` or `Item`, each field of its declared type; every number counts something, so none is negative."""
    if not isinstance(entry, dict):
        raise DataError(f"manifest {path}: field {where} must be an object")
    fields = {field.name: field.type for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, wanted in fields.items():
        if wanted == "int":
            values[name] = _number(entry, name, path, f"{where}.{name}", least=int(name in ("rate", "channels")))
        elif wanted == "str":
            values[name] = _text(entry.get(name), path, f"{where}.{name}")
        else:
            words = entry.get(name, [])
            if not isinstance(words, list):
                raise DataError(f"manifest {path}: field {where}.{name} must be a list")
            values[name] = tuple(_text(word, path, f"{where}.{name}") for word in words)
    return kind(**values)


def _number(entry: Mapping[str, Any], name: str, path: Path, where: str, least: int) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**62:
        raise DataError(f"manifest {path}: field {where} = {value!r:.40} must be a whole number of at least {least}")
    return value


def _text(value: Any, path: Path, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"manifest {path}: field {where} = {value!r:.40} must be text")
    return value


def _list(content: Mapping[str, Any], name: str, path: Path) -> list[Any]:
    value = content.get(name)
    if not isinstance(value, list):
        raise DataError(f"manifest {path}: field {name} must be a list")
    return value

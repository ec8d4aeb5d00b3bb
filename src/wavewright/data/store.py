"""The audio once, float32, mapped into memory: a folder with ``manifest.json`` and ``audio.f32``.

``audio.f32`` is raw little-endian float32, track after track, and within a track channel after channel, so that a
window of one channel is one contiguous stretch of the file. It is filled block by block, and never held whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import StreamResampler
from wavewright.data import manifest as manifests
from wavewright.data.manifest import Item, Manifest, Track, hash_file
from wavewright.errors import AudioFileError, DataError, OutputError

AUDIO = "audio.f32"
MANIFEST = "manifest.json"
BLOCK = 2**16
SAMPLE = np.dtype("<f4")


@dataclass(frozen=True)
class Store:
    """An opened store: its ``folder`` and its ``manifest``."""

    folder: Path
    manifest: Manifest

    @property
    def rate(self) -> int:
        """Sample rate of every track in Hz."""
        return self.manifest.rate

    @property
    def items(self) -> tuple[Item, ...]:
        """The source files, in the order in which they lie in the store."""
        return self.manifest.items

    @property
    def tracks(self) -> tuple[str, ...]:
        """The names of the tracks."""
        return tuple(track.name for track in self.manifest.tracks)

    def track(self, name: str = "audio") -> FloatArray:
        """A track as a read-only array ``(channels, frames)`` mapped from the file: nothing is read until it is used.

        Raises:
            DataError: there is no track of that name.
        """
        for track in self.manifest.tracks:
            if track.name == name:
                shape = (track.channels, track.frames)
                place = self.folder / AUDIO
                if 0 in shape:
                    return np.zeros(shape, np.float32)
                mapped = np.memmap(place, SAMPLE, "r", offset=track.offset * SAMPLE.itemsize, shape=shape)
                return mapped.view(np.ndarray)
        raise DataError(f"store {self.folder} has no track {name!r}; it has {', '.join(self.tracks)}")

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a store after checking that its audio has the size that its manifest says.

        Raises:
            DataError: no store, a damaged manifest, or an audio file that is missing, truncated, or too long.
        """
        manifest = manifests.load(folder / MANIFEST)
        audio = folder / AUDIO
        size = audio.stat().st_size if audio.is_file() else None
        wanted = manifest.samples * SAMPLE.itemsize
        if size != wanted:
            found = "is missing" if size is None else f"has {size} bytes"
            raise DataError(f"store {folder}: {AUDIO} {found}, its manifest says {wanted}; prepare the store anew")
        return cls(folder, manifest)

    @classmethod
    def from_recordings(
        cls,
        folder: Path,
        recordings: Mapping[str, Recording],
        sources: Sequence[Path] = (),
        *,
        done: Sequence[str] = (),
        force: bool = False,
    ) -> Store:
        """Store recordings that run in parallel, each as the track of its name.

        ``sources`` are the files they came from, in the same order, hashed into the manifest; ``done`` says in words
        what happened on the way, such as ``"wet moved 137 samples earlier"``.

        Raises:
            DataError: no recordings, or recordings that differ in length or rate.
            OutputError: ``folder`` holds something already, or cannot be written.
        """
        if not recordings or (sources and len(sources) != len(recordings)):
            raise DataError(
                f"{len(recordings)} recordings with {len(sources)} sources; give at least one, and a source each"
            )
        shapes = {(recording.frames, recording.rate) for recording in recordings.values()}
        if len(shapes) != 1:
            told = ", ".join(f"{name} {r.frames} samples at {r.rate} Hz" for name, r in recordings.items())
            raise DataError(
                f"tracks of one store must agree in length and rate, these do not: {told}; align them first"
            )
        with _built(folder, force) as partial:
            tracks: list[Track] = []
            with (partial / AUDIO).open("wb") as audio:
                for name, recording in recordings.items():
                    tracks.append(Track(name, recording.channels, recording.frames, audio.tell() // SAMPLE.itemsize))
                    for row in recording.samples:
                        audio.write(np.ascontiguousarray(row, SAMPLE).data)
            items = tuple(
                _item(files.info(path), name, 0, recordings[name].frames, tuple(done))
                for path, name in zip(sources, recordings, strict=bool(sources))
            )
            rate = next(iter(recordings.values())).rate
            _write_manifest(partial, Manifest(rate, tuple(tracks), items))
        return cls.open(folder)

    @classmethod
    def create(
        cls,
        folder: Path,
        sources: Sequence[Path],
        *,
        rate: int | None = None,
        mono: bool = False,
        track: str = "audio",
        force: bool = False,
        progress: Callable[[int, int], None] | None = None,
        skip: Callable[[Path, AudioFileError], None] | None = None,
    ) -> Store:
        """Store any sound files, one behind the other on one track, in blocks.

        Args:
            folder: the new store.
            sources: sound files and folders of them.
            rate: resample all to this rate in Hz; where None, they must agree.
            mono: mix all channels down to one; where False, files must agree in their channels.
            track: name of the track.
            force: replace a store that is there already.
            progress: called with the number of files done and their total.
            skip: called with each file that is damaged, empty or not finite, which is then left out; where None, such
                a file is an error.

        Raises:
            AudioFileError: a file that is missing, damaged, empty or not finite.
            DataError: no files, none that can be used, or files whose rates or channels differ where nothing was said
                about it.
            OutputError: ``folder`` holds something already, or cannot be written.
        """
        found = files.find(list(sources))
        if not found:
            raise DataError(
                f"no sound files in {', '.join(map(str, sources)) or 'nothing'}; name files or folders with sound"
            )
        leftovers = _Leftovers(skip)
        infos = leftovers.infos(found)
        target = _agreed(infos, "rate", "Hz", "ask for one rate, to which they are resampled") if rate is None else rate
        channels = 1 if mono else _agreed(infos, "channels", "channels", "ask for mono, to which they are mixed down")
        items: list[Item] = []
        with _built(folder, force) as partial:
            with _Planes(partial, channels) as planes:
                for number, info in enumerate(infos, start=1):
                    start = planes.frames
                    try:
                        for block in _converted(info, target, mono):
                            planes.write(block)
                    except AudioFileError as error:
                        planes.cut(start)
                        leftovers.add(info.path, error)
                    else:
                        done = _what_is_done(info, target, mono)
                        items.append(_item(info, track, start, planes.frames - start, done))
                    if progress is not None:
                        progress(number, len(infos))
            leftovers.refuse_nothing(items, len(found))
            tracks = (Track(track, channels, planes.frames, 0),)
            _write_manifest(partial, Manifest(target, tracks, tuple(items)))
        return cls.open(folder)


class _Planes:
    """Writes blocks ``(channels, n)`` channel after channel, though the length is known at the end only.

    The first channel goes to its place at once, the others into files of their own that are appended when all is in.
    """

    def __init__(self, folder: Path, channels: int) -> None:
        self.paths = [folder / AUDIO, *(folder / f"channel{number}.part" for number in range(1, channels))]
        self.frames = 0

    def __enter__(self) -> _Planes:
        self.streams = [path.open("wb") for path in self.paths]
        return self

    def write(self, block: FloatArray) -> None:
        """The next samples ``(channels, time)``, each channel to a file of its own: none waits for others in memory."""
        for row, stream in zip(block, self.streams, strict=True):
            stream.write(np.ascontiguousarray(row, SAMPLE).data)
        self.frames += block.shape[1]

    def cut(self, frames: int) -> None:
        """Forget all that was written behind the first ``frames`` samples."""
        for stream in self.streams:
            stream.seek(frames * SAMPLE.itemsize)
            stream.truncate()
        self.frames = frames

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for stream in self.streams:
            stream.close()
        if error is None:
            with self.paths[0].open("ab") as whole:
                for path in self.paths[1:]:
                    with path.open("rb") as part:
                        shutil.copyfileobj(part, whole, 2**20)
                    path.unlink()


class _Leftovers:
    """The files that cannot be used: each an error, or told to ``skip`` where there is one."""

    def __init__(self, skip: Callable[[Path, AudioFileError], None] | None) -> None:
        self.skip = skip
        self.first: AudioFileError | None = None

    def add(self, path: Path, error: AudioFileError) -> None:
        """One more file that cannot be used.

        Raises:
            AudioFileError: nobody is told of such files; the first one ends the work.
        """
        if self.skip is None:
            raise error
        self.first = self.first or error
        self.skip(path, error)

    def infos(self, found: Sequence[Path]) -> list[files.FileInfo]:
        """What the headers of the others say."""
        infos: list[files.FileInfo] = []
        for path in found:
            try:
                infos.append(files.info(path))
            except AudioFileError as error:
                self.add(path, error)
        self.refuse_nothing(infos, len(found))
        return infos

    def refuse_nothing(self, usable: Sequence[object], count: int) -> None:
        """Raise `DataError`, with the first reason, where of ``count`` files none is ``usable``."""
        if not usable:
            raise DataError(f"none of {count} sound files can be used; the first: {self.first}")


def _converted(info: files.FileInfo, rate: int, mono: bool) -> Iterator[FloatArray]:
    """The blocks of a file, mixed down and resampled as asked."""
    blocks = files.blocks(info.path, BLOCK)
    if mono and info.channels > 1:
        blocks = (block.mean(axis=0, keepdims=True) for block in blocks)
    if info.rate == rate:
        yield from blocks
        return
    resampler = StreamResampler(info.rate, rate, 1 if mono else info.channels)
    for block in blocks:
        yield resampler.push(block)
    yield resampler.push(np.zeros((1 if mono else info.channels, 0), np.float32), last=True)


def _what_is_done(info: files.FileInfo, rate: int, mono: bool) -> tuple[str, ...]:
    mixed = (f"mixed {info.channels} channels down to 1",) if mono and info.channels > 1 else ()
    resampled = (f"resampled from {info.rate} to {rate} Hz",) if info.rate != rate else ()
    return mixed + resampled


def _item(info: files.FileInfo, track: str, start: int, length: int, done: tuple[str, ...]) -> Item:
    path = info.path.resolve()
    return Item(str(path), hash_file(path), info.rate, info.channels, info.frames, track, start, length, done)


def _agreed(infos: Sequence[files.FileInfo], name: str, unit: str, remedy: str) -> int:
    first, value = infos[0], int(getattr(infos[0], name))
    for info in infos:
        if getattr(info, name) != value:
            raise DataError(
                f"{info.path} has {getattr(info, name)} {unit}, {first.path} has {value}; "
                f"give files that agree, or {remedy}"
            )
    return value


def _write_manifest(partial: Path, manifest: Manifest) -> None:
    """The manifest last, and both files on the disk before the folder gets its name."""
    (partial / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    for name in (AUDIO, MANIFEST):
        with (partial / name).open("rb") as written:
            os.fsync(written.fileno())


@contextmanager
def _built(folder: Path, force: bool) -> Iterator[Path]:
    """A temporary folder beside ``folder``, which takes its name when all has gone well.

    What a killed attempt left behind is removed first. Only a store is ever replaced, never another folder.
    """
    _refuse(folder, force)
    partial, replaced = (folder.parent / f".{folder.name}.{word}" for word in ("partial", "replaced"))
    try:
        for leftover in (partial, replaced):
            if leftover.exists():
                shutil.rmtree(leftover)
        partial.mkdir()
        try:
            yield partial
            if folder.exists():
                folder.rename(replaced)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"could not write store {folder}: {error.strerror or error}; free some space or choose another place"
        ) from error


def _refuse(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"store {folder} is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MANIFEST).is_file() or not (folder / AUDIO).is_file():
            raise OutputError(f"folder {folder} holds something that is not a store; name a new folder")
        if not force:
            raise OutputError(f"store {folder} already exists; pass --force to replace it, or name another folder")
    if not folder.parent.is_dir():
        raise OutputError(f"store {folder}: the folder {folder.parent} does not exist; create it first")
    if not os.access(folder.parent, os.W_OK):
        raise OutputError(f"store {folder}: the folder {folder.parent} is not writable; choose another place")

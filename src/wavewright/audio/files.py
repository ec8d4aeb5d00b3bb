"""Sound files: WAV (16, 24, 32 bit, float), FLAC, OGG, MP3 and AIFF, whole or in blocks, any number of channels.

Everything is float32 with full scale at ±1 on this side of the door. What a file promises is checked against what it
holds before memory is taken for it. Encoding and decoding is libsndfile's, through ``soundfile``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from wavewright import atomic
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.truncation import missing_part
from wavewright.errors import AudioFileError, OutputError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
MOST_SAMPLES = 2**31  # what `read` takes into memory at once: 8 GiB, twelve hours of mono at 48 kHz


@dataclass(frozen=True)
class FileInfo:
    """What the header of a sound file says: ``rate`` in Hz, ``frames`` in samples a channel, ``subtype`` as libsndfile
    names it (PCM_24, FLOAT, VORBIS …)."""

    path: Path
    rate: int
    channels: int
    frames: int
    format: str
    subtype: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate


def info(path: Path | str) -> FileInfo:
    """What is in the file at ``path``, without decoding it.

    Raises:
        AudioFileError: missing, a folder, empty, not a sound, truncated, or without a single sample.
    """
    with _open(Path(path)) as sound:
        return FileInfo(Path(path), sound.samplerate, sound.channels, sound.frames, sound.format, sound.subtype)


def read(path: Path | str, start: int = 0, frames: int | None = None, *, finite: bool = True) -> Recording:
    """Read a file, or ``frames`` samples of it from ``start``; float32 of shape ``(channels, time)``.

    ``finite=False`` lets NaN and infinity through, for a report about them.

    Raises:
        AudioFileError: as `info`; also non-finite samples, a part that lies outside the file, damage found while
            decoding, or more than `MOST_SAMPLES` at once (read it in `blocks`).
    """
    path = Path(path)
    with _open(path) as sound:
        count = _part(path, sound.frames, start, frames)
        if count * sound.channels > MOST_SAMPLES:
            gigabytes = count * sound.channels * 4 / 2**30
            raise AudioFileError(f"{path} would take {gigabytes:.1f} GiB of memory; read it in blocks or cut it up")
        if start:
            sound.seek(start)
        samples = _decode(path, sound, count)
        if finite:
            _refuse_non_finite(path, samples, start)
        return Recording(samples, sound.samplerate)


def blocks(
    path: Path | str, size: int, start: int = 0, frames: int | None = None, *, finite: bool = True
) -> Iterator[FloatArray]:
    """Yield the same samples as `read` in blocks ``(channels, size)``, the last one shorter, in flat memory.

    The file is checked when this is called, not at the first block.

    Raises:
        AudioFileError: as `read`, but for the limit on memory.
        ValueError: ``size`` is not positive.
    """
    if size < 1:
        raise ValueError(f"block size = {size}: must be at least 1")
    path = Path(path)
    _part(path, info(path).frames, start, frames)

    def decoded() -> Iterator[FloatArray]:
        with _open(path) as sound:
            count = _part(path, sound.frames, start, frames)
            sound.seek(start)
            for done in range(0, count, size):
                block = _decode(path, sound, min(size, count - done))
                if finite:
                    _refuse_non_finite(path, block, start + done)
                yield block

    return decoded()


def find(places: Path | str | Iterable[Path | str]) -> list[Path]:
    """Every sound file in a folder and the folders below it, sorted; files named directly are taken as they are.

    Hidden files are passed over (an external disk is full of ``._take1.wav``).

    Raises:
        AudioFileError: a place does not exist, or a folder holds no sound file.
    """
    found: set[Path] = set()
    for place in [places] if isinstance(places, (str, Path)) else places:
        place = Path(place)
        if not place.exists():
            raise AudioFileError(f"{place} does not exist; check the name")
        if not place.is_dir():
            found.add(place)
            continue
        inside = {
            path
            for path in place.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
        }
        if not inside:
            raise AudioFileError(f"the folder {place} holds no sound file; looked for {', '.join(SUFFIXES)}")
        found |= inside
    return sorted(found)


def _open(path: Path) -> soundfile.SoundFile:
    """Open a file that is whole and holds at least one sample."""
    if not path.exists():
        raise AudioFileError(f"{path} does not exist; check the name")
    if path.is_dir():
        raise AudioFileError(f"{path} is a folder; name a sound file in it")
    if not path.is_file() or not os.access(path, os.R_OK):
        raise AudioFileError(f"{path} cannot be read: it is not an ordinary file, or not readable for this user")
    if path.stat().st_size == 0:
        raise AudioFileError(f"{path} is empty (0 bytes); record or export it again")
    try:
        sound = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: .raw has no header to read
        if _begins_as_sound(path):
            raise AudioFileError(f"{path} is truncated or damaged in its header; copy or export it again") from error
        raise AudioFileError(
            f"{path} is not a sound file, whatever its name; allowed: {', '.join(SUFFIXES)}"
        ) from error
    missing = missing_part(path)
    if missing is None and sound.frames > 0:
        return sound
    sound.close()
    if missing is not None:
        raise AudioFileError(f"{path} is truncated: {missing}; copy or export it again")
    raise AudioFileError(f"{path} holds no samples (its length is zero); record or export it again")


def _begins_as_sound(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] in (b"RIFF", b"RF64", b"RIFX", b"FORM", b"OggS", b"fLaC") or head[:3] == b"ID3"


def _part(path: Path, available: int, start: int, frames: int | None) -> int:
    count = available - start if frames is None else frames
    if start < 0 or count < 1 or start + count > available:
        asked = f"samples {start} to {start + count}"
        raise AudioFileError(f"{path}: {asked} lie outside the file; it has samples 0 to {available}")
    return count


def _decode(path: Path, sound: soundfile.SoundFile, count: int) -> FloatArray:
    """The next ``count`` samples, shape ``(channels, count)``; rows lie contiguous in memory."""
    try:
        interleaved = sound.read(count, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioFileError(f"{path} is damaged and cannot be decoded; copy or export it again") from error
    if len(interleaved) < count:
        raise AudioFileError(f"{path} is truncated: {count - len(interleaved)} samples are missing; copy it again")
    return np.ascontiguousarray(interleaved.T)


def _refuse_non_finite(path: Path, samples: FloatArray, start: int) -> None:
    bad = ~np.isfinite(samples)
    if not bad.any():
        return
    first = start + int(bad.any(axis=0).argmax())
    raise AudioFileError(
        f"{path} holds {int(bad.sum())} samples that are not finite (NaN or infinity), the first at sample {first};"
        " export it again"
    )


@dataclass(frozen=True)
class _Format:
    """What a suffix stands for, and what libsndfile can put into it."""

    name: str
    subtypes: tuple[str, ...]  # the first is the default
    rates: tuple[int, ...] | range
    channels: int


_PCM = ("PCM_16", "PCM_24", "PCM_32")
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_AIFF = _Format("AIFF", ("PCM_24", "PCM_16", "PCM_32", "FLOAT", "DOUBLE"), range(1, 2**31), 1024)
_FORMATS = {
    ".wav": _Format("WAV", ("FLOAT", *_PCM, "DOUBLE"), range(1, 2**31), 1024),
    ".flac": _Format("FLAC", ("PCM_24", "PCM_16"), range(1, 655_351), 8),
    ".ogg": _Format("OGG", ("VORBIS", "OPUS"), range(100, 200_001), 255),
    ".mp3": _Format("MP3", ("MPEG_LAYER_III",), _MP3_RATES, 2),
    ".aiff": _AIFF,
    ".aif": _AIFF,
}
_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_CHUNK_MOST = 2**32 - 2**16  # RIFF and AIFF count bytes in 32 bits; some room for headers
_SHRUNK = {"FLAC": 0.5, "OGG": 0.05, "MP3": 0.05}  # about what is left of 24-bit sound


def bytes_to_write(path: Path | str, rate: int, channels: int, frames: int, subtype: str | None = None) -> int:
    """About how many bytes a file at ``path`` of ``frames`` samples will have; exact where nothing is compressed.

    Raises:
        OutputError: a suffix, subtype, rate, channel count or length that no format can hold.

    >>> bytes_to_write("long.wav", 48_000, 1, 10 * 3600 * 48_000)
    6912065536
    """
    path = Path(path)
    kind = _format_for(path)
    subtype = _refuse_impossible(path, kind, rate, channels, subtype)
    _container(path, kind, subtype, channels, frames)
    return int(frames * channels * _width(subtype) * _SHRUNK.get(kind.name, 1.0)) + 2**16


def _width(subtype: str) -> int:
    """Bytes of a sample."""
    return {"DOUBLE": 8, "FLOAT": 4}.get(subtype) or _BITS.get(subtype, 24) // 8


def _container(path: Path, kind: _Format, subtype: str, channels: int, frames: int | None) -> str:
    """What libsndfile is to call the format: a .wav beyond 4 GiB is an RF64 (EBU Tech 3306)."""
    long = frames is not None and frames * channels * _width(subtype) > _CHUNK_MOST
    if long and kind.name == "AIFF":
        raise OutputError(f"{path}: an AIFF file holds at most 4 GiB; write a .wav or a .flac instead")
    return "RF64" if long and kind.name == "WAV" else kind.name


class Writer:
    """Write a sound file block by block; it appears under its name, whole, when the ``with`` ends.

    The format follows the suffix. Default sample types: 32-bit float for .wav, so that nothing is lost; 24-bit for
    .flac and .aiff; Vorbis for .ogg. Integer formats round to the nearest step and clip at full scale, never wrap;
    ``clipped`` counts the samples that lay beyond ±1. An exception leaves no file, and an old one as it was.

    Where ``frames``, the length in samples, is told beforehand, a .wav may be longer than 4 GiB: it becomes an RF64.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> with Writer(Path(folder.name) / "hum.flac", 48_000, channels=1) as out:
        ...     out.write(np.full((1, 480), 1.5, np.float32))
        >>> out.clipped
        480
        >>> info(Path(folder.name) / "hum.flac").frames
        480
        >>> folder.cleanup()

    Raises:
        OutputError: the file exists and ``force`` is not given, the folder is missing or not writable, the disk is
            full; unknown suffix, or a subtype, rate or channel count that the format cannot hold.
    """

    def __init__(
        self,
        path: Path | str,
        rate: int,
        channels: int,
        subtype: str | None = None,
        force: bool = False,
        frames: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.rate, self.channels = rate, channels
        self._format = _format_for(self.path)
        self.subtype = _refuse_impossible(self.path, self._format, rate, channels, subtype)
        self._container = _container(self.path, self._format, self.subtype, channels, frames)
        self.clipped = 0
        self.frames = 0
        atomic.refuse_existing(self.path, force=force)
        self._exits = contextlib.ExitStack()
        self._sound: soundfile.SoundFile | None = None

    def __enter__(self) -> Writer:
        with contextlib.ExitStack() as exits:
            temporary = exits.enter_context(atomic.replacing(self.path))
            sound = soundfile.SoundFile(
                temporary, "w", self.rate, self.channels, format=self._container, subtype=self.subtype
            )
            exits.push(lambda kind, error, trace: self._refuse_incomplete(temporary) if kind is None else None)
            self._sound = exits.enter_context(sound)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sound = None
        self._exits.__exit__(kind, error, trace)

    def write(self, samples: FloatArray) -> None:
        """Append a block of shape ``(channels, n)``.

        Raises:
            OutputError: non-finite samples, a disk that is full, or more than the format can hold.
            ValueError: the block has another shape, or the writer is not open.
        """
        if self._sound is None:
            raise ValueError("the writer is not open; use it in a with statement")
        if samples.ndim != 2 or samples.shape[0] != self.channels:
            raise ValueError(f"block of shape {samples.shape}: must be ({self.channels}, n)")
        if not np.isfinite(samples).all():
            count = int((~np.isfinite(samples)).sum())
            raise OutputError(f"{self.path}: {count} samples to be written are not finite (NaN or infinity)")
        self._refuse_beyond_4_gib(samples.shape[1])
        data = np.ascontiguousarray(samples.T)
        try:
            self._sound.write(self._quantised(data) if self.subtype in _BITS else data)
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all of it was taken
            raise OutputError(
                f"could not write {self.path}: is the disk full? free some space and run again"
            ) from error
        self.frames += samples.shape[1]

    def _refuse_incomplete(self, temporary: Path) -> None:
        # libsndfile closes a file whose last bytes did not fit on the disk without a word
        missing = missing_part(temporary)
        if missing is not None:
            raise OutputError(f"could not write {self.path}: {missing}; is the disk full? free some space, run again")

    def _quantised(self, data: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        # libsndfile rounds downwards, which would add half a step of DC
        bits = _BITS[self.subtype]
        self.clipped += int((np.abs(data) > 1).sum())
        full = 2.0 ** (bits - 1)
        steps = np.rint(data.astype(np.float64) * full).clip(-full, full - 1)
        return steps.astype(np.int32) << (32 - bits)

    def _refuse_beyond_4_gib(self, more: int) -> None:
        if self._container not in ("WAV", "AIFF"):
            return
        if (self.frames + more) * self.channels * _width(self.subtype) > _CHUNK_MOST:
            raise OutputError(
                f"{self.path}: a {self._container} file begun without its length holds at most 4 GiB; "
                "write a .flac instead"
            )


def write(path: Path | str, recording: Recording, subtype: str | None = None, force: bool = False) -> None:
    """Write a whole recording; see `Writer` for formats, clipping and errors.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> write(Path(folder.name) / "click.wav", Recording(np.eye(1, 100, 50, np.float32), 44_100))
        >>> read(Path(folder.name) / "click.wav").samples[0].argmax().item()
        50
        >>> folder.cleanup()
    """
    with Writer(path, recording.rate, recording.channels, subtype, force, recording.frames) as out:
        out.write(recording.samples)


def _format_for(path: Path) -> _Format:
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(
            f"{path}: unknown sound format {path.suffix or '(no suffix)'!r}; allowed: {', '.join(SUFFIXES)}"
        )
    return kind


def _refuse_impossible(path: Path, kind: _Format, rate: int, channels: int, subtype: str | None) -> str:
    subtype = kind.subtypes[0] if subtype is None else subtype.upper()
    if subtype not in kind.subtypes:
        raise OutputError(f"{path}: {kind.name} has no subtype {subtype!r}; allowed: {', '.join(kind.subtypes)}")
    rates = _OPUS_RATES if subtype == "OPUS" else kind.rates
    if rate not in rates:
        allowed = f"{rates.start} to {rates.stop - 1}" if isinstance(rates, range) else ", ".join(map(str, rates))
        raise OutputError(
            f"{path}: {subtype} cannot hold a rate of {rate} Hz; allowed: {allowed}. Resample, or use .wav"
        )
    if not 1 <= channels <= kind.channels:
        raise OutputError(f"{path}: {kind.name} cannot hold {channels} channels; allowed: 1 to {kind.channels}")
    return subtype

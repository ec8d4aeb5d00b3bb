"""What an upsampler is measured on: full-band sounds, files or those that its run has held out, piece by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import StreamResampler
from wavewright.data.corpus import Sound
from wavewright.errors import AudioFileError, DataError, RunError
from wavewright.jobs.upsample.material import Material, kept_material, sources_of
from wavewright.jobs.upsample.settings import UpsampleSettings
from wavewright.jobs.upsample.upsampling import Upsampler
from wavewright.settings import from_mapping

PIECE = 256 * 8192
"""Samples that are taken into memory at once: longer sounds are measured in pieces, their figures gathered."""

BLOCK = 1 << 16
NOISE_SECONDS = 60.0
"""How much of what was learned says what shaped noise sounds like."""


@dataclass(frozen=True)
class Subject:
    """A full-band sound: what its outputs are called, where it came from, and its mono samples in pieces ``(time,)``.

    There are ``frames`` of them at the full rate.
    """

    name: str
    path: Path
    frames: int
    pieces: Callable[[], Iterator[FloatArray]]


@dataclass(frozen=True)
class LeftOut:
    """A file that cannot be measured, and why in a sentence."""

    path: Path
    why: str


def of_files(
    upsampler: Upsampler, sources: Sequence[Path], output: Path | None = None
) -> tuple[list[Subject], list[LeftOut]]:
    """The files in ``sources``, and those that cannot be measured: unreadable, or below the full rate.

    What lies in ``output`` was made by an earlier measurement and is passed over.

    Raises:
        AudioFileError: a source is not there, or holds no sound file.
        DataError: no file is left; the first reason is told.
    """
    found, good, left = files.find(list(sources)), [], list[LeftOut]()
    if output is not None and output.is_dir():
        found = [path for path in found if output.resolve() not in path.resolve().parents] or found
    for path in found:
        try:
            info = files.info(path)
        except AudioFileError as error:
            left.append(LeftOut(path, str(error)))
            continue
        if info.rate < upsampler.rate:
            left.append(
                LeftOut(
                    path,
                    f"{path} is at {info.rate} Hz, below the full rate of {upsampler.rate}: it cannot tell how well "
                    "its upper band comes back",
                )
            )
        else:
            good.append(info)
    if not good:
        raise DataError(f"none of {len(found)} files can be measured; the first: {left[0].why}")
    names = _names([info.path for info in good])
    return [_of_file(info, name, upsampler.rate) for info, name in zip(good, names, strict=True)], left


def held_out(upsampler: Upsampler) -> list[Subject]:
    """The sounds that the run has never heard.

    Raises:
        RunError: a model that is no run, or a run whose sounds are gone.
    """
    material = material_of(upsampler)
    if material is None:
        raise RunError(f"{upsampler.name} has no sounds of its own to be measured on; name full-band files or folders")
    names = _names([sound.path for sound in material.held_out])
    return [_of_sound(material, sound, name) for sound, name in zip(material.held_out, names, strict=True)]


def material_of(upsampler: Upsampler) -> Material | None:
    """What the run has learned and held out; None where there is no run, or its sounds are gone."""
    if upsampler.run is None or not sources_of(upsampler.run):
        return None
    try:
        return kept_material(upsampler.run, from_mapping(UpsampleSettings, upsampler.run.settings))
    except (AudioFileError, DataError):
        return None


def learned(upsampler: Upsampler) -> list[FloatArray]:
    """Sounds ``(time,)`` from all over what was learned, `NOISE_SECONDS` together; none where they are gone."""
    material = material_of(upsampler)
    if material is None:
        return []
    sounds, most = material.learned, NOISE_SECONDS * upsampler.rate
    total = sum(sound.length for sound in sounds)
    count = max(1, round(min(1.0, most / max(1, total)) * len(sounds)))
    chosen = [sounds[place] for place in np.linspace(0, len(sounds) - 1, count).round().astype(int)]
    return [np.array(material.sound(sound)[: int(most)]) for sound in chosen]


def _names(paths: Sequence[Path]) -> list[str]:
    """Names for outputs: the files' own without suffix, and with their folders' where two are alike."""
    names = [path.stem for path in paths]
    counts = Counter(names)
    names = [
        f"{path.parent.name}_{name}" if counts[name] > 1 else name for path, name in zip(paths, names, strict=True)
    ]
    counts = Counter(names)
    return [f"{number:04d}_{name}" if counts[name] > 1 else name for number, name in enumerate(names, start=1)]


def _of_file(info: files.FileInfo, name: str, rate: int) -> Subject:
    def pieces() -> Iterator[FloatArray]:
        return _regrouped(_mono(info, rate), round(info.frames * rate / info.rate))

    return Subject(name, info.path, round(info.frames * rate / info.rate), pieces)


def _of_sound(material: Material, sound: Sound, name: str) -> Subject:
    def pieces() -> Iterator[FloatArray]:
        return _regrouped(iter([material.sound(sound)]), sound.length)

    return Subject(name, sound.path, sound.length, pieces)


def _mono(info: files.FileInfo, rate: int) -> Iterator[FloatArray]:
    resampler = StreamResampler(info.rate, rate, 1)
    for block in files.blocks(info.path, BLOCK):
        yield resampler.push(block.mean(axis=0, keepdims=True))[0]
    yield resampler.push(np.zeros((1, 0), np.float32), last=True)[0]


def _regrouped(blocks: Iterator[FloatArray], frames: int) -> Iterator[FloatArray]:
    """``frames`` samples in pieces of `PIECE`, the last one with what is left over, less than two of them."""
    waiting: list[FloatArray] = []
    count = given = 0
    for block in blocks:
        waiting.append(block[: frames - given - count])
        count += len(waiting[-1])
        while count >= 2 * PIECE:
            whole = np.concatenate(waiting)
            yield np.array(whole[:PIECE])
            waiting, count, given = [whole[PIECE:]], count - PIECE, given + PIECE
    if count:
        yield np.concatenate(waiting)

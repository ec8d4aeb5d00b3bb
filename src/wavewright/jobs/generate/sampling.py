"""Sample: new sound from a trained generator.

Sounds are drawn side by side, a block at a time, the network's state carried from block to block. Each sound has
random numbers of its own, a function of (seed, number, attempt): the same seed gives the same sound, however many are
drawn with it and in whatever blocks.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from wavewright.audio import files, wav_stream
from wavewright.audio.recording import FloatArray
from wavewright.data.encoding import Decoder
from wavewright.engine.sampler import Choice, Sampler
from wavewright.errors import SettingsError
from wavewright.jobs.generate.generator import OpenGenerator
from wavewright.jobs.generate.sample_request import Request, request
from wavewright.jobs.generate.settings import SampleSettings
from wavewright.metrics.faults import faults_of
from wavewright.nets.generator import CONTROL_BLOCK
from wavewright.nets.sample_wavenet import SampleWaveNet

BLOCK = 4096
"""Samples between two looks at the progress; a multiple of the controls' block."""

SIDE_BY_SIDE = 16
"""Sounds that one sampler draws at once: as many as share the reading of the weights well."""

LONGEST_JUDGED = 60.0
"""Seconds up to which a sound is held until it is whole, looked at, and drawn again where it failed."""

BYTES_A_SAMPLE = 40
"""Memory that a held sample takes at most: its code, its random numbers for a block, its sound, what judging needs."""


@dataclass(frozen=True)
class Drawn:
    """A new sound ``(time,)`` without its prompt: its class, what it cost in bits a sample, what is wrong with it."""

    sound: FloatArray
    label: str | None
    bits: float
    faults: tuple[str, ...]
    number: int
    attempts: int
    clipped: int
    """Samples beyond full scale, to be clipped where it is written as 16 bits."""


@dataclass(frozen=True)
class Written:
    """A new sound and where it lies; ``seconds`` with its prompt."""

    path: Path
    drawn: Drawn
    seconds: float


@dataclass(frozen=True)
class Sampled:
    """All that one call wrote, in ``took`` seconds of drawing."""

    written: tuple[Written, ...]
    took: float

    @property
    def seconds(self) -> float:
        """Of sound, all files together."""
        return sum(one.seconds for one in self.written)

    @property
    def times_real_time(self) -> float:
        """Seconds of sound in a second of drawing, in which others may have been drawn and not kept."""
        return self.seconds / self.took if self.took else 0.0


# ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _blocks(
    opened: OpenGenerator, wanted: Request, sounds: Sequence[tuple[int, int]]
) -> Iterator[tuple[NDArray[np.int32], FloatArray]]:
    """Codes and nats ``(sounds, n)`` of the (number, attempt) pairs ``sounds``, block after block."""
    settings = wanted.settings
    weights = cast(Literal["float32", "int8"], settings.weights)
    sampler = Sampler(opened.network, len(sounds), weights=weights)
    labels = [wanted.labels[number] for number, _ in sounds]

    def controls(start: int, count: int) -> FloatArray | None:
        """Of ``count`` samples from ``start`` on, the prompt's first sample being number 0."""
        if not opened.controls.count:
            return None
        told, length = opened.controls.signal, wanted.prompted + wanted.frames
        return np.stack([told(count, start, label=label, envelope=wanted.envelope, length=length) for label in labels])

    if isinstance(opened.network, SampleWaveNet) and opened.controls.count:
        # as in training: the silence before a sound was heard under the sound's own controls
        silence = -(-opened.network.receptive_field // CONTROL_BLOCK) * CONTROL_BLOCK
        quiet = np.full((len(sounds), silence), opened.encoding.quantizer.silence)
        sampler.listen(quiet, controls(-silence, silence))
    if wanted.prompt is not None:
        for start in range(0, wanted.prompted, BLOCK):
            codes = wanted.prompt.codes[start : start + BLOCK]
            sampler.listen(np.tile(codes, (len(sounds), 1)), controls(start, len(codes)))
    dice = [np.random.default_rng([settings.seed, *sound]) for sound in sounds]
    for start in range(0, wanted.frames, BLOCK):
        count = min(BLOCK, wanted.frames - start)
        uniforms = np.stack([one.random((count, opened.network.distribution.draws)) for one in dice])
        choice = Choice(wanted.temperature(start, count, opened.rate), settings.top_k, settings.top_p)
        yield sampler.draw(uniforms, choice, controls(wanted.prompted + start, count))


def _draw_all(
    opened: OpenGenerator,
    wanted: Request,
    sounds: Sequence[tuple[int, int]],
    told: Callable[[int], None],
) -> dict[int, Drawn]:
    """Each sound by its number, groups side by side on as many cores as there are; ``told`` hears of samples done."""
    groups = [sounds[i : i + SIDE_BY_SIDE] for i in range(0, len(sounds), SIDE_BY_SIDE)]
    cores = os.cpu_count() or 1
    if len(groups) < cores:  # one group for each core
        size = -(-len(sounds) // cores)
        groups = [sounds[i : i + size] for i in range(0, len(sounds), size)]

    def run(group: Sequence[tuple[int, int]]) -> list[Drawn]:
        codes, nats = [], np.zeros(len(group))
        for block, cost in _blocks(opened, wanted, group):
            codes.append(block.astype(opened.encoding.quantizer.dtype))
            nats += cost.sum(axis=1, dtype=np.float64)
            told(block.size)
        whole = np.concatenate(codes, axis=1)
        return [
            _finished(opened, wanted, sound, row, float(cost))
            for sound, row, cost in zip(group, whole, nats, strict=True)
        ]

    with ThreadPoolExecutor(cores) as pool:
        return {drawn.number: drawn for group in pool.map(run, groups) for drawn in group}


def _finished(
    opened: OpenGenerator, wanted: Request, sound: tuple[int, int], codes: NDArray[Any], nats: float
) -> Drawn:
    number, attempt = sound
    decoder = _decoder(opened, wanted)
    audio = decoder(codes)
    return Drawn(
        audio,
        wanted.labels[number],
        nats / len(codes) / np.log(2),
        _faults(opened, audio),
        number,
        attempt + 1,
        int(decoder.beyond[0]),
    )


def _faults(opened: OpenGenerator, sound: FloatArray) -> tuple[str, ...]:
    """What is wrong with a sound, against what is ordinary in those learned."""
    return opened.reference.against(faults_of(sound, opened.rate))


def _decoder(opened: OpenGenerator, wanted: Request) -> Decoder:
    """What turns one sound's codes into samples; behind a prompt it goes on where that ends, without a click."""
    return Decoder(opened.encoding, after=None if wanted.prompt is None else wanted.prompt.sound[-1:])


# ── whole sounds, judged and ranked; long sounds, written as they are made ────────────────────────────────────────


def sample(
    opened: OpenGenerator,
    settings: SampleSettings,
    output: Path,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Sampled:
    """Draw what ``settings`` ask for into ``output``: a file, numbered files where there are several, or a folder.

    Raises:
        SettingsError: settings that this network cannot follow, or more than fits in memory or on the disk.
        OutputError: a file is there already (without ``force``), or cannot be written.
    """
    say = tell or (lambda line: None)
    wanted = request(opened, settings)
    paths = places(output, settings.count)
    for path in paths:
        _writer(opened, wanted, path, force)  # refuses what cannot be written
    _refuse_too_much(opened, wanted, paths[0].parent)
    for line in wanted.prompt.told if wanted.prompt is not None else ():
        say(line)
    total = wanted.frames * len(wanted.labels)
    done = Count(progress, total)
    started = time.monotonic()
    if wanted.frames > LONGEST_JUDGED * opened.rate and settings.draw is None:
        drawn = [_write_long(opened, wanted, number, path, force, done) for number, path in enumerate(paths)]
        took = time.monotonic() - started
    else:
        kept = best(opened, wanted, done, say)
        took = time.monotonic() - started
        drawn = [_write_whole(opened, wanted, one, path, force) for one, path in zip(kept, paths, strict=True)]
    return Sampled(tuple(drawn), took)


def best(
    opened: OpenGenerator, wanted: Request, told: Callable[[int], None], say: Callable[[str], None] = lambda line: None
) -> list[Drawn]:
    """The sounds asked for, by number: drawn again where they failed, the likeliest kept where more were drawn.

    A sound that still fails after `SampleSettings.redraw` further attempts is kept with its faults named, unless there
    are better ones to keep.
    """
    settings = wanted.settings
    found = _draw_all(opened, wanted, [(number, 0) for number in range(len(wanted.labels))], told)
    for attempt in range(1, settings.redraw + 1):
        failed = [number for number, drawn in found.items() if drawn.faults]
        if not failed:
            break
        reasons = sorted({fault for number in failed for fault in found[number].faults})
        say(f"{len(failed)} of {len(found)} drawn again: {', '.join(reasons)}")
        found |= _draw_all(opened, wanted, [(number, attempt) for number in failed], told)
    likeliest = sorted(found.values(), key=lambda drawn: (bool(drawn.faults), drawn.bits))[: settings.count]
    return sorted(likeliest, key=lambda drawn: drawn.number)


def stream(opened: OpenGenerator, settings: SampleSettings, out: BinaryIO) -> None:
    """One sound as a .wav stream of 16-bit samples into ``out``, each block as soon as it is drawn.

    Raises:
        SettingsError: settings that this network cannot follow, or more than one sound.
    """
    if settings.count > 1 or settings.draw is not None:
        raise SettingsError(["a stream holds one sound; leave --count and --draw away, or name a file"])
    wanted = request(opened, settings)
    out.write(wav_stream.header(opened.rate))
    for sound, _ in _sound_of(opened, wanted, 0):
        out.write(wav_stream.pcm16(sound[np.newaxis]))
        out.flush()


def places(output: Path, count: int) -> list[Path]:
    """Where ``count`` sounds go: ``output`` itself, OUT-01.wav … beside it, or 01.wav … in it where it is a folder. For
    several sounds a name without a suffix is one, and made if it is not there.

    >>> [str(path) for path in places(Path("new.wav"), 2)]
    ['new-01.wav', 'new-02.wav']
    """
    digits = max(2, len(str(count)))
    folder = output.is_dir() or (count > 1 and not output.suffix and not output.exists())
    if folder and output.parent.is_dir():
        output.mkdir(exist_ok=True)
    if folder:
        return [output / f"{number:0{digits}}.wav" for number in range(1, count + 1)]
    if count == 1:
        return [output]
    return [output.with_name(f"{output.stem}-{number:0{digits}}{output.suffix}") for number in range(1, count + 1)]


class Count:
    """Adds up what several threads have done."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self.at, self._total, self._progress, self._lock = 0, total, progress, threading.Lock()

    def __call__(self, more: int) -> None:
        with self._lock:
            self.at += more
            if self._progress is not None:
                self._progress(self.at, max(self._total, self.at))


def _sound_of(opened: OpenGenerator, wanted: Request, number: int) -> Iterator[tuple[FloatArray, float]]:
    """One sound block by block with its nats, the prompt first where it is wanted."""
    decoder = _decoder(opened, wanted)
    if wanted.prompt is not None and wanted.settings.with_prompt:
        yield wanted.prompt.sound, 0.0
    for codes, nats in _blocks(opened, wanted, [(number, 0)]):
        yield decoder(codes[0]), float(nats.sum(dtype=np.float64))


def _write_long(
    opened: OpenGenerator, wanted: Request, number: int, path: Path, force: bool, told: Callable[[int], None]
) -> Written:
    bits = 0.0
    with _writer(opened, wanted, path, force) as out:
        for sound, nats in _sound_of(opened, wanted, number):
            out.write(sound[np.newaxis])
            bits += nats / np.log(2) / wanted.frames
            told(len(sound))
    none = np.zeros(0, np.float32)
    return Written(path, Drawn(none, wanted.labels[number], bits, (), number, 1, out.clipped), out.frames / opened.rate)


def _write_whole(opened: OpenGenerator, wanted: Request, drawn: Drawn, path: Path, force: bool) -> Written:
    with _writer(opened, wanted, path, force) as out:
        if wanted.prompt is not None and wanted.settings.with_prompt:
            out.write(wanted.prompt.sound[np.newaxis])
        out.write(drawn.sound[np.newaxis])
    return Written(path, drawn, out.frames / opened.rate)


def _writer(opened: OpenGenerator, wanted: Request, path: Path, force: bool) -> files.Writer:
    """Where one sound goes, told how long it will be: a .wav beyond 4 GiB needs another header."""
    frames = wanted.frames
    if wanted.prompt is not None and wanted.settings.with_prompt:
        frames += len(wanted.prompt.sound)
    return files.Writer(path, opened.rate, 1, subtype=subtype(path), force=force, frames=frames)


def subtype(path: Path) -> str | None:
    """16 bits where the format has them: the network draws no more."""
    return "PCM_16" if path.suffix.lower() in (".wav", ".flac", ".aiff", ".aif") else None


def _refuse_too_much(opened: OpenGenerator, wanted: Request, folder: Path) -> None:
    """Raise where the sounds would not fit in half of the free memory, or on the disk."""
    prompt = wanted.prompted if wanted.settings.with_prompt else 0
    disk = 2 * (wanted.frames + prompt) * wanted.settings.count
    free = shutil.disk_usage(folder).free
    what = f"{len(wanted.labels)} sounds of {wanted.frames / opened.rate:g} s"
    if disk > free:
        raise SettingsError([f"{what} take {disk / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB free; ask for less"])
    if wanted.frames > LONGEST_JUDGED * opened.rate and wanted.settings.draw is None:
        return  # written as they are made
    memory = wanted.frames * len(wanted.labels) * BYTES_A_SAMPLE
    there = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    if memory > there:
        raise SettingsError(
            [f"{what} take {memory / 1e9:.1f} GB of memory, {there / 1e9:.1f} GB may be used; ask for less at a time"]
        )

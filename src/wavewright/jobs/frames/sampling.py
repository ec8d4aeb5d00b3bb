"""Sample, frame by frame: what is asked for against one network, drawn, judged, drawn again, written."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wavewright.audio import files, wav_stream
from wavewright.audio.limiter import Limiter
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import resample
from wavewright.data.frames import cut
from wavewright.errors import DataError, SettingsError
from wavewright.jobs.frames.drawing import FrameDrawing, Seed
from wavewright.jobs.frames.novelty import COPY, TRIES, Novelty, looked_for
from wavewright.jobs.frames.sounding import Made, blocks_of, drawn_sounds, drawn_unless
from wavewright.jobs.frames.task import judge
from wavewright.jobs.frames.versions import Version
from wavewright.jobs.generate.generator import OpenFrames
from wavewright.jobs.generate.sample_request import PROMPT_SECONDS, QUIETEST_PROMPT
from wavewright.jobs.generate.sampling import (
    LONGEST_JUDGED,
    SIDE_BY_SIDE,
    Count,
    Drawn,
    Sampled,
    Written,
    places,
    subtype,
)
from wavewright.jobs.generate.settings import SampleSettings, temperature_points
from wavewright.metrics.faults import faults_of
from wavewright.metrics.tails import tail_of
from wavewright.settings import problems_of

RISING = "a tail that rises"

FULL_SCALE = 32_768
"""Steps of 16 bits up to full scale."""

LONGER = 1.25
"""Times the longest sound learned, the time that new ones are given to end where no length is asked for."""

MOST_FRAMES = 200_000_000
"""Samples of all sounds that are held at once."""


@dataclass(frozen=True)
class FrameRequest:
    """`SampleSettings` against one network: everything checked."""

    settings: SampleSettings
    drawing: FrameDrawing
    samples: int
    """Of each sound, at most."""
    open_end: bool
    """Whether a sound is as long as the network says."""
    before: FloatArray
    """What is written in front of a sound: the prompt, as far as it is heard; ``(time,)``."""
    labels: tuple[str | None, ...]
    told: tuple[str, ...] = ()


def request(opened: OpenFrames, settings: SampleSettings) -> FrameRequest:
    """What ``settings`` mean for this network.

    Raises:
        SettingsError: values out of range, or that this network cannot follow; all at once.
        DataError, AudioFileError: a prompt that cannot be used.
    """
    problems = problems_of(settings)
    asked, known = settings.frame, opened.material.corpus.labels
    points: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    try:
        points = temperature_points(settings.temperature or "1")
    except SettingsError as error:
        problems += error.problems
    for name, value in (("top_k", settings.top_k), ("envelope", settings.envelope)):
        if value:
            problems.append(f"setting {name} = {value}: networks that go frame by frame know of none, leave it away")
    if settings.draw is not None and settings.draw < settings.count:
        problems.append(f"setting draw = {settings.draw}: must be at least count = {settings.count}, of which it keeps")
    if settings.label is not None and settings.label not in known:
        classes = f"its classes are {', '.join(known)}" if known else "it was trained without classes"
        problems.append(f"setting class = {settings.label!r}: the network does not know it; {classes}")
    if len(asked.mix) not in (0, 2):
        problems.append(f"setting mix: two sound files are mixed, {len(asked.mix)} were given")
    ways = [name for name, there in (("prompt", settings.prompt), ("mix", asked.mix)) if there]
    ways += [f"start {asked.start}"] if asked.start != "none" else []
    if len(ways) > 1:
        problems.append(f"settings {', '.join(ways)}: a sound has one beginning; give one of them")
    if problems:
        raise SettingsError(problems)
    rate = opened.rate
    number = settings.draw or settings.count
    open_end = settings.seconds is None and opened.settings.frame.ending and not asked.past_end
    longest = LONGER * max(sound.length for sound in opened.material.learned) / rate
    seconds = settings.seconds or (longest if open_end else opened.median_seconds(settings.label))
    seeds, before, told, likeness = _beginnings(opened, settings, number)
    labels = tuple(settings.label or (known[at % len(known)] if known else None) for at in range(number))
    drawing = opened.measured.drawing(
        opened.network,
        seed=settings.seed,
        temperatures=points,
        labels=labels,
        seeds=seeds,
        likeness=likeness,
        asked=asked,
    )
    return FrameRequest(settings, drawing, max(1, round(seconds * rate)), open_end, before, labels, told)


_Beginnings = tuple[tuple[Seed, ...], FloatArray, tuple[str, ...], FloatArray | None]


def _beginnings(opened: OpenFrames, settings: SampleSettings, number: int) -> _Beginnings:
    """What each sound begins with, what is written in front of it, what was done on the way, whose character it has."""
    asked, cutting, character = settings.frame, opened.cutting, opened.measured.character
    if opened.measured.beat is not None:
        character = None  # it is beats that have one, and new ones are drawn
    hop, overlap = cutting.kind.hop, cutting.kind.overlap
    none = np.zeros(0, np.float32)
    if settings.prompt is not None:
        sound, told = _read(opened, settings.prompt, settings.prompt_seconds or PROMPT_SECONDS)
        whole = len(sound) // hop  # frames that end within the prompt
        if whole <= overlap:
            raise DataError(
                f"the prompt {settings.prompt} is shorter than {overlap + 1} frames of {hop} samples; give a longer one"
            )
        sound = sound[len(sound) - whole * hop :]
        count = whole - max(0, overlap - 1)
        before = sound[: (count - overlap) * hop] if settings.with_prompt else none
        likeness = opened.measured.character_begun(sound, opened.network)
        return (Seed((cut(cutting.kind, sound, 0, count),)),), before, told, likeness
    if asked.mix:
        heard = [_read(opened, path, PROMPT_SECONDS) for path in asked.mix]
        count = max(1, min(len(sound) for sound, _ in heard) // hop - overlap)
        frames = tuple(cut(cutting.kind, sound, 0, min(count, asked.start_frames)) for sound, _ in heard)
        told = tuple(line for _, lines in heard for line in lines)
        likenesses = [] if character is None else [character.numbers_of(sound, opened.rate) for sound, _ in heard]
        return (Seed(frames),), none, told, np.mean(likenesses, axis=0) if likenesses else None
    if asked.start == "none":
        return (), none, (), None
    dice = np.random.default_rng([settings.seed, 1 << 20])
    learned = [opened.material.sound(sound) for sound in opened.material.learned]
    ways = 2 if asked.start == "mix" else 1
    seeds = []
    shortest = min(-(-len(sound) // hop) for sound in learned)
    count = max(1, min(asked.start_frames, shortest))
    for _ in range(number):
        chosen = [learned[int(dice.integers(len(learned)))] for _ in range(ways)]
        frames = tuple(cut(cutting.kind, sound, 0, count) for sound in chosen)
        seeds.append(Seed(frames, kept=count if ways == 1 else 0))
    return tuple(seeds), none, (), None


def _read(opened: OpenFrames, path: Path, seconds: float) -> tuple[FloatArray, tuple[str, ...]]:
    """The end of a sound file at the network's rate, mono, and what was done to it.

    Raises:
        AudioFileError: it cannot be read.
        DataError: it is silent.
    """
    about = files.info(path)
    recording = files.read(path, start=max(0, about.frames - round(seconds * about.rate)))
    told = [f"{path.name} is brought from {about.rate} to {opened.rate} Hz"] if about.rate != opened.rate else []
    sound = np.ascontiguousarray(resample(recording, opened.rate).samples.mean(axis=0))
    if float(np.abs(sound).max(initial=0.0)) < QUIETEST_PROMPT:
        raise DataError(f"{path} is silent at its end; choose another sound to begin with, or none")
    return sound, tuple(told)


# ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sample(
    opened: OpenFrames,
    settings: SampleSettings,
    output: Path,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Sampled:
    """Draw what ``settings`` ask for into ``output``, as `wavewright.jobs.generate.sampling.sample` does.

    Raises:
        SettingsError: settings that this network cannot follow, or more than fits in memory.
        OutputError: a file is there already (without ``force``), or cannot be written.
    """
    say = tell or (lambda line: None)
    wanted = request(opened, settings)
    paths = places(output, settings.count)
    for path in paths:
        files.Writer(path, opened.rate, 1, subtype=subtype(path), force=force)  # refuses what cannot be written
    for line in wanted.told:
        say(line)
    done = Count(progress, wanted.samples * len(wanted.labels))
    started = time.monotonic()
    if wanted.samples > LONGEST_JUDGED * opened.rate and settings.draw is None:
        written = [_write_long(opened, wanted, number, path, force, done) for number, path in enumerate(paths)]
        return Sampled(tuple(written), time.monotonic() - started)
    _refuse_too_much(wanted)
    kept = best(opened, wanted, done, say)
    took = time.monotonic() - started
    written = [_write_whole(opened, wanted, one, path, force) for one, path in zip(kept, paths, strict=True)]
    return Sampled(tuple(written), took)


def best(
    opened: OpenFrames,
    wanted: FrameRequest,
    told: Callable[[int], None],
    say: Callable[[str], None] = lambda line: None,
) -> list[Drawn]:
    """The sounds asked for, by number: drawn again where they failed, the likeliest kept where more were drawn."""
    settings, asked = wanted.settings, wanted.settings.frame.novel
    quick = looked_for(opened) and not wanted.drawing.seeds
    novelty = Novelty(opened) if asked == "always" or (asked == "quick" and quick) else None
    wanted = replace(wanted, drawing=replace(wanted.drawing, searched=novelty is not None))
    found = _draw_all(opened, wanted, novelty, [(number, 0) for number in range(len(wanted.labels))], told)
    left, again = dict.fromkeys(found, settings.redraw), Counter[str]()
    for attempt in itertools.count(1):
        copies = [number for number, drawn in found.items() if COPY in drawn.faults and attempt <= TRIES]
        faulty = [number for number, drawn in found.items() if {*drawn.faults} - {COPY} and left[number]]
        failed = sorted({*copies, *faulty})
        if not failed:
            break
        for number in faulty:
            left[number] -= 1
        again.update(fault for number in failed for fault in found[number].faults)
        found |= _draw_all(opened, wanted, novelty, [(number, attempt) for number in failed], told)
    if again:
        say(f"drawn again: {', '.join(f'{count} {fault}' for fault, count in sorted(again.items()))}")
    near = sum(COPY in drawn.faults for drawn in found.values())
    if near:
        say(f"{near} of {len(found)} are still {COPY}; hold more out, or keep what is drawn (--novel never)")
    likeliest = sorted(found.values(), key=lambda drawn: (bool(drawn.faults), drawn.bits))[: settings.count]
    return sorted(likeliest, key=lambda drawn: drawn.number)


def _draw_all(
    opened: OpenFrames,
    wanted: FrameRequest,
    novelty: Novelty | None,
    sounds: Sequence[tuple[int, int]],
    told: Callable[[int], None],
) -> dict[int, Drawn]:
    found = {}
    if wanted.drawing.character is not None:  # side by side lie those of about one length
        sounds = sorted(sounds, key=lambda sound: wanted.drawing.controls_of(sound, 1).length or 0.0)
    for first in range(0, len(sounds), SIDE_BY_SIDE):
        group = sounds[first : first + SIDE_BY_SIDE]
        # of the last attempt at a sound something has to be there to be kept
        foresee = novelty is not None and all(attempt < TRIES for _, attempt in group)
        made: Sequence[Made | None]
        if novelty is not None and foresee:
            made = drawn_unless(wanted.drawing, wanted.samples, group, novelty.foreseen)
        else:
            made = drawn_sounds(wanted.drawing, wanted.samples, group)
        kept = [(sound, one) for sound, one in zip(group, made, strict=True) if one is not None]
        finished = [_finished(opened, wanted, sound, one) for sound, one in kept]
        copies = novelty.copies([one.sound for one in finished]) if novelty is not None else [False] * len(kept)
        for one, copy in zip(finished, copies, strict=True):
            found[one.number] = replace(one, faults=(*one.faults, COPY)) if copy else one
        for (number, attempt), nothing in zip(group, made, strict=True):
            if nothing is None:
                found[number] = _copy(wanted.labels[number], number, attempt)
        told(wanted.samples * len(group))
    return found


def _copy(label: str | None, number: int, attempt: int) -> Drawn:
    """What stands for a sound whose frames told already that it would be a copy."""
    return Drawn(np.zeros(0, np.float32), label, np.nan, (COPY,), number, attempt + 1, 0)


def _finished(opened: OpenFrames, wanted: FrameRequest, sound: tuple[int, int], made: Made) -> Drawn:
    """One sound, cut where it is over if no length was asked for, in 16 bits as it will be written.

    A one-shot that follows from nothing before it is brought down to the loudest one learned, a longer sound is limited
    to full scale around its peaks alone, all else is cut off there.
    """
    number, attempt = sound
    audio = made.sound
    if wanted.open_end and made.over is not None:
        audio = audio[: max(1, round(made.over * opened.rate))]
    if not wanted.drawing.seeds and wanted.open_end:
        loudest = min(1.0, opened.reference.peak)
        audio = audio * np.float32(loudest / max(loudest, float(np.abs(audio).max(initial=0.0))))
    elif wanted.drawing.chance is not None:
        audio = Limiter(opened.rate).push(audio, last=True)
    beyond = int((np.abs(audio) > 1).sum())
    audio = np.asarray(np.clip(np.rint(audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / FULL_SCALE, np.float32)
    cost = cost_of(opened, audio, wanted.labels[number]) if wanted.settings.draw is not None else np.nan
    faults = opened.reference.against(faults_of(audio, opened.rate))
    if wanted.open_end and opened.fades and tail_of(audio).rises:
        faults = (*faults, RISING)
    return Drawn(audio, wanted.labels[number], cost, faults, number, attempt + 1, beyond)


def cost_of(opened: OpenFrames, sound: FloatArray, label: str | None) -> float:
    """What a sound ``(time,)`` costs the network, for each number of a frame."""
    measured = opened.measured
    heard = replace(measured.material.learned[0], label=label)
    return judge(opened.network, measured.cut([Version(sound, heard, measured.beat)]))[0]


def stream(opened: OpenFrames, settings: SampleSettings, out: BinaryIO) -> None:
    """One sound as a .wav stream of 16-bit samples into ``out``, each block as soon as it is drawn.

    Raises:
        SettingsError: settings that this network cannot follow, or more than one sound.
    """
    if settings.count > 1 or settings.draw is not None:
        raise SettingsError(["a stream holds one sound; leave --count and --draw away, or name a file"])
    wanted = request(opened, settings)
    out.write(wav_stream.header(opened.rate))
    for block in _one(wanted, 0):
        out.write(wav_stream.pcm16(block[np.newaxis]))
        out.flush()


def _one(wanted: FrameRequest, number: int) -> Iterator[FloatArray]:
    """One sound block by block, within full scale, behind what is written in front of it."""
    if len(wanted.before):
        yield wanted.before
    limiter = Limiter(wanted.drawing.rate)
    for block in blocks_of(wanted.drawing, wanted.samples, (number, 0)):
        yield np.clip(block, -1, 1) if wanted.drawing.chance is None else limiter.push(block)
    if wanted.drawing.chance is not None:
        yield limiter.push(np.zeros(0, np.float32), last=True)


def _write_long(
    opened: OpenFrames, wanted: FrameRequest, number: int, path: Path, force: bool, told: Callable[[int], None]
) -> Written:
    frames = wanted.samples + len(wanted.before)
    with files.Writer(path, opened.rate, 1, subtype=subtype(path), force=force, frames=frames) as out:
        for block in _one(wanted, number):
            out.write(block[np.newaxis])
            told(len(block))
    none = np.zeros(0, np.float32)
    return Written(path, Drawn(none, wanted.labels[number], np.nan, (), number, 1, 0), out.frames / opened.rate)


def _write_whole(opened: OpenFrames, wanted: FrameRequest, drawn: Drawn, path: Path, force: bool) -> Written:
    with files.Writer(path, opened.rate, 1, subtype=subtype(path), force=force) as out:
        out.write(np.concatenate([wanted.before, drawn.sound])[np.newaxis])
    return Written(path, drawn, out.frames / opened.rate)


def _refuse_too_much(wanted: FrameRequest) -> None:
    total = wanted.samples * len(wanted.labels)
    if total > MOST_FRAMES:
        raise SettingsError(
            [f"{len(wanted.labels)} sounds of {wanted.samples} samples are more than is held at once; ask for fewer"]
        )

"""Drawing from a network that goes frame by frame: many sounds side by side, block after block.

Each sound has random numbers of its own, a function of (seed, number, attempt): the same seed gives the same sound,
however many are drawn with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.data.character import Character
from wavewright.data.frame_chance import Chance, told_of_beat
from wavewright.data.frame_controls import Beat, FrameControls
from wavewright.data.frame_kinds import Synthesiser
from wavewright.data.frames import Cutting, count_of
from wavewright.data.new_characters import Learned, places_of
from wavewright.engine.frame_sampler import Dice, FrameSampler, Memory
from wavewright.jobs.frames.settings import FrameSampleSettings
from wavewright.nets.frame_generator import FrameGenerator

BLOCK = 64
"""Frames between two looks at the progress."""

PATIENCE = 2
"""Attempts after which it is the turn of another learned sound."""

SHORTEST = 2
"""Frames before which no sound is over."""


@dataclass(frozen=True)
class Seed:
    """What a sound begins with: frames that are heard, ``(n, features)``, and of which the sound is a continuation.

    Several are heard one by one and the network begins between them. ``kept`` of the frames belong to the new sound.
    """

    frames: tuple[FloatArray, ...] = ()
    kept: int = 0


@dataclass(frozen=True)
class FrameDrawing:
    """All that drawing needs to know.

    ``temperatures`` are (seconds, temperature), straight lines between. ``age`` are seconds a frame where the network
    is told a sound's age.
    """

    network: FrameGenerator
    cutting: Cutting
    rate: int
    classes: tuple[str, ...] = ()
    learned: Learned | None = None
    """Whose characters new ones lie between; none are told where None."""
    age: float | None = None
    beat: Beat | None = None
    seed: int = 0
    temperatures: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    labels: tuple[str | None, ...] = ()
    seeds: tuple[Seed, ...] = ()
    """What each number begins with; where there are fewer, they take turns."""
    likeness: FloatArray | None = None
    """The character of all new sounds, ``(numbers,)``; drawn between those learned where None."""
    ends: bool = True
    """Whether the network was taught where sounds end; what it says of it is noise where not."""
    character: Character | None = None
    """Tells how long a new sound is; None where it is the network that says when it is over."""
    chance: Chance | None = None
    """What hangs together from frame to frame of what is drawn; every frame is drawn for itself where None."""
    asked: FrameSampleSettings = field(default_factory=FrameSampleSettings)

    def dice(self, sound: tuple[int, ...]) -> np.random.Generator:
        """The random numbers of a (number, attempt), and of what else is told apart."""
        return np.random.default_rng([self.seed, *sound])

    def seed_of(self, number: int) -> Seed:
        """What a number begins with."""
        return self.seeds[number % len(self.seeds)] if self.seeds else Seed()

    def controls_of(self, sound: tuple[int, int], frames: int) -> FrameControls:
        """What the network is told of a (number, attempt) of so many ``frames``."""
        # characters have dice of their own: how many are drawn hangs on the length, and nothing else should
        (number, attempt), dice = sound, self.dice((*sound, 1))
        label = self.labels[number % len(self.labels)] if self.labels else None
        if label is None and self.classes:
            label = self.classes[number % len(self.classes)]
        turn = number // max(1, len(set(self.labels) or self.classes)) + attempt // PATIENCE
        told = np.zeros(0, np.float32)
        if self.likeness is not None:
            told = self.likeness
        elif self.learned is not None and self.beat is None:
            told = self.learned.between(turn, dice, label=label, seed=self.seed)
        elif self.learned is not None and self.beat is not None:
            places = places_of(np.unique(self.beat.beats(0, max(1, frames))))
            told = self.learned.loop(turn, places, dice, label=label, seed=self.seed)
        length = None
        if self.character is not None:
            length = self.character.seconds_of(told) * self.rate / self.cutting.kind.hop
        return FrameControls.of(label, self.classes, told, self.age, self.beat, length)

    @property
    def memory(self) -> Memory:
        """How much is remembered."""
        return Memory(self.asked.memory, self.asked.memory_frames)

    def temperature(self, frame: int) -> float:
        """Of a frame, counted from the first one."""
        seconds, values = zip(*self.temperatures, strict=True)
        return float(np.interp(frame * self.cutting.kind.hop / self.rate, seconds, values))


@dataclass(frozen=True)
class Made:
    """A new sound ``(time,)`` and the second at which the network said that it was over; None where it did not."""

    sound: FloatArray
    over: float | None


def drawn_sounds(drawing: FrameDrawing, samples: int, sounds: Sequence[tuple[int, int]]) -> list[Made]:
    """``samples`` of each (number, attempt), silent behind their ends."""
    blocks = Blocks(drawing, samples, sounds)
    whole = np.concatenate(list(blocks), axis=1)
    return [
        Made(sound, None if over < 0 else float(over) * drawing.cutting.kind.hop / drawing.rate)
        for sound, over in zip(whole, blocks.over.tolist(), strict=True)
    ]


class Blocks:
    """New sound ``(sounds, n)`` block after block: ``samples`` of each (number, attempt)."""

    def __init__(self, drawing: FrameDrawing, samples: int, sounds: Sequence[tuple[int, int]]) -> None:
        self.drawing, self.samples = drawing, samples
        self._dice = [drawing.dice(sound) for sound in sounds]
        frames = count_of(drawing.cutting.kind, samples) + max(
            (len(one) for seed in drawing.seeds for one in seed.frames), default=0
        )
        self._controls = [drawing.controls_of(sound, frames) for sound in sounds]
        self._seeds = [drawing.seed_of(number) for number, _ in sounds]
        # a sound's last frame, where frames are centred on their samples, lies at its end already
        self._late = 1 if drawing.cutting.kind.overlap > 1 else 0
        self._beat: int | None = None
        self._drawn = np.zeros(len(sounds), np.int64)
        self._finished = np.zeros(len(sounds), np.bool_)
        self._ready = [np.zeros(0, np.float32) for _ in sounds]
        self._total = self._shift = 0  # frames in all, and of them those that were only heard
        self.over = np.full(len(sounds), -1)
        """The frame before which each sound was over; −1 where it goes on."""

    def __iter__(self) -> Iterator[FloatArray]:
        drawing, kind = self.drawing, self.drawing.cutting.kind
        sampler = FrameSampler(drawing.network, drawing.cutting, len(self._dice), self._told, drawing.memory)
        synthesisers = [kind.synthesiser() for _ in self._dice]
        heard = self._begin(sampler)  # (sounds, n, features), of which the new sound is the continuation
        kept = self._seeds[0].kept
        skip = max(0, heard.shape[1] - kept - kind.overlap) * kind.hop  # samples of what was only heard
        self._shift = heard.shape[1] - kept
        total = self._total = heard.shape[1] + count_of(kind, self.samples) - kept
        done, at, frames = 0, heard.shape[1], heard
        while done < self.samples:
            new = [frames] if frames.shape[1] else []
            for _ in range(min(BLOCK, total - at)):
                new.append(self._frame(sampler, at - heard.shape[1] + kept)[:, np.newaxis])
                at += 1
                if (self.over >= 0).all() and at >= self._needed(int(self.over.max())):
                    break  # the rest is silence
            block = np.concatenate(new, axis=1)
            frames = block[:, :0]
            self._push(synthesisers, block, at)
            lengths = np.array([len(part) for part in self._ready])
            if self._finished.all() and not lengths.any():
                yield np.zeros((len(block), self.samples - done), np.float32)
                return
            # what is over may lie ready as a whole while the others come late by what their frames overlap
            count = int(lengths.max() if self._finished.all() else lengths[~self._finished].min())
            made = np.stack([np.pad(part[:count], (0, max(0, count - len(part)))) for part in self._ready])
            self._ready = [part[count:] for part in self._ready]
            dropped = min(skip, made.shape[1])
            skip, made = skip - dropped, made[:, dropped:][:, : self.samples - done]
            if at >= total and done + made.shape[1] < self.samples:
                made = np.pad(made, ((0, 0), (0, self.samples - done - made.shape[1])))
            self._end(made, done)
            done += made.shape[1]
            if made.shape[1]:
                yield made

    def _push(self, synthesisers: list[Synthesiser], block: FloatArray, at: int) -> None:
        """Make sound of a ``block`` ``(sounds, n, features)`` that ends before frame ``at``, of each sound that is not
        over yet and of no more of its frames than are heard."""
        for row in np.flatnonzero(~self._finished).tolist():
            over, begun = int(self.over[row]), at - block.shape[1]
            count = block.shape[1] if over < 0 else min(block.shape[1], max(0, self._needed(over) - begun))
            self._finished[row] = at >= self._total or (over >= 0 and at >= self._needed(over))
            part = synthesisers[row].push(block[row, :count], last=bool(self._finished[row]))
            self._ready[row] = np.concatenate([self._ready[row], part])

    def _needed(self, over: int) -> int:
        """How many frames are heard, at least in part, of a sound that is over before frame ``over``."""
        return over + self.drawing.cutting.kind.overlap + 1 + self._shift

    def _told(self, first: int, count: int) -> FloatArray:
        return np.stack([one.signal(first, count).T for one in self._controls])

    def _begin(self, sampler: FrameSampler) -> FloatArray:
        """Hear what the sounds begin with; gives the frames ``(sounds, n, features)``."""
        features = self.drawing.cutting.kind.size
        ways = max(len(seed.frames) for seed in self._seeds)
        if not ways:
            return np.zeros((len(self._seeds), 0, features), np.float32)
        length = min(len(frames) for seed in self._seeds for frames in seed.frames)
        heard = [np.stack([seed.frames[way][-length:] for seed in self._seeds]) for way in range(ways)]
        if ways == 1:
            sampler.listen(heard[0])
            return heard[0]
        minds = []
        for frames in heard:
            one = FrameSampler(sampler.network, sampler.cutting, sampler.sounds, self._told, sampler.memory)
            one.listen(frames)
            minds.append(one)
        sampler.begin_between(minds)
        return np.zeros((len(self._seeds), 0, features), np.float32)

    def _frame(self, sampler: FrameSampler, number: int) -> FloatArray:
        """The next frame of each sound ``(sounds, features)``, silence where it is over."""
        drawing, config = self.drawing, self.drawing.network.config
        draws = drawing.network.distribution.draws + 1
        uniform = np.stack([one.random(draws, np.float32) for one in self._dice])
        if drawing.chance is None:
            normal = np.stack([one.standard_normal(config.numbers, np.float32) for one in self._dice])
        else:
            normal = self._chance(drawing.chance, sampler.at)
        noise = np.stack([one.standard_normal(config.features, np.float32) for one in self._dice])
        frame, over = sampler.draw(
            Dice(uniform, normal, noise), drawing.temperature(number), denormalise=drawing.asked.denormalize
        )
        lengths = [controls.length for controls in self._controls]
        if drawing.character is not None:
            over = np.array([length is not None and sampler.at - 1 >= length for length in lengths])
        if drawing.ends and not drawing.asked.past_end and number >= SHORTEST:
            self.over[over & (self.over < 0)] = number - self._late
        ended = self.over >= 0
        return np.where(ended[:, None], self._silence, frame).astype(np.float32)

    def _chance(self, chance: Chance, at: int) -> FloatArray:
        """What is left to chance in a frame of each sound ``(sounds, numbers)``, drawn anew for each beat of a loop."""
        beat, frame = (0, at) if self.drawing.beat is None else self.drawing.beat.beat_of(at)
        if beat != self._beat:
            self._beat = beat
            if self.drawing.beat is None:
                told = [controls.told(0, 1)[:, 0] for controls in self._controls]
            else:
                told = [told_of_beat(controls, at) for controls in self._controls]
            self._drawn = np.array([chance.drawn(*both) for both in zip(told, self._dice, strict=True)], np.int64)
        return chance.at(frame, self._drawn)

    @cached_property
    def _silence(self) -> FloatArray:
        kind = self.drawing.cutting.kind
        return np.asarray(kind.analyse(np.zeros(kind.hop, np.float32))[0])

    def _end(self, made: FloatArray, first: int) -> None:
        """Fade each sound out over the hop before its end, to zero behind it; in place. ``first``: where ``made``
        begins."""
        hop = self.drawing.cutting.kind.hop
        for row, over in zip(made, self.over.tolist(), strict=True):
            if over >= 0:
                places = np.arange(first, first + len(row))
                row *= np.clip((over * hop - places) / hop, 0, 1).astype(np.float32) ** 2

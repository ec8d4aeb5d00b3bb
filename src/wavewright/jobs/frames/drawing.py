"""Drawing from a network that goes frame by frame: the frames of many sounds side by side, block after block.

Each sound has random numbers of its own, a function of (seed, number, attempt): the same seed gives the same sound,
however many are drawn with it. `wavewright.jobs.frames.sounding` makes sound of the frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.character import Character
from wavewright.data.frame_chance import Chance, told_of_beat
from wavewright.data.frame_controls import Beat, FrameControls
from wavewright.data.frames import Cutting, count_of
from wavewright.data.new_characters import Learned, places_of
from wavewright.engine.frame_sampler import Dice, FrameSampler, Memory
from wavewright.jobs.frames.settings import FrameSampleSettings
from wavewright.nets.frame_generator import FrameGenerator

BLOCK = 64
"""Frames that are drawn between two looks at what has become of them."""

PATIENCE = 8
"""Attempts after which it is the turn of another learned sound."""

REACH = 1 / 6
"""Share of the way to another sound that the first attempt at a sound goes at most where copies are drawn again, and by
which each further one may go further."""

COLDEST = 1e-3
"""The lowest temperature where chance is told: what follows from the character stands beside it, and is never cold."""

SHORTEST = 2
"""Frames before which no sound is over."""


class Purpose(IntEnum):
    """What random numbers are for."""

    CHARACTER = 0
    UNIFORM = 1
    NORMAL = 2
    NOISE = 3
    CHANCE = 4


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
    searched: bool = False
    """Whether what is drawn is searched for among what was learned, and copies of that are drawn again."""
    asked: FrameSampleSettings = field(default_factory=FrameSampleSettings)
    _characters: dict[tuple[int, int], FloatArray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def dice(self, sound: tuple[int, int], purpose: int) -> np.random.Generator:
        """The random numbers of a (number, attempt) for one of `Purpose`: how many are drawn for one changes nothing of
        the others."""
        return np.random.default_rng([self.seed, *sound, purpose])

    def seed_of(self, number: int) -> Seed:
        """What a number begins with."""
        return self.seeds[number % len(self.seeds)] if self.seeds else Seed()

    def controls_of(self, sound: tuple[int, int], frames: int) -> FrameControls:
        """What the network is told of a (number, attempt) of so many ``frames``."""
        label = self._label_of(sound[0])
        told = self._character_of(sound, label, frames)
        length = None
        if self.character is not None:
            length = self.character.seconds_of(told) * self.rate / self.cutting.kind.hop
        return FrameControls.of(label, self.classes, told, self.age, self.beat, length)

    def _label_of(self, number: int) -> str | None:
        label = self.labels[number % len(self.labels)] if self.labels else None
        return self.classes[number % len(self.classes)] if label is None and self.classes else label

    def _character_of(self, sound: tuple[int, int], label: str | None, frames: int) -> FloatArray:
        """The character ``(numbers,)`` of a (number, attempt), or those of its beats ``(beats, numbers)``."""
        if self.likeness is not None or self.learned is None:
            return np.zeros(0, np.float32) if self.likeness is None else self.likeness
        if sound in self._characters:
            return self._characters[sound]
        (number, attempt), dice = sound, self.dice(sound, Purpose.CHARACTER)
        turn = number // max(1, len(set(self.labels) or self.classes)) + attempt // PATIENCE
        if self.beat is not None:
            places = places_of(np.unique(self.beat.beats(0, max(1, frames))))
            return self.learned.loop(turn, places, dice, label=label, seed=self.seed)
        reach = min(1.0, REACH * (attempt % PATIENCE + 1)) if self.searched else None
        found = self.learned.between(turn, dice, label=label, seed=self.seed, reach=reach)
        self._characters[sound] = found  # asked for when sounds are put in order, and when they are drawn
        return found

    @property
    def memory(self) -> Memory:
        """How much is remembered."""
        return Memory(self.asked.memory, self.asked.memory_frames)

    def temperature(self, frame: int) -> float:
        """Of a frame, counted from the first one."""
        seconds, values = zip(*self.temperatures, strict=True)
        return float(np.interp(frame * self.cutting.kind.hop / self.rate, seconds, values))


class FrameBlocks:
    """The frames ``(sounds, n, features)`` of each (number, attempt), block after block, silent behind their ends: as
    many as ``samples`` of sound need, and before them those that were only heard."""

    def __init__(self, drawing: FrameDrawing, samples: int, sounds: Sequence[tuple[int, int]]) -> None:
        self.drawing, kind = drawing, drawing.cutting.kind
        longest = max((len(one) for seed in drawing.seeds for one in seed.frames), default=0)
        self._controls = [drawing.controls_of(sound, count_of(kind, samples) + longest) for sound in sounds]
        self._seeds = [drawing.seed_of(number) for number, _ in sounds]
        self._sounds, self._dice = list(sounds), dict[Purpose, list[np.random.Generator]]()
        # a sound's last frame, where frames are centred on their samples, lies at its end already
        self._late = 1 if kind.overlap > 1 else 0
        self._beat: int | None = None
        self._drawn = np.zeros(len(sounds), np.int64)  # whose chance each takes
        self._still = np.zeros((len(sounds), 0), np.float32)  # what is told that the chance hangs on
        self.over = np.full(len(sounds), -1)
        """The frame before which each sound was over; −1 where it goes on."""
        self._sampler = FrameSampler(drawing.network, drawing.cutting, len(sounds), self._told, drawing.memory)
        self._heard = self._begin(self._sampler)  # (sounds, n, features), of which the new sound is the continuation
        self.only_heard: int = self._heard.shape[1] - self._seeds[0].kept
        """Frames before the first one of the new sound."""
        self.total = self.only_heard + count_of(kind, samples)
        """Frames in all."""

    def __iter__(self) -> Iterator[FloatArray]:
        at = self._heard.shape[1]
        if at:
            yield self._heard
        while at < self.total and not ((self.over >= 0).all() and at >= self.needed(int(self.over.max()))):
            block = []
            stop = min(at + BLOCK, self.total)
            while at < stop:
                count = min(stop - at, self._left()) if self._sampler.together else 1
                block.append(self._frames(at - self.only_heard, count))
                at += count
                if (self.over >= 0).all() and at >= self.needed(int(self.over.max())):
                    break  # the rest is silence
            yield block[0] if len(block) == 1 else np.concatenate(block, axis=1)

    def needed(self, over: int) -> int:
        """How many frames, those only heard among them, are heard at least in part of a sound that is over before frame
        ``over``."""
        return over + self.drawing.cutting.kind.overlap + 1 + self.only_heard

    def of_sound(self, row: int, frames: FloatArray) -> FloatArray:
        """Of all ``frames`` ``(n, features)`` of a sound those that are its own, up to its end."""
        over = int(self.over[row])
        return frames[self.only_heard : self.only_heard + over + 1 if over >= 0 else None]

    def _left(self) -> int:
        """Frames, one at least, until all sounds are over and have died away, where that is known before."""
        lengths = [controls.length for controls in self._controls]
        if self.drawing.character is None or not self._ending or None in lengths:
            return BLOCK
        last = max(length for length in lengths if length is not None)
        return max(1, math.ceil(last) + self.drawing.cutting.kind.overlap + 2 - self._sampler.at)

    @property
    def _ending(self) -> bool:
        return self.drawing.ends and not self.drawing.asked.past_end

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

    def _frames(self, number: int, count: int) -> FloatArray:
        """The next ``count`` frames of each sound ``(sounds, count, features)`` from its frame ``number`` on, silence
        where it is over."""
        drawing, sampler = self.drawing, self._sampler
        first, numbers = sampler.at, np.arange(number, number + count)
        uniform = self._rolled(Purpose.UNIFORM, count, drawing.network.distribution.draws + 1)
        temperatures = np.array([drawing.temperature(at) for at in numbers.tolist()])
        if drawing.chance is None:
            normal = self._rolled(Purpose.NORMAL, count, drawing.network.config.numbers)
        else:
            temperatures = np.maximum(temperatures, COLDEST)
            normal = self._chances(drawing.chance, first, temperatures)
        filled = drawing.cutting.scaling.levels.shape[1] > 0
        noise = self._rolled(Purpose.NOISE, count, drawing.network.config.features) if filled else None
        frames, over = sampler.draw(Dice(uniform, normal, noise), temperatures, denormalise=drawing.asked.denormalize)
        if drawing.character is not None:
            lengths = [controls.length if controls.length is not None else np.inf for controls in self._controls]
            over = first + np.arange(count) >= np.array(lengths)[:, None]
        if self._ending:
            over = over & (numbers >= SHORTEST)
            ends = over.any(axis=1) & (self.over < 0)
            self.over[ends] = numbers[over.argmax(axis=1)[ends]] - self._late
        ended = (self.over[:, None] >= 0) & (numbers - self._late >= self.over[:, None])
        return np.where(ended[..., None], self._silence, frames).astype(np.float32)

    def _dice_for(self, purpose: Purpose) -> list[np.random.Generator]:
        if purpose not in self._dice:
            self._dice[purpose] = [self.drawing.dice(sound, purpose) for sound in self._sounds]
        return self._dice[purpose]

    def _rolled(self, purpose: Purpose, count: int, numbers: int) -> FloatArray:
        """Random numbers ``(sounds, count, numbers)``: even ones in [0, 1), or normal ones."""
        dice = self._dice_for(purpose)
        if purpose is Purpose.UNIFORM:
            return np.stack([one.random((count, numbers), np.float32) for one in dice])
        return np.stack([one.standard_normal((count, numbers), np.float32) for one in dice])

    def _chances(self, chance: Chance, first: int, temperatures: NDArray[np.float64]) -> FloatArray:
        """What is left to chance in frames ``(sounds, n, numbers)``, drawn anew for each beat of a loop, and what
        follows from what is told, which is no chance: it is the same at all ``temperatures`` ``(n,)``."""
        found = []
        for at, temperature in enumerate(temperatures.tolist(), first):
            beat, frame = (0, at) if self.drawing.beat is None else self.drawing.beat.beat_of(at)
            if beat != self._beat:
                self._beat = beat
                self._still = np.stack([self._told_still(controls, at) for controls in self._controls])
                dice = self._dice_for(Purpose.CHANCE)
                drawn = [
                    chance.drawn(still, one, attempt % PATIENCE)
                    for still, one, (_, attempt) in zip(self._still, dice, self._sounds, strict=True)
                ]
                self._drawn = np.array(drawn, np.int64)
            follows = chance.slopes.at(frame, self._still) / np.float32(temperature)
            found.append(chance.at(frame, self._drawn) + follows)
        return np.stack(found, axis=1)

    def _told_still(self, controls: FrameControls, at: int) -> FloatArray:
        """What stays the same through a sound, or through the beat in which frame ``at`` lies ``(n,)``."""
        return controls.told(0, 1)[:, 0] if self.drawing.beat is None else told_of_beat(controls, at)

    @cached_property
    def _silence(self) -> FloatArray:
        kind = self.drawing.cutting.kind
        return np.asarray(kind.analyse(np.zeros(kind.hop, np.float32))[0])

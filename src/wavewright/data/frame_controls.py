"""What a frame generator is told beside the frames: class, character, age, how much is to come, the place in the bar.

The class is one channel for each, the character as many numbers as `wavewright.data.character` gives (of a loop whose
beat is told, those of each beat in turn), the age the time since the sound began as
`wavewright.data.controls.since_onset` tells it. The beat is told by cosine and sine of the place within the beat and
within the bar, so that the end of one bar is next to the beginning of the next, and by smooth bumps all around the bar,
for a network that hears nothing else has to know where exactly the snare falls.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.controls import POSITIONS, positions, since_onset

AGE_CHANNELS = 24
"""Smooth bumps over the age of a sound, evenly in its logarithm: a network finds its moment among them at once."""
BEATS_A_BAR = 4
BAR_BUMPS = 64
BEAT_CHANNELS = 4 + BAR_BUMPS


@dataclass(frozen=True)
class Beat:
    """A steady beat: frame 0 lies ``first`` beats behind the beginning of a bar, each frame is ``step`` beats long.

    >>> Beat(first=0.0, step=0.25).signal(0, 5).round(2).tolist()[0][:3]
    [1.0, 0.0, -1.0]
    """

    first: float
    step: float

    @classmethod
    def at(cls, beats_per_minute: float, hop: int, rate: int, first_seconds: float = 0.0) -> Beat:
        """The beat of a tempo, a bar beginning ``first_seconds`` behind the start of the sound."""
        a_second = beats_per_minute / 60
        return cls(-first_seconds * a_second, a_second * hop / rate)

    def signal(self, first: int, count: int) -> FloatArray:
        """``(BEAT_CHANNELS, count)`` of the frames from ``first`` on."""
        beats = 2 * np.pi * (self.first + self.step * np.arange(first, first + count))
        bars = beats / BEATS_A_BAR
        apart = bars / (2 * np.pi) - np.arange(BAR_BUMPS)[:, None] / BAR_BUMPS
        apart = (apart + 0.5) % 1.0 - 0.5  # of a bar, the nearer way round
        bumps = np.exp(-0.5 * np.square(BAR_BUMPS * apart))
        return np.concatenate([[np.cos(beats), np.sin(beats), np.cos(bars), np.sin(bars)], bumps], dtype=np.float32)

    def beats(self, first: int, count: int) -> NDArray[np.int64]:
        """The numbers ``(count,)`` of the beats in which the frames from ``first`` on lie; those that begin a bar are
        multiples of `BEATS_A_BAR`.

        >>> Beat(first=3.0, step=0.25).beats(2, 4).tolist()
        [3, 3, 4, 4]
        """
        places = self.first + self.step * np.arange(first, first + count)
        return np.asarray(np.floor(places + 1e-9), np.int64)

    def beat_of(self, frame: int) -> tuple[int, int]:
        """The number of the beat in which a frame lies, and how many frames it lies behind that beat's beginning.

        >>> Beat(first=3.0, step=0.25).beat_of(3), Beat(first=3.0, step=0.25).beat_of(5)
        ((3, 3), (4, 1))
        """
        beat = int(self.beats(frame, 1)[0])
        # halves go one way: to the nearest even number, as `round` has it, frames would be skipped
        return beat, max(0, int(np.floor((self.first + self.step * frame - beat) / self.step + 0.5 + 1e-6)))


@dataclass(frozen=True)
class FrameControls:
    """Of one sound: ``still`` ``(classes,)``, which stays as it is, its age in steps of ``age`` seconds a frame where
    that is told, a beat if it has one, and its ``character``: ``(numbers,)``, or ``(beats, numbers)`` of each beat from
    that of frame 0 on, the last one holding for all behind it. With a ``length`` in frames it is told how far through
    itself it is."""

    still: FloatArray
    age: float | None = None
    beat: Beat | None = None
    length: float | None = None
    character: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))

    @classmethod
    def of(
        cls,
        label: str | None,
        classes: tuple[str, ...],
        character: FloatArray,
        age: float | None = None,
        beat: Beat | None = None,
        length: float | None = None,
    ) -> FrameControls:
        """Of a sound of class ``label`` among ``classes``."""
        told = np.zeros(len(classes), np.float32)
        if classes:
            told[classes.index(str(label))] = 1
        return cls(told, age, beat, length, np.asarray(character, np.float32))

    @property
    def count(self) -> int:
        """Channels."""
        times = ((self.age, AGE_CHANNELS), (self.length, POSITIONS), (self.beat, BEAT_CHANNELS))
        still = len(self.still) + int(self.character.shape[-1])
        return still + sum(channels for told, channels in times if told is not None)

    def told(self, first: int, count: int) -> FloatArray:
        """Class and character ``(channels, count)`` of the frames from ``first`` on."""
        character = np.repeat(self.character[:, None], count, axis=1) if self.character.ndim == 1 else None
        if character is None:
            assert self.beat is not None  # what changes from beat to beat needs one
            at = self.beat.beats(first, count) - self.beat.beats(0, 1)
            character = self.character[np.clip(at, 0, len(self.character) - 1)].T
        return np.concatenate([np.repeat(self.still[:, None], count, axis=1), character])

    def signal(self, first: int, count: int) -> FloatArray:
        """Controls ``(channels, count)`` of the frames from ``first`` on."""
        parts = [self.told(first, count)]
        if self.age is not None:
            parts.append(ages(np.maximum(0, np.arange(first, first + count)) * self.age))
        if self.length is not None:
            parts.append(positions(np.clip(np.arange(first, first + count) / self.length, 0.0, 1.0)))
        if self.beat is not None:
            parts.append(self.beat.signal(first, count))
        return np.concatenate(parts)


def ages(seconds: NDArray[np.float64]) -> FloatArray:
    """Ages ``(n,)`` as bumps ``(AGE_CHANNELS, n)``: neighbours cross at six tenths, so that every age lights up a few.

    >>> ages(np.array([0.0, 1.0])).argmax(axis=0).tolist()
    [0, 15]
    """
    place = since_onset(seconds) * (AGE_CHANNELS - 1)
    return np.asarray(np.exp(-0.5 * np.square(place - np.arange(AGE_CHANNELS)[:, None])), np.float32)

"""Chance that keeps its word from frame to frame: what is drawn for a new sound hangs together as it did in real ones.

A network that hears no frames says of each frame what is usual, and how far real ones lie from it. Drawn anew in every
frame that would be noise: the click of a drum spreads over several frames, and is the same click in all of them. So
what the network missed of each learned sound, in deviations and frame by frame, is kept, and what a new sound leaves to
chance is what was missed of one of those most like it by class and character, drawn for the whole of it: a bootstrap of
residuals (Efron, "Bootstrap methods: another look at the jackknife", 1979). Behind the end of that one nothing is left
to chance.

Not all that was missed is chance. The first frames of a sound are few among many, and most of what moves in them is
noise: a network may learn nothing of what they have to do with its tuning. A beginning borrowed from a sound of another
tuning does not fit what follows, and phases that make the best of both make a soft attack. So what was missed is told
apart, frame by frame, by ridge regression: what follows from class and character moves with them, and what is left is
chance (Beaumont, Zhang and Balding, "Approximate Bayesian computation in population genetics", 2002, do so with what
they accept).

Of loops whose beat is told it is beats that are kept and drawn, one after the other, instead of whole sounds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.frame_controls import BEATS_A_BAR, FrameControls

MOST_SOUNDS, MOST_BEATS = 256, 1024
MOST_KEPT = 4_000_000
"""Numbers kept of all sounds together."""
PLACES_APART = 100.0
"""How unlike two beats are for not being the same one of the bar; characters vary by about one."""
NEAREST, NEAREST_SHARE = 16, 0.25
"""Of how many sounds or beats a new one may take its chance, as many more with each attempt at it that failed, and the
share of all of them that this does not go beyond. Of few it would often be the same one's, for some sounds are near to
very many; what is taken from far away fits less."""


@dataclass(frozen=True)
class Slopes:
    """How what is missed follows, on average, from what is told: ``each`` ``(frames, n, numbers)`` around the
    ``middle`` ``(frames, n)`` of the sounds that still last.

    A slope is what is likeliest if slopes vary by one around nought and what is left does, too (Hoerl and Kennard,
    "Ridge regression", 1970): both are told in deviations, and characters vary by about one.

    >>> told = np.linspace(-1, 1, 400, dtype=np.float32)[:, None]
    >>> slopes = Slopes.of(2 * told[:, None] + 5, told, np.ones((400, 1), np.bool_))  # one frame of one number
    >>> slopes.at(0, np.array([[0.5]])).round(1).tolist(), slopes.at(1, np.array([[0.5]])).tolist()
    ([[1.0]], [[0.0]])
    """

    each: FloatArray
    middle: FloatArray

    @classmethod
    def of(cls, missed: FloatArray, told: FloatArray, lasts: NDArray[np.bool_], kin: float = 1.0) -> Slopes:
        """From what was ``missed`` ``(sounds, frames, numbers)`` of sounds of which so much is ``told`` ``(sounds, n)``
        in the frames that each ``lasts`` ``(sounds, frames)``; ``kin`` of them are versions of one sound, and tell no
        more than that one."""
        (_, frames, numbers), size = missed.shape, told.shape[1]
        each, middle = np.zeros((frames, size, numbers), np.float32), np.zeros((frames, size), np.float32)
        for frame, here in enumerate(lasts.T):
            middle[frame] = told[here].mean(axis=0)
            apart = np.asarray(told[here] - middle[frame], np.float64)
            each[frame] = np.linalg.solve(apart.T @ apart + kin * np.eye(size), apart.T @ missed[here, frame])
        return cls(each, middle)

    def at(self, frame: int, told: FloatArray) -> FloatArray:
        """What sounds of which so much is ``told`` ``(sounds, n)`` miss in a frame ``(sounds, numbers)``, in
        deviations."""
        if frame >= len(self.each):
            return np.zeros((len(told), self.each.shape[2]), np.float32)
        return np.asarray((told - self.middle[frame]) @ self.each[frame], np.float32)


@dataclass(frozen=True)
class Chance:
    """``missed`` ``(sounds, frames, numbers)`` in deviations, zero behind a sound's end, without what follows by the
    ``slopes`` from what is ``told`` ``(sounds, n)``, which stays the same through each of them.

    >>> chance = Chance.of([np.ones((3, 2), np.float32), -np.ones((1, 2), np.float32)])
    >>> chance.at(1, np.array([0, 1])).tolist()  # the second is over
    [[1.0, 1.0], [0.0, 0.0]]
    """

    missed: FloatArray
    told: FloatArray
    slopes: Slopes

    @classmethod
    def of(cls, missed: list[FloatArray], told: list[FloatArray] | None = None, kin: float = 1.0) -> Chance:
        """Of sounds each ``(frames, numbers)``, ``kin`` of which are versions of one; the first frames of all of them,
        as many as `MOST_KEPT` allows."""
        numbers = missed[0].shape[1]
        frames = min(max(len(one) for one in missed), max(1, MOST_KEPT // (len(missed) * numbers)))
        kept = np.zeros((len(missed), frames, numbers), np.float32)
        for row, one in zip(kept, missed, strict=True):
            row[: len(one)] = one[:frames]
        known = np.zeros((len(kept), 0), np.float32) if told is None else np.stack(told)
        lasts = np.arange(frames) < np.array([len(one) for one in missed])[:, None]
        slopes = Slopes.of(kept, known, lasts, kin)
        for frame in range(frames):
            kept[lasts[:, frame], frame] -= slopes.at(frame, known)[lasts[:, frame]]
        return cls(kept, known, slopes)

    @property
    def sounds(self) -> int:
        """How many."""
        return len(self.missed)

    @classmethod
    def of_beats(cls, missed: list[FloatArray], controls: list[FrameControls], kin: float = 1.0) -> Chance:
        """Of the beats that begin in loops ``(frames, numbers)`` told by such ``controls``, `MOST_BEATS` of them from
        all over; ``kin`` of the loops are versions of one."""
        beats, told = [], []
        for one, control in zip(missed, controls, strict=True):
            assert control.beat is not None
            starts = [frame for frame in range(len(one)) if control.beat.beat_of(frame)[1] == 0] or [0]
            for start, stop in itertools.pairwise([*starts, len(one)]):
                beats.append(one[start:stop])
                told.append(told_of_beat(control, start))
        chosen = np.unique(np.linspace(0, len(beats) - 1, min(len(beats), MOST_BEATS)).round().astype(int))
        return cls.of([beats[at] for at in chosen], [told[at] for at in chosen], kin)

    def drawn(self, told: FloatArray, dice: np.random.Generator, failed: int = 0) -> int:
        """Of which sound it is that a new one of which that is ``told`` takes what is left to chance, after so many
        attempts that ``failed``."""
        near = np.arange(self.sounds)
        if told.size:
            count = min(NEAREST * (1 + failed), max(2, int(NEAREST_SHARE * self.sounds)))
            near = np.argsort(np.square(self.told - told).sum(axis=1), kind="stable")[:count]
        return int(dice.choice(near))

    def at(self, frame: int, drawn: NDArray[np.int64]) -> FloatArray:
        """The chance in a frame ``(new sounds, numbers)``, of what was `drawn` for each ``(new sounds,)``."""
        if frame >= self.missed.shape[1]:
            return np.zeros((len(drawn), self.missed.shape[2]), np.float32)
        return np.asarray(self.missed[drawn, frame], np.float32)


def told_of_beat(controls: FrameControls, frame: int) -> FloatArray:
    """What is told of the beat in which a ``frame`` lies: class, character, and the place in the bar, which counts for
    more than these."""
    assert controls.beat is not None
    place = np.zeros(BEATS_A_BAR, np.float32)
    place[controls.beat.beat_of(frame)[0] % BEATS_A_BAR] = PLACES_APART
    return np.concatenate([controls.told(frame, 1)[:, 0], place])

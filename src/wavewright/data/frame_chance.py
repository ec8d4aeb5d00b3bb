"""Chance that keeps its word from frame to frame: what is drawn for a new sound hangs together as it did in real ones.

A network that hears no frames says of each frame what is usual, and how far real ones lie from it. Drawn anew in every
frame that would be noise: the click of a drum spreads over several frames, and is the same click in all of them. So
what the network missed of each learned sound, in deviations and frame by frame, is kept, z_n(t), and a new sound takes
the place of the network's doubt with

    z(t) = (z_a(t) + z_b(t)) / √2

of two of the k sounds that are most like it by class and character, drawn for the whole of it: a bootstrap of
residuals (Efron, "Bootstrap methods: another look at the jackknife", 1979), of two, for one alone would give that very
sound again. Behind the end of both nothing is left to chance.

Of loops whose beat is told it is beats that are kept and drawn, one after the other, instead of whole sounds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.data.frame_controls import BEATS_A_BAR, FrameControls

MOST_SOUNDS, MOST_BEATS = 256, 1024
MOST_KEPT = 4_000_000
"""Numbers kept of all sounds together."""
PLACES_APART = 100.0
"""How unlike two beats are for not being the same one of the bar; characters vary by about one."""
NEAREST, NEAREST_SHARE, PARENTS = 16, 0.25, 2
"""How many sounds a new one may take its chance from, the share of all of them that this does not go beyond, and how
many it takes it from."""


@dataclass(frozen=True)
class Chance:
    """``missed`` ``(sounds, frames, numbers)`` in deviations, zero behind a sound's end; ``told`` ``(sounds, n)``, what
    stays the same through each of them.

    >>> chance = Chance.of([np.ones((3, 2), np.float32), -np.ones((1, 2), np.float32)])
    >>> drawn = chance.drawn(np.zeros(0, np.float32), np.random.default_rng(0))
    >>> [round(float(chance.at(frame, drawn[None])[0, 0]), 3) for frame in range(4)]  # the second is over soon
    [0.0, 0.707, 0.707, 0.0]
    """

    missed: FloatArray
    told: FloatArray

    @classmethod
    def of(cls, missed: list[FloatArray], told: list[FloatArray] | None = None) -> Chance:
        """Of sounds each ``(frames, numbers)``; the first frames of all of them, as many as `MOST_KEPT` allows."""
        numbers = missed[0].shape[1]
        frames = min(max(len(one) for one in missed), max(1, MOST_KEPT // (len(missed) * numbers)))
        kept = np.zeros((len(missed), frames, numbers), np.float32)
        for row, one in zip(kept, missed, strict=True):
            row[: len(one)] = one[:frames]
        return cls(kept, np.zeros((len(kept), 0), np.float32) if told is None else np.stack(told))

    @property
    def sounds(self) -> int:
        """How many."""
        return len(self.missed)

    @classmethod
    def of_beats(cls, missed: list[FloatArray], controls: list[FrameControls]) -> Chance:
        """Of the beats that begin in loops ``(frames, numbers)`` told by such ``controls``, `MOST_BEATS` of them from
        all over."""
        beats, told = [], []
        for one, control in zip(missed, controls, strict=True):
            assert control.beat is not None
            starts = [frame for frame in range(len(one)) if control.beat.beat_of(frame)[1] == 0] or [0]
            for start, stop in itertools.pairwise([*starts, len(one)]):
                beats.append(one[start:stop])
                told.append(told_of_beat(control, start))
        chosen = np.unique(np.linspace(0, len(beats) - 1, min(len(beats), MOST_BEATS)).round().astype(int))
        return cls.of([beats[at] for at in chosen], [told[at] for at in chosen])

    def drawn(self, told: FloatArray, dice: np.random.Generator) -> FloatArray:
        """How much of what was missed of each sound ``(sounds,)`` is in a new one of which that is ``told``."""
        near = np.arange(self.sounds)
        if told.size:
            count = min(self.sounds, NEAREST, max(2, int(NEAREST_SHARE * self.sounds)))
            near = np.argsort(np.square(self.told - told).sum(axis=1), kind="stable")[:count]
        chosen = dice.choice(near, min(PARENTS, len(near)), replace=False)
        found = np.zeros(self.sounds, np.float32)
        found[chosen] = 1 / np.sqrt(len(chosen))
        return found

    def at(self, frame: int, drawn: FloatArray) -> FloatArray:
        """The chance in a frame ``(new sounds, numbers)``, of what was `drawn` for each ``(new sounds, sounds)``."""
        if frame >= self.missed.shape[1]:
            return np.zeros((len(drawn), self.missed.shape[2]), np.float32)
        return np.asarray(drawn @ self.missed[:, frame], np.float32)


def told_of_beat(controls: FrameControls, frame: int) -> FloatArray:
    """What is told of the beat in which a ``frame`` lies: class, character, and the place in the bar, which counts for
    more than these."""
    assert controls.beat is not None
    place = np.zeros(BEATS_A_BAR, np.float32)
    place[controls.beat.beat_of(frame)[0] % BEATS_A_BAR] = PLACES_APART
    return np.concatenate([controls.told(frame, 1)[:, 0], place])

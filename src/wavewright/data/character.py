"""The character of a whole sound in a few numbers: how it is tuned, how bright it is, how it dies away.

Principal components of the log-mel levels of the whole sound, silence behind its end. A generator that is told them
makes one coherent sound, instead of deciding anew at every frame what it is playing. New characters lie between those
of neighbours (Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE", 2002), where the network has heard something alike: points
of a normal distribution would mostly lie where there is no sound at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import mel_spectrogram

BANDS = 40
FRAMES = 64
"""Moments at which a sound's levels are looked at, from its beginning to the end of the longest sound."""
LONGEST = 3.0
"""Seconds of a sound that are looked at."""
NEIGHBOURS = 5

_FLOOR_DB = -70.0
NOTHING_DB = 1e-3
"""Mean difference between the levels of sounds that are the same."""


@dataclass(frozen=True)
class Character:
    """``mean`` ``(features,)`` and ``axes`` ``(numbers, features)`` of the levels; ``seconds`` of a sound are heard.

    >>> tones = [np.sin(np.arange(2000) * hz / 1000).astype(np.float32) for hz in (200, 300, 400, 500)]
    >>> character = Character.of(tones, rate=8000, numbers=1)
    >>> [round(float(character.numbers_of(tone, 8000)[0]), 1) for tone in tones][0] != 0
    True
    """

    mean: FloatArray
    axes: FloatArray
    seconds: float

    @classmethod
    def of(cls, sounds: Iterable[FloatArray], rate: int, numbers: int) -> Character:
        """The axes along which ``sounds``, each ``(time,)``, differ most; the first varies by about one."""
        sounds = list(sounds)
        seconds = min(LONGEST, max(len(sound) for sound in sounds) / rate)
        levels = np.stack([_levels(sound, rate, seconds) for sound in sounds])
        mean = levels.mean(axis=0)
        _, sizes, axes = np.linalg.svd(levels - mean, full_matrices=False)
        axes[sizes < NOTHING_DB * np.sqrt(levels.size)] = 0.0  # along which they do not differ at all
        axes = axes[:numbers] * np.sign(axes[:numbers].sum(axis=1, keepdims=True))
        axes = np.pad(axes, ((0, numbers - len(axes)), (0, 0)))
        largest = max(float(sizes[0]) / np.sqrt(len(sounds)), 1e-6)
        return cls(mean.astype(np.float32), (axes / largest).astype(np.float32), seconds)

    def numbers_of(self, sound: FloatArray, rate: int) -> FloatArray:
        """Where a sound ``(time,)`` lies along the axes: ``(numbers,)``."""
        return np.asarray(self.axes @ (_levels(sound, rate, self.seconds) - self.mean), np.float32)


def between(characters: FloatArray, dice: np.random.Generator) -> FloatArray:
    """A new character ``(numbers,)`` on the way from one of ``characters`` ``(sounds, numbers)`` to a neighbour."""
    if not len(characters):
        return np.zeros(characters.shape[1], np.float32)
    one: FloatArray = characters[int(dice.integers(len(characters)))]
    share = dice.random()
    nearest = np.argsort(np.square(characters - one).sum(axis=1), kind="stable")[1 : NEIGHBOURS + 1]
    if not len(nearest):
        return one
    other = characters[int(dice.choice(nearest))]
    return np.asarray(one + share * (other - one), np.float32)


def _levels(sound: FloatArray, rate: int, seconds: float) -> FloatArray:
    """Levels in dB ``(BANDS · FRAMES,)``, at `FRAMES` moments evenly over ``seconds``."""
    window = int(2 ** np.ceil(np.log2(0.032 * rate)))
    length = max(window, round(seconds * rate))
    hop = max(1, min(window // 2, length // FRAMES))
    heard = np.pad(sound[:length], (0, max(0, length - len(sound))))
    power = mel_spectrogram(np.asarray(heard, np.float32), rate, window, hop, BANDS) * (4 / window) ** 2
    levels = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))  # (bands, frames)
    edges = np.linspace(0, levels.shape[1], FRAMES + 1).round().astype(int)
    pooled = [levels[:, low : max(high, low + 1)].mean(axis=1) for low, high in itertools.pairwise(edges)]
    return np.asarray(np.stack(pooled, axis=1).ravel(), np.float32)

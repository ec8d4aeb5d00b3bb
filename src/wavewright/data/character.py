"""The character of a whole sound in a few numbers: how it is tuned, how bright it is, how it dies away.

Principal components of the log-mel levels of the whole sound, silence behind its end. A generator that is told them
makes one coherent sound, instead of deciding anew at every frame what it is playing.
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
"""Seconds of a sound that are looked at, where its length is not told."""
MIDDLE = 0.5
"""Seconds of a sound whose length is told as nought."""

_FLOOR_DB = -70.0
NOTHING_DB = 1e-3
"""Mean difference between the levels of sounds that are the same."""


@dataclass(frozen=True)
class Character:
    """``mean`` ``(features,)`` and ``axes`` ``(numbers, features)`` of the levels; ``seconds`` of a sound are heard.

    Where these are None all of a sound is heard, its levels at so many moments from its beginning to its end, and the
    last number is its length, in octaves around `MIDDLE`; its axis is nought.

    >>> tones = [np.sin(np.arange(2000) * hz / 1000).astype(np.float32) for hz in (200, 300, 400, 500)]
    >>> character = Character.of(tones, rate=8000, numbers=1)
    >>> [round(float(character.numbers_of(tone, 8000)[0]), 1) for tone in tones][0] != 0
    True
    """

    mean: FloatArray
    axes: FloatArray
    seconds: float | None

    @classmethod
    def of(cls, sounds: Iterable[FloatArray], rate: int, numbers: int, *, lengths: bool = False) -> Character:
        """The axes along which ``sounds``, each ``(time,)``, differ most; the first varies by about one. With
        ``lengths`` one more number tells how long they are."""
        sounds = list(sounds)
        seconds = None if lengths else min(LONGEST, max(len(sound) for sound in sounds) / rate)
        levels = np.stack([_levels(sound, rate, seconds) for sound in sounds])
        mean = levels.mean(axis=0)
        _, sizes, axes = np.linalg.svd(levels - mean, full_matrices=False)
        axes[sizes < NOTHING_DB * np.sqrt(levels.size)] = 0.0  # along which they do not differ at all
        axes = axes[:numbers] * np.sign(axes[:numbers].sum(axis=1, keepdims=True))
        axes = np.pad(axes, ((0, numbers - len(axes) + lengths), (0, 0)))
        largest = max(float(sizes[0]) / np.sqrt(len(sounds)), 1e-6)
        return cls(mean.astype(np.float32), (axes / largest).astype(np.float32), seconds)

    def numbers_of(self, sound: FloatArray, rate: int) -> FloatArray:
        """Where a sound ``(time,)`` lies along the axes, and how long it is if that is told: ``(numbers,)``."""
        numbers = np.asarray(self.axes @ (_levels(sound, rate, self.seconds) - self.mean), np.float32)
        if self.seconds is None:
            numbers[-1] = np.log2(max(1, len(sound)) / rate / MIDDLE)
        return numbers

    @staticmethod
    def seconds_of(numbers: FloatArray) -> float:
        """How long a sound of such a character is, where that is told.

        >>> tones = [np.sin(np.arange(n) / 9).astype(np.float32) for n in (2000, 3000, 4000)]
        >>> character = Character.of(tones, rate=8000, numbers=1, lengths=True)
        >>> round(character.seconds_of(character.numbers_of(tones[1], 8000)), 3)
        0.375
        """
        return float(MIDDLE * 2.0 ** numbers[-1])


def _levels(sound: FloatArray, rate: int, seconds: float | None) -> FloatArray:
    """Levels in dB ``(BANDS · FRAMES,)``, at `FRAMES` moments evenly over ``seconds`` or all of the sound."""
    window = int(2 ** np.ceil(np.log2(0.032 * rate)))
    length = max(window, len(sound) if seconds is None else round(seconds * rate))
    hop = max(1, min(window // 2, length // FRAMES))
    heard = np.pad(sound[:length], (0, max(0, length - len(sound))))
    power = mel_spectrogram(np.asarray(heard, np.float32), rate, window, hop, BANDS) * (4 / window) ** 2
    levels = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))  # (bands, frames)
    edges = np.linspace(0, levels.shape[1], FRAMES + 1).round().astype(int)
    pooled = [levels[:, low : max(high, low + 1)].mean(axis=1) for low, high in itertools.pairwise(edges)]
    return np.asarray(np.stack(pooled, axis=1).ravel(), np.float32)

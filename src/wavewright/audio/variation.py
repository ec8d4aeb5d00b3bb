"""Other speakers, microphones and rooms out of the recordings there are. No torch.

A sound played faster is another, smaller speaker; a tilted spectrum another microphone; a decaying noise for an impulse
response another room (Schroeder, "Natural sounding artificial reverberation", 1962); hiss another preamplifier. All but
the hiss is one transform: with X the spectrum of ``speed`` times as many samples as are asked for,

    Y[k] = X[k] · tilt(k) · room(k)       for the bins that there are, and nothing above

Played slower, a sound has nothing to give at the top of the band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from wavewright.audio.recording import FloatArray

FASTEST = 1.25
"""The most that a speed may differ from 1, as a ratio: some four semitones, from a man to a woman and back."""
MOST_TILT = 4.0
"""dB an octave around 1 kHz."""
ROOM_SECONDS = (0.1, 0.7)
"""Shortest and longest time in which a room decays by 60 dB."""
HISS_DB = (-70.0, -30.0)
"""Level of the hiss below the sound."""


@dataclass(frozen=True)
class Variation:
    """One way to alter a sound.

    ``speed`` as a ratio; ``tilt`` in dB an octave; ``room`` in seconds until −60 dB, 0 for none, mixed in at
    ``wet`` (0 to 1); ``hiss`` in dB below the sound, None for none; ``seed`` of room and hiss.
    """

    speed: float = 1.0
    tilt: float = 0.0
    room: float = 0.0
    wet: float = 0.3
    hiss: float | None = None
    seed: int = 0

    @classmethod
    def drawn(cls, dice: np.random.Generator, amount: float) -> Variation:
        """A variation at random: half of them have a speed, half a tilt, a quarter a room, a quarter a hiss.

        ``amount`` from 0 (nothing is altered) to 1.
        """
        speed = FASTEST ** (amount * dice.uniform(-1, 1))
        tilt = amount * MOST_TILT * dice.uniform(-1, 1)
        room = float(dice.uniform(*ROOM_SECONDS))
        wet = amount * dice.uniform(0.1, 0.5)
        hiss = float(dice.uniform(*HISS_DB))
        has = dice.random(4) < amount * np.array([0.5, 0.5, 0.25, 0.25])
        return cls(
            float(speed) if has[0] else 1.0,
            float(tilt) if has[1] else 0.0,
            room if has[2] else 0.0,
            float(wet),
            hiss if has[3] else None,
            int(dice.integers(1 << 31)),
        )

    def source_length(self, length: int) -> int:
        """How many samples of the sound become ``length``."""
        return max(2, round(length * self.speed))


def varied(x: FloatArray, rate: int, length: int, how: Variation) -> FloatArray:
    """``x`` ``(…, how.source_length(length))`` as ``(…, length)`` samples at ``rate`` Hz.

    What rings on at the end of the piece comes round to its beginning.

    >>> x = np.sin(2 * np.pi * 200 * np.arange(2000) / 16_000).astype(np.float32)
    >>> y = varied(x, 16_000, 1600, Variation(speed=1.25))
    >>> bool(np.allclose(y, np.sin(2 * np.pi * 250 * np.arange(1600) / 16_000), atol=1e-4))
    True
    """
    expected = how.source_length(length)
    if x.shape[-1] != expected:
        raise ValueError(f"sound of {x.shape[-1]} samples: {length} at speed {how.speed} take {expected}")
    if how == Variation(seed=how.seed, wet=how.wet):
        return x
    dice = np.random.default_rng(how.seed)
    X = rfft(x, axis=-1)
    bins = length // 2 + 1
    kept = min(bins, X.shape[-1])
    Y = np.zeros((*X.shape[:-1], bins), X.dtype)
    Y[..., :kept] = X[..., :kept] * (length / expected)
    if how.tilt:
        Y *= _tilt(how.tilt, bins, rate)
    if how.room:
        Y *= _room(how.room, how.wet, length, rate, dice)
    y = irfft(Y, length, axis=-1)
    if how.hiss is not None:
        loudness = np.sqrt(np.mean(np.square(y), axis=-1, keepdims=True))
        y = y + loudness * 10 ** (how.hiss / 20) * dice.standard_normal(y.shape)
    return np.asarray(y, np.float32)


def _tilt(decibels: float, bins: int, rate: int) -> NDArray[np.float64]:
    """A gain that changes by so many dB an octave, level below 100 Hz and at 1 kHz neither up nor down."""
    hz = np.linspace(0, rate / 2, bins)
    return np.asarray(10 ** (decibels / 20 * np.log2(np.maximum(hz, 100.0) / 1000)), np.float64)


def _room(seconds: float, wet: float, length: int, rate: int, dice: np.random.Generator) -> NDArray[np.complex128]:
    """The spectrum of a room: the sound itself, and noise of equal energy that decays by 60 dB in ``seconds``."""
    count = min(length, round(seconds * rate))
    echoes = dice.standard_normal(count) * 10 ** (-3 * np.arange(count) / (seconds * rate))
    response = np.zeros(length)
    response[:count] = wet * echoes / np.sqrt(np.sum(np.square(echoes)))
    response[0] += 1 - wet
    return np.asarray(rfft(response), np.complex128)

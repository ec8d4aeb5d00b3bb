"""Does a sound that should die away come back? The rising tail, the known failure of generators that go from frame to
frame: what they make of the silence behind a sound is fed back to them and grows until it hums.

A sound ``(time,)`` is cut into four quarters. Its **tail** is the energy of the last quarter over that of the strongest
one, in dB: 0 where the last is the strongest, −∞ (here `QUIETEST_DB`) where it is silent. The tail **rises** where the
last quarter is louder, by more than `RISE_DB`, than the quietest one between the strongest and itself (than the third,
where the last is the strongest), and not inaudible: no more than `AUDIBLE_DB` below the strongest.

Loops rise half of the time, and rightly so: the same share of real sounds belongs beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray

QUIETEST_DB = -120.0
RISE_DB = 1.0
AUDIBLE_DB = 60.0


@dataclass(frozen=True)
class Tail:
    """The end of one sound."""

    level_db: float
    """Energy of the last quarter over that of the strongest one."""
    rises: bool


@dataclass(frozen=True)
class Tails:
    """The ends of a set of sounds."""

    level_db: float
    """Median of `Tail.level_db`; NaN without a sound."""
    rising: float
    """Share of the sounds whose tail rises; NaN without a sound."""


def tail_of(sound: FloatArray) -> Tail:
    """The tail of one sound ``(time,)``.

    >>> fading = np.exp(-np.arange(4000) / 300).astype(np.float32)
    >>> tail_of(fading).rises, tail_of(fading[::-1]).rises
    (False, True)
    >>> tail_of(np.ones(4000, np.float32))
    Tail(level_db=0.0, rises=False)
    """
    edges = np.arange(5) * sound.size // 4
    parts = (sound[low:high] for low, high in itertools.pairwise(edges))
    power = np.array([float(np.mean(np.square(part, dtype=np.float64))) if part.size else 0.0 for part in parts])
    strongest = int(power.argmax())
    most, last = float(power[strongest]), float(power[3])
    if not last > 0:
        return Tail(QUIETEST_DB, False)
    least = float(power[min(strongest, 2) : 3].min())
    level = max(10 * float(np.log10(last / most)), QUIETEST_DB)
    return Tail(level, last > 10 ** (RISE_DB / 10) * least and level > -AUDIBLE_DB)


def tails_of(sounds: Iterable[FloatArray]) -> Tails:
    """Median tail of a set of sounds, each ``(time,)``, and how many of them rise."""
    found = [tail_of(sound) for sound in sounds]
    if not found:
        return Tails(float("nan"), float("nan"))
    return Tails(float(np.median([one.level_db for one in found])), float(np.mean([one.rises for one in found])))

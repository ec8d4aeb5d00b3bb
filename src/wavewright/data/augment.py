"""More sounds out of few: each as it is, and again faster, slower, higher, lower.

Loops may be brought to one tempo first, so that frames of one length fall on the beats of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.audio.stretch import LONGEST, SHORTEST, stretch, transpose, varispeed
from wavewright.audio.tempo import beat_grid
from wavewright.errors import DataError
from wavewright.settings import checked, setting


@dataclass(frozen=True)
class AugmentSettings:
    """How often, and how far, sounds are changed."""

    copies: int = setting(0, "changed versions of each sound, beside itself", low=0, high=1000)
    pitch: float = setting(0.0, "semitones that they go up or down at most, as long as before", low=0, high=24)
    time: float = setting(0.0, "share by which they become longer or shorter at most, as high as before", low=0, high=1)
    speed: float = setting(0.0, "share by which they are played faster or slower at most, as a tape", low=0, high=1)
    gain_db: float = setting(0.0, "dB by which they become quieter at most", low=0, high=60)
    seed: int = setting(0, "what every random choice follows from", low=0)

    def __post_init__(self) -> None:
        checked(self)

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return self.copies > 0 and max(self.pitch, self.time, self.speed, self.gain_db) > 0


def versions(sound: FloatArray, rate: int, number: int, settings: AugmentSettings) -> Iterator[FloatArray]:
    """A sound ``(time,)`` itself, then its changed versions one after the other; ``number`` is its own in the corpus.

    The same seed and number give the same versions, in whatever order sounds come.

    >>> tone = np.sin(np.arange(4000) / 10).astype(np.float32)
    >>> settings = AugmentSettings(copies=2, speed=0.5)
    >>> [one.size == 4000 for one in versions(tone, 8000, 0, settings)]
    [True, False, False]
    """
    yield sound
    for copy in range(settings.copies if settings.changes else 0):
        random = np.random.default_rng([settings.seed, number, copy])
        speed, time = (_factor(random, most) for most in (settings.speed, settings.time))
        semitones = float(random.uniform(-settings.pitch, settings.pitch))
        gain = np.float32(10 ** (-random.uniform(0, settings.gain_db) / 20))
        changed = varispeed(np.asarray(sound, np.float32), speed)
        changed = changed if time == 1 else stretch(changed, rate, time)
        yield transpose(changed, rate, semitones) * gain


def to_tempo(sound: FloatArray, rate: int, tempo: float, known: float | None = None) -> FloatArray:
    """A loop ``(time,)`` brought to ``tempo`` beats a minute, beginning with its first beat, its pitch kept.

    ``known`` is its own tempo; estimated where None. A tempo twice or half as fast is not changed for an octave's sake:
    the loop is counted in beats twice or half as long.

    Raises:
        DataError: it is shorter than a beat, has no tempo, or one more than `LONGEST` times as fast or slow.
    """
    grid = beat_grid(sound, rate, known)
    factor = grid.tempo / tempo
    if known is None:
        factor /= 2 ** round(np.log2(factor))
    if not SHORTEST <= factor <= LONGEST:
        raise DataError(
            f"a loop of {grid.tempo:g} beats a minute cannot be brought to {tempo:g}: {LONGEST:g} times at most; "
            "give a tempo nearer to its own"
        )
    begun = np.asarray(sound[round(grid.first) :], np.float32)
    return begun if abs(factor - 1) < 1e-6 else stretch(begun, rate, float(factor))


def refuse_short_loops(
    sounds: Sequence[FloatArray], rate: int, names: Sequence[str], tempo: float | None = None
) -> None:
    """Raise `DataError` that names each loop which is shorter than a beat, or in which no tempo can be heard."""
    wrong = []
    for sound, name in zip(sounds, names, strict=True):
        try:
            beat_grid(sound, rate, tempo)
        except DataError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise DataError("\n".join(wrong))


def _factor(random: np.random.Generator, most: float) -> float:
    """A factor between 1 / (1 + most) and 1 + most, its logarithm even."""
    return float(np.exp(random.uniform(-1, 1) * np.log1p(most))) if most else 1.0

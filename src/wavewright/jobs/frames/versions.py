"""What is learned of a corpus frame by frame: its sounds, further versions of them, and where their beats lie.

A few sounds say little of what lies between them. Played a little faster or slower they are more sounds of the same
kind, and a network that is told which is which learns how they change: so few sounds are brought to `ENOUGH`, where
nothing else is asked for and no frames are heard. Loops whose beat is told keep their tempo, and are moved in pitch
alone.

A part of a file (its end, held out) has the beat of the whole: its own few beats would hardly tell a tempo, and its
place in the bar is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin

from wavewright.audio.recording import FloatArray
from wavewright.audio.stretch import transpose, varispeed
from wavewright.audio.tempo import beat_grid
from wavewright.data.corpus import Sound
from wavewright.data.frame_controls import Beat
from wavewright.data.new_characters import PARTIAL, WHOLE, places_of
from wavewright.errors import DataError, SettingsError
from wavewright.jobs.frames.settings import FrameSettings
from wavewright.jobs.material import Material

ENOUGH, MOST_EACH, MOST_SECONDS = 240, 24, 300.0
"""Sounds to which few are brought, by so many versions of each at most, and so much sound in all."""

SPEED, SEMITONES = 0.3, 4.0
"""Share of the speed of a tape by which versions of one-shots differ at most, and semitones of loops."""

MOST_VARIED = 1 << 28
"""Samples of all versions, which are held in memory."""

_HIGHEST_BORDER, _TAPS = 0.97, 255

_MOST_MISSING = 0.1  # of a beat that still counts as whole


@dataclass(frozen=True)
class Version:
    """A sound ``(time,)`` as it is or changed, its ``source``, and where its beats lie, if that is told."""

    sound: FloatArray
    source: Sound
    beat: Beat | None


class Versions:
    """The learned sounds of a corpus and their versions; ``hop`` samples are a frame."""

    def __init__(self, material: Material, settings: FrameSettings, hop: int) -> None:
        self.material, self.settings, self.hop = material, settings, hop

    @property
    def each(self) -> int:
        """How many versions there are of each sound, beside itself."""
        learned = self.material.learned
        if self.settings.varied is not None:
            return self.settings.varied
        if self.settings.feedback:
            return 0
        seconds = sum(sound.length for sound in learned) / self.material.corpus.rate
        return max(0, min(ENOUGH // len(learned) - 1, MOST_EACH, int(MOST_SECONDS / seconds) - 1))

    @property
    def on_beat(self) -> bool:
        """Whether the place in the bar is told."""
        return self.settings.on_beat or self.settings.beats_per_minute is not None

    def beat_of(self, sound: Sound, material: Material | None = None) -> Beat | None:
        """Where in the bar a sound of this ``material`` or another begins, and how fast it goes; None where that is not
        told.

        Raises:
            DataError: the file is shorter than a beat, or nothing in it tells a tempo.
        """
        material, settings = material or self.material, self.settings
        if not self.on_beat:
            return None
        parts = [one for one in material.corpus.sounds if one.path == sound.path and one.start <= sound.start]
        whole = parts[-1] if parts else sound
        rate = material.corpus.rate
        try:
            grid = beat_grid(material.sound(whole), rate, settings.beats_per_minute)
        except DataError as error:
            raise DataError(f"{sound.path}: {error}") from error
        return Beat.at(grid.tempo, self.hop, rate, (grid.first - (sound.start - whole.start)) / rate)

    @cached_property
    def all(self) -> list[Version]:
        """Each learned sound, and behind it its versions.

        Raises:
            SettingsError: they would not fit in memory.
            DataError: as `beat_of`.
        """
        learned, rate = self.material.learned, self.material.corpus.rate
        total = self.each * sum(sound.length for sound in learned)
        if total > MOST_VARIED:
            raise SettingsError(
                [
                    f"setting varied = {self.each}: so many versions of {len(learned)} sounds are {total:,} samples, "
                    f"more than the {MOST_VARIED:,} that are held in memory; ask for fewer"
                ]
            )
        found = []
        for number, source in enumerate(learned):
            sound, beat = self.material.sound(source), self.beat_of(source)
            found.append(Version(sound, source, beat))
            dice = np.random.default_rng(number)
            for at in range(self.each):
                place = 2 * (at + dice.random()) / self.each - 1  # all from −1 to 1, evenly
                if beat is None:
                    found.append(Version(varispeed(sound, float((1 + SPEED) ** place)), source, beat))
                else:
                    found.append(Version(moved(sound, rate, SEMITONES * place), source, beat))
        return found

    def pieces(self, version: Version) -> list[FloatArray]:
        """What has a character of its own in a version: its beats, or all of it where no beat is told."""
        if version.beat is None:
            return [version.sound]
        return [version.sound[start:stop] for _, start, stop in self._spans(version.beat, len(version.sound))]

    def places(self, version: Version) -> list[int]:
        """Which beat of the bar each of `pieces` is; `WHOLE` and `PARTIAL` as in `wavewright.data.new_characters`."""
        if version.beat is None:
            return [WHOLE]
        least = (1 - _MOST_MISSING) * self.hop / version.beat.step
        return [
            int(places_of(np.array([beat]))[0]) if stop - start >= least else PARTIAL
            for beat, start, stop in self._spans(version.beat, len(version.sound))
        ]

    def _spans(self, beat: Beat, samples: int) -> Iterator[tuple[int, int, int]]:
        """The number of each beat of a sound, and its first sample and the one behind its last."""
        numbers: NDArray[np.int64] = beat.beats(0, max(1, -(-samples // self.hop)))
        edges = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        for first, last in zip(edges, [*edges[1:], len(numbers)], strict=True):
            yield int(numbers[first]), int(first) * self.hop, min(samples, int(last) * self.hop)


def moved(sound: FloatArray, rate: int, semitones: float) -> FloatArray:
    """``sound`` ``(time,)`` higher or lower and as long as before; what a lower one lacks above its highest frequency
    stays as it was, for a loop without its top would be another loop."""
    other = transpose(sound, rate, semitones)
    border = 2 ** (semitones / 12)  # of half the rate
    if border > _HIGHEST_BORDER:
        return other
    top = firwin(_TAPS, border * _HIGHEST_BORDER, pass_zero=False)
    return np.asarray(other + fftconvolve(sound, top, mode="same"), np.float32)

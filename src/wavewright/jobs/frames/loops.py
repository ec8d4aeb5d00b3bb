"""Loops learned frame by frame: where their beats lie, and further versions of them.

A part of a file (its end, held out) has the beat of the whole: its own few beats would hardly tell a tempo, and its
place in the bar is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.audio.tempo import beat_grid
from wavewright.data.augment import AugmentSettings, versions
from wavewright.data.corpus import Sound
from wavewright.data.frame_controls import Beat
from wavewright.errors import DataError, SettingsError
from wavewright.jobs.frames.settings import FrameSettings
from wavewright.jobs.material import Material

PITCH, SPEED = 1.0, 0.04
"""Semitones, and share of the speed of a tape, by which a version differs at most."""

MOST_VARIED = 1 << 28
"""Samples of all versions, which are held in memory."""


def beat_in(material: Material, sound: Sound, settings: FrameSettings, hop: int) -> Beat | None:
    """Where in the bar a sound begins and how fast it goes; None where that is not told.

    Raises:
        DataError: the file is shorter than a beat, or nothing in it tells a tempo.
    """
    if not settings.on_beat and settings.beats_per_minute is None:
        return None
    parts = [one for one in material.corpus.sounds if one.path == sound.path and one.start <= sound.start]
    whole = parts[-1] if parts else sound
    rate = material.corpus.rate
    try:
        grid = beat_grid(material.sound(whole), rate, settings.beats_per_minute)
    except DataError as error:
        raise DataError(f"{sound.path}: {error}") from error
    return Beat.at(grid.tempo, hop, rate, (grid.first - (sound.start - whole.start)) / rate)


def varied(
    material: Material, sounds: Sequence[Sound], settings: FrameSettings, seed: int
) -> list[tuple[FloatArray, Sound]]:
    """Each of the sounds ``(time,)``, and behind it its further versions: a little higher or lower, and a little faster
    or slower where no beat is told, which must stay where it is.

    Raises:
        SettingsError: they would not fit in memory.
    """
    total = settings.varied * sum(sound.length for sound in sounds)
    if total > MOST_VARIED:
        raise SettingsError(
            [
                f"setting varied = {settings.varied}: so many versions of {len(sounds)} sounds are {total:,} samples, "
                f"more than the {MOST_VARIED:,} that are held in memory; ask for fewer"
            ]
        )
    told = settings.on_beat or settings.beats_per_minute is not None
    how = AugmentSettings(copies=settings.varied, pitch=PITCH, speed=0.0 if told else SPEED, seed=seed)
    rate = material.corpus.rate
    return [
        (np.asarray(one, np.float32), sound)
        for number, sound in enumerate(sounds)
        for one in versions(material.sound(sound), rate, number, how)
    ]

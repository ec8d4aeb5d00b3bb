"""Is a drawn sound new? It is where it is no nearer to any learned sound than the sounds held out are.

From a dozen sounds a network learns each by heart, and what it draws near one of them is that sound again. Held-out
sounds tell how like one another sounds of this kind are without anybody copying: what is drawn and nearer than that, by
the correlation of its waveform or by its spectra (`wavewright.metrics.memorisation`), is drawn again.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.jobs.generate.generator import OpenFrames
from wavewright.metrics.judgement import MOST_ORDINARY
from wavewright.metrics.memorisation import Copies

COPY = "nearer to a learned sound than any held out"
TRIES = 16
"""Further attempts at a sound that is none."""
QUICKLY_SEARCHED = 60.0
"""Seconds of learned sound up to which looking for copies takes next to no time."""


class Novelty:
    """What is ordinary among the sounds of a run, and whether a new one is nearer to a learned one."""

    def __init__(self, opened: OpenFrames) -> None:
        self._material = opened.material
        self._search = Copies([self._material.sound(one) for one in self._material.learned], opened.rate)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The highest correlation and the least distance in dB of any held-out sound, from the learned ones."""
        held_out = self._material.held_out
        some = held_out[:: max(1, -(-len(held_out) // MOST_ORDINARY))]
        nearest = self._search.nearest_all([np.array(self._material.sound(one)) for one in some])
        return max(one.correlation for one in nearest), min(one.distance for one in nearest)

    def copies(self, sounds: list[FloatArray]) -> list[bool]:
        """Of each sound ``(time,)`` whether it is too near."""
        correlation, distance = self.limits
        return [one.correlation > correlation or one.distance < distance for one in self._search.nearest_all(sounds)]


def looked_for(opened: OpenFrames) -> bool:
    """Whether copies are looked for where nothing is said of it: if that is quick, and if what is drawn follows from
    nothing before it, so that another draw is another sound."""
    material = opened.material
    seconds = sum(sound.length for sound in material.learned) / material.corpus.rate
    return not opened.settings.frame.feedback and seconds <= QUICKLY_SEARCHED and len(material.held_out) > 0

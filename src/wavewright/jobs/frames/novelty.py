"""Is a drawn sound new? It is where it is no nearer to any learned sound than the sounds held out are.

From a dozen sounds a network learns each by heart, and what it draws near one of them is that sound again. Held-out
sounds tell how like one another sounds of this kind are without anybody copying: what is drawn and nearer than that, by
the correlation of its waveform or by its spectra (`wavewright.metrics.memorisation`), is drawn again.

Where frames are spectra most of that shows before any sound is made of them, which is what takes the time: `foreseen`.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import mel_matrix
from wavewright.data.frame_kinds import PhasedKind
from wavewright.jobs.generate.generator import OpenFrames
from wavewright.metrics.excerpts import LOUD, nearest_excerpts, padded, starts_of_windows
from wavewright.metrics.judgement import MOST_ORDINARY
from wavewright.metrics.logmel import BANDS, FLOOR_DB
from wavewright.metrics.memorisation import Copies

COPY = "nearer to a learned sound than any held out"
TRIES = 16
"""Further attempts at a sound that is none."""
QUICKLY_SEARCHED = 120.0
"""Seconds of learned sound up to which looking for copies takes no longer than drawing."""
ALIKE = 0.999
"""Correlation of a held-out sound with a learned one from which on waveforms tell nothing: so like one another are 808
kicks."""


class Novelty:
    """What is ordinary among the sounds of a run, and whether a new one is nearer to a learned one."""

    def __init__(self, opened: OpenFrames) -> None:
        self._material, self._rate, self._kind = opened.material, opened.rate, opened.cutting.kind
        self._search = Copies([self._material.sound(one) for one in self._material.learned], opened.rate)
        self._frames = max(1, round(self._search.length / self._kind.hop))

    @cached_property
    def _held_out(self) -> list[FloatArray]:
        held_out = self._material.held_out
        some = held_out[:: max(1, -(-len(held_out) // MOST_ORDINARY))]
        return [np.array(self._material.sound(one)) for one in some]

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The highest correlation and the least distance in dB of any held-out sound, from the learned ones."""
        nearest = self._search.nearest_all(self._held_out)
        return max(one.correlation for one in nearest), min(one.distance for one in nearest)

    def copies(self, sounds: list[FloatArray]) -> list[bool]:
        """Of each sound ``(time,)`` whether it is too near."""
        correlation, distance = self.limits
        nearest = self._search.nearest_all(sounds, waves=correlation < ALIKE)
        return [one.correlation > correlation or one.distance < distance for one in nearest]

    def foreseen(self, sounds: list[FloatArray]) -> list[bool]:
        """Of the frames ``(n, features)`` of each sound whether they are nearer to those of a learned sound than those
        of any held-out one are; never where frames are no spectra."""
        if not isinstance(self._kind, PhasedKind):
            return [False] * len(sounds)
        return [distance < self._least for distance in self._distances(sounds)]

    @cached_property
    def _least(self) -> float:
        return min(self._distances([self._kind.analyse(sound) for sound in self._held_out]))

    @cached_property
    def _learned(self) -> list[tuple[int, int, FloatArray]]:
        sounds = (self._kind.analyse(self._material.sound(one)) for one in self._material.learned)
        return [(number, 0, padded(self._levels(frames), self._frames)) for number, frames in enumerate(sounds)]

    def _distances(self, sounds: list[FloatArray]) -> list[float]:
        """Of each sound's frames the least distance in dB from a learned one's."""
        windows, owners = [], []
        for number, frames in enumerate(sounds):
            levels = padded(self._levels(frames), self._frames)  # (bands, frames)
            starts = np.array(starts_of_windows(levels.shape[1], self._frames))
            power = np.concatenate([[0.0], np.cumsum(np.exp(levels * np.float32(np.log(10) / 10)).sum(axis=0))])
            loudness = power[starts + self._frames] - power[starts]
            loud = starts[loudness >= LOUD**2 * loudness.max()].tolist()
            windows += [levels[:, start : start + self._frames] for start in loud]
            owners += [number] * len(loud)
        nearest = np.full(len(sounds), np.inf)
        np.minimum.at(nearest, owners, nearest_excerpts(windows, self._learned)[0])
        return [float(distance) for distance in nearest]

    def _levels(self, frames: FloatArray) -> FloatArray:
        """dB ``(bands, frames)`` in bands of the mel scale, as `wavewright.metrics.logmel.log_mel` has them."""
        assert isinstance(self._kind, PhasedKind)
        power = self._mel @ np.square(self._kind.magnitudes(frames)) * (4 / self._kind.n_fft) ** 2
        return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))), np.float32)

    @cached_property
    def _mel(self) -> FloatArray:
        assert isinstance(self._kind, PhasedKind)
        return mel_matrix(self._rate, self._kind.n_fft, BANDS)


def looked_for(opened: OpenFrames) -> bool:
    """Whether copies are looked for where nothing is said of it: if that is quick, and if what is drawn follows from
    nothing before it, so that another draw is another sound."""
    material = opened.material
    seconds = sum(sound.length for sound in material.learned) / material.corpus.rate
    return not opened.settings.frame.feedback and seconds <= QUICKLY_SEARCHED and len(material.held_out) > 0

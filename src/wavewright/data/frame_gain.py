"""The level against which a frame is told: that of the frames before it, so that quiet sound is learned like loud.

A kick falls by 60 dB, and its network would hear nothing of the second half. As in a backward-adaptive coder (Jayant,
"Adaptive quantization with a one-word memory", 1973) the gain of a frame follows from the frames before it, so whoever
makes the frames one by one knows it, too:

    g[t + 1] = max(rms[t], fall · g[t], lowest), highest at most

What is drawn wrongly is then wrong in proportion: errors die away with the sound, instead of humming on behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

FALL_DB = 240.0
"""dB a second by which the gain falls at most."""
LOWEST = 10 ** (-80 / 20)
"""RMS of a frame below which the gain does not go: −80 dBFS."""
HIGHEST = 10.0
"""RMS above which it does not go: a network gone astray would lift itself beyond all numbers."""
MIDDLE_DB, REACH_DB = -40.0, 40.0
"""The gain as an input: 0 at −40 dBFS, ±1 at full scale and at −80."""


@dataclass(frozen=True)
class Gain:
    """How the gain of frames goes: ``start`` before the first one, ``fall`` a factor from frame to frame.

    ``scale`` is what a frame's RMS is to that of its samples: 1 for transforms that keep energy. Not ``adaptive``, the
    gain stays 1.

    >>> gain = Gain(True, start=0.5, fall=0.5)
    >>> frames = np.array([[1.0, 1.0], [0.1, 0.1], [0.0, 0.0]], np.float32)
    >>> gain.of(frames).tolist()
    [0.5, 1.0, 0.5]
    """

    adaptive: bool
    start: float = 1.0
    fall: float = 0.5

    @classmethod
    def falling(cls, start: float, hop: int, rate: int) -> Gain:
        """An adaptive one for frames of ``hop`` samples at ``rate`` Hz."""
        return cls(True, start, float(10 ** (-FALL_DB * hop / rate / 20)))

    def of(self, frames: FloatArray) -> FloatArray:
        """The gains ``(frames,)`` of a sound's frames ``(frames, size)``."""
        gains = np.ones(len(frames), np.float32)
        if not self.adaptive:
            return gains
        levels = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1)).tolist()
        gain = self.start
        for at, level in enumerate(levels):
            gains[at] = gain
            gain = min(max(level, self.fall * gain, LOWEST), HIGHEST)
        return gains

    def after(self, gains: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """The next gains ``(sounds,)``, behind frames of RMS ``levels`` that were told against ``gains``."""
        if not self.adaptive:
            return gains
        return np.clip(np.maximum(levels, self.fall * gains), LOWEST, HIGHEST)

    def told(self, gains: FloatArray) -> FloatArray:
        """Gains as the network hears them."""
        if not self.adaptive:
            return np.zeros_like(gains, dtype=np.float32)
        return np.asarray((20 * np.log10(gains) - MIDDLE_DB) / REACH_DB, np.float32)

"""The level against which a frame is told: that of the frames before it, so that quiet sound is learned like loud.

A kick falls by 60 dB, and its network would hear nothing of the second half. As in a backward-adaptive coder (Jayant,
"Adaptive quantization with a one-word memory", 1973) the gain of a frame follows from the frames before it, so whoever
makes the frames one by one knows it, too:

    g[t + 1]² = max(keep · g[t]² + (1 − keep) · rms[t]², lowest²)

What is drawn wrongly is then wrong in proportion: errors die away with the sound, instead of humming on behind it. The
mean reaches over more than a cycle of a low tone, whose frames are loud and quiet in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

SMOOTH = 0.02
"""Seconds over which the power of the frames before is averaged."""
LOWEST = 10 ** (-80 / 20)
"""RMS of a frame below which the gain does not go: −80 dBFS."""
HIGHEST = 10.0
"""RMS above which it does not go: a network gone astray would lift itself beyond all numbers."""
MIDDLE_DB, REACH_DB = -40.0, 40.0
"""The gain as an input: 0 at −40 dBFS, ±1 at full scale and at −80."""


@dataclass(frozen=True)
class Gain:
    """How the gain of frames goes: ``start`` before the first one; ``keep``, the share of its power that is kept from
    frame to frame. Not ``adaptive``, the gain stays 1.

    >>> gain = Gain(True, start=0.5, keep=0.5)
    >>> frames = np.array([[1.0, 1.0], [0.1, 0.1], [0.0, 0.0]], np.float32)
    >>> [round(gain, 3) for gain in gain.of(frames).tolist()]
    [0.5, 0.791, 0.563]
    """

    adaptive: bool
    start: float = 1.0
    keep: float = 0.5

    @classmethod
    def smooth(cls, start: float, hop: int, rate: int) -> Gain:
        """An adaptive one for frames of ``hop`` samples at ``rate`` Hz."""
        return cls(True, start, float(np.exp(-hop / (SMOOTH * rate))))

    def of(self, frames: FloatArray) -> FloatArray:
        """The gains ``(frames,)`` of a sound's frames ``(frames, size)``."""
        gains = np.ones(len(frames), np.float32)
        if not self.adaptive:
            return gains
        powers = np.mean(np.square(frames, dtype=np.float64), axis=1).tolist()
        power = self.start**2
        for at, new in enumerate(powers):
            gains[at] = power**0.5
            power = min(max(self.keep * power + (1 - self.keep) * new, LOWEST**2), HIGHEST**2)
        return gains

    def after(self, gains: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """The next gains ``(sounds,)``, behind frames of RMS ``levels`` that were told against ``gains``."""
        if not self.adaptive:
            return gains
        return np.clip(np.sqrt(self.keep * gains**2 + (1 - self.keep) * levels**2), LOWEST, HIGHEST)

    def told(self, gains: FloatArray) -> FloatArray:
        """Gains as the network hears them."""
        if not self.adaptive:
            return np.zeros_like(gains, dtype=np.float32)
        return np.asarray((20 * np.log10(gains) - MIDDLE_DB) / REACH_DB, np.float32)

"""A look-ahead limiter: what would be louder than a ceiling is turned down smoothly around its peaks, all else is kept.

The gain that each sample needs, min(1, ceiling / |x|), is held for `REACH` seconds before and after it (a sliding
minimum) and then smoothed by a mean over as long a window. Every value in that mean is at most what the sample in its
middle needs, so no sample lies above the ceiling, and the gain has no corners that click (the look-ahead detector of
Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design", JAES 2012).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from wavewright.audio.recording import FloatArray

REACH = 0.005
"""Seconds."""


class Limiter:
    """Sound ``(time,)`` at ``rate`` Hz held within ``ceiling``, block after block; the output comes late by what is
    looked ahead, and the ``last`` block gives the rest.

    >>> limiter = Limiter(rate=8000, ceiling=0.5)
    >>> sound = np.array([0.1, 2.0, 0.1], np.float32)
    >>> limited = limiter.push(sound, last=True)
    >>> len(limited), float(limited.max())
    (3, 0.5)
    """

    def __init__(self, rate: int, ceiling: float = 1.0) -> None:
        self.ceiling = ceiling
        self._reach = max(1, round(REACH * rate))
        self._waiting = np.zeros(0, np.float32)  # up to 2 · reach samples given out already, then those to come
        self._given = 0  # of these

    def push(self, sound: FloatArray, last: bool = False) -> FloatArray:
        """What is ready of all that was pushed."""
        ahead = 2 * self._reach
        waiting = np.concatenate([self._waiting, np.asarray(sound, np.float32)])
        ready = len(waiting) if last else max(self._given, len(waiting) - ahead)
        needed = np.minimum(1.0, self.ceiling / np.maximum(np.abs(waiting), 1e-9).astype(np.float64))
        width = 2 * self._reach + 1
        held = minimum_filter1d(needed, width, mode="nearest")
        gain = np.minimum(uniform_filter1d(held, width, mode="nearest"), needed)  # rounding only
        made = np.asarray(waiting[self._given : ready] * gain[self._given : ready], np.float32)
        kept = max(0, ready - ahead)
        self._waiting, self._given = waiting[kept:], ready - kept
        return np.clip(made, -self.ceiling, self.ceiling)

"""Which digit is heard in a short recording: a small recogniser, so that "one hears which it is" becomes a number.

Each sound becomes the levels of its mel bands at evenly spaced moments from its onset to its ending, relative to their
mean. Linear discriminants of these, fitted to real takes, say which digit is nearest (Fisher, "The use of multiple
measurements in taxonomic problems", 1936), with the shared covariance drawn towards a multiple of the identity
(Friedman, "Regularized Discriminant Analysis", 1989). It hears the word, not who says it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.metrics.logmel import hop_of, log_mel

BANDS, MOMENTS = 24, 14
QUIET_DB = 35.0
"""How far below its loudest frame a sound's beginning and ending count as silence."""
SHRINK = 0.2
"""How much of the covariance is replaced by its mean variance in all directions."""

Matrix = NDArray[np.float64]


def features(sound: FloatArray, rate: int) -> Matrix:
    """What a sound ``(time,)`` is told by: (`BANDS` · `MOMENTS` + 1,), the last one the word's length."""
    levels = log_mel(sound, rate, BANDS).astype(np.float64)  # (bands, frames)
    loudness = 10 * np.log10((10 ** (levels / 10)).sum(axis=0))
    spoken = np.flatnonzero(loudness > loudness.max() - QUIET_DB)
    first, last = (spoken[0], spoken[-1]) if len(spoken) else (0, levels.shape[1] - 1)
    moments = np.linspace(first, last, MOMENTS)
    before = np.minimum(moments.astype(int), levels.shape[1] - 2) if levels.shape[1] > 1 else np.zeros(MOMENTS, int)
    share = moments - before
    after = np.minimum(before + 1, levels.shape[1] - 1)
    at = levels[:, before] * (1 - share) + levels[:, after] * share  # (bands, moments)
    length = np.log((last - first + 1) * hop_of(rate) / rate)
    return np.append((at - at.mean()).ravel() / 10, length)


class Recogniser:
    """Linear discriminants of `features`, fitted to ``sounds`` and the ``digits`` said in them."""

    def __init__(self, sounds: Sequence[FloatArray], digits: Sequence[str], rate: int) -> None:
        self.rate, self.digits = rate, tuple(sorted(set(digits)))
        x = np.stack([features(sound, rate) for sound in sounds])  # (sounds, numbers)
        said = np.array([self.digits.index(digit) for digit in digits])
        means = np.stack([x[said == digit].mean(axis=0) for digit in range(len(self.digits))])
        within = x - means[said]
        covariance = within.T @ within / len(x)
        spread = np.trace(covariance) / len(covariance)
        covariance = (1 - SHRINK) * covariance + SHRINK * spread * np.eye(len(covariance))
        self._weights = np.linalg.solve(covariance, means.T)  # (numbers, digits)
        self._bias = -0.5 * np.einsum("dn,nd->d", means, self._weights)

    def hear(self, sound: FloatArray) -> str:
        """The digit that is likeliest to be said in a sound."""
        return self.digits[int(np.argmax(features(sound, self.rate) @ self._weights + self._bias))]

    def heard(self, sounds: Sequence[FloatArray], digits: Sequence[str]) -> Matrix:
        """How often each digit that was meant was heard as each: (digits, digits), rows those meant."""
        counts = np.zeros((len(self.digits),) * 2)
        for sound, digit in zip(sounds, digits, strict=True):
            counts[self.digits.index(digit), self.digits.index(self.hear(sound))] += 1
        return counts


def share_right(counts: Matrix) -> float:
    """The share of sounds in which the digit was heard that was meant."""
    return float(np.trace(counts) / counts.sum())

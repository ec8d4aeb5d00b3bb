"""Where a sound's energy lies in frequency: its spectral centroid, and how much hiss lies above its corpus.

- **centroid**: Σ f P(f) / Σ P(f) over the power spectrum of the whole sound, compared in octaves.
- **hiss**: energy above a border over all energy, in dB, the median over the frames that sound. A median, for an attack
  is bright for one frame, and noise lasts. The border is where the corpus has all but `ABOVE` of its energy below, so
  that kicks are judged from some hundreds of Hz on, and hats from near the highest there is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import stft
from wavewright.metrics.logmel import hop_of, window_of

Float64Array = NDArray[np.float64]

ABOVE = 0.01
"""Share of a corpus's energy above the border of hiss."""
QUIETEST_DB = -90.0
"""Hiss below this is none, dB."""

_SOUNDING_DB = 50.0
_LONGEST = 30.0


def powers(sound: FloatArray, rate: int) -> Float64Array:
    """Power ``(bins, frames)`` of a sound's first half minute: bin b at b · rate / (2 bins − 2) Hz."""
    part = np.asarray(sound[: round(_LONGEST * rate)], np.float32)
    X = stft(part, window_of(rate), hop_of(rate))
    return np.asarray(X.real.astype(np.float64) ** 2 + X.imag.astype(np.float64) ** 2)


def frequencies(rate: int) -> Float64Array:
    """Hz of each bin of `powers`, ``(bins,)``."""
    return np.asarray(np.fft.rfftfreq(window_of(rate), 1 / rate))


def centroid_of(sound: FloatArray, rate: int) -> float:
    """Hz of the centre of a sound's power; NaN where it is silent.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    >>> round(centroid_of(tone, rate=8000))
    1000
    """
    spectrum = powers(sound, rate).sum(axis=1)
    total = float(spectrum.sum())
    return float(spectrum @ frequencies(rate)) / total if total > 1e-12 else float("nan")


def border_of(sounds: Iterable[FloatArray], rate: int, above: float = ABOVE) -> float:
    """Hz above which lies the share ``above`` of the energy of ``sounds``, each counting alike; 0 without sounds."""
    total = np.zeros(frequencies(rate).size)
    for sound in sounds:
        spectrum = powers(sound, rate).sum(axis=1)
        total += spectrum / max(float(spectrum.sum()), 1e-12)
    if not total.any():
        return 0.0
    below = np.cumsum(total) / total.sum()
    return float(frequencies(rate)[min(int(np.searchsorted(below, 1 - above)), total.size - 1)])


def hiss_of(sound: FloatArray, rate: int, border: float) -> float:
    """Energy above ``border`` Hz over all energy, dB, median over the frames that sound; NaN where none does."""
    P = powers(sound, rate)
    total = P.sum(axis=0)
    sounding = total > max(1e-10, float(total.max(initial=0.0)) * 10 ** (-_SOUNDING_DB / 10))
    if not sounding.any():
        return float("nan")
    share = P[frequencies(rate) > border][:, sounding].sum(axis=0) / total[sounding]
    return float(np.median(10 * np.log10(np.maximum(share, 10 ** (QUIETEST_DB / 10)))))

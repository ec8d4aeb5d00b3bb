"""Levels of a sound in mel bands over time: what the figures of whole sounds are computed from.

A sound is ``(time,)``, float32, full scale at ±1, with its rate beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import mel_spectrogram

BANDS = 40
FLOOR_DB = -70.0
"""Level of a band below which nothing is told apart, in dBFS: hiss that one recording has and the next has not."""

_WINDOW = 0.032  # seconds
_HOP = 0.010


def hop_of(rate: int) -> int:
    """Samples from frame to frame: ten milliseconds."""
    return max(1, round(_HOP * rate))


def window_of(rate: int) -> int:
    """Samples in a frame: the power of two nearest to 32 milliseconds, of two hops at least."""
    return int(max(2 ** round(np.log2(_WINDOW * rate)), 2 * hop_of(rate)))


def log_mel(sound: FloatArray, rate: int, bands: int = BANDS, floor_db: float = FLOOR_DB) -> FloatArray:
    """Levels in dBFS ``(bands, frames)`` of a sound ``(time,)``, frame k centred on sample k · `hop_of`.

    A sine of full scale at a band's centre reads about 0; what lies below ``floor_db`` is raised to it.

    >>> log_mel(np.zeros(8000, np.float32), rate=8000).shape
    (40, 101)
    """
    window = window_of(rate)
    power = mel_spectrogram(sound, rate, window, hop_of(rate), bands)
    return np.asarray(10 * np.log10(np.maximum(power * (4 / window) ** 2, 10 ** (floor_db / 10))), np.float32)


def frame_levels(sound: FloatArray, rate: int) -> NDArray[np.float64]:
    """Level in dBFS of each ten milliseconds ``(frames,)``: their RMS, direct current included; −120 for silence."""
    hop = hop_of(rate)
    padded = np.pad(sound, (0, -sound.size % hop)).reshape(-1, hop)
    return np.asarray(10 * np.log10(np.maximum(np.mean(np.square(padded, dtype=np.float64), axis=1), 1e-12)))

"""A recording read at another pace: band-limited interpolation with a fraction that may move from sample to sample.

A Kaiser-windowed sinc of 48 taps, tabulated at 512 fractions with straight lines between them (J. O. Smith, Digital
Audio Resampling Home Page). Up to 0.85 of half the rate a tone comes out with an error of −85 dB or less. The pace is
within a few thousandths of 1, so nothing needs filtering away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled

TAPS = 48
PHASES = 512
BLOCK = 1 << 16  # positions worked out at a time, so that memory stays flat

Positions = NDArray[np.float64]


def read_at(samples: FloatArray, start: float, pace: float, frames: int) -> FloatArray:
    """``samples`` (channels, time) read at positions ``start + n * pace``, n < frames: (channels, frames).

    Beyond the ends there are zeros.
    """
    return read_along(samples, lambda n: start + n * pace, frames)


def read_along(samples: FloatArray, position: Callable[[Positions], Positions], frames: int) -> FloatArray:
    """``samples`` (channels, time) read at ``position(n)``, n = 0 … frames − 1 (as float64): (channels, frames).

    Beyond the ends there are zeros. All channels are read at the same places.

    >>> ramp = np.arange(200, dtype=np.float32)[None]
    >>> read_along(ramp, lambda n: 80 + 1.25 * n, 4).round(3)
    array([[80.  , 81.25, 82.5 , 83.75]], dtype=float32)
    """
    out = np.empty((samples.shape[0], frames), dtype=np.float32)
    table = _sinc_table()
    rows = [np.ascontiguousarray(row, dtype=np.float32) for row in samples]
    for first in range(0, frames, BLOCK):
        last = min(first + BLOCK, frames)
        at = np.ascontiguousarray(position(np.arange(first, last, dtype=np.float64)), dtype=np.float64)
        for channel, row in zip(out, rows, strict=True):
            _interpolate(row, at, table, channel[first:last])
    return out


def _sinc_table() -> FloatArray:
    """Interpolation kernels for PHASES + 1 fractions: (phases + 1, taps), each summing to 1."""
    fraction = np.arange(PHASES + 1)[:, None] / PHASES
    at = np.arange(TAPS)[None, :] - (TAPS // 2 - 1) - fraction
    inside = np.clip(1 - (at / (TAPS / 2)) ** 2, 0, None)
    table = np.sinc(at) * np.i0(8.0 * np.sqrt(inside)) / np.i0(8.0)
    return np.asarray(table / table.sum(axis=1, keepdims=True), dtype=np.float32)


@compiled
def _interpolate(x: FloatArray, positions: Positions, table: FloatArray, out: FloatArray) -> None:
    taps = table.shape[1]
    phases = table.shape[0] - 1
    for n in range(len(out)):
        at = positions[n]
        whole = int(np.floor(at))
        place = (at - whole) * phases
        low = int(place)
        part = place - low
        first = whole - (taps // 2 - 1)
        total = 0.0
        for k in range(taps):
            i = first + k
            if 0 <= i < len(x):
                kernel = (1 - part) * table[low, k] + part * table[min(low + 1, phases), k]
                total += kernel * x[i]
        out[n] = total

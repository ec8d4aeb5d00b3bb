"""How far up the spectrum a recording goes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import stft

FRAME = 2048
BELOW_LOUDEST = 1e-7
"""A bin holds sound where its loudest moment lies less than 70 dB below the loudest of all bins …"""
LIVELY = 5.0
"""… and its mean power is this many times its geometric mean: of hiss, the same at every moment, it is 1.8 times."""
NEIGHBOURS = 5
"""Bins over which that ratio is smoothed, so that chance does not make hiss lively."""
FEW = 8
"""Frames, below which nothing can be said of that."""
STEADY = 1e-4
"""What lies less than 40 dB below the loudest counts all the same: an organ's pipe is as steady as hiss, and louder."""


class BandEdge:
    """Finds the edge of a sound that arrives in blocks; nothing of it is kept but three spectra.

    >>> rate = 16_000
    >>> beep = np.sin(2 * np.pi * 3000 * np.arange(rate) / rate).astype(np.float32) * np.hanning(rate).astype("f4")
    >>> edge = BandEdge(rate)
    >>> edge.add(beep)
    >>> 2900 < edge.hz < 3100
    True
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._loudest = np.zeros(FRAME // 2 + 1)
        self._powers = np.zeros(FRAME // 2 + 1)
        self._logs = np.zeros(FRAME // 2 + 1)
        self._frames = 0

    def add(self, x: FloatArray) -> None:
        """Take in ``x`` ``(time,)`` or ``(channels, time)``."""
        for row in np.atleast_2d(x):
            if len(row) < FRAME:  # faded at both ends: an edge in time is sound at all frequencies
                row = np.pad(row * np.hanning(len(row) + 2)[1:-1], (0, FRAME - len(row)))
            X = stft(np.ascontiguousarray(row, np.float32), FRAME, FRAME // 2)
            whole = 1 + (len(row) - FRAME) // (FRAME // 2)  # frames that lie within the block
            power = (X.real.astype(np.float64) ** 2 + X.imag.astype(np.float64) ** 2)[:, 1 : 1 + whole]
            if power.shape[1] == 0:
                continue
            self._loudest = np.maximum(self._loudest, power.max(axis=1))
            self._powers += power.sum(axis=1)
            self._logs += np.log(power + 1e-20).sum(axis=1)
            self._frames += power.shape[1]

    @property
    def hz(self) -> float:
        """The highest frequency at which there is sound; 0 where there is none at all."""
        if not self._frames or not self._loudest.max():
            return 0.0
        top = self._loudest.max()
        liveliness = np.log(self._powers / self._frames + 1e-20) - self._logs / self._frames
        smooth = np.convolve(liveliness, np.full(NEIGHBOURS, 1 / NEIGHBOURS), "same")
        lively = (smooth > np.log(LIVELY)) | (self._frames < FEW)
        holds = ((self._loudest > BELOW_LOUDEST * top) & lively) | (self._loudest > STEADY * top)
        places: NDArray[np.intp] = np.flatnonzero(holds)
        return float(places[-1] * self._rate / FRAME) if len(places) else 0.0


def band_edge(blocks: Iterable[FloatArray], rate: int) -> float:
    """The edge in Hz of a sound in blocks ``(channels, n)``."""
    edge = BandEdge(rate)
    for block in blocks:
        edge.add(block)
    return edge.hz

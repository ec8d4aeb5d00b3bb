"""Plays impulse responses by compiled kernels: thousands of taps at the price of a few."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine.convolution_kernels import NON_FINITE, OVERFLOWS, play
from wavewright.engine.fourier_kernels import Tables
from wavewright.nets.plain import PlainNetwork

SMALLEST, LARGEST = 128, 4096
"""Samples of a block: where the transforms begin to pay, and where their memory outgrows the caches."""


def block_size(taps: int) -> int:
    """Samples of a block: what multiplies out the first stretch grows with it, what the spectra take shrinks.

    >>> [block_size(taps) for taps in (1, 256, 2048, 65_536, 1_000_000)]
    [256, 256, 128, 512, 2048]
    """
    if taps <= 2 * SMALLEST:
        return 2 * SMALLEST
    return min(max(1 << round(math.log2(2 * math.sqrt(taps))), SMALLEST), LARGEST)


class ConvolutionPlayer:
    """An impulse response with the taps that it has now, playing ``channels`` channels, each with its own memory.

    All memory is taken here; `play` takes none. Long responses are worked off in bursts, one whenever a block is full.
    """

    def __init__(self, net: PlainNetwork, channels: int) -> None:
        taps = net.weights["impulse_response"]
        size = block_size(taps.size)
        count = -(-taps.size // size) - 1  # stretches behind the first
        padded = np.zeros((count + 1) * size, np.float32)
        padded[: taps.size] = taps
        bins = size + 1
        tables = Tables.of(size)
        spectra = np.fft.rfft(padded[size:].reshape(count, size).astype(np.float64), 2 * size) / (2 * size)
        parts: dict[str, NDArray[np.floating]] = {
            "taps": padded[: min(size, 4 * -(-taps.size // 4))],
            "bias": net.weights.get("bias", np.zeros(1, np.float32)),
            "turns": tables.turns,
            "stretches": np.stack([spectra.real, spectra.imag], axis=1),  # (count, 2, bins)
        }
        ends = dict(zip(parts, np.cumsum([part.size for part in parts.values()]).tolist(), strict=True))
        each = 3 * size + count * 2 * bins
        used = channels * each
        self._memory = np.zeros(used + 6 * size + 2 * bins, np.float32)
        self._counters: NDArray[np.int64] = np.zeros(4, np.int64)
        numbers = [size, parts["taps"].size, count, tables.rows, tables.columns]
        places = [ends["taps"], ends["bias"], ends["turns"], used, each]
        self._plan = (
            np.concatenate([part.ravel() for part in parts.values()]).astype(np.float32),
            np.array([*numbers, *places]),
            tables.order,
            self._memory,
            self._counters,
        )
        nothing = np.zeros((channels, 0), np.float32)
        self.play(nothing, nothing.copy())  # compiled now, not later

    @property
    def non_finite(self) -> int:
        """Input samples that were no numbers, and played as zeros."""
        return int(self._counters[NON_FINITE])

    @property
    def overflows(self) -> int:
        """Output samples that were no finite numbers, and given as zeros."""
        return int(self._counters[OVERFLOWS])

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels, n), contiguous float32, into ``out``, of the same shape."""
        play(*self._plan, block, out)

    def reset(self) -> None:
        """Forget all that was played."""
        self._counters[:NON_FINITE] = 0
        self._memory[:] = 0

"""How far a spectrum is from the one it should be.

Every figure takes the output x̂ first and the target x second, ``(time,)`` or ``(channels, time)``, equal in length and
aligned to the sample. Frames are Hann-windowed (periodic) and centred on multiples of the hop, with zeros beyond both
ends, 1 + time // hop of them; powers are those of the plain DFT of samples with full scale ±1. Channels are further
frames.

`LogSpectralDistance` and `MultiResolution` gather the same figures block by block: what they keep is one FFT's length
of each signal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wavewright.metrics.waveform import same_shape

Float64Array = NDArray[np.float64]

POWER_FLOOR = 1e-8
"""Smallest power of a bin inside a logarithm."""

_BLOCK = 1 << 15


class LogSpectralDistance:
    """Log-spectral distance of files of any length: mean over frames of sqrt(mean over bins of (ln|X|² − ln|X̂|²)²).

    After Kuleshov et al., *Audio Super-Resolution using Neural Networks* (2017), section 4, in natural logarithms and
    with the mean over the bins inside the root, as the paper defines it (its code swaps the two axes).
    """

    def __init__(self, n_fft: int = 2048, hop: int = 512) -> None:
        self._frames = _PairedFrames(n_fft, hop)
        self._total, self._count = 0.0, 0

    def add(self, output: NDArray[Any], target: NDArray[Any]) -> None:
        """Count one more block, ``(time,)`` or ``(channels, time)``; ValueError where the two differ in shape."""
        for guess, truth in self._frames.push(output, target):
            total, count = self._distances(guess, truth)
            self._total += total
            self._count += count

    @property
    def lsd(self) -> float:
        """The distance in natural logarithms of power; NaN before the first sample."""
        total, count = self._total, self._count
        for guess, truth in self._frames.tail():
            more, frames = self._distances(guess, truth)
            total += more
            count += frames
        return total / count if count else math.nan

    @property
    def lsd10(self) -> float:
        """The same in decimal logarithms: what AERO, NU-Wave 2 and AP-BWE report."""
        return self.lsd / math.log(10)

    def _distances(self, guess: Float64Array, truth: Float64Array) -> tuple[float, int]:
        difference = np.log(np.maximum(truth, POWER_FLOOR)) - np.log(np.maximum(guess, POWER_FLOOR))
        distances = np.sqrt(np.mean(difference**2, axis=-1))  # (channels, frames)
        return float(distances.sum()), distances.size


class MultiResolution:
    """Multi-resolution STFT distance of files of any length: what `wavewright.losses.MultiResolutionSTFT` trains on.

    The mean over FFT sizes of ‖M − M̂‖ / ‖M‖ + mean |ln M − ln M̂|, with magnitudes M of the whole file and a hop of a
    quarter of the FFT. Unlike the loss it has no floor for silent targets.
    """

    def __init__(self, fft_sizes: tuple[int, ...] = (512, 1024, 2048)) -> None:
        self._frames = [_PairedFrames(size, size // 4) for size in fft_sizes]
        self._sums = np.zeros((len(fft_sizes), 4))

    def add(self, output: NDArray[Any], target: NDArray[Any]) -> None:
        """Count one more block, ``(time,)`` or ``(channels, time)``; ValueError where the two differ in shape."""
        for row, frames in enumerate(self._frames):
            for guess, truth in frames.push(output, target):
                self._sums[row] += self._distances(guess, truth)

    @property
    def value(self) -> float:
        """The distance; NaN before the first sample."""
        sums = self._sums.copy()
        for row, frames in enumerate(self._frames):
            for guess, truth in frames.tail():
                sums[row] += self._distances(guess, truth)
        if not sums[:, 3].all():
            return math.nan
        missed, wanted, log_distance, bins = sums.T
        return float(np.mean(np.sqrt(missed / wanted) + log_distance / bins))

    def _distances(self, guess: Float64Array, truth: Float64Array) -> tuple[float, float, float, float]:
        wanted, given = np.maximum(truth, POWER_FLOOR), np.maximum(guess, POWER_FLOOR)
        missed = float(np.sum((np.sqrt(wanted) - np.sqrt(given)) ** 2))
        log_distance = 0.5 * float(np.sum(np.abs(np.log(wanted) - np.log(given))))
        return missed, float(wanted.sum()), log_distance, float(wanted.size)


def lsd(output: NDArray[Any], target: NDArray[Any], n_fft: int = 2048, hop: int = 512) -> float:
    """Log-spectral distance in natural logarithms; see `LogSpectralDistance`.

    >>> x = np.random.default_rng(0).standard_normal(8000)
    >>> round(lsd(x / 10, x), 6)  # 20 dB in every bin: 2 · ln 10
    4.60517
    """
    distance = LogSpectralDistance(n_fft, hop)
    distance.add(np.asarray(output), np.asarray(target))
    return distance.lsd


def lsd10(output: NDArray[Any], target: NDArray[Any], n_fft: int = 2048, hop: int = 512) -> float:
    """`lsd` in decimal logarithms (lower by the factor 2.303).

    >>> x = np.random.default_rng(0).standard_normal(8000)
    >>> round(lsd10(x / 10, x), 6)
    2.0
    """
    return lsd(output, target, n_fft, hop) / math.log(10)


def mr_stft(output: NDArray[Any], target: NDArray[Any], fft_sizes: tuple[int, ...] = (512, 1024, 2048)) -> float:
    """Multi-resolution STFT distance; see `MultiResolution`.

    >>> x = np.random.default_rng(0).standard_normal(8000)
    >>> round(mr_stft(x / 2, x), 6)  # |1 − 1/2| + ln 2
    1.193147
    """
    distance = MultiResolution(fft_sizes)
    distance.add(np.asarray(output), np.asarray(target))
    return distance.value


class _PairedFrames:
    """Cuts two signals that arrive in blocks into overlapping frames and gives their power spectra."""

    def __init__(self, size: int, hop: int) -> None:
        if size < 2 or size % 2 or not 1 <= hop <= size:
            raise ValueError(f"n_fft = {size} and hop = {hop}: n_fft must be even, hop from 1 to n_fft")
        self._size, self._hop = size, hop
        self._window = np.hanning(size + 1)[:-1]  # periodic
        self._waiting: Float64Array | None = None  # (2, channels, samples not yet done with)

    def push(self, output: NDArray[Any], target: NDArray[Any]) -> Iterator[tuple[Float64Array, Float64Array]]:
        """Powers ``(channels, frames, bins)`` of output and target for the frames that this block completes."""
        same_shape(output, target)
        for start in range(0, target.shape[-1], _BLOCK):
            pair = np.stack([output[..., start : start + _BLOCK], target[..., start : start + _BLOCK]])
            pair = pair.astype(np.float64).reshape(2, -1, pair.shape[-1])
            if self._waiting is None:
                self._waiting = np.zeros((2, pair.shape[1], self._size // 2))  # the silence before the start
            elif self._waiting.shape[1] != pair.shape[1]:
                raise ValueError(f"a block of {pair.shape[1]} channels after blocks of {self._waiting.shape[1]}")
            samples = np.concatenate([self._waiting, pair], axis=-1)
            frames = self._cut(samples)
            self._waiting = samples[..., frames.shape[2] * self._hop :].copy()
            yield from self._powers(frames)

    def tail(self) -> Iterator[tuple[Float64Array, Float64Array]]:
        """The frames that would be completed if the signals ended here; more may still be pushed."""
        if self._waiting is not None:
            yield from self._powers(self._cut(np.pad(self._waiting, [(0, 0), (0, 0), (0, self._size // 2)])))

    def _cut(self, samples: Float64Array) -> Float64Array:
        if samples.shape[-1] < self._size:
            return np.zeros((*samples.shape[:2], 0, self._size))
        return sliding_window_view(samples, self._size, axis=-1)[..., :: self._hop, :]

    def _powers(self, frames: Float64Array) -> Iterator[tuple[Float64Array, Float64Array]]:
        if frames.shape[2]:
            spectra = np.fft.rfft(frames * self._window)  # (2, channels, frames, bins)
            power = spectra.real**2 + spectra.imag**2
            yield power[0], power[1]

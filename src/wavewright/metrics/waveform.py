"""How far a waveform is from the one it should be.

Every figure takes the output x̂ first and the target x second, ``(time,)`` or ``(channels, time)``, equal in length and
aligned to the sample; channels count together. Nothing is ever added inside a ratio to make it behave: a figure that
is not defined (the error-to-signal ratio of silence against silence) is NaN.

All figures follow from seven sums, so `ErrorSums` gives them for files of any length, block by block. The sums are
taken in float64: over an hour of float32 samples a single-precision sum has lost its last digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 16


@dataclass(frozen=True)
class ErrorTable:
    """Plain error figures in the unit of the samples (full scale is 1)."""

    mse: float
    rmse: float
    error_std: float
    reference_std: float


class ErrorSums:
    """The sums behind every waveform figure, gathered block by block in constant memory.

    >>> sums = ErrorSums()
    >>> for block in np.split(np.ones(1000, np.float32), 10):
    ...     sums.add(0.9 * block, block)
    >>> round(sums.esr, 6), round(sums.snr, 3)
    (0.01, 20.0)
    """

    def __init__(self) -> None:
        self.count = 0
        self.target_sum = 0.0
        self.target_energy = 0.0
        self.output_energy = 0.0
        self.error_sum = 0.0
        self.error_energy = 0.0
        self.error_on_output = 0.0

    def add(self, output: NDArray[Any], target: NDArray[Any]) -> None:
        """Count one more block, ``(time,)`` or ``(channels, time)``.

        Raises:
            ValueError: the two differ in shape.
        """
        same_shape(output, target)
        for start in range(0, target.shape[-1], _BLOCK):
            x = target[..., start : start + _BLOCK].astype(np.float64).ravel()
            guess = output[..., start : start + _BLOCK].astype(np.float64).ravel()
            error = x - guess
            self.count += x.size
            self.target_sum += float(x.sum())
            self.target_energy += float(x @ x)
            self.output_energy += float(guess @ guess)
            self.error_sum += float(error.sum())
            self.error_energy += float(error @ error)
            self.error_on_output += float(error @ guess)

    def merge(self, other: ErrorSums) -> None:
        """Count what ``other`` has counted, too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def esr(self) -> float:
        """Error-to-signal ratio Σ(x − x̂)² / Σx²."""
        return _ratio(self.error_energy, self.target_energy)

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio 10·log₁₀(Σx² / Σ(x − x̂)²) in dB."""
        return _decibels(_ratio(self.target_energy, self.error_energy))

    @property
    def si_sdr(self) -> float:
        """SNR in dB after the best single gain on the output."""
        # With x = x̂ + e the residual of x on x̂ is that of e on x̂. Working on e keeps the digits that
        # Σx² − (Σx·x̂)² / Σx̂² would lose when the two nearly agree.
        explained = self.error_on_output**2 / self.output_energy if self.output_energy > 0 else 0.0
        return _decibels(_ratio(self.target_energy, max(self.error_energy - explained, 0.0)))

    @property
    def table(self) -> ErrorTable:
        """Mean squared error, its root, and the standard deviations of error and target."""
        if self.count == 0:
            return ErrorTable(math.nan, math.nan, math.nan, math.nan)
        mse = self.error_energy / self.count
        error_variance = mse - (self.error_sum / self.count) ** 2
        target_variance = self.target_energy / self.count - (self.target_sum / self.count) ** 2
        return ErrorTable(
            mse, math.sqrt(mse), math.sqrt(max(error_variance, 0.0)), math.sqrt(max(target_variance, 0.0))
        )


def esr(output: NDArray[Any], target: NDArray[Any]) -> float:
    """Error-to-signal ratio Σ(x − x̂)² / Σx².

    Infinite for an error against silence, NaN for silence against silence.

    >>> x = np.sin(np.arange(1000.0))
    >>> round(esr(0.5 * x, x), 6)  # a scaled copy: (1 − 0.5)²
    0.25
    """
    return _sums(output, target).esr


def snr(output: NDArray[Any], target: NDArray[Any]) -> float:
    """Signal-to-noise ratio 10·log₁₀(Σx² / Σ(x − x̂)²) in dB over the whole signal.

    Infinite for an exact copy, minus infinity for an error against silence, NaN for silence against silence.
    """
    return _sums(output, target).snr


def si_sdr(output: NDArray[Any], target: NDArray[Any]) -> float:
    """SNR in dB after the best single gain on the output: blind to level and polarity.

    Le Roux et al., *SDR – half-baked or well done?* (2019), put the gain on the target instead, which reads lower by
    10·log₁₀(cos²) of the angle between the two: 0.04 dB at 20 dB, 0.5 dB at 10 dB.

    >>> x = np.sin(np.arange(1000.0))
    >>> noise = np.cos(np.arange(1000.0))
    >>> bool(abs(si_sdr(0.3 * (x + 0.1 * noise), x) - 20.0) < 0.1)
    True
    """
    return _sums(output, target).si_sdr


def error_table(output: NDArray[Any], target: NDArray[Any]) -> ErrorTable:
    """MSE, RMSE, and the standard deviations of the error and of the target.

    >>> error_table(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    ErrorTable(mse=2.0, rmse=1.4142135623730951, error_std=1.0, reference_std=1.5)
    """
    return _sums(output, target).table


def same_shape(output: NDArray[Any], target: NDArray[Any]) -> None:
    """Raise ValueError unless the two are signals of one shape, ``(time,)`` or ``(channels, time)``."""
    if output.shape != target.shape or output.ndim not in (1, 2):
        raise ValueError(
            f"output {output.shape} and target {target.shape} must both be (time,) or (channels, time), of one length"
        )


def _sums(output: NDArray[Any], target: NDArray[Any]) -> ErrorSums:
    sums = ErrorSums()
    sums.add(np.asarray(output), np.asarray(target))
    return sums


def _ratio(above: float, below: float) -> float:
    if below > 0:
        return above / below
    return math.inf if above > 0 else math.nan


def _decibels(ratio: float) -> float:
    return 10 * math.log10(ratio) if ratio > 0 else (math.nan if math.isnan(ratio) else -math.inf)

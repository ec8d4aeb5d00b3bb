"""What a device does to tones: harmonics, transfer curves, frequency response.

The device is any callable from samples ``(time,)`` to samples ``(time,)`` from rest at each call: a network,
a circuit, a function. Tones are sampled coherently: a whole number of periods in a window of a power of two. Then every
harmonic falls on a bin of its own, no window function is needed, and levels are exact to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

Process = Callable[[FloatArray], FloatArray]
Float64Array = NDArray[np.float64]

HARMONICS = 8
_WINDOW = 8192


@dataclass(frozen=True)
class Tone:
    """The steady answer to a sine of ``hz`` and amplitude ``amplitude``.

    ``harmonics`` holds the amplitudes (full scale is 1) of h1 (the tone itself) to h8, NaN above half the rate;
    ``before`` and ``after`` one period of input and output, 256 points.
    """

    hz: float
    amplitude: float
    harmonics: Float64Array
    rms: float
    before: Float64Array
    after: Float64Array

    @property
    def thd(self) -> float:
        """Total harmonic distortion: the root of the sum of squares of h2 … h8, over h1."""
        return float(np.sqrt(np.nansum(self.harmonics[1:] ** 2)) / self.harmonics[0])


@dataclass(frozen=True)
class Sweep:
    """Harmonic amplitudes ``(frequencies, 8)`` of a device at each of ``hz``, from tones or from a recorded sweep."""

    hz: Float64Array
    harmonics: Float64Array
    level_db: float


@dataclass(frozen=True)
class Probe:
    """All that is measured of one device: tones over drive, tones over frequency, slow waves, response."""

    rate: int
    drives: tuple[Tone, ...]
    sweep: Sweep
    curves: tuple[Tone, ...]
    response_hz: Float64Array
    response_db: Float64Array
    response_level_db: float


def tone(process: Process, rate: int, hz: float, level_db: float, settle: float = 0.1) -> Tone:
    """Measure the answer to one sine once it is steady.

    Args:
        process: the device.
        rate: in Hz.
        hz: frequency asked for; the nearest one with an odd number of periods in 8192 samples is taken.
        level_db: peak level in dBFS: 0 is a sine of amplitude 1.
        settle: seconds that the device is given before anything is measured; longer than its receptive field.

    Raises:
        ValueError: ``hz`` is not between rate / 8192 and rate / 2, or the device changes the length.

    >>> steady = tone(lambda x: x + 0.5 * x**2, 48000, 1000, 0.0)
    >>> np.round(steady.harmonics[:3], 4)  # x² of a sine: half of it at twice the frequency
    array([1.  , 0.25, 0.  ])
    """
    periods = 2 * round((hz * _WINDOW / rate - 1) / 2) + 1
    if not 0 < periods < _WINDOW // 2:
        raise ValueError(f"a tone of {hz} Hz at {rate} Hz: must be from {rate / _WINDOW:.1f} to {rate / 2:g} Hz")
    amplitude = 10 ** (level_db / 20)
    start = -math.ceil(settle * rate)
    phase = 2 * np.pi * periods * np.arange(start, _WINDOW) / _WINDOW
    x = (amplitude * np.sin(phase)).astype(np.float32)
    y = _answer(process, x)[-_WINDOW:]
    spectrum = np.fft.rfft(y)
    bins = periods * np.arange(1, HARMONICS + 1)
    there = bins < _WINDOW // 2
    harmonics = np.full(HARMONICS, np.nan)
    harmonics[there] = np.abs(spectrum[bins[there]]) * 2 / _WINDOW
    return Tone(
        periods * rate / _WINDOW, amplitude, harmonics, float(np.sqrt(np.mean(y**2))), *_one_period(x, y, periods)
    )


def probe(
    process: Process,
    rate: int,
    *,
    drive_hz: float = 1000.0,
    sweep_db: float = -12.0,
    settle: float = 0.1,
    levels_db: Sequence[float] = tuple(range(-60, 1, 3)),
    frequencies: int = 24,
) -> Probe:
    """Measure everything that the report shows; about fifteen seconds of sound go through the device.

    Args:
        process: the device, ``(time,)`` to ``(time,)``, from rest at each call.
        rate: in Hz.
        drive_hz: frequency at which the drive is stepped through ``levels_db`` (peak, dBFS).
        sweep_db: peak level in dBFS at which the frequency is stepped from 40 Hz to a quarter of the rate.
        settle: seconds before each measurement; see `tone`.
        levels_db: the drives.
        frequencies: how many frequencies.
    """
    drives = tuple(tone(process, rate, drive_hz, level, settle) for level in levels_db)
    stepped = [tone(process, rate, hz, sweep_db, settle) for hz in np.geomspace(40, rate / 4, frequencies)]
    sweep = Sweep(np.array([one.hz for one in stepped]), np.array([one.harmonics for one in stepped]), sweep_db)
    curves = tuple(tone(process, rate, 100.0, level, settle) for level in (-24.0, -12.0, 0.0))
    response_level = -40.0
    hz, decibels = response(process, rate, response_level, settle=settle)
    return Probe(rate, drives, sweep, curves, hz, decibels, response_level)


def response(
    process: Process, rate: int, level_db: float = -40.0, *, size: int = 16384, settle: float = 0.1, seed: int = 0
) -> tuple[Float64Array, Float64Array]:
    """Gain in dB over frequency, from periodic noise with every bin at the same level.

    The noise repeats every ``size`` samples and is measured once the device has settled, so nothing leaks between
    bins: exact for a linear device, and the best linear approximation at this level for any other.

    Args:
        process: the device.
        rate: in Hz.
        level_db: RMS of the noise in dBFS.
        size: samples in a period.
        settle: seconds before the measurement.
        seed: of the phases.

    Returns:
        Frequencies in Hz ``(bins,)`` and gains in dB ``(bins,)``, without 0 Hz and half the rate.
    """
    bins = np.arange(1, size // 2)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, bins.size)
    spectrum = np.zeros(size // 2 + 1, complex)
    spectrum[1:-1] = np.exp(1j * phases)
    period = np.fft.irfft(spectrum)
    period *= 10 ** (level_db / 20) / np.sqrt(np.mean(period**2))
    lead = math.ceil(settle * rate / size)
    x = np.tile(period, lead + 1).astype(np.float32)
    y = _answer(process, x)[-size:]
    gain = np.abs(np.fft.rfft(y)[1:-1]) / np.abs(np.fft.rfft(x[-size:].astype(np.float64))[1:-1])
    return bins * rate / size, 20 * np.log10(np.maximum(gain, 1e-10))


def smoothed(hz: Float64Array, decibels: Float64Array, octaves: float = 1 / 12) -> tuple[Float64Array, Float64Array]:
    """A response on a grid even in log frequency, each point the mean power over ``octaves`` around it."""
    grid = np.geomspace(max(20.0, hz[0]), hz[-1], 240)
    step = hz[1] - hz[0]
    edges = np.append(hz, hz[-1] + step) - step / 2  # each bin is as wide as the step
    total = np.concatenate([[0.0], np.cumsum(10 ** (decibels / 10))])
    half = np.maximum(grid * (2 ** (octaves / 2) - 1), step)
    low, high = np.clip(grid - half, edges[0], None), np.clip(grid + half, None, edges[-1])
    mean = (np.interp(high, edges, total) - np.interp(low, edges, total)) * step / (high - low)
    return grid, 10 * np.log10(mean)


def decibels(amplitudes: Float64Array, floor: float = 1e-8) -> Float64Array:
    """Amplitudes in dBFS; NaN stays."""
    return np.asarray(20 * np.log10(np.maximum(amplitudes, floor)))


def _answer(process: Process, x: FloatArray) -> Float64Array:
    y = np.asarray(process(x), dtype=np.float64)
    if y.shape != x.shape:
        raise ValueError(f"the device answered {x.shape} samples with {y.shape}; it must keep their number")
    return y


def _one_period(x: FloatArray, y: Float64Array, periods: int) -> tuple[Float64Array, Float64Array]:
    # 256 points of the mean period: sample n of the window has phase n · periods mod window.
    window = slice(-_WINDOW, None)
    order = np.argsort(np.arange(_WINDOW) * periods % _WINDOW)
    coarse = (256, _WINDOW // 256)
    before = x[window][order].astype(np.float64).reshape(coarse).mean(axis=1)
    return before, y[window][order].reshape(coarse).mean(axis=1)

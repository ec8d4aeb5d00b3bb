"""Test signals: sweeps of sine, square, saw and triangle through a range, clicks, noise, silence.

The three sharp-edged waves are summed from their Fourier series up to Nyquist, so that nothing folds back: a harmonic
fades out over the last tenth of the way there. All signals have shape ``(time,)``; ``level`` 1.0 is full scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled

Curve = Literal["log", "linear"]
CLICK = (1.0, -0.6)  # two samples: hardly any DC, and their order tells an inverted copy


def instantaneous(
    start_hz: float, stop_hz: float, seconds: float, rate: int, curve: Curve = "log"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phase (radians) and frequency (Hz) of a sweep at each sample: the phase is the exact integral of the frequency.

    ``log`` spends equal time on each octave, ``linear`` on each hertz.

    Raises:
        ValueError: a frequency outside 0 < f <= rate / 2, an unknown curve, or no time.
    """
    for name, hz in (("start_hz", start_hz), ("stop_hz", stop_hz)):
        if not 0 < hz <= rate / 2:
            raise ValueError(f"{name} = {hz}: must be above 0 and at most half the rate, {rate / 2} Hz")
    t = np.arange(length(seconds, rate)) / rate
    if curve == "linear":
        slope = (stop_hz - start_hz) / seconds
        return 2 * np.pi * t * (start_hz + slope * t / 2), start_hz + slope * t
    if curve != "log":
        raise ValueError(f"curve = {curve!r}: allowed are 'log' and 'linear'")
    growth = np.log(stop_hz / start_hz) / seconds  # f(t) = start · e^(growth t)
    cycles = np.expm1(growth * t) / growth if abs(growth) > 1e-12 else t
    return 2 * np.pi * start_hz * cycles, start_hz * np.exp(growth * t)


def sine_sweep(
    start_hz: float, stop_hz: float, seconds: float, rate: int, level: float = 0.5, curve: Curve = "log"
) -> FloatArray:
    """A sine of amplitude ``level`` whose frequency moves from ``start_hz`` to ``stop_hz``.

    Example:
        >>> sine_sweep(1000, 1000, seconds=0.0005, rate=8000, level=1.0).round(3)
        array([0.   , 0.707, 1.   , 0.707], dtype=float32)
    """
    phase, _ = instantaneous(start_hz, stop_hz, seconds, rate, curve)
    return (level * np.sin(phase)).astype(np.float32)


def square_sweep(
    start_hz: float, stop_hz: float, seconds: float, rate: int, level: float = 0.5, curve: Curve = "log"
) -> FloatArray:
    """A band-limited square: 4/π Σ sin(kφ)/k over odd k. Edges overshoot ``level`` by up to 18 % (Gibbs)."""
    sweep = instantaneous(start_hz, stop_hz, seconds, rate, curve)
    k = _harmonics(sweep[1], rate)
    return _summed(level * np.where(k % 2, 4 / (np.pi * k), 0.0), *sweep, rate)


def saw_sweep(
    start_hz: float, stop_hz: float, seconds: float, rate: int, level: float = 0.5, curve: Curve = "log"
) -> FloatArray:
    """A band-limited rising saw: 2/π Σ (−1)^(k+1) sin(kφ)/k. Its edge overshoots ``level`` by up to 18 % (Gibbs)."""
    sweep = instantaneous(start_hz, stop_hz, seconds, rate, curve)
    k = _harmonics(sweep[1], rate)
    return _summed(level * np.where(k % 2, 2, -2) / (np.pi * k), *sweep, rate)


def triangle_sweep(
    start_hz: float, stop_hz: float, seconds: float, rate: int, level: float = 0.5, curve: Curve = "log"
) -> FloatArray:
    """A band-limited triangle: 8/π² Σ ±sin(kφ)/k² over odd k, the sign turning each time. It stays within ``level``."""
    sweep = instantaneous(start_hz, stop_hz, seconds, rate, curve)
    k = _harmonics(sweep[1], rate)
    turning = np.select([k % 4 == 1, k % 4 == 3], [1, -1], 0)
    return _summed(level * 8 * turning / (np.pi * k) ** 2, *sweep, rate)


def clicks(positions: Sequence[int], frames: int, level: float = 0.9) -> FloatArray:
    """Silence of ``frames`` samples with a `CLICK` at each position (in samples), its first sample at ``level``.

    Raises:
        ValueError: a click would not lie inside.
    """
    x = np.zeros(frames, np.float32)
    for position in positions:
        if not 0 <= position <= frames - len(CLICK):
            raise ValueError(f"click at sample {position}: must lie within 0 to {frames - len(CLICK)}")
        x[position : position + len(CLICK)] = np.multiply(CLICK, level)
    return x


def white_noise(seconds: float, rate: int, level: float = 0.5, seed: int = 0) -> FloatArray:
    """White noise, evenly spread between ±``level``: it never leaves full scale, and its RMS is level / √3."""
    return np.random.default_rng(seed).uniform(-level, level, length(seconds, rate)).astype(np.float32)


def noise_ramp(seconds: float, rate: int, start_db: float = -60.0, stop_db: float = -3.0, seed: int = 0) -> FloatArray:
    """White noise whose peak level moves evenly in decibels, from ``start_db`` to ``stop_db`` (dBFS)."""
    noise = white_noise(seconds, rate, 1.0, seed)
    gain = 10 ** (np.linspace(start_db, stop_db, len(noise)) / 20)
    return (noise * gain).astype(np.float32)


def silence(seconds: float, rate: int) -> FloatArray:
    """Nothing at all, for as long as asked."""
    return np.zeros(length(seconds, rate), np.float32)


def length(seconds: float, rate: int) -> int:
    """The whole number of samples nearest to ``seconds``.

    Raises:
        ValueError: no time at all, or no rate.
    """
    if not 0 < seconds < float("inf") or rate < 1:
        raise ValueError(f"{seconds} seconds at {rate} Hz: both must be positive")
    return max(1, round(seconds * rate))


def _harmonics(frequency: NDArray[np.float64], rate: int) -> NDArray[np.int64]:
    """1, 2, 3 … as far as any moment of the sweep has room for below Nyquist."""
    return np.arange(1, int(rate / 2 / frequency.min()) + 1)


def _summed(
    amplitudes: NDArray[np.float64], phase: NDArray[np.float64], frequency: NDArray[np.float64], rate: int
) -> FloatArray:
    out = np.empty(len(phase), np.float32)
    _sum_harmonics(amplitudes, phase, frequency, rate / 2, out)
    return out


@compiled
def _sum_harmonics(
    amplitudes: NDArray[np.float64],
    phase: NDArray[np.float64],
    frequency: NDArray[np.float64],
    nyquist: float,
    out: FloatArray,
) -> None:
    """out = Σ a_k g_k sin(kφ), by Clenshaw's recurrence from the highest harmonic below Nyquist down to the first."""
    for n in range(len(phase)):
        top = min(len(amplitudes), int(nyquist / frequency[n]))
        twice_cosine = 2.0 * np.cos(phase[n])
        above, above_that = 0.0, 0.0
        for k in range(top, 0, -1):
            room = 10.0 * (1.0 - k * frequency[n] / nyquist)  # 1 at nine tenths of Nyquist, 0 at Nyquist
            gain = 1.0 if room >= 1.0 else room * room * (3.0 - 2.0 * room)
            above, above_that = amplitudes[k - 1] * gain + twice_cosine * above - above_that, above
        out[n] = above * np.sin(phase[n])

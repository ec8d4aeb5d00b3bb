"""Harmonic distortion and noise of a device that is fed with a sine, and levels in dBu.

A sum of the tone, its harmonics and a constant is fitted to the samples by least squares (as IEEE Std 1057 fits a sine
of known frequency), so any length and frequency serve, not whole periods alone. What the fit leaves is noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HARMONICS = 10


@dataclass(frozen=True)
class Distortion:
    """``fundamental``: amplitude of the tone, full scale is 1. ``thd`` and ``thd_n``: ratios; ``noise``: RMS of what is
    neither tone nor harmonic nor constant."""

    fundamental: float
    thd: float
    thd_n: float
    noise: float


def distortion(x: NDArray[Any], rate: float, hz: float, harmonics: int = HARMONICS) -> Distortion:
    """The distortion of a steady answer ``x`` (time,) to a sine of ``hz``.

    THD is the root of the sum of squares of harmonics 2 … ``harmonics`` (as many as lie below half the rate) over the
    first; THD+N is the RMS of all but the first over that of the first, without the constant (AES17).

    Raises:
        ValueError: a frequency outside 0 … rate / 2, or fewer than two periods.

    >>> t = np.arange(4800) / 48_000
    >>> found = distortion(np.sin(2 * np.pi * 1000 * t) + 0.03 * np.sin(2 * np.pi * 2000 * t), 48_000, 1000.0)
    >>> round(found.thd, 6), round(found.noise, 6)
    (0.03, 0.0)
    """
    if x.ndim != 1 or not 0 < hz < rate / 2 or len(x) < 2 * rate / hz:
        raise ValueError(
            f"{x.shape} samples at {rate} Hz of a tone of {hz} Hz: must be (time,), two periods or more, and the tone "
            "below half the rate"
        )
    orders = np.arange(1, max(1, min(harmonics, math.ceil(rate / 2 / hz) - 1)) + 1)
    phase = 2 * np.pi * hz / rate * np.arange(len(x))
    waves = np.stack([np.ones(len(x)), *(f(k * phase) for k in orders for f in (np.cos, np.sin))], axis=1)
    weights, *_ = np.linalg.lstsq(waves, x.astype(np.float64), rcond=None)
    amplitudes = np.hypot(weights[1::2], weights[2::2])
    noise = float(np.sqrt(np.mean((x - waves @ weights) ** 2)))
    over = float(np.sum(amplitudes[1:] ** 2))
    first = float(amplitudes[0])
    if first == 0:
        return Distortion(0.0, math.nan, math.nan, noise)
    return Distortion(first, math.sqrt(over) / first, math.sqrt(over + 2 * noise**2) / first, noise)


def noise_floor(x: NDArray[Any]) -> float:
    """RMS in dBFS of what sounds where nothing was played, its mean taken out; −inf for digital silence.

    A full-scale square wave has 0 dBFS, a full-scale sine −3.01.

    >>> round(noise_floor(0.001 * np.tile([1.0, -1.0], 100)), 3)
    -60.0
    """
    power = float(np.var(x.astype(np.float64))) if x.size else 0.0
    return 10 * math.log10(power) if power > 0 else -math.inf


def dbu(dbfs_rms: float, full_scale_dbu: float) -> float:
    """A level in dBu. ``full_scale_dbu`` is that of a sine that peaks at full scale, whose RMS is −3.01 dBFS.

    >>> round(dbu(-3.0103, 12.0), 3)
    12.0
    """
    return dbfs_rms + 10 * math.log10(2.0) + full_scale_dbu


def silence(dry: NDArray[Any], rate: int, *, below: float = 1e-5, seconds: float = 0.2, settle: float = 0.1) -> slice:
    """Where ``dry`` (time,) is silent for longest, less ``settle`` seconds for the device to ring out.

    An empty slice where it nowhere stays below ``below`` (of full scale) for ``seconds`` beside that.
    """
    quiet = np.concatenate([[False], np.abs(dry) < below, [False]])
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    begins, ends = edges[::2] + round(settle * rate), edges[1::2]
    if not len(begins) or int(np.max(ends - begins)) < seconds * rate:
        return slice(0, 0)
    longest = int(np.argmax(ends - begins))
    return slice(int(begins[longest]), int(ends[longest]))

"""What a device does to a sweep that was recorded through it, where the device itself is not at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import hilbert

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import stft
from wavewright.report.probe import HARMONICS, Sweep

_SIZE = 2048
_HOP = 1024


def recorded_sweep(dry: FloatArray, wet: FloatArray, rate: int) -> Sweep | None:
    """The harmonics in the longest sine sweep that ``dry`` ``(time,)`` holds, or None where it holds none."""
    found = find_sweep(dry, rate)
    if found is None:
        return None
    try:
        return harmonics_of_sweep(dry[found], wet[found], rate)
    except ValueError:  # rising and pure, but no sine
        return None


def find_sweep(dry: FloatArray, rate: int, seconds: float = 1.0) -> slice | None:
    """Where ``dry`` ``(time,)`` holds its longest rising sine sweep of at least ``seconds`` and two octaves.

    A frame belongs to a sweep where nearly all its energy lies around one bin, and that bin is not below the one of
    the frame before nor far above it.
    """
    purest: list[NDArray[np.float64]] = []
    peaks: list[NDArray[np.int64]] = []
    for start in range(0, dry.size, 256 * _HOP):  # 256 frames at a time: the memory does not grow with the length
        power = np.abs(stft(dry[start : start + 256 * _HOP], _SIZE, _HOP)[:, :256]).astype(np.float64) ** 2
        running = np.concatenate([np.zeros((1, power.shape[1])), np.cumsum(power, axis=0)])
        peak = power.argmax(axis=0)
        reach = 4 + peak // 20  # the higher, the further a sweep moves within a frame
        low, high = np.maximum(peak - reach, 0), np.minimum(peak + reach + 1, power.shape[0])
        frames = np.arange(power.shape[1])
        near = running[high, frames] - running[low, frames]
        purest.append(np.where(running[-1] > 1e-3, near / np.maximum(running[-1], 1e-30), 0.0))
        peaks.append(peak)
    if not peaks:
        return None
    peak, pure = np.concatenate(peaks), np.concatenate(purest) > 0.97
    goes_on = pure[1:] & pure[:-1] & (np.diff(peak) >= 0) & (peak[1:] <= 1.5 * peak[:-1] + 3)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], goes_on, [False]]).astype(np.int8)))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if peak[b] >= 4 * max(peak[a], 1)]
    first, last = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    inside = slice((first + 1) * _HOP, (last - 1) * _HOP)  # no frame that holds an end
    return inside if inside.stop - inside.start >= seconds * rate else None


def harmonics_of_sweep(dry: FloatArray, wet: FloatArray, rate: int, points: int = 48, window: float = 0.1) -> Sweep:
    """Harmonics of a device from a recorded sweep, where the device itself is not at hand.

    The phase of the sweep is read from the dry recording (its analytic signal); the wet one is turned back by that
    phase times h, so that harmonic h stands still, and averaged over ``window`` seconds. What the average lets through
    of other components limits the floor to about −60 dB for a sweep of a few seconds.

    Args:
        dry: a single rising sine sweep ``(time,)``; its level may change slowly.
        wet: what the device made of it ``(time,)``, aligned.
        rate: in Hz.
        points: frequencies in the result.
        window: seconds of averaging.

    Raises:
        ValueError: unequal lengths, or the dry recording is not a sweep.
    """
    if dry.shape != wet.shape or dry.ndim != 1:
        raise ValueError(f"dry {dry.shape} and wet {wet.shape} must both be (time,), of one length")
    analytic = hilbert(dry.astype(np.float64))
    phase = np.unwrap(np.angle(analytic))
    width = max(3, round(window * rate))
    hz = uniform_filter1d(np.gradient(phase), width) * rate / (2 * np.pi)
    level = uniform_filter1d(np.abs(analytic), width)
    inside = slice(width, -width)
    ripple = np.abs(np.abs(analytic) - level)[inside]
    if dry.size < 4 * width or hz[inside][-1] < 2 * hz[inside][0] or np.median(ripple) > 0.05 * np.median(level):
        raise ValueError("the dry recording is not a rising sine sweep over an octave or more")
    picks = np.unique(np.searchsorted(np.maximum.accumulate(hz), np.geomspace(hz[width], hz[-width], points)))
    picks = picks[(picks >= width) & (picks < dry.size - width)]
    harmonics = np.full((picks.size, HARMONICS), np.nan)
    for order in range(1, HARMONICS + 1):
        standing = wet * np.exp(-1j * order * phase)
        for _ in range(3):  # thrice over a third: a smooth window, whose side lobes fall off fast
            standing = uniform_filter1d(standing.real, width // 3) + 1j * uniform_filter1d(standing.imag, width // 3)
        there = hz[picks] * order < 0.45 * rate
        harmonics[there, order - 1] = 2 * np.abs(standing[picks[there]])
    return Sweep(hz[picks], harmonics, float(20 * np.log10(np.median(level[picks]))))

"""Sweeps: found where they are, and read as the closed form says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
from numpy.polynomial import chebyshev

from wavewright.report.sweeps import find_sweep, harmonics_of_sweep, recorded_sweep

RATE = 48_000


def log_sweep(seconds: float, low: float, high: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    growth = math.log(high / low) / seconds
    return np.sin(2 * np.pi * low / growth * np.expm1(growth * t))


def test_harmonics_of_a_recorded_sweep() -> None:
    dry = (0.8 * log_sweep(6, 60, 8000)).astype(np.float32)
    wet = chebyshev.chebval(dry.astype(np.float64) / 0.8, [0, 0.5, 0.1, 0.05]).astype(np.float32)
    found = harmonics_of_sweep(dry, wet, RATE)
    inner = (found.hz > 120) & (found.hz < 6000)
    assert inner.sum() > 20
    np.testing.assert_allclose(found.harmonics[inner, :3], [[0.5, 0.1, 0.05]] * inner.sum(), rtol=0.05)
    there = found.harmonics[inner, 3:]
    assert np.nanmax(there) < 2e-3
    assert found.level_db == pytest.approx(20 * math.log10(0.8), abs=0.1)


def test_a_sweep_may_grow_louder() -> None:
    level = np.linspace(0.1, 0.5, 8 * RATE)
    dry = (level * log_sweep(8, 50, 16_000)).astype(np.float32)
    found = find_sweep(dry, RATE)
    assert found is not None
    assert found.stop - found.start > 6 * RATE
    read = recorded_sweep(dry, (0.5 * dry + 0.2 * dry**2).astype(np.float32), RATE)
    assert read is not None
    first = 2 * read.harmonics[:, 0]  # x² of a sine of amplitude a has a²/2 at twice the frequency
    inner = (read.hz > 200) & (read.hz < 6000)
    np.testing.assert_allclose(read.harmonics[inner, 1], 0.1 * first[inner] ** 2, rtol=0.05)


def test_what_is_no_sweep_is_refused() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    with pytest.raises(ValueError, match="not a rising sine sweep"):
        harmonics_of_sweep(noise, noise, RATE)
    with pytest.raises(ValueError, match="one length"):
        harmonics_of_sweep(noise, noise[:-1], RATE)


def test_a_sweep_is_found_among_other_sounds() -> None:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(2 * RATE)).astype(np.float32)
    chord = sum(0.1 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE) for hz in (110, 277, 660))
    sweep = 0.5 * log_sweep(5, 40, 12_000)
    dry = np.concatenate([noise, chord, np.zeros(RATE), sweep, np.zeros(RATE), noise]).astype(np.float32)
    found = find_sweep(dry, RATE)
    assert found is not None
    assert 5.0 <= found.start / RATE < 5.6  # the lowest octave is too slow for the bins
    assert 9.5 < found.stop / RATE <= 10.0
    read = recorded_sweep(dry, chebyshev.chebval(2 * dry.astype(np.float64), [0, 0.5, 0.1]).astype(np.float32), RATE)
    assert read is not None
    inner = (read.hz > 200) & (read.hz < 6000)
    np.testing.assert_allclose(read.harmonics[inner, :2], [[0.5, 0.1]] * inner.sum(), rtol=0.05)


def test_no_sweep_is_no_sweep() -> None:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(3 * RATE)).astype(np.float32)
    tone = np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    decay = scipy.signal.lfilter([1], [1, -0.9999], np.eye(1, RATE)[0]).astype(np.float32)
    for sound in (noise, tone, decay, np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        assert find_sweep(sound, RATE) is None
        assert recorded_sweep(sound, sound, RATE) is None

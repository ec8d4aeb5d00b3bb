"""Reading at a moving pace: tones against their formula, blocks against one piece, ends against zeros."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import interpolate, signal

from wavewright.audio import warp
from wavewright.audio.warp import read_along, read_at


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.85])
def test_a_tone_read_along_a_wave_is_the_tone_at_those_times(share: float) -> None:
    n = np.arange(20_000)
    tone = np.sin(np.pi * share * n).astype(np.float32)
    at = lambda m: 100 + m * (1 + 200e-6) + 15 * np.sin(m / 3000)  # noqa: E731
    read = read_along(tone[None], at, 15_000)[0]
    np.testing.assert_allclose(read, np.sin(np.pi * share * at(n[:15_000])), atol=2e-4)


def test_noise_agrees_with_an_independent_interpolator() -> None:
    """Four times oversampled by FFT, then a cubic spline, on noise that leaves room below half the rate."""
    random = np.random.default_rng(0)
    noise = signal.sosfiltfilt(signal.butter(8, 0.4, output="sos"), random.standard_normal(8192))
    at = np.linspace(50.3, 8100.2, 7000) + 3 * np.sin(np.arange(7000) / 400)
    fine = interpolate.CubicSpline(np.arange(8 * 8192) / 8, signal.resample(noise, 8 * 8192))
    read = read_along(noise.astype(np.float32)[None], lambda n: at[n.astype(int)], 7000)[0]
    middle = slice(100, -100)
    assert np.mean((read - fine(at))[middle] ** 2) < 1e-7 * np.mean(noise**2)


def test_blocks_of_positions_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).standard_normal((2, 5000)).astype(np.float32)
    whole = read_along(x, lambda n: 1.0001 * n + np.sin(n / 70), 4900)
    monkeypatch.setattr(warp, "BLOCK", 333)
    np.testing.assert_array_equal(read_along(x, lambda n: 1.0001 * n + np.sin(n / 70), 4900), whole)
    for channel, row in zip(whole, x, strict=True):  # channels do not know of one another
        np.testing.assert_array_equal(read_along(row[None], lambda n: 1.0001 * n + np.sin(n / 70), 4900)[0], channel)


def test_whole_places_give_the_samples_and_beyond_the_ends_is_silence() -> None:
    x = np.random.default_rng(2).standard_normal((1, 300)).astype(np.float32)
    read = read_at(x, -100.0, 1.0, 500)[0]
    np.testing.assert_allclose(read[100:400], x[0], atol=1e-6)
    np.testing.assert_allclose(read[:70], 0, atol=1e-6)
    np.testing.assert_allclose(read[430:], 0, atol=1e-6)

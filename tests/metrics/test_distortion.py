"""Distortion and noise against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from wavewright.metrics.distortion import dbu, distortion, noise_floor, silence

RATE = 48_000


@settings(max_examples=25, deadline=None)
@given(
    hz=st.floats(60, 4000),
    second=st.floats(0, 0.3),
    third=st.floats(0, 0.3),
    offset=st.floats(-0.2, 0.2),
    phase=st.floats(0, 6.28),
)
def test_known_harmonics_at_any_frequency(hz: float, second: float, third: float, offset: float, phase: float) -> None:
    """T_n(cos x) = cos nx: the polynomial of a wave shaper tells its harmonics."""
    t = np.arange(6000) / RATE
    shaped = chebyshev.chebval(np.cos(2 * np.pi * hz * t + phase), [offset, 0.5, second, third])
    found = distortion(shaped, RATE, hz)
    assert found.fundamental == pytest.approx(0.5, abs=1e-6)
    assert found.thd == pytest.approx(math.hypot(second, third) / 0.5, abs=1e-6)
    assert found.thd_n == pytest.approx(found.thd, abs=1e-6)
    assert found.noise < 1e-7


def test_a_square_wave_has_its_series() -> None:
    """Odd harmonics 1/k: of h3, h5, h7 and h9 the root of 1/9 + 1/25 + 1/49 + 1/81."""
    t = np.arange(RATE) / RATE
    square = sum(np.sin(2 * np.pi * 100 * k * t) / k for k in range(1, 200, 2))
    assert distortion(square, RATE, 100.0).thd == pytest.approx(
        math.sqrt(sum(1 / k**2 for k in (3, 5, 7, 9))), rel=1e-6
    )


def test_noise_counts_beside_harmonics() -> None:
    random = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    x = 0.5 * np.sin(2 * np.pi * 997 * t) + 0.005 * np.sin(2 * np.pi * 1994 * t) + 0.001 * random.standard_normal(RATE)
    found = distortion(x, RATE, 997.0)
    assert found.noise == pytest.approx(0.001, rel=0.02)
    assert found.thd == pytest.approx(0.01, rel=0.02)
    # powers over that of the tone: harmonic 0.005²/2, noise 0.001², tone 0.5²/2
    assert found.thd_n == pytest.approx(math.sqrt((0.005**2 / 2 + 0.001**2) / (0.5**2 / 2)), rel=0.01)


def test_harmonics_beyond_half_the_rate_are_not_asked_for() -> None:
    t = np.arange(4800) / RATE
    assert distortion(np.sin(2 * np.pi * 15_000 * t), RATE, 15_000.0).thd == 0
    with pytest.raises(ValueError, match="below half the rate"):
        distortion(np.zeros(4800), RATE, 24_000.0)
    with pytest.raises(ValueError, match="two periods"):
        distortion(np.zeros(100), RATE, 100.0)


def test_levels() -> None:
    random = np.random.default_rng(1)
    assert noise_floor(0.1 + 10 ** (-70 / 20) * random.standard_normal(200_000)) == pytest.approx(-70, abs=0.05)
    assert noise_floor(np.zeros(10)) == -math.inf
    assert noise_floor(np.zeros(0)) == -math.inf
    sine = np.sin(2 * np.pi * np.arange(48_000) / 48)
    assert dbu(noise_floor(sine), 18.0) == pytest.approx(18.0, abs=1e-6)
    # 0 dBu is 0.7746 V: at +4 dBu full scale, a sine of a tenth of it is 20 dB below
    assert dbu(noise_floor(0.1 * sine), 4.0) == pytest.approx(-16.0, abs=1e-6)


def test_the_longest_silence_is_taken_and_the_device_given_time() -> None:
    x = np.ones(RATE * 4)
    x[RATE : RATE + 20_000] = 0
    x[2 * RATE : 3 * RATE] = 1e-6
    found = silence(x, RATE)
    assert (found.start, found.stop) == (2 * RATE + 4800, 3 * RATE)
    assert silence(x[: RATE + 9000], RATE) == slice(0, 0)
    assert silence(np.zeros(0), RATE) == slice(0, 0)

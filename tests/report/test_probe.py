"""The probe against devices whose answer is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from wavewright.report.probe import probe, response, smoothed, tone

RATE = 48_000


@settings(deadline=None, max_examples=20)
@given(
    weights=st.lists(st.floats(-0.5, 0.5), min_size=8, max_size=8),
    hz=st.floats(60, 2500),
)
def test_chebyshev_polynomials_give_exactly_their_harmonics(weights: list[float], hz: float) -> None:
    # T_n(cos φ) = cos nφ, so the weights of T_1 … T_8 are the amplitudes, whatever the phase of the sine.
    found = tone(lambda x: chebyshev.chebval(x.astype(np.float64), [0.0, *weights]), RATE, hz, 0.0)
    np.testing.assert_allclose(found.harmonics, np.abs(weights), atol=3e-6)  # the tone itself is float32


@pytest.mark.parametrize("level", [-20.0, 0.0, 12.0])
def test_tanh_against_its_fourier_integral(level: float) -> None:
    amplitude = 10 ** (level / 20)
    found = tone(np.tanh, RATE, 200.0, level)

    def coefficient(order: int) -> float:
        value, _ = scipy.integrate.quad(
            lambda phase: math.tanh(amplitude * math.sin(phase)) * math.sin(order * phase), 0, 2 * math.pi, limit=200
        )
        return abs(value) / math.pi

    np.testing.assert_allclose(found.harmonics, [coefficient(order) for order in range(1, 9)], atol=3e-6)
    expected = math.hypot(*(coefficient(order) for order in range(2, 9))) / coefficient(1)
    assert found.thd == pytest.approx(expected, abs=1e-5)


def test_a_delay_and_a_gain_change_no_harmonic() -> None:
    straight = tone(lambda x: np.tanh(2 * x), RATE, 440.0, -6.0)
    delayed = tone(lambda x: 0.5 * np.tanh(2 * np.concatenate([np.zeros(77, np.float32), x[:-77]])), RATE, 440.0, -6.0)
    np.testing.assert_allclose(delayed.harmonics, 0.5 * straight.harmonics, atol=1e-6)
    assert delayed.rms == pytest.approx(0.5 * straight.rms, rel=1e-5)


def test_one_period_traces_the_transfer_curve() -> None:
    found = tone(lambda x: np.clip(x, -0.5, 0.25), RATE, 100.0, 0.0)
    np.testing.assert_allclose(found.after, np.clip(found.before, -0.5, 0.25), atol=0.01)
    assert found.after.max() == pytest.approx(0.25, abs=1e-6)
    assert found.before.max() == pytest.approx(1.0, abs=1e-3)


def test_harmonics_beyond_half_the_rate_are_unknown() -> None:
    found = tone(np.tanh, RATE, 7000.0, 0.0)
    assert np.isfinite(found.harmonics[:3]).all()
    assert np.isnan(found.harmonics[3:]).all()


def test_response_of_a_filter_is_exact() -> None:
    b, a = scipy.signal.butter(3, 4000, fs=RATE)
    hz, gain = response(lambda x: scipy.signal.lfilter(b, a, x), RATE, settle=0.2)
    _, expected = scipy.signal.freqz(b, a, hz, fs=RATE)
    np.testing.assert_allclose(gain[hz < 15000], 20 * np.log10(np.abs(expected[hz < 15000])), atol=0.01)
    grid, smooth = smoothed(hz, gain)
    _, expected = scipy.signal.freqz(b, a, grid, fs=RATE)
    passed = (grid > 30) & (grid < 8000)
    np.testing.assert_allclose(smooth[passed], 20 * np.log10(np.abs(expected[passed])), atol=0.1)


def test_probe_of_a_soft_clipper() -> None:
    found = probe(lambda x: np.tanh(4 * x), RATE)
    fundamental = np.array([one.harmonics[0] for one in found.drives])
    assert fundamental[0] == pytest.approx(4e-3, rel=1e-4)  # straight at −60 dBFS
    assert (np.diff([one.thd for one in found.drives]) > 0).sum() >= 18
    np.testing.assert_allclose(found.sweep.harmonics[:, 0], found.sweep.harmonics[0, 0], rtol=1e-3)  # no memory
    np.testing.assert_allclose(found.response_db, 20 * math.log10(4), atol=0.1)
    assert [round(20 * math.log10(one.amplitude)) for one in found.curves] == [-24, -12, 0]


def test_wrong_tones_and_devices_are_named() -> None:
    with pytest.raises(ValueError, match="30000"):
        tone(np.tanh, RATE, 30_000, 0.0)
    with pytest.raises(ValueError, match="keep their number"):
        tone(lambda x: x[:-1], RATE, 1000, 0.0)

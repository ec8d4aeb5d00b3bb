"""Test signals: exact phase, no aliasing, and the series they are defined by, summed the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal.windows import blackmanharris

from wavewright.audio import signals

RATE = 48_000
SWEEPS = [signals.sine_sweep, signals.square_sweep, signals.saw_sweep, signals.triangle_sweep]
SHARP = SWEEPS[1:]


@pytest.mark.parametrize("curve", ["log", "linear"])
@pytest.mark.parametrize(("start", "stop"), [(20, 20_000), (5000, 100), (440, 440)])
def test_phase_is_the_integral_of_the_frequency(curve: signals.Curve, start: float, stop: float) -> None:
    phase, frequency = signals.instantaneous(start, stop, 2.0, RATE, curve)
    slope = np.gradient(phase, 1 / RATE) / (2 * np.pi)
    np.testing.assert_allclose(slope[1:-1], frequency[1:-1], rtol=1e-6)
    middle = np.sqrt(start * stop) if curve == "log" else (start + stop) / 2
    assert phase[0] == 0.0
    assert frequency[0] == pytest.approx(start)
    assert frequency[RATE] == pytest.approx(middle)


def series(name: str, k: int) -> float:
    odd = k % 2 == 1
    return {
        "square_sweep": 4 / (np.pi * k) if odd else 0.0,
        "saw_sweep": 2 / (np.pi * k) * (1 if odd else -1),
        "triangle_sweep": 8 / (np.pi * k) ** 2 * (-1) ** ((k - 1) // 2) if odd else 0.0,
    }[name]


@pytest.mark.parametrize("sweep", SHARP)
@pytest.mark.parametrize("curve", ["log", "linear"])
def test_sharp_waves_are_their_fourier_series(sweep: signals.Curve, curve: signals.Curve) -> None:
    phase, frequency = signals.instantaneous(200, 9000, 0.1, RATE, curve)
    expected = np.zeros(len(phase))
    for k in range(1, 121):
        nearness = np.clip(10 * (1 - k * frequency / 24_000), 0, 1)
        expected += 0.7 * series(sweep.__name__, k) * nearness**2 * (3 - 2 * nearness) * np.sin(k * phase)
    np.testing.assert_allclose(sweep(200, 9000, 0.1, RATE, 0.7, curve), expected, atol=1e-6)


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("hz", [110.3, 1234.5, 7001.0])
def test_nothing_lies_off_the_harmonics(sweep: signals.Curve, hz: float) -> None:
    x = sweep(hz, hz, 1.0, RATE, 0.5)
    power = np.abs(np.fft.rfft(x * blackmanharris(len(x)))) ** 2  # one bin is one hertz; the window's lobe is 4 wide
    harmonics = np.zeros(len(power), bool)
    for k in range(int(RATE / 2 / hz) + 1):
        centre = round(k * hz)
        harmonics[max(0, centre - 5) : centre + 6] = True
    assert 10 * np.log10(power[~harmonics].sum() / power.sum()) < -80


@pytest.mark.parametrize(
    ("sweep", "ideal"),
    [
        (signals.square_sweep, lambda turn: np.where(turn < 0.5, 1.0, -1.0)),
        (signals.saw_sweep, lambda turn: 2 * ((turn + 0.5) % 1) - 1),
        (signals.triangle_sweep, lambda turn: 1 - np.abs(((turn * 4 + 1) % 4) - 2)),
    ],
)
def test_far_below_nyquist_they_are_the_waves_of_their_names(sweep: signals.Curve, ideal: signals.Curve) -> None:
    x = sweep(30, 30, 1.0, RATE, 1.0)
    difference = x - ideal(np.arange(RATE) * 30 / RATE % 1)
    assert np.sqrt(np.mean(difference**2)) < 0.05
    assert np.abs(x).max() < 1.18


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweeps_refuse_what_cannot_be(sweep: signals.Curve) -> None:
    with pytest.raises(ValueError, match="start_hz = 0: must be above 0 and at most half the rate"):
        sweep(0, 100, 1.0, RATE)
    with pytest.raises(ValueError, match="stop_hz = 30000"):
        sweep(100, 30_000, 1.0, RATE)
    with pytest.raises(ValueError, match="curve = 'cubic'"):
        sweep(100, 200, 1.0, RATE, 0.5, "cubic")
    with pytest.raises(ValueError, match="both must be positive"):
        sweep(100, 200, 0.0, RATE)


def test_clicks_are_where_they_are_put() -> None:
    x = signals.clicks([10, 500], 1000, level=0.8)
    assert np.flatnonzero(x).tolist() == [10, 11, 500, 501]
    np.testing.assert_allclose(x[[10, 11]], [0.8, -0.48])
    with pytest.raises(ValueError, match="click at sample 999: must lie within 0 to 998"):
        signals.clicks([999], 1000)


def test_noise_is_white_bounded_and_seeded() -> None:
    x = signals.white_noise(4.0, RATE, 0.5, seed=3)
    assert np.abs(x).max() <= 0.5
    assert np.sqrt(np.mean(x**2)) == pytest.approx(0.5 / np.sqrt(3), rel=0.01)
    bands = (np.abs(np.fft.rfft(x)) ** 2)[1:].reshape(10, -1).mean(axis=1)
    assert bands.max() / bands.min() < 1.1
    np.testing.assert_array_equal(x, signals.white_noise(4.0, RATE, 0.5, seed=3))
    assert not np.array_equal(x, signals.white_noise(4.0, RATE, 0.5, seed=4))


def test_the_noise_ramp_rises_evenly_in_decibels() -> None:
    x = signals.noise_ramp(6.0, RATE, -60, 0)
    level = 10 * np.log10((x.reshape(6, -1) ** 2).mean(axis=1))
    np.testing.assert_allclose(np.diff(level), 10.0, atol=0.3)
    assert np.abs(x).max() <= 1.0


def test_silence_is_silent() -> None:
    assert signals.silence(0.5, 44_100).tolist() == [0.0] * 22_050

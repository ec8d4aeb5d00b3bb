"""Losing bandwidth: against scipy's decimation, against plain subsampling, and by laws of linear systems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from scipy import signal

from wavewright.audio.degradation import FILTERS, KINDS, Degradation, degraded, lowered, raised
from wavewright.errors import SettingsError


def noise(time: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(time).astype(np.float32) * 0.2


@given(ratio=st.integers(2, 8), time=st.integers(500, 3000), seed=st.integers(0, 99))
@trials(deadline=None, max_examples=25)
def test_subsampling_takes_every_nth_sample(ratio: int, time: int, seed: int) -> None:
    x = noise(time, seed)
    low = lowered(x, 1000 * ratio, 1000, Degradation("subsample"))
    np.testing.assert_allclose(low, x[::ratio], atol=2e-6)


@pytest.mark.parametrize("ratio", [2, 4, 6])
def test_the_zero_phase_chebyshev_is_scipys(ratio: int) -> None:
    x = noise(24_000)
    ours = lowered(x, 8000 * ratio, 8000, Degradation("chebyshev"))
    theirs = signal.decimate(x.astype(np.float64), ratio, zero_phase=True)
    inside = slice(600, -600)  # scipy prolongs the ends, here lies silence
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-4)


@pytest.mark.parametrize("ratio", [3, 4])
def test_the_causal_chebyshev_is_scipys(ratio: int) -> None:
    x = noise(12_000)
    ours = lowered(x, 8000 * ratio, 8000, Degradation("chebyshev-causal"))
    theirs = signal.decimate(x.astype(np.float64), ratio, zero_phase=False)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "design"),
    [
        ("butterworth", lambda edge: signal.butter(5, edge, output="sos")),
        ("bessel", lambda edge: signal.bessel(5, edge, output="sos", norm="mag")),
        ("elliptic", lambda edge: signal.ellip(5, 0.05, 60, edge, output="sos")),
    ],
)
def test_filters_are_scipys_recursions(kind: str, design: object) -> None:
    x = noise(9_000)
    ours = lowered(x, 48_000, 16_000, Degradation(kind, 5, 0.9))
    theirs = signal.sosfilt(design(0.9 / 3), x.astype(np.float64))[::3]  # type: ignore[operator]
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize(("rate", "low"), [(44_100, 16_000), (48_000, 44_100), (16_000, 4_000), (22_050, 8_000)])
@pytest.mark.parametrize("kind", FILTERS)
def test_a_low_tone_survives_any_ratio(kind: str, rate: int, low: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate).astype(np.float32)
    back = degraded(tone, rate, low, Degradation(kind))
    inside = slice(rate // 50, -rate // 50)
    wanted = tone[inside]
    causal = kind in ("chebyshev-causal", "butterworth", "bessel", "elliptic")
    if causal:  # a delay is no loss: what is left of the tone after the best gain and phase
        quarter = np.cos(2 * np.pi * 440 * np.arange(rate // 4) / rate)[inside]
        basis = np.stack([wanted, quarter], axis=1)
        wanted = basis @ np.linalg.lstsq(basis, back[inside], rcond=None)[0]
        assert 0.95 < np.sqrt(np.mean(wanted**2)) * np.sqrt(2) < 1.01
    assert np.sqrt(np.mean((back[inside] - wanted) ** 2)) < 0.01


@pytest.mark.parametrize(("rate", "low"), [(44_100, 16_000), (48_000, 8_000)])
def test_a_high_tone_folds_where_nothing_stops_it(rate: int, low: int) -> None:
    f = 0.7 * low  # above half the low rate: heard at low − f
    tone = np.sin(2 * np.pi * f * np.arange(rate // 2) / rate).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(lowered(tone, rate, low, Degradation("subsample"))[: low // 2]))
    assert abs(spectrum.argmax() * 2 - (low - f)) <= 2
    quiet = lowered(tone, rate, low, Degradation("brick-wall"))
    assert np.abs(quiet[200:-200]).max() < 0.01


def test_raising_keeps_what_was_there() -> None:
    low = noise(2000)
    np.testing.assert_allclose(raised(low, 4000, 16_000, 8000)[::4], low, atol=1e-5)


@given(seed=st.integers(0, 99), gain=st.floats(-3, 3))
@trials(deadline=None, max_examples=15)
def test_filters_are_linear(seed: int, gain: float) -> None:
    how = Degradation.drawn(np.random.default_rng(seed), FILTERS[seed % len(FILTERS)])
    x, y = noise(2000, seed), noise(2000, seed + 1)
    one = degraded(x + np.float32(gain) * y, 16_000, 5_000, how)
    other = degraded(x, 16_000, 5_000, how) + np.float32(gain) * degraded(y, 16_000, 5_000, how)
    np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_codecs_stay_in_time_and_near(kind: str) -> None:
    t = np.arange(16_000) / 16_000
    x = (0.3 * np.sin(2 * np.pi * 200 * t * (1 + t))).astype(np.float32)
    low = lowered(x, 16_000, 8_000, Degradation(kind, quality=0.9))
    plain = lowered(x, 16_000, 8_000, Degradation("chebyshev"))
    assert low.shape == plain.shape
    inside = slice(400, -400)
    error = np.mean((low[inside] - plain[inside]) ** 2) / np.mean(plain[inside] ** 2)
    assert 1e-7 < error < 0.02


def test_a_mix_draws_every_kind_from_the_same_dice() -> None:
    drawn = [Degradation.drawn(np.random.default_rng([3, number])) for number in range(200)]
    assert {how.kind for how in drawn} == set(KINDS)
    assert drawn[7] == Degradation.drawn(np.random.default_rng([3, 7]))


def test_what_leaves_no_band_is_refused() -> None:
    with pytest.raises(SettingsError, match="below the full rate, 16000"):
        lowered(noise(100), 16_000, 16_000, Degradation())
    with pytest.raises(SettingsError, match="chebyshev"):
        Degradation("chebishev")

"""How far up a recording goes: found within a few bins, whatever the blocks, hiss or not; ratios of rates."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.audio.bandwidth import FRAME, BandEdge, band_edge
from wavewright.audio.rates import of_factor
from wavewright.audio.recording import FloatArray
from wavewright.errors import SettingsError

RATE = 16_000


def limited(edge: float, seconds: float = 1.5, seed: int = 0) -> FloatArray:
    """Noise that swells and fades ``(time,)``, with nothing at all above ``edge`` Hz."""
    time = round(seconds * RATE)
    X = np.fft.rfft(np.random.default_rng(seed).standard_normal(time))
    X[np.fft.rfftfreq(time, 1 / RATE) > edge] = 0
    swell = 1 + np.sin(2 * np.pi * 2 * np.arange(time) / RATE)
    x: FloatArray = (0.1 * np.fft.irfft(X, time) * swell**2).astype(np.float32)
    return x


@pytest.mark.parametrize("edge", [500, 1700, 3400, 4000, 7000])
@pytest.mark.parametrize("hiss", [0.0, 1e-4])
def test_the_edge_is_found_with_and_without_hiss(edge: float, hiss: float) -> None:
    x = limited(edge) + hiss * np.random.default_rng(1).standard_normal(round(1.5 * RATE)).astype(np.float32)
    assert abs(band_edge([x], RATE) - edge) < 10 * RATE / FRAME


def test_hiss_stays_hiss_however_long_it_lasts() -> None:
    edge, dice = BandEdge(RATE), np.random.default_rng(4)
    for number in range(60):
        hiss = 1e-3 * dice.standard_normal(2 * RATE).astype(np.float32)
        edge.add(limited(3400, 2.0, seed=number) + hiss)
    assert abs(edge.hz - 3400) < 10 * RATE / FRAME


def test_silence_has_no_edge_and_steady_noise_goes_all_the_way() -> None:
    assert band_edge([np.zeros((2, 9000), np.float32)], RATE) == 0
    assert band_edge([], RATE) == 0
    noise = 0.1 * np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    assert band_edge([noise], RATE) > 0.98 * RATE / 2


@pytest.mark.parametrize("time", [1, 2, 100, FRAME - 1, FRAME, FRAME + 1])
def test_short_sounds_have_an_edge_too(time: int) -> None:
    assert 0 <= band_edge([limited(4000)[:time]], RATE) <= RATE / 2


def test_blocks_and_channels_say_what_the_whole_says() -> None:
    x = limited(3400, 4.0)
    parts = BandEdge(RATE)
    for block in np.split(np.stack([0.1 * x, x])[:, : 8 * 8000], 8, axis=1):
        parts.add(block)
    assert abs(parts.hz - band_edge([x], RATE)) < 8 * RATE / FRAME


@trials(max_examples=60, deadline=None)
@given(st.integers(8000, 192_000), st.fractions(Fraction(11, 10), 16, max_denominator=30))
def test_a_factor_is_a_number_or_a_ratio(rate: int, factor: Fraction) -> None:
    assert of_factor(f"{factor.numerator}/{factor.denominator}", rate) == round(rate / factor)
    assert of_factor(f"{factor.numerator}", rate) == round(rate / factor.numerator) if factor.numerator > 1 else True


@pytest.mark.parametrize("text", ["", "four", "1", "0", "-2", "1/2", "4/0", "inf", "nan", "4/", "/4", "2/2"])
def test_what_is_no_factor_is_refused(text: str) -> None:
    if text == "4/":
        assert of_factor(text, RATE) == 4000
        return
    with pytest.raises(SettingsError, match="factor"):
        of_factor(text, RATE)

"""Variations: each against what it says it does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from scipy import signal
from scipy.fft import rfft

from wavewright.audio.variation import FASTEST, HISS_DB, MOST_TILT, Variation, varied

RATE, LENGTH = 16_000, 4096


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def test_nothing_altered_is_the_sound_itself() -> None:
    x = noise(LENGTH)
    assert varied(x, RATE, LENGTH, Variation()) is x


@pytest.mark.parametrize("speed", [0.8, 0.93, 1.1, 1.25])
def test_speed_is_that_of_an_independent_resampler(speed: float) -> None:
    how = Variation(speed=speed)
    count = how.source_length(LENGTH)
    x = signal.lfilter(*signal.butter(6, 0.5), noise(count)) * np.hanning(count)
    want = signal.resample(x, LENGTH)
    assert np.allclose(varied(x.astype(np.float32), RATE, LENGTH, how), want, atol=1e-5)


@pytest.mark.parametrize(("hz", "octaves"), [(500, -1), (1000, 0), (4000, 2)])
def test_a_tilt_is_so_many_decibels_an_octave(hz: int, octaves: int) -> None:
    x = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    y = varied(x, RATE, RATE, Variation(tilt=3.0))
    assert 20 * np.log10(y.std() / x.std()) == pytest.approx(3.0 * octaves, abs=0.01)


def test_a_room_rings_for_as_long_as_it_says() -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    echoes = varied(click, RATE, RATE, Variation(room=0.5, wet=1.0, seed=3)).astype(np.float64)
    decay = 10 * np.log10(np.cumsum(np.square(echoes[::-1]))[::-1] + 1e-12)  # Schroeder's backward integration
    at = [int(np.argmax(decay < decay[0] - down)) for down in (5, 25)]
    assert 3 * (at[1] - at[0]) / RATE == pytest.approx(0.5, rel=0.1)


def test_hiss_lies_as_far_below_as_it_says() -> None:
    x = noise(RATE)
    added = varied(x, RATE, RATE, Variation(hiss=-40.0)) - x
    assert 20 * np.log10(added.std() / x.std()) == pytest.approx(-40, abs=0.2)


@given(st.integers(0, 10_000), st.floats(0, 1))
@trials(deadline=None, max_examples=60)
def test_what_is_drawn_lies_within_its_bounds_and_again_the_same(seed: int, amount: float) -> None:
    how = Variation.drawn(np.random.default_rng(seed), amount)
    assert how == Variation.drawn(np.random.default_rng(seed), amount)
    assert FASTEST**-amount - 1e-9 <= how.speed <= FASTEST**amount + 1e-9
    assert abs(how.tilt) <= MOST_TILT * amount
    assert how.hiss is None or HISS_DB[0] <= how.hiss <= HISS_DB[1]
    x = noise(how.source_length(LENGTH), seed)
    y = varied(x, RATE, LENGTH, how)
    assert y.shape == (LENGTH,)
    assert np.isfinite(y).all()
    assert np.array_equal(y, varied(x, RATE, LENGTH, how))


@given(st.integers(0, 10_000), st.floats(0.1, 8))
@trials(deadline=None, max_examples=30)
def test_as_loud_in_as_out(seed: int, gain: float) -> None:
    how = Variation.drawn(np.random.default_rng(seed), 1.0)
    x = noise(how.source_length(LENGTH), seed)
    assert np.allclose(
        varied(np.float32(gain) * x, RATE, LENGTH, how), gain * varied(x, RATE, LENGTH, how), atol=1e-4 * gain
    )


def test_played_slower_there_is_nothing_at_the_top() -> None:
    how = Variation(speed=0.8)
    X = np.abs(rfft(varied(noise(how.source_length(LENGTH)), RATE, LENGTH, how)))
    top = round(0.8 * LENGTH / 2) + 2
    assert X[top:].max() < 1e-4 * X[:top].max()

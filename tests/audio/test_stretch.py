"""Length, pitch and level after stretching, by closed forms; a factor of one is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.onsets import onsets
from wavewright.audio.stretch import stretch, transpose, varispeed

RATE = 8000


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def pitch(x: np.ndarray) -> float:
    """Hz of the largest peak of the middle half, by parabolic interpolation of its log spectrum."""
    middle = x[x.size // 4 : 3 * x.size // 4]
    spectrum = np.log(np.abs(np.fft.rfft(middle * np.hanning(middle.size))) + 1e-12)
    at = int(spectrum[1:-1].argmax()) + 1
    a, b, c = spectrum[at - 1 : at + 2]
    return float((at + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / middle.size)


@settings(deadline=None, max_examples=10)
@given(factor=st.floats(0.5, 2.0), hz=st.floats(150, 1500))
def test_a_stretched_tone_is_as_long_as_asked_as_high_and_as_loud_as_before(factor: float, hz: float) -> None:
    y = stretch(tone(hz), RATE, factor)
    assert y.size == round(RATE * factor)
    assert pitch(y) == pytest.approx(hz, rel=0.01)
    middle = y[y.size // 4 : 3 * y.size // 4]
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(1, abs=0.06)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 99), length=st.integers(1, 3000))
def test_a_factor_of_one_gives_the_sound_back(seed: int, length: int) -> None:
    x = np.random.default_rng(seed).standard_normal(length).astype(np.float32)
    assert stretch(x, RATE, 1.0).tolist() == x.tolist()
    assert varispeed(x, 1.0).tolist() == x.tolist()
    assert transpose(x, RATE, 0.0).tolist() == x.tolist()


@pytest.mark.parametrize("factor", [0.25, 0.7, 1.3, 4.0])
def test_a_constant_stays_constant_and_silence_silent(factor: float) -> None:
    y = stretch(np.ones(RATE, np.float32), RATE, factor)
    end = round(240 * factor) + 160  # windows of 320 samples, moved by 80, hear the silence behind the end
    np.testing.assert_allclose(y[200:-end], 1, atol=1e-4)
    assert not stretch(np.zeros(RATE, np.float32), RATE, factor).any()


@pytest.mark.parametrize("factor", [0.75, 1.5])
def test_blows_come_when_time_has_come_to_them(factor: float) -> None:
    x = np.zeros(2 * RATE, np.float32)
    for at in (0.3, 0.8, 1.4):
        x[round(at * RATE) :][: RATE // 10] += tone(700, 0.1) * np.exp(-np.arange(RATE // 10) / 200).astype(np.float32)
    found = onsets(stretch(x, RATE, factor), RATE) / RATE
    for at in (0.3, 0.8, 1.4):
        assert np.abs(found - at * factor).min() < 0.03


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.7])
def test_a_tape_is_higher_as_it_is_faster(speed: float) -> None:
    y = varispeed(tone(500), speed)
    assert y.size == round(RATE / speed)
    assert pitch(y) == pytest.approx(500 * speed, rel=0.002)


@pytest.mark.parametrize("semitones", [-7.0, -1.0, 3.5, 12.0])
def test_a_transposed_tone_is_as_long_as_before(semitones: float) -> None:
    y = transpose(tone(400), RATE, semitones)
    assert y.size == RATE
    assert pitch(y) == pytest.approx(400 * 2 ** (semitones / 12), rel=0.01)


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"factor = 9.*must be 0\.25 to 4"):
        stretch(tone(100), RATE, 9)
    with pytest.raises(ValueError, match="speed = 0"):
        varispeed(tone(100), 0)
    with pytest.raises(ValueError, match="semitones = 99"):
        transpose(tone(100), RATE, 99)

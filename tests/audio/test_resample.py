"""Resampling: tones keep their pitch and level, what does not fit vanishes, and blocks equal the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.recording import Recording
from wavewright.audio.resample import StreamResampler, resample


def tone(hz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate).astype(np.float32)[None]


@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(44_100, 48_000), (48_000, 44_100), (96_000, 16_000), (8000, 48_000)]
)
def test_a_tone_below_both_nyquists_is_the_same_tone(rate_in: int, rate_out: int) -> None:
    out = resample(Recording(tone(1000, rate_in), rate_in), rate_out)
    assert out.rate == rate_out
    middle = slice(rate_out // 20, -rate_out // 20)
    assert np.abs(out.samples[:, middle] - tone(1000, rate_out)[:, middle]).max() < 1e-5


def test_a_tone_above_the_new_nyquist_is_gone() -> None:
    out = resample(Recording(tone(15_000, 48_000), 48_000), 24_000)
    assert np.abs(out.samples[:, 1200:-1200]).max() < 1e-5


@given(
    rates=st.tuples(st.sampled_from([8000, 44_100, 48_000]), st.sampled_from([16_000, 44_100, 48_000, 96_000])),
    channels=st.integers(1, 3),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=12),
    seed=st.integers(0, 999),
)
@settings(max_examples=25, deadline=None)
def test_blocks_equal_the_whole(rates: tuple[int, int], channels: int, sizes: list[int], seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, (channels, max(1, sum(sizes)))).astype(np.float32)
    stream = StreamResampler(*rates, channels)
    cuts = np.cumsum(sizes)[:-1]
    pieces = np.split(x, cuts, axis=1)
    out = [stream.push(piece, last=i == len(pieces) - 1) for i, piece in enumerate(pieces)]
    np.testing.assert_array_equal(np.concatenate(out, axis=1), resample(Recording(x, rates[0]), rates[1]).samples)


def test_the_same_rate_changes_nothing() -> None:
    recording = Recording(tone(100, 8000), 8000)
    assert resample(recording, 8000) is recording


def test_impossible_rates_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="rate = 0 Hz: must be at least 1"):
        resample(Recording(tone(100, 8000), 8000), 0)
    with pytest.raises(ValueError, match="rate = -1 Hz"):
        StreamResampler(8000, -1, 1)
    with pytest.raises(ValueError, match=r"must be \(2, n\)"):
        StreamResampler(8000, 16_000, 2).push(tone(100, 8000))

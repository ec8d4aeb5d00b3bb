"""The limiter: never above its ceiling, untouched where nothing is, the same in blocks as at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.limiter import REACH, Limiter

RATE = 8000


def sound_of(seed: int, length: int, loud: float) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return (loud * dice.standard_normal(length) * dice.random(length) ** 4).astype(np.float32)


@given(seed=st.integers(0, 999), length=st.integers(0, 3000), loud=st.floats(0.01, 20), ceiling=st.floats(0.1, 1))
@settings(deadline=None, max_examples=60)
def test_nothing_is_above_the_ceiling_and_what_is_far_from_peaks_is_kept(
    seed: int, length: int, loud: float, ceiling: float
) -> None:
    x = sound_of(seed, length, loud)
    y = Limiter(RATE, ceiling).push(x, last=True)
    assert len(y) == len(x)
    assert np.abs(y).max(initial=0.0) <= ceiling
    reach = 2 * round(REACH * RATE)
    loud_at = np.flatnonzero(np.abs(x) > ceiling)
    near = np.zeros(length, bool)
    for at in loud_at:
        near[max(0, at - reach) : at + reach + 1] = True
    assert np.allclose(y[~near], x[~near], rtol=1e-6)
    assert (np.abs(y) <= np.abs(x) * (1 + 1e-6)).all()
    assert (np.sign(y) * np.sign(x) >= 0).all()


@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(0, 400), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_blocks_equal_the_whole(seed: int, cuts: list[int]) -> None:
    x = sound_of(seed, sum(cuts), 3.0)
    limiter, parts, at = Limiter(RATE), [], 0
    for number, size in enumerate(cuts):
        parts.append(limiter.push(x[at : at + size], last=number == len(cuts) - 1))
        at += size
    assert np.allclose(np.concatenate(parts), Limiter(RATE).push(x, last=True), atol=1e-6)


def test_the_gain_has_no_corners() -> None:
    x = np.full(400, 0.9, np.float32)
    x[200] = 3.0
    gain = Limiter(RATE).push(x, last=True) / x
    assert gain[200] < 0.34
    assert np.abs(np.diff(gain)).max() < 0.7 / (2 * round(REACH * RATE)) * 1.1

"""Long tails: drawn halfway to a normal series and back, against ranks counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as drawn_from
from hypothesis import settings as trials
from hypothesis import strategies as st
from scipy import stats

from wavewright.data.process import Process
from wavewright.data.tails import KNOTS, Tails


def scaled(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean(-1, keepdims=True)) / values.std(-1, keepdims=True))


def rain(count: int = 400, seed: int = 0) -> np.ndarray:
    """A normal series, and one that is nothing nine times of ten."""
    dice = np.random.default_rng(seed)
    return scaled(np.stack([dice.standard_normal(count), dice.exponential(1, count) * (dice.random(count) < 0.1)]))


def test_only_long_tails_are_drawn() -> None:
    x = rain()
    tails = Tails.learn(x, np.ones(x.shape, bool))
    assert set(tails.knots[0]) == {1.0}
    np.testing.assert_array_equal(tails.drawn(x)[0], x[0])
    down = Tails.learn(-x, np.ones(x.shape, bool))
    np.testing.assert_allclose(down.drawn(-x), -tails.drawn(x), atol=1e-12)


def test_halfway_between_value_and_rank() -> None:
    x = rain()
    ranks = (stats.rankdata(x[1]) - 0.5) / x.shape[1]
    score = stats.norm.ppf(ranks)
    score = (score - score.mean()) / score.std()
    tails = Tails.learn(x, np.ones(x.shape, bool))
    np.testing.assert_allclose(tails.drawn(x)[1], (x[1] + score) / 2, atol=1e-9)


@drawn_from(seed=st.integers(0, 50), alike=st.booleans(), beyond=st.floats(0, 20))
@trials(deadline=None, max_examples=25)
def test_there_and_back(seed: int, alike: bool, beyond: float) -> None:
    x = rain(2000, seed)
    known = np.random.default_rng(seed).random(x.shape) < 0.8
    tails = Tails.learn(np.where(known, x, np.nan), known, alike=alike)
    assert tails.knots.shape[1] <= KNOTS
    assert (np.diff(tails.knots[1:]) > 0).all()
    x[:, 0] += beyond  # above all that was ever seen
    x[:, 1] -= beyond
    np.testing.assert_allclose(tails.back(tails.drawn(x)), x, atol=1e-9)
    order = np.argsort(x[1])
    assert (np.diff(tails.drawn(x)[1][order]) >= 0).all()
    steps = np.diff(tails.back(np.linspace(-5, 8, 400) * np.ones((2, 1))))
    assert steps.max() <= 2 * 13 / 399 + 1e-9  # a small error at most doubles


def test_alike_one_rule_for_any_series() -> None:
    x = rain()
    tails = Tails.learn(x[1:], np.ones((1, x.shape[1]), bool), alike=True)
    more = np.repeat(x[1:], 3, axis=0)[:, np.newaxis]
    np.testing.assert_array_equal(tails.drawn(more)[2, 0], tails.drawn(x[1:])[0])


def test_gaps_stay_gaps_and_still_series_stay() -> None:
    x = np.zeros((1, 50))
    assert Tails.learn(x, np.ones(x.shape, bool)).knots.size == 0
    x = rain()
    tails = Tails.learn(x, np.ones(x.shape, bool))
    x[1, 3] = np.nan
    assert np.isnan(tails.drawn(x)[1, 3])
    assert np.isnan(tails.drawn(x)).sum() == 1


def test_a_process_guesses_bursts_better() -> None:
    """A normal series heard through an exponential: what it was is guessed from its neighbours, drawn or not."""
    dice = np.random.default_rng(1)
    slow = np.convolve(dice.standard_normal(6000), np.hanning(21), "same")
    x = scaled(np.exp(1.5 * slow / slow.std()))[np.newaxis]
    hidden = dice.random(x.shape) < 0.5
    tails = Tails.learn(x, np.ones(x.shape, bool))
    y = tails.drawn(x)
    plain = Process.learn(x, np.ones(x.shape, bool)).guess(x, ~hidden)
    drawn = tails.back(Process.learn(y, np.ones(x.shape, bool)).guess(y, ~hidden))
    assert np.abs(drawn - x)[hidden].mean() < 0.9 * np.abs(plain - x)[hidden].mean()


@pytest.mark.parametrize("far", [3.0, 5.0])
def test_four_times_further_is_long(far: float) -> None:
    x = np.array([[-1.0, 0.0, 0.2, 0.5, far]])
    assert (Tails.learn(x, np.ones(x.shape, bool)).knots.size > 0) == (far > 4)

"""Trust in a network's correction: against a search over shares, and never to the harm of what it was measured on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.data.bridge import CLASSES
from wavewright.jobs.impute.trust import NAMES, WHOLE, Trust


@given(seed=st.integers(0, 1000), share=st.floats(-2, 3), tail=st.sampled_from([1.0, 3.0]))
@trials(deadline=None, max_examples=40)
def test_the_smaller_of_the_two_best_shares(seed: int, share: float, tail: float) -> None:
    dice = np.random.default_rng(seed)
    correction = dice.standard_normal(300)
    error = share * correction + dice.standard_normal(300) ** tail
    kind = dice.integers(0, int(np.prod(CLASSES)), 300)
    trust = Trust.measured(error, correction, kind)
    shares = np.linspace(0, 1, 2001)
    for number in range(CLASSES[1]):
        at = kind % CLASSES[1] == number
        left = error[at] - shares[:, np.newaxis] * correction[at]
        best = [shares[costs.argmin()] for costs in (np.abs(left).sum(1), np.square(left).sum(1))]
        assert abs(trust.shares[number] - min(best)) < 1e-3
    left = error - trust.of(kind) * correction
    assert np.abs(left).sum() <= np.abs(error).sum() + 1e-9
    assert np.square(left).sum() <= np.square(error).sum() + 1e-9


def test_what_was_never_hidden_is_trusted_as_the_next_shorter() -> None:
    error = np.ones(10)
    trust = Trust.measured(error, 2 * error, np.full(10, 2))
    assert trust.shares == (0.0, 0.0, 0.5, 0.5, 0.5, 0.5)
    assert Trust.measured(error, np.zeros(10), np.full(10, 0)).shares == (0.0,) * 6


def test_it_comes_back_from_the_figures() -> None:
    trust = Trust((0.0, 0.1, 0.2, 0.3, 0.4, 1.0))
    assert Trust.told({"mae": 1.0, **trust.figures}) == trust
    assert Trust.told({"mae": 1.0}) == WHOLE
    assert list(trust.figures) == list(NAMES) == ["trust_1", "trust_2", "trust_4", "trust_8", "trust_16", "trust_32"]


def test_where_a_gap_is_long() -> None:
    shown = np.array([[True, False, True, False, False, True, False, False, False, False, True]])
    found = Trust((0.1, 0.2, 0.3, 0.4, 0.5, 0.6)).where(shown)
    np.testing.assert_array_equal(found[~shown], [0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3])

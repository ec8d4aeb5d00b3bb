"""Filling gaps: against plain loops, and what all ways have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.interpolate import CubicSpline

from wavewright.data import filling

WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": filling.mean,
    "last": filling.last,
    "linear": filling.linear,
    "spline": filling.spline,
    "seasonal": lambda values: filling.seasonal_naive(values, 3),
}

tables = arrays.arrays(
    np.float64, (2, 17), elements=st.one_of(st.just(np.nan), st.floats(-100, 100, allow_nan=False, width=32))
)


@pytest.mark.parametrize("way", WAYS)
@given(values=tables)
@trials(deadline=None, max_examples=40)
def test_what_is_given_stays_and_nothing_is_left_open(way: str, values: np.ndarray) -> None:
    filled = WAYS[way](values.copy())
    given_ = ~np.isnan(values)
    np.testing.assert_array_equal(filled[given_], values[given_])
    assert np.isfinite(filled).all()


@given(values=tables)
@trials(deadline=None, max_examples=40)
def test_the_last_value_by_a_plain_loop(values: np.ndarray) -> None:
    filled = filling.last(values)
    for row, result in zip(values, filled, strict=True):
        known = row[~np.isnan(row)]
        held = known[0] if len(known) else 0.0
        for value, given_back in zip(row, result, strict=True):
            held = held if np.isnan(value) else value
            assert given_back == held


@given(values=tables)
@trials(deadline=None, max_examples=40)
def test_the_season_by_a_plain_loop(values: np.ndarray) -> None:
    filled, lines = filling.seasonal_naive(values, 3), filling.linear(values)
    for series, time in zip(*np.nonzero(np.isnan(values)), strict=True):
        wanted = lines[series, time]
        for distance in range(3, 17, 3):
            before, behind = time - distance, time + distance
            if before >= 0 and not np.isnan(values[series, before]):
                wanted = values[series, before]
                break
            if behind < 17 and not np.isnan(values[series, behind]):
                wanted = values[series, behind]
                break
        assert filled[series, time] == wanted


def test_the_spline_is_scipys_natural_one() -> None:
    t = np.arange(40.0)
    values = np.sin(t / 4)[None]
    values[0, 5:9] = np.nan
    known = ~np.isnan(values[0])
    wanted = CubicSpline(t[known], values[0, known], bc_type="natural")(t[5:9])
    np.testing.assert_allclose(filling.spline(values)[0, 5:9], wanted)

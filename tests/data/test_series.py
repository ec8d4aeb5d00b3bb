"""The scale of series, its range, and the calendar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wavewright.data.series import Scale, calendar, cycles_of
from wavewright.data.tables import Table
from wavewright.errors import DataError

values = arrays.arrays(
    np.float64, (3, 20), elements=st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, allow_nan=False, width=32))
)


@given(values=values)
@trials(deadline=None, max_examples=40)
def test_there_and_back_again(values: np.ndarray) -> None:
    scale = Scale.of(values)
    np.testing.assert_allclose(scale.back(scale.there(values)), values, rtol=1e-9, atol=1e-6)
    for row, mean, deviation, low, high in zip(values, *vars(scale).values(), strict=True):
        known = row[~np.isnan(row)]
        if len(known):
            assert mean == pytest.approx(known.mean(), rel=1e-9, abs=1e-6)
            assert (low, high) == (known.min(), known.max())
            if known.std() > 1e-3:
                assert deviation == pytest.approx(known.std(), rel=1e-6)


def test_no_guess_lies_beyond_what_was() -> None:
    scale = Scale.of(np.array([[0.0, 1, 2, 3], [5, 5, np.nan, 5]]))
    shown = scale.there(np.array([[np.nan, 4.0], [np.nan, np.nan]]))
    guess = scale.there(np.array([[-1.0, 9.0], [7.0, 5.0]]))
    np.testing.assert_allclose(scale.back(scale.within(guess, shown)), [[0, 4], [5, 5]])


def hourly(seconds: float, count: int) -> Table:
    none = np.zeros((1, count), np.int64)
    return Table(Path("t.csv"), ("a",), np.zeros((1, count)), 1.7e9, seconds, none, none[:, 0])


@pytest.mark.parametrize(
    ("seconds", "count", "cycles"),
    [(3600, 20_000, 3), (3600, 200, 2), (3600, 20, 1), (86_400, 1000, 2), (0, 1000, 0), (60, 100, 0)],
)
def test_only_cycles_that_the_grid_can_show(seconds: float, count: int, cycles: int) -> None:
    table = hourly(seconds, count)
    found = cycles_of(table)
    assert len(found) == cycles
    when = calendar(table, found)
    assert when.shape == (2 * cycles, count)
    if cycles and seconds == 3600:
        np.testing.assert_allclose(when[0, 24:], when[0, :-24], atol=1e-3)
        np.testing.assert_allclose(when[::2] ** 2 + when[1::2] ** 2, 1, rtol=1e-5)


def test_days_learned_and_none_to_be_seen() -> None:
    with pytest.raises(DataError, match="has no dates"):
        calendar(hourly(0, 10), (86_400.0,))

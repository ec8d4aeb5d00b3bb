"""Hidden values: as many as asked for, only given ones, in the shape asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.data.masks import SHAPES, hidden
from wavewright.errors import SettingsError


@given(
    shape=st.sampled_from(SHAPES),
    share=st.floats(0.05, 0.95),
    gaps=st.floats(0, 0.8),
    block=st.integers(1, 40),
    seed=st.integers(0, 999),
)
@trials(deadline=None, max_examples=60)
def test_a_share_of_what_is_given_and_never_all(shape: str, share: float, gaps: float, block: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    given_ = dice.random((3, 200)) >= gaps
    mask = hidden(given_, share, shape, dice, block)
    assert not (mask & ~given_).any()
    count = given_.sum(axis=1)
    np.testing.assert_array_equal(mask.sum(axis=1), np.minimum(np.round(share * count), np.maximum(count - 1, 0)))


@pytest.mark.parametrize("shape", ["blocks", "series"])
def test_blocks_are_whole_but_for_one(shape: str) -> None:
    mask = hidden(np.ones((2, 1000), bool), 0.3, shape, np.random.default_rng(1), 20)
    for row in mask:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        lengths = edges[1::2] - edges[::2]
        assert np.median(lengths) >= 20
        assert np.count_nonzero(lengths % 20) <= 3  # the two ends, and the block that was one too many
    assert (shape == "series") == bool((mask[0] == mask[1]).all())


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)'point'.*points.*share hidden = 1.*block = 0"):
        hidden(np.ones((1, 9), bool), 1.0, "point", np.random.default_rng(0), 0)

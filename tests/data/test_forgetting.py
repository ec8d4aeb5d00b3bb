"""Hidden stretches: as many as asked for, everywhere alike, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data.forgetting import LONGEST, SHORTEST, forget

SILENCE = 0.25  # no value of what is heard


@given(
    share=st.floats(0.01, 0.5),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3000)),
    rate=st.integers(1000, 48_000),
    seed=st.integers(0, 2**40),
)
@settings(deadline=None, max_examples=60)
def test_only_the_past_is_hidden_and_the_same_seed_hides_the_same(
    share: float, shape: tuple[int, int, int], rate: int, seed: int
) -> None:
    x = torch.randint(-9, 10, shape).float()
    found = forget(x, share, SILENCE, rate, [seed, 1])
    assert torch.equal(found[:, 1:], x[:, 1:])
    assert bool(((found[:, 0] == x[:, 0]) | (found[:, 0] == SILENCE)).all())
    assert torch.equal(found, forget(x, share, SILENCE, rate, [seed, 1]))
    assert not bool((x == SILENCE).any()), "what was given must stay as it was"


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_share_is_kept_at_every_place_of_a_row(share: float) -> None:
    """Also at its ends: the hidden share of each tenth of 4,000 short rows is that asked for."""
    hidden = forget(torch.ones(4000, 1, 600), share, SILENCE, 1000, [3])[:, 0] == SILENCE
    tenths = hidden.float().reshape(4000, 10, 60).mean(dim=(0, 2)).numpy()
    # a row is one stretch or none, nearly: 4,000 draws of a share
    np.testing.assert_allclose(tenths, share, atol=4 * np.sqrt(share * (1 - share) / 4000))


def test_stretches_are_of_all_lengths_between_the_limits() -> None:
    rate = 2000
    hidden = forget(torch.ones(1, 1, 4_000_000), 0.05, SILENCE, rate, [0])[0, 0].numpy() == SILENCE
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(int), [0]])))
    seconds = (edges[1::2] - edges[::2]) / rate
    assert SHORTEST - 2 / rate <= seconds.min() < 2 * SHORTEST
    assert 0.8 * LONGEST < np.quantile(seconds, 0.99) <= LONGEST * 1.5  # two may overlap
    # evenly by the logarithm: half of them lie below the geometric mean
    assert np.median(seconds) == pytest.approx(np.sqrt(SHORTEST * LONGEST), rel=0.25)

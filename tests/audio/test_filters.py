"""Pre-emphasis and de-emphasis against the plain loops, as inverses, and block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.filters import de_emphasis, pre_emphasis


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_both_are_the_recursions_they_claim_to_be() -> None:
    x = noise(500)
    difference, integral, before, total = [], [], 0.0, 0.0
    for value in x.tolist():
        difference.append(value - 0.85 * before)
        before = value
        total = value + 0.85 * total
        integral.append(total)
    np.testing.assert_allclose(pre_emphasis(x, 0.85)[0], difference, atol=1e-6)
    np.testing.assert_allclose(de_emphasis(x, 0.85)[0], integral, atol=1e-6)


@pytest.mark.parametrize("coefficient", [-0.5, 0.0, 0.85, 0.97, 0.999])
def test_one_undoes_the_other(coefficient: float) -> None:
    x = noise(2, 3, 5000)
    y, _ = pre_emphasis(x, coefficient)
    np.testing.assert_allclose(de_emphasis(y, coefficient)[0], x, atol=6e-8 / (1 - abs(coefficient)))


@given(cuts=st.lists(st.integers(0, 400), max_size=6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_blocks_equal_the_whole(cuts: list[int], seed: int) -> None:
    x = noise(2, 400, seed=seed)
    for apply in (pre_emphasis, de_emphasis):
        state, out = None, []
        for piece in np.split(x, sorted(cuts), axis=1):
            y, state = apply(piece, 0.95, state)
            out.append(y)
        np.testing.assert_array_equal(np.concatenate(out, axis=1), apply(x, 0.95)[0])


@pytest.mark.parametrize("coefficient", [1.0, -1.0, 2.0, float("nan")])
def test_an_unstable_coefficient_is_refused(coefficient: float) -> None:
    for apply in (pre_emphasis, de_emphasis):
        with pytest.raises(ValueError, match="must lie between -1 and 1"):
            apply(noise(10), coefficient)

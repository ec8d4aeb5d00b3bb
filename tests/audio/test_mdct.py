"""The MDCT: against its definition as a sum of cosines, and its one law: everything comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.mdct import WINDOWS, imdct, lead, mdct, mdct_window, unfolded


def by_definition(x: np.ndarray, size: int, window: str) -> np.ndarray:
    """Princen, Johnson and Bradley's sum, frame by frame."""
    frames = 1 + -(-len(x) // size)
    padded = np.pad(x, (size, frames * size - len(x))).astype(np.float64)
    n, k = np.arange(2 * size), np.arange(size)
    basis = np.sqrt(2 / size) * np.cos(np.pi / size * np.outer(k + 0.5, n + 0.5 + size / 2))
    w = mdct_window(size, window)
    return np.stack([basis @ (w * padded[at * size : (at + 2) * size]) for at in range(frames)])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", [2, 8, 30])
def test_it_is_what_its_definition_says(window: str, size: int) -> None:
    x = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    assert np.abs(mdct(x, size, window) - by_definition(x, size, window)).max() < 1e-5


@settings(deadline=None, max_examples=40)
@given(half=st.integers(1, 40), share=st.integers(0, 100), time=st.integers(1, 400), window=st.sampled_from(WINDOWS))
def test_every_sound_comes_back(half: int, share: int, time: int, window: str) -> None:
    size, lap = 2 * half, 2 * max(1, round(half * share / 100))
    x = np.random.default_rng(time).uniform(-1, 1, time).astype(np.float32)
    frames = mdct(x, size, window, lap)
    assert frames.shape == (1 + -(-time // size), size)
    assert np.abs(imdct(frames, window, lap)[:time] - x).max() < 5e-6


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("lap", [2, 16, 64])
def test_the_squares_of_the_window_add_up_to_one(window: str, lap: int) -> None:
    w = mdct_window(64, window, lap)
    assert np.abs(w[:64] ** 2 + w[64:] ** 2 - 1).max() < 1e-6
    assert np.array_equal(w, w[::-1])
    assert np.count_nonzero(w) == 64 + lap


def test_it_keeps_energy() -> None:
    x = np.random.default_rng(1).standard_normal(64 * 50).astype(np.float32)
    assert np.isclose(np.square(mdct(x, 64)).sum(), np.square(x).sum(), rtol=1e-5)


def test_a_wrong_number_fades_in_and_out() -> None:
    """An error of one frame begins and ends at zero: it cannot click."""
    frames = np.zeros((5, 64), np.float32)
    frames[2, 40] = 1.0
    heard = imdct(frames)
    edges = np.abs(np.diff(np.pad(heard, 1)))
    assert edges[[0, -1]].max() < 1e-6
    around = unfolded(frames)[2]
    assert np.abs(around[[0, -1]]).max() < 0.02 * np.abs(around).max()


def test_the_first_sample_lies_behind_the_lead() -> None:
    x = np.zeros(256, np.float32)
    x[0] = 1.0
    for lap in (2, 32, 64):
        assert np.argmax(np.abs(imdct(mdct(x, 64, lap=lap), lap=lap))) == 0
        assert lead(64, lap) == (64 + lap) // 2


@pytest.mark.parametrize(
    ("size", "window", "lap", "word"),
    [(3, "sine", None, "size"), (8, "hann", None, "window"), (8, "sine", 10, "lap"), (8, "sine", 3, "lap")],
)
def test_wrong_shapes_are_named(size: int, window: str, lap: int | None, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        mdct(np.zeros(10, np.float32), size, window, lap)

"""Distances of sets against scipy, plain loops and closed forms; real sets against each other."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from wavewright.audio.files import read
from wavewright.metrics.corpus import (
    DIMENSIONS,
    bandwidths,
    compare,
    embed,
    frechet,
    mmd,
    pieces,
    shrunk_covariance,
    spread,
)

RATE = 8000


def points(count: int, dimensions: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return mean + scale * np.random.default_rng(seed).standard_normal((count, dimensions))


@settings(deadline=None, max_examples=15)
@given(n=st.integers(2, 9), m=st.integers(2, 9), seed=st.integers(0, 99), width=st.floats(0.5, 5))
def test_mmd_is_the_plain_double_sum(n: int, m: int, seed: int, width: float) -> None:
    a, b = points(n, 3, seed), points(m, 3, seed + 1, mean=0.5)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        squared = sum((p - q) ** 2 for p, q in zip(x, y, strict=True))
        return (math.exp(-squared / (2 * width**2)) + math.exp(-squared / (8 * width**2))) / 2

    crossed = sum(k(x, y) for x in a for y in b) / (n * m)
    other = sum(k(*pair) for pair in itertools.permutations(a, 2)) / (n * (n - 1))
    other += sum(k(*pair) for pair in itertools.permutations(b, 2)) / (m * (m - 1))
    assert mmd(a, b, (width, 2 * width)) == pytest.approx(other - 2 * crossed, abs=1e-12)
    every = sum(k(x, y) for x in a for y in a) / n**2 + sum(k(x, y) for x in b for y in b) / m**2
    assert mmd(a, b, (width, 2 * width), biased=True) == pytest.approx(every - 2 * crossed, abs=1e-12)
    assert mmd(a, b, (width,), biased=True) >= -1e-12


def test_mmd_of_two_normal_sets_has_its_closed_form_and_no_bias() -> None:
    # E k(x, y) for x, y ~ N(0, I) in d dimensions and a shift s: (1 + 2 / w²)^(−d/2) exp(−s² / 2 (w² + 2))
    def closed(shift: float) -> float:
        return 2 * (1 + 2 / 4) ** -1.0 * (1 - math.exp(-(shift**2) / (2 * (4 + 2))))

    found = {
        shift: np.mean(
            [mmd(points(40, 2, s), points(30, 2, 1000 + s, shift / math.sqrt(2)), (2.0,)) for s in range(200)]
        )
        for shift in (0.0, 1.5)
    }
    assert found[0.0] == pytest.approx(0.0, abs=0.003)
    assert found[1.5] == pytest.approx(closed(1.5), abs=0.006)


@settings(deadline=None, max_examples=15)
@given(n=st.integers(2, 30), m=st.integers(2, 30), seed=st.integers(0, 99))
def test_frechet_is_what_scipys_square_root_gives(n: int, m: int, seed: int) -> None:
    a, b = points(n, 6, seed), points(m, 6, seed + 1, mean=1.0, scale=2.0)
    A, B = shrunk_covariance(a), shrunk_covariance(b)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(A + B - 2 * sqrtm(A @ B).real)
    assert frechet(a, b) == pytest.approx(float(expected), rel=1e-7, abs=1e-7)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-9)
    assert frechet(a, a) == pytest.approx(0.0, abs=1e-9)
    assert frechet(a, a + 3.0) == pytest.approx(54.0, rel=1e-9)


def test_shrinkage_leaves_many_points_alone_and_makes_few_of_them_usable() -> None:
    scales = np.array([1.0, 2.0, 4.0])
    many = points(20_000, 3, 0) * scales
    np.testing.assert_allclose(shrunk_covariance(many), np.cov(many, rowvar=False), rtol=0.02, atol=0.02)
    few = points(8, 50, 1) * np.linspace(1, 3, 50)
    shrunk = shrunk_covariance(few)
    assert np.linalg.eigvalsh(shrunk).min() > 0.1
    assert np.trace(shrunk) == pytest.approx(np.trace(np.cov(few, rowvar=False, bias=True)), rel=1e-9)
    true = np.diag(np.linspace(1, 3, 50) ** 2)
    plain = np.cov(few, rowvar=False, bias=True)
    assert np.linalg.norm(shrunk - true) < 0.6 * np.linalg.norm(plain - true)
    np.testing.assert_array_equal(shrunk_covariance(np.ones((4, 3))), np.zeros((3, 3)))


def test_bandwidths_and_spread_are_means_over_pairs() -> None:
    some = points(11, 4, 3)
    distances = [float(np.linalg.norm(x - y)) for x, y in itertools.combinations(some, 2)]
    assert bandwidths(some) == pytest.approx([f * np.median(distances) for f in (0.5, 1, 2)])
    assert spread(some) == pytest.approx(np.mean(distances) / 2)  # √4 dimensions
    assert spread(some[:1]) != spread(some[:1])  # NaN
    assert bandwidths(np.ones((3, 2))) == (0.5, 1.0, 2.0)


def test_a_point_holds_levels_of_what_sounds() -> None:
    random = np.random.default_rng(0)
    hiss = (0.1 * random.standard_normal(RATE)).astype(np.float32)
    framed = np.concatenate([np.zeros(3000, np.float32), hiss, np.zeros(9000, np.float32)])
    plain, within, louder = embed([hiss, framed, 2 * hiss], RATE)
    assert plain.shape == (DIMENSIONS,)
    means = slice(0, DIMENSIONS // 2)
    np.testing.assert_allclose(within[means], plain[means], atol=0.5)  # the silence around it does not count
    np.testing.assert_allclose(louder[means] - plain[means], 20 * math.log10(2), atol=1e-3)
    np.testing.assert_allclose(louder[DIMENSIONS // 2 :], plain[DIMENSIONS // 2 :], atol=1e-2)
    np.testing.assert_allclose(embed([np.zeros(500, np.float32)], RATE)[0, means], -70.0, atol=1e-3)
    assert embed([], RATE).shape == (0, DIMENSIONS)


def test_long_sounds_are_cut_up_and_too_many_are_thinned() -> None:
    ramp = np.arange(10_500, dtype=np.float32)
    cut = pieces([ramp, ramp[:1500]], rate=1000, seconds=1.0)
    assert [(part[0], part.size) for part in cut] == [(1000.0 * at, 1000) for at in range(10)] + [(0.0, 1500)]
    assert [part[0] for part in pieces([ramp], 1000, 1.0, most=4, seed=1)] == sorted(
        part[0] for part in pieces([ramp], 1000, 1.0, most=4, seed=1)
    )
    assert len(pieces([ramp], 1000, 1.0, most=4)) == 4


def test_wrong_sets_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(4, 3\)"):
        mmd(np.zeros((1, 3)), np.zeros((4, 3)), (1.0,))
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4, 2\)"):
        frechet(np.zeros((2, 3)), np.zeros((4, 2)))
    lone = compare([np.ones(100, np.float32)], [np.ones(100, np.float32)], [], RATE)
    assert math.isnan(lone.mmd)
    assert (lone.sounds, lone.held_out) == (1, 1)


@pytest.mark.shared
def test_real_words_are_nearer_to_words_than_hiss_and_one_word_is_no_variety(shared: Path) -> None:
    paths = sorted((shared / "audio" / "digits").glob("*.wav"))
    held_out = [read(path).samples[0] for path in paths if path.stem.split("_")[2] in ("5", "6")]
    training = [read(path).samples[0] for path in paths if path.stem.split("_")[2] in ("9", "10", "11", "12")]
    real = [read(path).samples[0] for path in paths if path.stem.split("_")[2] == "30"]
    random = np.random.default_rng(0)
    noise = [(0.05 * random.standard_normal(sound.size)).astype(np.float32) for sound in real]
    one = real[42:48] * 2  # "seven", by each of the six

    words = compare(real, held_out, training, RATE)
    assert words.mmd < words.mmd_high + 0.01
    assert words.frechet < 1.3 * words.frechet_floor
    assert words.diversity == pytest.approx(1.0, abs=0.15)
    hiss = compare(noise, held_out, training, RATE)
    assert hiss.mmd > 10 * words.mmd_high
    assert hiss.frechet > 3 * words.frechet_high
    assert hiss.diversity < 0.15
    assert compare(one, held_out, training, RATE).diversity < 0.85

"""Floors by their laws; every figure tells a defect that was put in from its absence."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from wavewright.audio.instruments import kick_808
from wavewright.audio.music import drum_loop
from wavewright.metrics import corpus_floors
from wavewright.metrics.corpus_floors import draw, gaussian, grains
from wavewright.metrics.judgement import MEANING, Figures, Judge

RATE = 8000


def kicks(count: int, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [
        kick_808(0.5, RATE, 0.8, hz=random.uniform(42, 62), ring_seconds=random.uniform(0.3, 0.6), seed=1000 * seed + i)
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(kicks(40, 0), kicks(20, 1), RATE, RATE // 2, 12)


def test_draws_have_the_mean_and_covariance_of_what_they_are_drawn_from() -> None:
    random = np.random.default_rng(0)
    mixing = random.standard_normal((5, 5))
    rows = (random.standard_normal((40, 5)) @ mixing + 3).astype(np.float32)
    drawn = draw(rows, 40_000, 1.0, random)
    np.testing.assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(rows.T), atol=0.04 * np.abs(np.cov(rows.T)).max())


def test_components_that_hold_nothing_are_left_out() -> None:
    random = np.random.default_rng(0)
    large = random.standard_normal((30, 1)) * np.array([[10.0, 0, 0]])
    rows = (large + 0.1 * random.standard_normal((30, 3))).astype(np.float32)
    drawn = draw(rows, 1000, 0.9, random)
    deviations = drawn - drawn.mean(axis=0)
    assert np.linalg.matrix_rank(deviations, tol=1e-2) == 1
    assert draw(rows[:1], 3, 0.9, random).tolist() == [rows[0].tolist()] * 3


def test_floors_are_as_long_as_asked_seeded_and_within_full_scale() -> None:
    sounds = kicks(10, 2)
    for floor in (gaussian, grains):
        made = floor(sounds, RATE, [4000, 1000, 3999])
        assert [one.size for one in made] == [4000, 1000, 3999]
        assert all(np.abs(one).max() <= 1 and np.abs(one).max() > 0.05 for one in made)
        for one, again in zip(made, floor(sounds, RATE, [4000, 1000, 3999]), strict=True):
            assert np.array_equal(one, again)
        assert not np.array_equal(made[0], floor(sounds, RATE, [4000], seed=1)[0])
        with pytest.raises(ValueError, match="no sounds"):
            floor([], RATE, [10])


def test_grains_and_windows_keep_the_power_of_a_steady_sound() -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32) * np.float32(0.1)
    for floor in (gaussian, grains):  # of one sound: windows, drawn each by itself
        made = floor([noise], RATE, [2 * RATE])[0]
        assert np.std(made) == pytest.approx(0.1, rel=0.1)


def test_a_window_more_or_less_changes_nothing_at_the_edges() -> None:
    ones = [np.full(RATE, 0.5, np.float32)]
    made = grains(ones, RATE, [RATE])[0]
    window = 2 * round(corpus_floors.GRAIN * RATE / 2)
    assert made[window:-window].min() >= 0.5  # sin + cos of one angle lies between 1 and √2
    assert made.max() <= 0.5 * math.sqrt(2) + 1e-6


def test_kicks_of_the_same_kind_are_as_good_as_real_ones(judge: Judge) -> None:
    found = judge.judge(kicks(12, 3))
    new, real = found.new, found.ordinary
    assert judge.reference == "held-out sounds"
    assert not judge.rhythmic
    assert new.mmd_biased < 2 * real.mmd_biased
    assert new.rising == real.rising == 0
    assert new.diversity == pytest.approx(1, abs=0.35)
    assert new.hiss < 3
    assert math.isnan(new.intervals)
    assert found.gaussian.frechet > new.frechet
    assert found.grains.frechet > found.gaussian.frechet
    assert found.grains.decay > 3 * max(new.decay, 0.1)
    assert "intervals" not in [row[0] for row in found.rows()]
    assert found.to_dict()["mmd_real"] == real.mmd


DEFECTS = {
    "hiss": lambda x, r: x + 0.03 * r.standard_normal(x.size),
    "rising": lambda x, r: x + 0.2 * np.linspace(0, 1, x.size) ** 4 * np.sin(np.arange(x.size)),
    "attack": lambda x, r: x * np.minimum(1, np.arange(x.size) / 800),
    "decay": lambda x, r: x * np.exp(-np.arange(x.size) / 200),
    "crest": lambda x, r: np.tanh(20 * x),
    "centroid": lambda x, r: np.diff(x, append=0),
    "tail_db": lambda x, r: x[::-1],
}


@pytest.mark.parametrize("figure", sorted(DEFECTS))
def test_each_figure_sees_its_own_defect(judge: Judge, figure: str) -> None:
    random = np.random.default_rng(0)
    good = kicks(12, 4)
    bad = [DEFECTS[figure](one, random).astype(np.float32) for one in good]
    sound, broken = (getattr(judge.figures(sounds), figure) for sounds in (good, bad))
    assert broken > sound + max(sound, 0.05)


def test_one_sound_again_and_again_has_no_diversity(judge: Judge) -> None:
    assert judge.figures(kicks(1, 5) * 12).diversity < 1e-6


def test_copies_are_named_and_real_sounds_are_none(judge: Judge) -> None:
    found = judge.judge([np.float32(-0.5) * one for one in kicks(3, 0)])
    assert found.new.copy == pytest.approx(1, abs=1e-4)
    assert found.new.copy_distance < 0.2
    assert found.ordinary.copies == 0
    assert len(found.nearest) == 3
    assert [one.sound for one in found.nearest] == [0, 1, 2]


def test_a_single_loop_is_its_own_reference_and_has_a_rhythm() -> None:
    loop = drum_loop(8.0, RATE, beats_per_minute=120)
    judge = Judge([loop[: 7 * RATE]], [loop[7 * RATE :]], RATE, 4 * RATE, 4)
    assert judge.reference == "all real sounds"
    assert judge.rhythmic
    same = judge.figures([drum_loop(4.0, RATE, beats_per_minute=120, seed=1)])
    slow = judge.figures([drum_loop(4.0, RATE, beats_per_minute=60, seed=1)])
    assert same.intervals < 0.5 < slow.intervals
    assert math.isfinite(judge.ordinary().mmd)
    assert judge.ordinary().centroid > 0  # a part of what is real from the rest of it
    shares = judge.judge([drum_loop(4.0, RATE, beats_per_minute=120, seed=1)] * 2).intervals
    assert set(shares) == {"new", "real", "Gaussian", "shuffled grains"}
    for one in shares.values():
        assert one.sum() == pytest.approx(1)
    real, new, shuffled = (shares[name] for name in ("real", "new", "shuffled grains"))
    assert np.abs(real - new).sum() < np.abs(real - shuffled).sum()


def test_every_figure_has_its_meaning() -> None:
    assert list(MEANING) == [one.name for one in dataclasses.fields(Figures)]

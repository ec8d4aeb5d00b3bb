"""Mosaics: a sound from its own corpus is itself; the way through the candidates is the cheapest of all ways."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.instruments import hat, kick_808, plucked_string, snare
from wavewright.audio.music import drum_loop
from wavewright.data.mosaic import MosaicIndex, _cheapest
from wavewright.data.mosaic_settings import MosaicSettings
from wavewright.errors import DataError, SettingsError

RATE = 8000


@pytest.fixture(scope="module")
def corpus() -> list[np.ndarray]:
    strings = [plucked_string(hz, 0.5, RATE, 0.5) for hz in (110, 165, 220)]
    return [kick_808(0.5, RATE, 0.8), snare(0.3, RATE, 0.6), hat(0.2, RATE, 0.3), *strings]


@pytest.fixture(scope="module")
def index(corpus: list[np.ndarray]) -> MosaicIndex:
    return MosaicIndex(corpus, RATE)


def snr(x: np.ndarray, y: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(x.astype(np.float64) ** 2) / max(1e-30, np.sum((x - y).astype(np.float64) ** 2))))


def test_a_sound_of_the_corpus_is_given_back(index: MosaicIndex, corpus: list[np.ndarray]) -> None:
    for sound in corpus:
        assert snr(sound, index.rebuilt(sound)) > 60


def test_a_sound_of_the_corpus_at_another_level_is_given_back_at_that(
    index: MosaicIndex, corpus: list[np.ndarray]
) -> None:
    quiet = np.float32(0.25) * corpus[0]
    assert snr(quiet, index.rebuilt(quiet)) > 20
    plain = MosaicIndex(corpus, RATE, MosaicSettings(level=False))
    assert np.abs(plain.rebuilt(quiet)).max() > 2 * np.abs(quiet).max()


def test_grains_of_other_sounds_take_the_place_of_what_is_like_them(index: MosaicIndex) -> None:
    loop = drum_loop(2.0, RATE, beats_per_minute=100, seed=4)
    made = index.rebuilt(loop)
    assert made.size == loop.size
    assert np.abs(made).max() < 4
    blocks = loop[: loop.size // 400 * 400].reshape(-1, 400), made[: loop.size // 400 * 400].reshape(-1, 400)
    levels = [np.sqrt(np.mean(part**2, axis=1)) for part in blocks]
    assert np.corrcoef(*levels)[0, 1] > 0.8  # its outline is that of the target


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), weight=st.floats(0, 3))
def test_the_way_chosen_is_the_cheapest_of_all(seed: int, weight: float) -> None:
    random = np.random.default_rng(seed)
    features = random.standard_normal((7, 3))
    following, ends = np.array([1, 2, 2, 4, 5, 6, 6]), np.array([0, 0, 1, 0, 0, 0, 1], np.bool_)
    candidates = np.stack([random.permutation(7)[:3] for _ in range(5)])
    distances = random.uniform(0, 2, (5, 3))

    def cost(way: tuple[int, ...]) -> float:
        total = sum(float(distances[t, j]) for t, j in enumerate(way))
        for (s, i), (t, j) in itertools.pairwise(enumerate(way)):
            a, b = candidates[s, i], candidates[t, j]
            if ends[a] or following[a] != b:
                total += weight * (1 + float(np.linalg.norm(features[following[a]] - features[b])))
        return total

    best = min(itertools.product(range(3), repeat=5), key=cost)
    found = _cheapest(distances, candidates, features, following, ends, weight)
    way = tuple(int(np.flatnonzero(candidates[t] == grain)[0]) for t, grain in enumerate(found))
    assert cost(way) == pytest.approx(cost(best))


def test_the_more_continuity_costs_the_fewer_are_the_joins(corpus: list[np.ndarray]) -> None:
    loop = drum_loop(2.0, RATE, beats_per_minute=100, seed=4)
    index = MosaicIndex(corpus, RATE)
    joins, distances = [], []
    for weight in (0.0, 0.3, 1.0, 10.0):
        index.settings = replace(index.settings, continuity=weight)
        found = index.choose(index.cut(loop))
        joins.append(found.joins)
        distances.append(found.distance)
    assert joins == sorted(joins, reverse=True)
    assert joins[-1] < joins[0]
    assert distances == sorted(distances)


def test_held_against_its_own_mean_a_target_of_another_colour_uses_more_of_the_corpus(corpus: list[np.ndarray]) -> None:
    dark = np.cumsum(drum_loop(2.0, RATE, beats_per_minute=100, seed=4)).astype(np.float32)
    dark = np.asarray(0.1 * (dark - dark.mean()) / np.abs(dark).max(), np.float32)
    used = []
    for relative in (False, True):
        index = MosaicIndex(corpus, RATE, MosaicSettings(relative=relative))
        used.append(np.unique(index.choose(index.cut(dark)).grains).size)
    assert used[1] > used[0]


BROKEN: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: MosaicIndex([], RATE), DataError, "no sound to take grains from"),
    (lambda: MosaicSettings(grain=0.0), SettingsError, "grain"),
    (lambda: MosaicSettings(candidates=0), SettingsError, "candidates"),
]


@pytest.mark.parametrize(("build", "error", "words"), BROKEN)
def test_what_cannot_be_is_refused(build: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build()


def test_a_silent_target_is_refused_and_a_short_one_is_not(index: MosaicIndex) -> None:
    with pytest.raises(DataError, match="the target is silent"):
        index.rebuilt(np.zeros(4000, np.float32))
    assert index.rebuilt(np.ones(5, np.float32)).size == 5

"""Grains against plain loops; the laws of their joins: what is alike adds up to one, what is not keeps its power."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.music import drum_loop
from wavewright.data import grains as module
from wavewright.data.frame_kinds import frame_kind
from wavewright.data.grains import crossfade, joined, of_frames, pieces_of, reader_of, starts_of

RATE = 8000


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(length=st.integers(1, 9000), grain=st.integers(100, 3000))
def test_even_grains_cover_the_sound_and_none_is_shorter_than_half(length: int, grain: int) -> None:
    starts = starts_of(noise(length), RATE, grain, at_onsets=False)
    assert starts[0] == 0
    edges = [*starts.tolist(), length]
    sizes = [b - a for a, b in pairwise(edges)]
    assert all(size == grain for size in sizes[:-1])
    assert len(sizes) == 1 or grain // 2 <= sizes[-1] < grain + grain // 2 + 1


def test_features_are_the_means_of_the_frames_inside_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = drum_loop(2.0, RATE, beats_per_minute=120)
    kind = frame_kind("mfcc", 64, RATE, bands=20, coefficients=5)
    grain = 400
    starts = starts_of(sound, RATE, grain)
    found = pieces_of(sound, starts, grain, kind)
    frames = kind.analyse(sound).astype(np.float64)
    for at, row in zip(starts, found.features, strict=True):
        inside = [k for k in range(len(frames)) if at <= k * 64 < at + grain]
        begin = [k for k in inside if k * 64 < at + grain // 2]
        end = [k for k in inside if k * 64 >= at + grain // 2]
        if not begin or not end:  # at the very end of the sound
            continue
        halves = frames[begin].mean(axis=0), frames[end].mean(axis=0)
        np.testing.assert_allclose(row[:5], (halves[0] + halves[1]) / 2, atol=1e-3)
        np.testing.assert_allclose(row[5:], halves[1] - halves[0], atol=1e-3)
    assert np.isfinite(found.features).all()
    monkeypatch.setattr(module, "_BLOCK", 7)
    np.testing.assert_allclose(pieces_of(sound, starts, grain, kind).features, found.features, atol=1e-4)


def test_levels_are_root_mean_squares_and_short_sounds_have_features() -> None:
    kind = frame_kind("mfcc", 64, RATE, bands=20, coefficients=5)
    sound = np.full(1000, 0.5, np.float32)
    found = pieces_of(sound, np.array([0, 500]), 500, kind)
    np.testing.assert_allclose(found.levels, 0.5)
    assert found.ends.tolist() == [500, 1000]
    tiny = pieces_of(sound[:3], np.array([0]), 500, kind)
    assert tiny.features.shape == (1, 10)
    assert np.isfinite(tiny.features).all()
    with pytest.raises(ValueError, match="no frames"):
        of_frames(iter([]), np.array([0]), 500, 64, 3, np.zeros(1))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), size=st.integers(1, 500), gain=st.floats(0.1, 10))
def test_a_fade_into_the_same_changes_nothing(seed: int, size: int, gain: float) -> None:
    x = noise(size, seed)
    np.testing.assert_allclose(crossfade(x, x), x, rtol=1e-5, atol=1e-6)
    mixed = crossfade(x, np.float32(gain) * x)  # alike, but louder: goes from one to the other and nowhere else
    assert np.all(np.abs(mixed) <= np.maximum(np.abs(x), gain * np.abs(x)) * (1 + 1e-5))


def test_a_fade_between_strangers_keeps_their_power() -> None:
    many = np.stack([crossfade(noise(64, 2 * seed), noise(64, 2 * seed + 1)) for seed in range(3000)])
    np.testing.assert_allclose((many.astype(np.float64) ** 2).mean(axis=0), 1, atol=0.12)
    assert not crossfade(np.zeros(9, np.float32), np.zeros(9, np.float32)).any()


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 999), max_size=8, unique=True), fade=st.integers(0, 300))
def test_grains_in_their_own_order_are_the_sound_itself(cuts: list[int], fade: int) -> None:
    sound = noise(1000)
    edges = np.array([0, *sorted(cuts), 1000])
    blocks = joined(reader_of([sound]), [0] * (len(edges) - 1), edges[:-1], np.ones(len(edges) - 1), edges, fade)
    np.testing.assert_allclose(np.concatenate(list(blocks)), sound, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), fade=st.integers(0, 200))
def test_a_constant_stays_constant_whatever_the_grains(seed: int, fade: int) -> None:
    random = np.random.default_rng(seed)
    sounds = [np.full(4000, 0.5, np.float32), np.full(3000, 0.5, np.float32)]
    edges = np.concatenate([[0], np.cumsum(random.integers(1, 300, 12))])
    sources, owners = random.integers(300, 2500, 12), random.integers(0, 2, 12)
    made = np.concatenate(list(joined(reader_of(sounds), owners, sources, np.ones(12), edges, fade)))
    assert made.size == edges[-1]
    np.testing.assert_allclose(made, 0.5, atol=1e-6)


def test_an_attack_is_not_faded() -> None:
    click = np.zeros(1000, np.float32)
    click[400] = 1
    made = np.concatenate(
        list(
            joined(
                reader_of([noise(1000), click]), [0, 1], np.array([0, 400]), np.ones(2), np.array([0, 300, 600]), 100
            )
        )
    )
    assert made[300] == 1


def test_reading_beyond_the_ends_is_silence() -> None:
    read = reader_of([np.arange(1, 5, dtype=np.float32)])
    assert read(0, -2, 3).tolist() == [0, 0, 1, 2, 3]
    assert read(0, 3, 7).tolist() == [4, 0, 0, 0]
    assert read(0, -5, -1).tolist() == [0] * 4
    assert read(0, 9, 12).tolist() == [0] * 3

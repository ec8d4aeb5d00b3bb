"""Tails, envelopes, brightness, rhythm: each against sounds whose figures are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from wavewright.audio.instruments import hat, kick_808
from wavewright.audio.music import drum_loop
from wavewright.metrics.brightness import border_of, centroid_of, hiss_of
from wavewright.metrics.distributions import drawn_floor, parted_floor, wasserstein
from wavewright.metrics.envelope import WINDOW, envelope_of, envelopes_of
from wavewright.metrics.rhythm import BINS, centres, histogram, intervals_of, is_rhythmic
from wavewright.metrics.tails import QUIETEST_DB, tail_of, tails_of

RATE = 8000
T = np.arange(RATE) / RATE


def noise(seed: int = 0, count: int = RATE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


# ── distributions ─────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=9), st.lists(st.floats(-9, 9), min_size=1, max_size=9))
def test_the_distance_of_distributions_is_that_of_scipy(a: list[float], b: list[float]) -> None:
    assert wasserstein(a, b) == pytest.approx(wasserstein_distance(a, b), abs=1e-9)


def test_a_floor_of_few_is_what_chance_does_to_them() -> None:
    a, b = noise(1, 2000), noise(2, 2000)
    few, many = drawn_floor(a, b, 10), drawn_floor(a, b, 1000)
    assert many < 0.1 < few  # ten values of a normal distribution are a fifth or so of its width away from it
    assert drawn_floor(a, b, 5000) == pytest.approx(wasserstein(a, b))
    assert math.isnan(drawn_floor([], b, 3))
    assert parted_floor(a, 900) < 0.1 < parted_floor(a, 10)
    assert parted_floor([0, 5], 9) == 5
    assert math.isnan(parted_floor([1], 3))
    assert math.isnan(wasserstein([], b))


# ── tails ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("decay", [0.02, 0.1, 0.5])
def test_the_tail_of_a_decay_has_its_closed_form(decay: float) -> None:
    found = tail_of(np.exp(-T / decay).astype(np.float32))
    assert found.level_db == pytest.approx(max(-20 * 0.75 / decay / math.log(10), QUIETEST_DB), abs=0.01)
    assert not found.rises


def test_a_hum_that_comes_back_rises_and_one_nobody_hears_does_not() -> None:
    kick = np.exp(-T / 0.03) * np.sin(2 * np.pi * 60 * T)
    growing = np.clip(2 * (T - 0.5), 0, 1) * np.sin(2 * np.pi * 60 * T)
    assert tail_of((kick + 0.1 * growing).astype(np.float32)).rises
    assert not tail_of((kick + 1e-5 * growing).astype(np.float32)).rises
    standing = kick + 0.01 * np.sin(2 * np.pi * 60 * T)  # a hum that was always there
    assert not tail_of(standing.astype(np.float32)).rises
    assert tail_of((0.1 + T).astype(np.float32)).rises  # strongest at its very end


def test_share_and_median_of_a_set() -> None:
    down, up = np.exp(-T / 0.2).astype(np.float32), np.exp((T - 1) / 0.2).astype(np.float32)
    found = tails_of([down, down, down, up])
    assert found.rising == 0.25
    assert found.level_db == tail_of(down).level_db
    assert math.isnan(tails_of([]).rising)
    assert tail_of(np.zeros(100, np.float32)).level_db == QUIETEST_DB
    assert tail_of(np.ones(2, np.float32)).level_db <= 0


# ── envelopes ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("attack", "decay"), [(0.1, 0.1), (0.02, 0.3), (0.3, 0.05)])
def test_attack_and_decay_of_a_ramp_and_an_exponential(attack: float, decay: float) -> None:
    outline = np.where(attack > T, T / attack, np.exp(-(T - attack) / decay))
    found = envelope_of((noise() * 0 + outline * np.sin(2 * np.pi * 1000 * T)).astype(np.float32), RATE)
    assert found is not None
    assert found.attack == pytest.approx(max(0.8 * attack, WINDOW), abs=WINDOW)
    assert found.decay == pytest.approx(min(decay * math.log(10), 1 - attack), abs=WINDOW)


def test_the_crest_of_a_sine_is_three_decibels_at_any_gain() -> None:
    for gain in (1.0, 0.01):
        found = envelope_of((gain * np.sin(2 * np.pi * 440 * T)).astype(np.float32), RATE)
        assert found is not None
        assert found.crest_db == pytest.approx(20 * math.log10(math.sqrt(2)), abs=0.05)


def test_silence_has_no_envelope_and_doubled_decays_are_an_octave_apart() -> None:
    assert envelope_of(np.zeros(100, np.float32), RATE) is None
    assert envelope_of(np.zeros(0, np.float32), RATE) is None

    def fading(decay: float) -> np.ndarray:
        return (np.exp(-T / decay) * np.sin(2 * np.pi * 800 * T)).astype(np.float32)

    sets = [envelopes_of([fading(factor * d) for d in (0.03, 0.05, 0.07)], RATE) for factor in (1, 2)]
    assert wasserstein(sets[0].decay, sets[1].decay) == pytest.approx(1.0, abs=0.05)
    assert envelopes_of([np.zeros(9, np.float32)], RATE).attack.size == 0


# ── brightness ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_centroids_of_tones_and_of_white_noise() -> None:
    two = np.sin(2 * np.pi * 500 * T) + np.sin(2 * np.pi * 1500 * T)
    assert centroid_of(two.astype(np.float32), RATE) == pytest.approx(1000, rel=0.01)
    assert centroid_of(noise(), RATE) == pytest.approx(RATE / 4, rel=0.03)
    assert math.isnan(centroid_of(np.zeros(99, np.float32), RATE))


def test_hiss_is_the_level_of_what_was_added_above_the_corpus() -> None:
    tones = [np.sin(2 * np.pi * hz * T).astype(np.float32) for hz in (200, 250, 300)]
    border = border_of(tones, RATE)
    assert 300 <= border < 400
    assert border_of([], RATE) == 0
    clean = hiss_of(tones[0], RATE, border)
    for level in (0.1, 0.01):
        hissing = hiss_of((tones[0] + level * noise()).astype(np.float32), RATE, border)
        share = level**2 * (1 - 2 * border / RATE) / (0.5 + level**2)
        assert hissing == pytest.approx(10 * math.log10(share), abs=0.7)
        assert hissing > clean + 10
    assert math.isnan(hiss_of(np.zeros(99, np.float32), RATE, border))


def test_a_bright_attack_is_no_hiss() -> None:
    kick = kick_808(0.5, RATE, 0.9)
    clicked = kick.copy()
    clicked[:160] += 0.5 * noise(0, 160)
    hummed = kick + np.float32(0.02) * noise(0, kick.size)
    border = border_of([kick], RATE)
    assert abs(hiss_of(clicked, RATE, border) - hiss_of(kick, RATE, border)) < 2
    assert hiss_of(hummed, RATE, border) > hiss_of(kick, RATE, border) + 6


# ── rhythm ────────────────────────────────────────────────────────────────────────────────────────────────────────


def hits(seconds: float, count: int = 8) -> np.ndarray:
    step = round(seconds * RATE)
    sound = np.zeros(count * step + RATE // 4, np.float32)
    for number in range(count):
        sound[number * step :][: RATE // 20] += hat(0.05, RATE, 0.5)
    return sound


def test_intervals_of_a_steady_beat_and_of_one_twice_as_fast() -> None:
    slow, fast = (intervals_of([hits(seconds)], RATE) for seconds in (0.4, 0.2))
    np.testing.assert_allclose(slow, math.log2(0.4), atol=0.01)
    assert wasserstein(slow, fast) == pytest.approx(1.0, abs=0.02)
    assert intervals_of([np.zeros(RATE // 2, np.float32)], RATE).tolist() == [-1.0]
    assert intervals_of([], RATE).size == 0


def test_the_histogram_adds_up_and_knows_its_bins() -> None:
    shares = histogram(intervals_of([hits(0.4), hits(0.2)], RATE))
    assert shares.sum() == pytest.approx(1)
    assert np.flatnonzero(shares).tolist() == [12, 18]  # two and three octaves above 0.05 s, six bins each
    assert histogram(np.array([-30.0, 30.0]))[[0, BINS - 1]].tolist() == [0.5, 0.5]
    assert histogram(np.zeros(0)).sum() == 0
    for at in (0, 17, BINS - 1):
        assert histogram(np.log2(centres()[at : at + 1]))[at] == 1


def test_loops_are_told_from_one_shots() -> None:
    assert is_rhythmic([drum_loop(2.0, RATE)], RATE)
    assert not is_rhythmic([kick_808(0.5, RATE, 0.9)] * 3, RATE)
    assert not is_rhythmic([], RATE)

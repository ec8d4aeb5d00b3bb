"""Faults against closed forms, a plain loop, planted failures, and real sounds that have none."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from wavewright.audio.files import read
from wavewright.metrics.faults import Faults, Reference, faults_of, self_likeness

RATE = 8000


def seconds(length: float) -> np.ndarray:
    return np.arange(round(length * RATE)) / RATE


def hiss(length: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(length * RATE))).astype(np.float32)


def word(seed: int, length: float = 0.4) -> np.ndarray:
    """A gliding buzz through a wandering resonance, between two breaths: a word of no language."""
    random = np.random.default_rng(seed)
    t = seconds(length)
    pitch = random.uniform(90, 160) * (1 + random.uniform(-0.3, 0.3) * t / length)
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
    sound = np.zeros_like(t)
    for half in np.array_split(np.arange(t.size), 4):
        angle = random.uniform(0.2, 1.5)
        sound[half] = lfilter([1.0], [1, -1.9 * math.cos(angle), 0.9025], pulses[half])
    sound += 0.02 * random.standard_normal(t.size)
    return (0.1 * sound * np.sin(np.pi * t / length)).astype(np.float32)


@pytest.fixture(scope="module")
def words() -> Reference:
    return Reference.of([word(seed) for seed in range(20)], RATE)


def test_levels_and_shares_are_what_was_put_in() -> None:
    sine = (0.5 * np.sin(2 * np.pi * 500 * seconds(1))).astype(np.float32)
    sound = np.concatenate([np.zeros(RATE, np.float32), sine, np.ones(RATE // 2, np.float32)])
    found = faults_of(sound, RATE)
    assert found.seconds == 2.5
    assert found.silent == pytest.approx(0.4)
    assert found.active == pytest.approx(1.5)
    assert found.clipped == pytest.approx(0.2)
    assert found.peak_db == pytest.approx(0.0)
    assert found.level_db == pytest.approx(0.0, abs=1e-6)
    quiet = faults_of(sine, RATE)
    assert quiet.level_db == pytest.approx(20 * math.log10(0.5) - 10 * math.log10(2), abs=1e-3)
    assert quiet.still == pytest.approx(0.95, abs=0.06)  # all of it but the edges


def test_hiss_of_any_colour_is_noise_and_tones_are_not(words: Reference) -> None:
    white = hiss(1.0)
    brown = np.asarray(0.3 * lfilter([1.0], [1, -0.9], white), np.float32)
    assert 0.55 < faults_of(white, RATE).noise < 0.62
    assert 0.45 < faults_of(brown, RATE).noise < 0.62
    assert faults_of((0.1 * np.sin(2 * np.pi * 440 * seconds(1))).astype(np.float32), RATE).noise < 0.02
    assert words.against(faults_of(white, RATE)) == ("noise",)
    assert words.against(faults_of(brown, RATE)) == ("noise",)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 50), frames=st.integers(2, 40))
def test_likeness_is_that_of_the_plain_sums(seed: int, frames: int) -> None:
    spectra = np.random.default_rng(seed).uniform(-40, 0, (5, frames)).astype(np.float32)
    x = spectra - spectra.astype(np.float64).mean(axis=1, keepdims=True)
    found = self_likeness(spectra)
    for lag in range(frames):
        a, b = x[:, lag:], x[:, : frames - lag]
        assert found[lag] == pytest.approx(2 * (a * b).sum() / ((a * a).sum() + (b * b).sum()), abs=1e-9)


@pytest.mark.parametrize("period", [0.3, 0.4, 0.7])
def test_a_loop_is_found_with_its_period(words: Reference, period: float) -> None:
    once = np.concatenate([word(1, period / 2), word(2, period / 2)])
    loop = faults_of(np.tile(once, math.ceil(2.5 / period))[: 2 * RATE], RATE)
    assert loop.loop > 0.97
    assert loop.period / period == pytest.approx(round(loop.period / period), abs=0.05)
    assert words.against(loop) == ("loop",)
    late = np.concatenate([*(word(seed) for seed in range(8)), np.tile(once, math.ceil(3.2 / period))])
    assert "loop" in words.against(faults_of(late, RATE))


def test_the_same_words_in_another_order_are_no_loop(words: Reference) -> None:
    order = np.random.default_rng(1).integers(0, 4, 10)
    talk = np.concatenate([word(int(seed)) for seed in order])
    assert words.against(faults_of(talk, RATE)) == ()


def test_a_needle_that_is_stuck(words: Reference) -> None:
    t = seconds(2)
    tone = (0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
    buzz = (0.2 * np.sign(np.sin(2 * np.pi * 130 * t))).astype(np.float32) + 0.01 * hiss(2)
    for sound in (tone, buzz, np.full(t.size, 0.3, np.float32), np.concatenate([word(1), word(2), tone])):
        assert "stuck" in words.against(faults_of(sound, RATE))
    swell = np.sin(2 * np.pi * 220 * t) * np.exp(-6 * t)  # a kick rings like a tone, and dies
    assert "stuck" not in words.against(faults_of(swell.astype(np.float32), RATE))


def test_silence_and_near_silence(words: Reference) -> None:
    click = np.zeros(RATE, np.float32)
    click[4000:4010] = 0.5
    silent: list[np.ndarray] = [np.zeros(RATE, np.float32), word(3) * np.float32(1e-3), click, np.zeros(0, np.float32)]
    for sound in silent:
        assert words.against(faults_of(sound, RATE)) == ("silent",)
    trailing = np.concatenate([word(3), np.zeros(4 * RATE, np.float32)])
    assert words.against(faults_of(trailing, RATE)) == ()
    assert dataclasses.astuple(faults_of(np.ones(1, np.float32), RATE))[0] == 1 / RATE


def test_clipping_is_judged_by_the_corpus() -> None:
    hot = [np.clip(4 * word(seed), -1, 1) * np.float32(1.0) for seed in range(9)]
    soft = [word(seed) for seed in range(9)]
    assert Reference.of(soft, RATE).against(faults_of(np.clip(20 * word(20), -1, 1), RATE)) == ("clipped",)
    loudest = np.clip(12 * word(20), -1, 1)
    driven = Reference.of([*hot, loudest], RATE)
    assert driven.against(faults_of(loudest, RATE)) == ()


@settings(deadline=None, max_examples=10)
@given(gain=st.floats(0.2, 4), seed=st.integers(0, 20))
def test_the_shape_of_a_sound_does_not_hang_on_its_level(gain: float, seed: int) -> None:
    sound = word(seed, 0.9)
    plain, scaled = faults_of(sound, RATE), faults_of(np.float32(gain) * sound, RATE)
    assert scaled.noise == pytest.approx(plain.noise, abs=1e-3)
    assert scaled.level_db - plain.level_db == pytest.approx(20 * math.log10(gain), abs=1e-3)


def test_a_corpus_of_hiss_is_not_judged_by_its_hiss() -> None:
    hats = [hiss(0.2, seed) * np.exp(-20 * seconds(0.2)).astype(np.float32) for seed in range(12)]
    assert Reference.of(hats[:-1], RATE).against(faults_of(hats[-1], RATE)) == ()


def test_long_recordings_are_measured_in_excerpts_and_none_at_all_is_a_reference_too() -> None:
    long = np.concatenate([word(seed % 7) for seed in range(80)])  # 32 s
    assert [round(one.seconds) for one in Reference.of([long], RATE).sounds] == [10, 10, 10]
    silent = Reference.of([np.zeros(RATE, np.float32)], RATE)
    assert silent.against(faults_of(np.zeros(RATE, np.float32), RATE)) == ("silent",)
    empty = Reference(())
    assert empty.against(faults_of(np.zeros(RATE, np.float32), RATE)) == ("silent",)
    assert empty.against(faults_of(word(1), RATE)) == ()


@pytest.mark.shared
def test_real_words_and_drums_are_in_order(shared: Path) -> None:
    spoken = sorted((shared / "audio" / "digits").glob("*.wav"))[::9]
    figures = [faults_of(read(path).samples[0], RATE) for path in spoken]
    reference = Reference(tuple(figures[::5]))
    wrong = [path.name for path, one in zip(spoken, figures, strict=True) if reference.against(one)]
    assert len(wrong) <= 0.03 * len(spoken), wrong

    def drums(kind: str) -> list[Faults]:
        return [
            faults_of(read(path).samples.mean(axis=0), 44_100)
            for path in sorted((shared / "audio" / "drums").glob(f"{kind}_*.flac"))
        ]

    for kind, most in (("bd", 3), ("hat", 1), ("sn", 0)):
        struck = drums(kind)
        without = [Reference((*struck[:at], *struck[at + 1 :])).against(one) for at, one in enumerate(struck)]
        assert sum(map(bool, without)) <= most, (kind, without)


@pytest.mark.shared
def test_a_held_vowel_is_in_order(shared: Path) -> None:
    spoken = sorted((shared / "audio" / "digits").glob("*_10.wav"))
    reference = Reference.of([read(path).samples[0] for path in spoken], RATE)
    vowel = read(shared / "audio" / "digits" / "2_theo_10.wav").samples[0]
    loudest = int(np.argmax(np.convolve(vowel**2, np.ones(800), "same")))
    cycle = vowel[loudest - 400 : loudest + 400]
    grains = np.concatenate([cycle, cycle[::-1], cycle, cycle[::-1], cycle])  # 0.5 s, longer than it was spoken
    assert reference.against(faults_of(grains, RATE)) == ()

"""Frames of any kind and size, of any sound: nothing is lost that should be kept, nothing depends on how it is cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.mdct import WINDOWS, imdct, mdct, mdct_window
from wavewright.data.character import Character
from wavewright.data.frame_controls import Beat, FrameControls
from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import FRAME_KINDS, frame_kind, lossless
from wavewright.data.frame_scaling import Scaling
from wavewright.data.frames import Cutting, Frames, count_of, cut
from wavewright.data.residual_kmeans import decoded, encoded, residual_codebooks
from wavewright.errors import SettingsError

RATE = 8_000
LINEAR = [name for name in FRAME_KINDS if frame_kind(name, 64, RATE).linear]

hops = st.integers(1, 40).map(lambda half: 2 * half)
seeds = st.integers(0, 2**32 - 1)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(samples) * 0.3).astype(np.float32)


def small_kind(name: str, hop: int):  # type: ignore[no-untyped-def]
    return frame_kind(name, hop, RATE, bands=min(20, 2 * hop), coefficients=min(8, 2 * hop))


# ── transforms ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", [2, 6, 32])
def test_mdct_is_its_defining_sum(window: str, size: int) -> None:
    """Princen, Johnson and Bradley's formula, term by term, in float64."""
    x = noise(5 * size - 1).astype(np.float64)
    padded = np.concatenate([np.zeros(size), x, np.zeros(2 * size)])
    n, k = np.arange(2 * size), np.arange(size)
    cosines = np.cos(np.pi / size * (n[:, None] + 0.5 + size / 2) * (k + 0.5)) * np.sqrt(2 / size)
    w = mdct_window(size, window)
    slow = [(padded[at * size : (at + 2) * size] * w) @ cosines for at in range(6)]
    np.testing.assert_allclose(mdct(x.astype(np.float32), size, window), slow, rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(half=st.integers(1, 60), samples=st.integers(0, 700), window=st.sampled_from(WINDOWS), seed=seeds)
def test_mdct_gives_everything_back_and_keeps_the_energy(half: int, samples: int, window: str, seed: int) -> None:
    x = noise(samples, seed)
    frames = mdct(x, 2 * half, window)
    np.testing.assert_allclose(imdct(frames, window)[:samples], x, rtol=0, atol=2e-6)
    assert float(np.square(frames).sum()) == pytest.approx(float(np.square(x).sum()), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", LINEAR)
@settings(max_examples=40, deadline=None)
@given(hop=hops, samples=st.integers(0, 500), seed=seeds)
def test_kinds_with_phases_lose_nothing(name: str, hop: int, samples: int, seed: int) -> None:
    x = noise(samples, seed)
    kind = small_kind(name, hop)
    np.testing.assert_allclose(lossless(kind, x), x, rtol=0, atol=3e-6)
    np.testing.assert_allclose(kind.analyse(2 * x), 2 * kind.analyse(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FRAME_KINDS)
@settings(max_examples=25, deadline=None)
@given(hop=hops, samples=st.integers(1, 900), first=st.integers(0, 20), count=st.integers(1, 20), seed=seeds)
def test_a_stretch_is_cut_as_if_all_of_it_were(
    name: str, hop: int, samples: int, first: int, count: int, seed: int
) -> None:
    x, kind = noise(samples, seed), small_kind(name, hop)
    behind = first + count + 2 * kind.overlap + 2
    whole = kind.analyse(np.pad(x, (0, behind * hop)))  # silence behind the end
    np.testing.assert_allclose(cut(kind, x, first, count), whole[first : first + count], rtol=0, atol=2e-4)
    assert len(kind.analyse(x)) == count_of(kind, samples)


@pytest.mark.parametrize("name", FRAME_KINDS)
def test_sound_is_the_same_however_frames_arrive(name: str) -> None:
    kind = small_kind(name, 16)
    frames = kind.analyse(noise(16 * 150))
    at_once = kind.synthesiser().push(frames, last=True)
    player, pieces = kind.synthesiser(), []
    for part in np.split(frames, [0, 1, 2, 70, 71, 140]):
        pieces.append(player.push(part))
    pieces.append(player.push(frames[:0], last=True))
    np.testing.assert_allclose(np.concatenate(pieces), at_once, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["log-mel", "mfcc"])
@pytest.mark.parametrize("level", [-200.0, 200.0, 1e30])
def test_levels_from_a_network_gone_astray_make_finite_sound(name: str, level: float) -> None:
    kind = small_kind(name, 16)
    sound = kind.synthesiser().push(np.full((90, kind.size), level, np.float32), last=True)
    assert np.isfinite(sound).all()
    if name == "log-mel" and level < 0:
        assert np.abs(sound).max() < 1e-6


def test_kinds_that_cannot_be_are_refused_with_every_reason() -> None:
    for words, reasons in (
        (("mfcc", 7), ["frame_size = 7", "coefficients = 40"]),
        (("log-mel", 8), ["bands = 30"]),
        (("wavelet", 8), ["frames = 'wavelet'"]),
    ):
        with pytest.raises(SettingsError) as caught:
            frame_kind(*words, RATE, bands=30)
        assert all(reason in str(caught.value) for reason in reasons)


# ── scales, codes, characters ─────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(features=st.integers(1, 24), components=st.integers(0, 24), count=st.integers(1, 60), seed=seeds)
def test_scaling_is_finite_and_its_own_inverse(features: int, components: int, count: int, seed: int) -> None:
    """With all features kept, the frames themselves; with fewer, what lies along the axes."""
    random = np.random.default_rng(seed)
    frames = (random.standard_normal((count, features)) * random.choice([0.0, 1e-6, 1.0, 100.0], features)).astype(
        np.float32
    )
    scaling = Scaling.of(frames, components)
    numbers = scaling.numbers(frames)
    assert numbers.shape == (count, scaling.size)
    assert np.isfinite(numbers).all()
    back = scaling.frames(numbers)
    assert np.isfinite(scaling.frames(numbers, random.standard_normal(frames.shape).astype(np.float32))).all()
    if scaling.whole:
        np.testing.assert_allclose(back, frames, rtol=1e-5, atol=1e-5 * float(np.abs(frames).max()) + 1e-9)
    else:
        again = scaling.frames(scaling.numbers(back))
        np.testing.assert_allclose(again, back, rtol=0, atol=1e-4 * float(np.abs(frames).max()) + 1e-9)


@pytest.mark.parametrize("components", [0, 3])
def test_silence_and_a_single_frame_have_scales_too(components: int) -> None:
    for frames in (np.zeros((50, 12), np.float32), np.ones((1, 12), np.float32)):
        scaling = Scaling.of(frames, components)
        np.testing.assert_allclose(scaling.frames(scaling.numbers(frames)), frames, rtol=0, atol=1e-6)


def test_without_means_every_feature_varies_as_any_other() -> None:
    random = np.random.default_rng(0)
    frames = (5 + random.standard_normal((4000, 6)) * [10, 3, 1, 0.3, 0.1, 0.05]).astype(np.float32)
    scaling = Scaling.of(frames)
    bare = scaling.frames(scaling.numbers(frames), denormalise=False)
    # all together as loud as they were
    np.testing.assert_allclose(bare.std(axis=0), np.sqrt(np.mean(scaling.deviation**2)), rtol=1e-3)
    np.testing.assert_allclose(bare.mean(axis=0), 0.0, atol=5e-3)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 60), tokens=st.integers(2, 12), books=st.integers(1, 4), seed=seeds)
def test_every_further_codebook_leaves_no_more_than_the_one_before(
    count: int, tokens: int, books: int, seed: int
) -> None:
    frames = np.random.default_rng(seed).standard_normal((count, 5)).astype(np.float32)
    found = residual_codebooks(frames, books, tokens, seed=1)
    codes = encoded(found, frames)
    assert codes.shape == (count, books)
    left = [float(np.square(decoded(found[:stage], codes[:, :stage]) - frames).sum()) for stage in range(1, books + 1)]
    assert all(after <= before * (1 + 1e-5) + 1e-9 for before, after in itertools.pairwise(left))
    assert left[-1] <= float(np.square(frames).sum()) * (1 + 1e-5)
    if count <= tokens:
        assert left[0] < 1e-6  # a code for each frame


def test_sounds_that_are_all_the_same_have_no_character() -> None:
    """What differs by rounding alone must not become a direction: other sounds would lie a million along it."""
    same = [noise(4000)] * 6
    assert np.abs(Character.of(same, RATE, 2).numbers_of(noise(4000, seed=9), RATE)).max() < 1e-6
    silent = [np.zeros(4000, np.float32)] * 6
    assert np.abs(Character.of(silent, RATE, 2).numbers_of(noise(4000), RATE)).max() < 1e-6


def test_characters_of_their_own_sounds_vary_by_one() -> None:
    tones = [np.sin(np.arange(3000) * (0.1 + 0.02 * at)).astype(np.float32) for at in range(12)]
    character = Character.of(tones, RATE, 3)
    found = np.stack([character.numbers_of(tone, RATE) for tone in tones])
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-3)
    assert found.std(axis=0)[0] == pytest.approx(1.0, rel=1e-3)
    assert (np.diff(found.std(axis=0)) <= 1e-6).all()


# ── what the network hears ────────────────────────────────────────────────────────────────────────────────────────


def corpus(name: str = "mdct", heard: int = 2, padded: int = 0, components: int = 0) -> Frames:
    """Four sounds of unequal length, one of them shorter than a frame."""
    kind = small_kind(name, 32)
    sounds = [noise(samples, seed) for seed, samples in enumerate((900, 320, 7, 333))]
    gain = Gain(True, 0.3, 0.5) if kind.linear else Gain(False)
    scaling = Scaling.of(np.concatenate([kind.analyse(sound) for sound in sounds]), components)
    told = [FrameControls(np.array([at], np.float32), beat=Beat(0.0, 0.125)) for at in range(4)]
    return Frames(sounds, Cutting(kind, gain, scaling, heard), told, padded)


@pytest.mark.parametrize("name", FRAME_KINDS)
def test_every_frame_counts_once_and_every_sound_ends_once(name: str) -> None:
    frames = corpus(name)
    counted = ended = 0
    for chunk in frames.whole(batch=3, block=5):
        counted, ended = counted + int(chunk.counts.sum()), ended + int(chunk.over.sum())
        assert all(bool(part.isfinite().all()) for part in (chunk.x, chunk.frames))
        assert not bool((chunk.counts & (chunk.over > 0)).any())  # a sound is over before the frame that is not there
    assert (counted, ended) == (frames.samples, 4)


@pytest.mark.parametrize("chunk", [3, 8, 64])
def test_an_epoch_of_streams_hears_every_frame(chunk: int) -> None:
    frames = corpus(padded=12)
    streams = frames.streams(batch=1, chunk=chunk)
    steps = [streams.batch(step) for step in range(streams.steps_per_epoch())]
    assert sum(int(step.counts.sum()) for step in steps) == frames.samples
    assert sum(int(step.over.sum()) for step in steps) == 4
    for one, again in zip(steps, (streams.batch(step) for step in range(len(steps))), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))


def test_what_is_heard_are_the_frames_before() -> None:
    frames = corpus(heard=3)
    cutting = frames.cutting
    x, numbers = frames.read(0, 0, 20)
    whole = cut(cutting.kind, frames.sounds[0], 0, 20)
    gains = cutting.gain.of(whole)
    size = cutting.numbers
    np.testing.assert_allclose(numbers, cutting.scaling.numbers(whole / gains[:, None]), rtol=0, atol=1e-5)
    for back in range(3):
        part = x[back + 1 :, back * size : (back + 1) * size]
        expected = cutting.scaling.numbers(whole[: 19 - back] / gains[back + 1 :, None])
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-4)
    middle, _ = frames.read(0, 7, 5)
    np.testing.assert_allclose(middle, x[7:12], rtol=0, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(levels=st.lists(st.floats(0, 30), min_size=1, max_size=40), start=st.floats(1e-3, 2), fall=st.floats(0.01, 0.99))
def test_gains_one_by_one_are_the_gains_of_the_whole(levels: list[float], start: float, fall: float) -> None:
    gain = Gain(True, start, fall)
    frames = np.repeat(np.array(levels, np.float32)[:, None], 3, axis=1)
    expected, now = gain.of(frames), np.array([start])
    for at, level in enumerate(levels):
        assert now[0] == pytest.approx(float(expected[at]), rel=1e-5)
        now = gain.after(now, np.array([level]))
        assert now[0] > 0
    assert np.isfinite(gain.told(expected)).all()

"""Scaling of frames: exact inverses, principal components against a singular value decomposition, noise as loud."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data.frame_gain import LOWEST, Gain
from wavewright.data.frame_scaling import FLOOR, Scaling


def some(count: int = 2000, features: int = 40, seed: int = 0) -> np.ndarray:
    """Frames of three strong directions and a little noise that falls off."""
    dice = np.random.default_rng(seed)
    strong = dice.standard_normal((count, 3)) @ (3 * dice.standard_normal((3, features)))
    return (strong + 0.1 * dice.standard_normal((count, features)) + 1.0).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 50))
def test_whole_frames_come_back(seed: int) -> None:
    frames = some(200, seed=seed)
    scaling = Scaling.of(frames)
    numbers = scaling.numbers(frames)
    assert np.abs(numbers.mean(0)).max() < 1e-3
    assert np.abs(numbers.std(0) - 1).max() < 1e-3
    assert np.abs(scaling.frames(numbers) - frames).max() < 1e-4


def test_a_silent_feature_does_not_explode() -> None:
    frames = some()
    frames[:, 7] = 1e-9 * frames[:, 8]
    scaling = Scaling.of(frames)
    assert scaling.deviation[7] == np.float32(FLOOR * frames.std(axis=0, dtype=np.float64).max())
    assert np.abs(scaling.numbers(frames)[:, 7]).max() < 1e-3


def test_components_are_those_of_the_decomposition() -> None:
    frames = some()
    scaling = Scaling.of(frames, 3)
    scaled = (frames - scaling.mean) / scaling.deviation
    _, sizes, vectors = np.linalg.svd(scaled, full_matrices=False)
    assert np.allclose(np.abs(scaling.axes @ vectors[:3].T), np.eye(3), atol=1e-3)
    assert np.allclose(scaling.widths, sizes[:3] / np.sqrt(len(frames)), rtol=1e-3)
    assert scaling.size == 3 + 8
    # without noise, the way back is the projection on the axes
    back = scaling.frames(scaling.numbers(frames))
    expected = scaled @ vectors[:3].T @ vectors[:3] * scaling.deviation + scaling.mean
    assert np.abs(back - expected).max() < 1e-3


def test_components_are_of_what_counts() -> None:
    frames = some()
    weights = np.linspace(1, 0.05, frames.shape[1]).astype(np.float32)
    plain, scaling = Scaling.of(frames, 3, 0), Scaling.of(frames, 3, 0, weights)
    _, _, vectors = np.linalg.svd((frames - plain.mean) / plain.deviation * weights, full_matrices=False)
    assert np.allclose(np.abs(scaling.axes @ vectors[:3].T), np.eye(3), atol=1e-3)
    missed = [np.square(one.frames(one.numbers(frames)) - frames).mean(axis=0) for one in (plain, scaling)]
    assert missed[1][:10].mean() <= missed[0][:10].mean()
    whole = [one.frames(one.numbers(frames)) for one in (Scaling.of(frames), Scaling.of(frames, weights=weights))]
    assert np.array_equal(whole[0], whole[1])


@pytest.mark.parametrize("components", [0, 3, 5])
def test_shares_say_what_an_error_in_a_number_does_to_the_frame(components: int) -> None:
    frames = (np.random.default_rng(4).standard_normal((500, 6)) * [8, 5, 3, 2, 1, 0.5]).astype(np.float32)
    scaling = Scaling.of(frames, components, 0)
    still = np.zeros((1, scaling.size), np.float32)
    moved = [scaling.frames(still + one) - scaling.frames(still) for one in np.eye(scaling.size, dtype=np.float32)]
    # an orthonormal axis carries its width into the scaled features, an own feature its deviation into the frame
    sizes = [float(np.linalg.norm(one if scaling.whole else one / scaling.deviation)) for one in moved]
    np.testing.assert_allclose(scaling.shares, np.array(sizes) / max(sizes), rtol=1e-4)


def test_noise_fills_in_as_loudly_as_what_was_left() -> None:
    frames = some(features=64)
    scaling = Scaling.of(frames, 3)
    numbers = scaling.numbers(frames)
    noise = np.random.default_rng(1).standard_normal(frames.shape).astype(np.float32)
    left = [(part - scaling.frames(numbers)) / scaling.deviation for part in (frames, scaling.frames(numbers, noise))]
    for low, high in ((0, 16), (16, 40), (40, 64)):
        real, made = (np.sqrt(np.square(part[:, low:high]).mean()) for part in left)
        assert 0.85 < made / real < 1.1
    # it never touches the components
    again = scaling.numbers(scaling.frames(numbers, noise))
    assert np.abs(again[:, :3] - numbers[:, :3]).max() < 1e-3


def test_silence_is_filled_with_silence() -> None:
    frames = some()
    scaling = Scaling.of(frames, 3)
    quiet = np.tile(scaling.mean, (5, 1))
    noise = np.ones_like(quiet)
    assert np.abs(scaling.frames(scaling.numbers(quiet), noise) - quiet).max() < 1e-3 * scaling.deviation.max()


def test_without_denormalising_every_feature_varies_alike() -> None:
    frames = some()
    scaling = Scaling.of(frames)
    bare = scaling.frames(scaling.numbers(frames), denormalise=False)
    assert np.allclose(bare.std(0), np.sqrt(np.mean(frames.std(0) ** 2)), rtol=1e-3)
    assert np.abs(bare.mean(0)).max() < 1e-3


@settings(deadline=None, max_examples=40)
@given(levels=st.lists(st.floats(0, 2), min_size=1, max_size=30), keep=st.floats(0.05, 0.95))
def test_gains_follow_frame_by_frame(levels: list[float], keep: float) -> None:
    """The gains of a whole sound are those that whoever makes it frame by frame has."""
    gain = Gain(True, start=0.3, keep=keep)
    frames = np.array(levels, np.float32)[:, None] * np.array([1.0, -1.0], np.float32)
    whole = gain.of(frames)
    now = np.array([0.3])
    for expected, frame in zip(whole, frames, strict=True):
        assert np.isclose(now[0], expected, rtol=1e-5)
        assert now[0] >= LOWEST
        now = gain.after(now, np.sqrt(np.square(frame, dtype=np.float64).mean(keepdims=True)))


def test_gains_stay_where_levels_do_not_count() -> None:
    gain = Gain(False)
    assert gain.of(some(5)).tolist() == [1.0] * 5
    assert gain.told(np.ones(3, np.float32)).tolist() == [0.0] * 3


def test_levels_of_which_few_components_are_kept_lose_no_power() -> None:
    """The mean of a noise's levels lies below the level of its mean power, 2.5 dB for one spread as Rayleigh says."""
    dice = np.random.default_rng(0)
    loud = np.exp(np.linspace(-1, 1, 4000))[:, None]
    noise = loud * dice.rayleigh(1.0, (4000, 32))
    frames = np.log(noise).astype(np.float32)
    kept = {told: Scaling.of(frames, 2, 0, logarithmic=told) for told in (False, True)}
    below = {}
    for told, scaling in kept.items():
        again = np.exp(2 * scaling.frames(scaling.numbers(frames)).astype(np.float64))
        below[told] = 10 * np.log10(again.mean() / np.square(noise).mean())
    assert below[False] < -1.8
    assert abs(below[True]) < 0.4
    assert not Scaling.of(frames, logarithmic=True).lost.any()  # nothing is left away

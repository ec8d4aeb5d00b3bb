"""Chance that hangs together from frame to frame: the covariance it is drawn with, and what ends when sounds do."""

from __future__ import annotations

import numpy as np

from wavewright.data import frame_chance
from wavewright.data.frame_chance import Chance
from wavewright.data.frame_controls import Beat


def missed(sounds: int = 40, frames: int = 6, numbers: int = 3, seed: int = 0) -> list[np.ndarray]:
    """Of sounds whose frames miss alike: what lies before is missed again, half of it."""
    dice = np.random.default_rng(seed)
    z = dice.standard_normal((sounds, frames, numbers))
    for at in range(1, frames):
        z[:, at] = 0.5 * z[:, at - 1] + np.sqrt(0.75) * z[:, at]
    return list(z.astype(np.float32))


def test_draws_have_the_covariance_of_what_was_missed_over_all_frames_and_numbers() -> None:
    known = missed()
    chance = Chance.of(known)
    drawn = np.random.default_rng(1).standard_normal((200_000, chance.sounds)).astype(np.float32)
    drawn *= chance.weights(np.zeros(0, np.float32))
    made = np.concatenate([chance.at(frame, drawn) for frame in range(6)], axis=1)  # (draws, frames · numbers)
    flat = np.stack(known).reshape(len(known), -1)
    assert np.abs(made.T @ made / len(made) - flat.T @ flat / len(flat)).max() < 0.02  # 200,000 draws: 0.002 · 5


def test_the_fewer_sounds_last_the_less_is_left_to_chance() -> None:
    known = missed(frames=20)
    known = [one[: 3 + index % 2 * 17] for index, one in enumerate(known)]
    chance = Chance.of(known)
    drawn = np.random.default_rng(2).standard_normal((50_000, chance.sounds)).astype(np.float32)
    drawn *= chance.weights(np.zeros(0, np.float32))
    for frame, share in ((0, 1.0), (2, 1.0), (3, 0.5), (19, 0.5)):
        lasting = np.stack([one[frame] for one in known if len(one) > frame])
        wanted = np.sqrt(share * np.mean(np.square(lasting)))
        assert abs(chance.at(frame, drawn).std() / wanted - 1) < 0.02


def test_nothing_is_left_to_chance_behind_the_longest_sound() -> None:
    chance = Chance.of(missed(frames=4))
    assert not chance.at(4, np.ones((2, chance.sounds), np.float32)).any()


def test_no_more_is_kept_than_fits(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(frame_chance, "MOST_KEPT", 240)
    known = missed(sounds=40, frames=6, numbers=3)
    assert np.array_equal(Chance.of(known).missed, np.stack(known)[:, :2])


def test_of_loops_it_is_whole_beginnings_of_bars_that_are_kept() -> None:
    beat = Beat(first=3.0, step=0.5)  # the first bar of eight frames begins behind two
    frames = np.arange(21, dtype=np.float32)[:, None]
    chance = Chance.of_bars([frames, frames[:9]], [beat, Beat(0.0, 0.5)])
    bars = [frames[2:10], frames[10:18], frames[18:21], frames[:8], frames[8:9]]
    assert np.array_equal(chance.missed[:, :, 0], np.stack([np.pad(bar[:, 0], (0, 8 - len(bar))) for bar in bars]))


def test_loops_in_which_no_bar_begins_are_kept_whole() -> None:
    frames = np.ones((3, 2), np.float32)
    assert np.array_equal(Chance.of_bars([frames], [Beat(first=1.0, step=0.5)]).missed, frames[None])


def test_it_is_those_most_like_a_sound_that_count() -> None:
    told = [np.array([at, 0.0], np.float32) for at in range(40)]
    chance = Chance.of(missed(40), told)
    weights = chance.weights(np.array([20.2, 0.0], np.float32))
    assert np.flatnonzero(weights).tolist() == list(range(16, 26))  # a quarter of them
    assert np.allclose(weights[16:26], 1 / np.sqrt(10))
    assert np.count_nonzero(Chance.of(missed(3), told[:3]).weights(told[0])) == 2
    assert np.count_nonzero(Chance.of(missed(200), 5 * told).weights(told[0])) == 16

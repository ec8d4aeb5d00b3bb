"""Chance that hangs together from frame to frame: the covariance it is drawn with, and what ends when sounds do."""

from __future__ import annotations

import numpy as np

from wavewright.data import frame_chance
from wavewright.data.frame_chance import Chance


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
    made = np.concatenate([chance.at(frame, drawn) for frame in range(6)], axis=1)  # (draws, frames · numbers)
    flat = np.stack(known).reshape(len(known), -1)
    assert np.abs(made.T @ made / len(made) - flat.T @ flat / len(flat)).max() < 0.02  # 200,000 draws: 0.002 · 5


def test_what_is_drawn_is_as_wide_where_few_sounds_last() -> None:
    known = missed(frames=20)
    known = [one[: 3 + index % 2 * 17] for index, one in enumerate(known)]
    chance = Chance.of(known)
    assert chance.lasting.tolist() == [40.0] * 3 + [20.0] * 17
    drawn = np.random.default_rng(2).standard_normal((50_000, chance.sounds)).astype(np.float32)
    long = np.stack(known[1::2])
    for frame in (0, 3, 19):
        wanted = (np.stack([one[frame] for one in known]) if frame < 3 else long[:, frame]).std()
        assert abs(chance.at(frame, drawn).std() / wanted - 1) < 0.15


def test_nothing_is_left_to_chance_behind_the_longest_sound() -> None:
    chance = Chance.of(missed(frames=4))
    assert not chance.at(4, np.ones((2, chance.sounds), np.float32)).any()


def test_no_more_is_kept_than_fits(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(frame_chance, "MOST_KEPT", 240)
    known = missed(sounds=40, frames=6, numbers=3)
    assert np.array_equal(Chance.of(known).missed, np.stack(known)[:, :2])

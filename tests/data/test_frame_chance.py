"""Chance that hangs together from frame to frame: the covariance it is drawn with, and what ends when sounds do."""

from __future__ import annotations

import numpy as np
import pytest

from wavewright.data import frame_chance
from wavewright.data.frame_chance import NEAREST, Chance, Slopes, told_of_beat
from wavewright.data.frame_controls import Beat, FrameControls


def missed(sounds: int = 40, frames: int = 6, numbers: int = 3, seed: int = 0) -> list[np.ndarray]:
    """Of sounds whose frames miss alike: what lies before is missed again, half of it."""
    dice = np.random.default_rng(seed)
    z = dice.standard_normal((sounds, frames, numbers))
    for at in range(1, frames):
        z[:, at] = 0.5 * z[:, at - 1] + np.sqrt(0.75) * z[:, at]
    return list(z.astype(np.float32))


NOTHING_TOLD = np.zeros(0, np.float32)


def many(chance: Chance, count: int, seed: int) -> np.ndarray:
    """So many draws ``(count,)``."""
    dice = np.random.default_rng(seed)
    return np.array([chance.drawn(NOTHING_TOLD, dice) for _ in range(count)])


def test_draws_have_the_moments_of_what_was_missed_over_all_frames_and_numbers() -> None:
    known = missed()
    chance = Chance.of(known)
    drawn = many(chance, 40_000, seed=1)
    made = np.concatenate([chance.at(frame, drawn) for frame in range(6)], axis=1)  # (draws, frames · numbers)
    flat = np.stack(known).reshape(len(known), -1)
    assert np.abs(made.mean(axis=0) - flat.mean(axis=0)).max() < 0.025  # 40,000 draws: 0.005 · 5
    assert np.abs(made.T @ made / len(made) - flat.T @ flat / len(flat)).max() < 0.05


def test_a_draw_is_what_was_missed_of_one_sound_from_its_beginning_to_its_end() -> None:
    known = [one[: 3 + index] for index, one in enumerate(missed(sounds=5, frames=20))]
    chance = Chance.of(known)
    for row in many(chance, 20, seed=2).tolist():
        made = np.concatenate([chance.at(frame, np.array([row])) for frame in range(8)])
        assert np.array_equal(made[: len(known[row])], known[row])
        assert not made[len(known[row]) :].any()


def test_nothing_is_left_to_chance_behind_the_longest_sound() -> None:
    chance = Chance.of(missed(frames=4))
    assert not chance.at(4, np.array([0, 3])).any()


def test_no_more_is_kept_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_chance, "MOST_KEPT", 240)
    known = missed(sounds=40, frames=6, numbers=3)
    assert np.array_equal(Chance.of(known).missed, np.stack(known)[:, :2])


def again(chance: Chance, row: int, frames: int) -> np.ndarray:
    """What is drawn of a sound ``(frames, numbers)`` for a new one of which the same is told."""
    told, drawn = chance.told[row : row + 1], np.array([row])
    return np.concatenate([chance.at(frame, drawn) + chance.slopes.at(frame, told) for frame in range(frames)])


def told(count: int, numbers: int = 1) -> FrameControls:
    """Of a loop that begins with the last beat of a bar, two frames to the beat."""
    character = np.arange(count * numbers, dtype=np.float32).reshape(count, numbers)
    return FrameControls(np.zeros(0, np.float32), beat=Beat(first=3.0, step=0.5), character=character)


def test_of_loops_it_is_beats_from_their_beginning_on_that_are_kept() -> None:
    frames = np.arange(7, dtype=np.float32)[:, None]
    late = FrameControls(NOTHING_TOLD, beat=Beat(first=0.5, step=0.5), character=np.ones((9, 1), np.float32))
    chance = Chance.of_beats([frames, frames], [told(4), late])
    whole = np.stack([again(chance, row, 2) for row in range(chance.sounds)])
    beats = [frames[0:2], frames[2:4], frames[4:6], frames[6:7], frames[1:3], frames[3:5], frames[5:7]]
    for one, known in zip(whole, beats, strict=True):
        assert np.allclose(one[: len(known)], known, atol=1e-5)
    assert chance.told[:4, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_beat_takes_its_chance_from_beats_at_its_own_place_in_the_bar() -> None:
    frames = np.ones((64, 1), np.float32)
    controls = told(32)
    chance = Chance.of_beats([frames], [controls])
    for beat in range(8):
        for seed in range(10):
            assert chance.drawn(told_of_beat(controls, 2 * beat), np.random.default_rng(seed)) % 4 == beat % 4


def test_no_more_beats_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_chance, "MOST_BEATS", 3)
    chance = Chance.of_beats([np.arange(10, dtype=np.float32)[:, None]], [told(5)])
    assert [round(float(again(chance, row, 1)[0, 0]), 4) for row in range(3)] == [0.0, 4.0, 8.0]


def test_it_is_those_most_like_a_sound_that_count() -> None:
    told = [np.array([at, 0.0], np.float32) for at in range(40)]

    def chosen(chance: Chance, told: np.ndarray) -> list[int]:
        dice = np.random.default_rng(0)
        return sorted({chance.drawn(told, dice) for _ in range(2000)})

    assert chosen(Chance.of(missed(40), told), np.array([20.2, 0.0], np.float32)) == list(range(16, 26))  # a quarter
    assert len(chosen(Chance.of(missed(3), told[:3]), told[0])) == 2
    assert len(chosen(Chance.of(missed(400, 2), 10 * told), told[0])) == NEAREST


def test_with_each_attempt_that_failed_chance_may_come_from_further_away() -> None:
    told = [np.array([float(number), 0.0], np.float32) for number in range(400)]
    chance = Chance.of(missed(400, 2), told)
    for failed, furthest in ((0, 15), (1, 31), (4, 79), (9, 99)):  # a quarter of all of them at most
        found = [chance.drawn(told[0], np.random.default_rng(seed), failed) for seed in range(3000)]
        assert max(found) == furthest


def following(sounds: int, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is told of sounds ``(sounds, 3)``, what three frames of two numbers miss by it ``(sounds, frames, numbers)``
    and by which slopes ``(frames, 3, numbers)``."""
    slopes = dice.standard_normal((3, 3, 2))
    told = dice.standard_normal((sounds, 3)).astype(np.float32)
    return told, np.einsum("sn,fnd->sfd", told, slopes).astype(np.float32), slopes


def test_what_follows_from_what_is_told_is_missed_of_a_new_sound_whichever_it_is_drawn_from() -> None:
    dice = np.random.default_rng(0)
    known, followed, slopes = following(4000, dice)
    chance = Chance.of(list(followed + 3), list(known))
    for new in dice.standard_normal((20, 3)).astype(np.float32):
        drawn = np.array([chance.drawn(new, dice)])
        made = np.concatenate([chance.at(frame, drawn) + chance.slopes.at(frame, new[None]) for frame in range(3)])
        assert np.abs(made - 3 - np.einsum("n,fnd->fd", new, slopes)).max() < 0.01


def test_slopes_are_those_of_least_squares_with_a_ridge_over_the_sounds_that_last() -> None:
    dice = np.random.default_rng(1)
    known, followed, _ = following(30, dice)
    noisy = followed + dice.standard_normal(followed.shape).astype(np.float32)
    lasts = np.arange(3) < dice.integers(1, 4, (30, 1))
    slopes = Slopes.of(noisy, known, lasts, kin=4.0)
    for frame in range(3):
        x, y = known[lasts[:, frame]], noisy[lasts[:, frame], frame]
        # a ridge is so many further sounds of which nothing was missed: two times each unit vector
        rows, wanted = (
            np.concatenate([x - x.mean(axis=0), 2 * np.eye(3)]),
            np.concatenate([y - y.mean(0), np.zeros((3, 2))]),
        )
        assert np.allclose(slopes.each[frame], np.linalg.lstsq(rows, wanted, rcond=None)[0], atol=1e-5)


def test_versions_tell_no_more_than_the_sound_they_are_of() -> None:
    known, followed, _ = following(10, np.random.default_rng(2))
    once, often = Chance.of(list(followed), list(known)), Chance.of(list(followed) * 5, list(known) * 5, kin=5.0)
    assert np.allclose(often.slopes.each, once.slopes.each, atol=1e-5)


def test_chance_without_anything_told_is_all_that_was_missed() -> None:
    known = missed(sounds=5)
    assert np.array_equal(Chance.of(known).missed, np.stack(known))

"""Versions of sounds: seeded, within their bounds; loops brought to one tempo keep their beats."""

from __future__ import annotations

import numpy as np
import pytest

from wavewright.audio.music import drum_loop
from wavewright.audio.tempo import beat_grid
from wavewright.data.augment import AugmentSettings, refuse_short_loops, to_tempo, versions
from wavewright.errors import DataError, SettingsError

RATE = 8000


def test_a_sound_comes_first_itself_then_its_versions_the_same_each_time() -> None:
    loop = drum_loop(2.0, RATE, beats_per_minute=120)
    settings = AugmentSettings(copies=3, pitch=2, time=0.1, speed=0.1, gain_db=6)
    made = list(versions(loop, RATE, 5, settings))
    assert len(made) == 4
    assert made[0] is loop
    for one, again in zip(made, versions(loop, RATE, 5, settings), strict=True):
        assert np.array_equal(one, again)
    other = list(versions(loop, RATE, 6, settings))
    assert len({one.size for one in made + other}) == 7
    for one in made[1:]:
        assert 1 / 1.21 - 0.01 < one.size / loop.size < 1.21 + 0.01


def test_only_what_is_asked_for_changes() -> None:
    loop = drum_loop(1.0, RATE, beats_per_minute=120)
    assert all(one.size == loop.size for one in versions(loop, RATE, 0, AugmentSettings(copies=4, pitch=5)))
    quiet = list(versions(loop, RATE, 0, AugmentSettings(copies=4, gain_db=20)))
    for one in quiet[1:]:
        gain = np.abs(one).max() / np.abs(loop).max()
        assert 0.1 <= gain < 1
        np.testing.assert_allclose(one, loop * gain, atol=1e-6)
    assert len(list(versions(loop, RATE, 0, AugmentSettings(copies=4)))) == 1  # nothing to change, nothing to repeat
    with pytest.raises(SettingsError, match="time"):
        AugmentSettings(time=3.0)


@pytest.mark.parametrize("tempo", [90.0, 120.0, 150.0])
def test_loops_of_one_tempo_have_its_beats(tempo: float) -> None:
    loop = drum_loop(8.0, RATE, beats_per_minute=120, seed=1)
    moved = to_tempo(loop, RATE, tempo)
    assert moved.size == pytest.approx(loop.size * 120 / tempo, abs=2)
    grid = beat_grid(moved, RATE)
    assert grid.tempo == pytest.approx(tempo, rel=0.005)


def test_an_octave_is_no_reason_to_stretch_and_too_much_is_refused() -> None:
    loop = drum_loop(8.0, RATE, beats_per_minute=120, seed=1)
    assert np.array_equal(to_tempo(loop, RATE, 60.0), loop)
    with pytest.raises(DataError, match="cannot be brought to 20"):
        to_tempo(loop, RATE, 20.0, known=120.0)


def test_loops_shorter_than_a_beat_are_all_named() -> None:
    good = drum_loop(2.0, RATE, beats_per_minute=120)
    with pytest.raises(DataError, match="less than a beat") as told:
        refuse_short_loops([good, good[:1000], good[:2000]], RATE, ["a.wav", "b.wav", "c.wav"], tempo=120)
    assert "a.wav" not in str(told.value)
    assert "b.wav" in str(told.value)
    assert "c.wav" in str(told.value)
    refuse_short_loops([good], RATE, ["a.wav"])

"""Tempo of loops made at a known one; beats laid where drums were laid; real loops by what their length says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wavewright.audio.files import read
from wavewright.audio.music import drum_loop
from wavewright.audio.tempo import BeatGrid, beat_grid, tempo_of
from wavewright.errors import DataError

RATE = 16_000


@pytest.mark.parametrize("tempo", [88.0, 96.0, 110.0, 128.0, 140.0, 150.0])
@pytest.mark.parametrize("extra", [0.0, 0.1])
def test_the_tempo_of_a_drum_loop_and_its_first_beat(tempo: float, extra: float) -> None:
    loop = drum_loop(16 * 60 / tempo + extra, RATE, beats_per_minute=tempo, seed=1)
    grid = beat_grid(loop, RATE)
    assert grid.tempo == pytest.approx(tempo, rel=0.003 if extra else 1e-4)
    assert grid.first == 0


@pytest.mark.parametrize("tempo", [62.0, 80.0, 165.0, 180.0])
def test_far_from_two_beats_a_second_an_octave_may_be_heard_but_no_other_ratio(tempo: float) -> None:
    found = tempo_of(drum_loop(16 * 60 / tempo, RATE, beats_per_minute=tempo, seed=2), RATE)
    assert min(abs(found / tempo - factor) for factor in (0.5, 1.0, 2.0)) < 0.003 * found / tempo


def test_silence_before_a_loop_moves_its_beats_as_much() -> None:
    loop = drum_loop(8.0, RATE, beats_per_minute=120, seed=3)
    late = np.concatenate([np.zeros(3000, np.float32), loop])
    grid = beat_grid(late, RATE)
    assert grid.tempo == pytest.approx(120, rel=0.003)
    assert grid.first == pytest.approx(3000, abs=0.005 * RATE)
    assert np.abs(grid.beats(late.size)[:16] - (3000 + 8000 * np.arange(16))).max() < 0.025 * RATE


def test_a_known_tempo_is_taken_and_beats_are_even() -> None:
    grid = beat_grid(drum_loop(4.0, RATE, beats_per_minute=100), RATE, tempo=100.0)
    assert grid.tempo == 100
    assert grid.period == pytest.approx(0.6 * RATE)
    beats = grid.beats(4 * RATE)
    assert set(np.diff(beats)) <= {9600}
    assert beats[-1] < 4 * RATE


def test_what_has_no_tempo_is_refused() -> None:
    with pytest.raises(DataError, match=r"0\.3 s, less than a beat at 120"):
        beat_grid(np.ones(round(0.3 * RATE), np.float32), RATE, tempo=120)
    with pytest.raises(DataError, match="too short to tell"):
        tempo_of(np.ones(1000, np.float32), RATE)
    with pytest.raises(DataError, match="nothing begins"):
        tempo_of(np.zeros(3 * RATE, np.float32), RATE)
    with pytest.raises(ValueError, match="must be positive"):
        beat_grid(np.ones(RATE, np.float32), RATE, tempo=-1)


def test_frames_divide_the_beat_and_positions_go_round() -> None:
    grid = BeatGrid(tempo=120.0, first=500.0, period=8000.0)
    for wanted in (100, 256, 1000, 3000, 20_000):
        frame = grid.frame(wanted)
        assert abs(round(grid.period / frame) * frame - grid.period) <= round(grid.period / frame) / 2
    places = grid.position(np.arange(0, 64_000, 1000))
    assert places.min() >= 0
    assert places.max() < 1
    assert grid.position(np.array([500, 500 + 32_000])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "beats"),
    [("loop_amen_full", 16), ("loop_amen", 4), ("loop_breakbeat", 4), ("loop_compus", 16), ("loop_mika", 16)],
)
def test_real_loops_hold_whole_bars(shared: Path, name: str, beats: int) -> None:
    recording = read(shared / "audio" / "drums" / f"{name}.flac")
    sound = recording.samples.mean(axis=0)
    grid = beat_grid(sound, recording.rate)
    assert grid.tempo == pytest.approx(60 * beats * recording.rate / sound.size, rel=1e-6)
    assert grid.first == 0

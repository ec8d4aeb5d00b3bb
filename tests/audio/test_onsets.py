"""Onsets of sounds made so that one knows where they begin; the real breakbeat against its own even spacing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio import onsets as module
from wavewright.audio.files import read
from wavewright.audio.instruments import hat, kick_808, snare
from wavewright.audio.onsets import OnsetSettings, hop_of, onset_strength, onsets, slices
from wavewright.errors import SettingsError


def drums(rate: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Kick, hat, snare, hat, over each other's tails, and where each begins."""
    kit = [kick_808(0.5, rate, 0.9), hat(0.1, rate, 0.3), snare(0.3, rate, 0.7), hat(0.1, rate, 0.3)]
    random = np.random.default_rng(seed)
    sound, starts = np.zeros(4 * rate, np.float32), []
    for number in range(16):
        at = int((0.1 + 0.22 * number) * rate + random.integers(100))
        sound[at : at + kit[number % 4].size] += kit[number % 4][: sound.size - at]
        starts.append(at)
    return sound, starts


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_every_drum_is_found_within_two_milliseconds_and_nothing_else(rate: int) -> None:
    sound, starts = drums(rate)
    found = onsets(sound, rate)
    assert len(found) == len(starts)
    assert np.abs(found - starts).max() <= 0.002 * rate


@settings(deadline=None, max_examples=20)
@given(gain=st.floats(1e-3, 1.0), at=st.integers(0, 7000))
def test_neither_gain_nor_silence_before_moves_an_onset(gain: float, at: int) -> None:
    blow = np.concatenate([np.zeros(at, np.float32), snare(0.3, 8000, 0.7)])
    assert np.abs(onsets(np.float32(gain) * blow, 8000) - [at]).max() <= 1
    assert onsets(np.float32(gain) * blow, 8000).size == 1


def test_blocks_of_the_strength_are_one_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    sound, _ = drums(8000)
    whole = onset_strength(sound, 8000)
    assert len(whole) == 1 + -(-sound.size // hop_of(8000))
    monkeypatch.setattr(module, "_BLOCK", 17)
    np.testing.assert_allclose(onset_strength(sound, 8000), whole, atol=1e-4)


def test_what_goes_on_does_not_begin() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert onsets(noise, 8000).tolist() == [0]
    glide = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 400, 16_000)) / 8000).astype(np.float32)
    assert onsets(glide, 8000).tolist() == [0]
    assert onsets(np.zeros(8000, np.float32), 8000).size == 0
    assert onsets(np.zeros(0, np.float32), 8000).size == 0


def test_slices_are_the_whole_sound_and_begin_where_drums_do() -> None:
    sound, starts = drums(16_000)
    parts = slices(sound, 16_000)
    assert np.array_equal(np.concatenate([sound[low:high] for low, high in parts]), sound)
    assert parts[0][0] == 0
    assert len(parts) == 1 + len(starts)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="threshold_db"):
        OnsetSettings(threshold_db=0.0)


def test_a_real_breakbeat_is_cut_at_its_eighths(shared: Path) -> None:
    recording = read(shared / "audio" / "drums" / "loop_breakbeat.flac")
    sound = recording.samples.mean(axis=0)
    eighth = sound.size / 8
    found = onsets(sound, recording.rate)
    for number in range(8):
        assert np.abs(found - number * eighth).min() < 0.01 * recording.rate

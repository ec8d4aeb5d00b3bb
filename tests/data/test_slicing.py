"""Loops cut into their hits: nothing lost, nothing twice, and what cannot be cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wavewright.audio import files
from wavewright.audio.instruments import kick_808
from wavewright.audio.music import drum_loop
from wavewright.audio.onsets import onsets
from wavewright.audio.recording import Recording
from wavewright.data.corpus import Corpus, hold_out
from wavewright.data.slicing import QUIETEST, sliced
from wavewright.errors import DataError

RATE = 8000


def corpus(folder: Path, *sounds: np.ndarray) -> Corpus:
    folder.mkdir()
    for number, sound in enumerate(sounds):
        files.write(folder / f"loop{number}.wav", Recording(sound[None], RATE), subtype="FLOAT")
    return Corpus.create(folder / "store", [folder])


def test_slices_are_the_loop_from_onset_to_onset(tmp_path: Path) -> None:
    loop = np.concatenate([np.zeros(800, np.float32), drum_loop(4.0, RATE, beats_per_minute=120, seed=1)])
    found = sliced(corpus(tmp_path / "loops", loop))
    begin = found.sounds[0].start
    assert np.abs(loop[:begin]).max() < QUIETEST  # silence is no hit
    assert np.array_equal(np.concatenate([_heard(found, n) for n in range(len(found.sounds))]), loop[begin:])
    assert [sound.start for sound in found.sounds] == onsets(loop, RATE).tolist()
    assert [sound.path.name for sound in found.sounds[:2]] == ["loop0#001.wav", "loop0#002.wav"]


def test_the_same_hit_twice_is_never_learned_and_held_out(tmp_path: Path) -> None:
    hits = [np.pad(kick_808(0.2, RATE, hz=hz, ring_seconds=0.1, seed=hz), (0, 800)) for hz in (50, 60, 70)]
    found = sliced(corpus(tmp_path / "loops", np.concatenate([hits[n % 3] for n in range(12)])))
    assert len({sound.sha256 for sound in found.sounds}) < len(found.sounds)
    learned, held_out = hold_out(found.sounds, 0.3)
    assert learned
    assert held_out
    assert not {sound.sha256 for sound in learned} & {sound.sha256 for sound in held_out}


def test_sounds_in_which_nothing_begins_twice_are_refused(tmp_path: Path) -> None:
    kick = kick_808(0.3, RATE, hz=50, ring_seconds=0.2)
    with pytest.raises(DataError, match="nothing begins twice in any of the 2 sounds"):
        sliced(corpus(tmp_path / "kicks", kick, 0.5 * kick))


def _heard(found: Corpus, number: int) -> np.ndarray:
    sound = found.sounds[number]
    return np.array(found.track[0, sound.start : sound.start + sound.length])

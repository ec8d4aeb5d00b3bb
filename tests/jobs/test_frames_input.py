"""Corpora and settings that frame networks cannot learn from: refused in a sentence, before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli.main import run

RATE = 8_000


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of four sounds each: silence, half-second tones, sounds of 1,200 samples."""
    folder = tmp_path_factory.mktemp("corpora")
    time = np.arange(4000) / RATE
    sounds = {
        "silent": np.zeros(4000),
        "tones": 0.5 * np.sin(2 * np.pi * 200 * time) * np.exp(-6 * time),
        "short": np.random.default_rng(0).standard_normal(1200) * 0.1,
    }
    for name, sound in sounds.items():
        (folder / name).mkdir()
        for at in range(4):
            files.write(folder / name / f"{at}.wav", Recording((0.9**at * sound)[np.newaxis].astype(np.float32), RATE))
    return folder


WRONG = {
    "one-shots all silent": ("silent", [], "all 4 sounds are silent"),
    "frames that leave one frame": ("short", ["--frame-size", "1200"], "all 4 sounds are shorter"),
    "frames of an odd size": ("tones", ["--frame-size", "5"], "frame_size = 5: must be an even number"),
    "more bands than bins": ("tones", ["--frames", "log-mel", "--frame-size", "8"], "tell 16 apart at most"),
    "more coefficients than bands": (
        "tones",
        ["--frames", "mfcc", "--bands", "10"],
        "coefficients = 40: there are only 10 bands",
    ),
    "loops shorter than a beat": ("short", ["--beats-per-minute", "60"], "less than a beat at 60 beats a minute"),
    "loops too short to tell a tempo": ("tones", ["--on-beat"], "too short to tell a tempo"),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_before_anything_is_written(
    corpora: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, flags, sentence = WRONG[name]
    words = ["train", "generate", str(corpora / folder), "-o", str(tmp_path / "run"), "--network", "frame-mixture"]
    assert run([*words, "--steps", "2", "--quiet", *flags]) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert "\n" not in said
    assert not (tmp_path / "run" / "run.json").exists()

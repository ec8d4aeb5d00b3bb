"""The words of generating: train, sample, evaluate, info; wrong ones get one clear sentence and exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Call, refused

from wavewright.audio import files
from wavewright.audio.recording import Recording

RATE = 4000
SMALL = ("--network", "audio-rnn", "--size", "8", "--batch", "2", "--window", "64", "--threads", "1", "--steps", "3")


@pytest.fixture
def sounds(tmp_path: Path) -> str:
    """Six decaying tones of two classes, told by their names."""
    (tmp_path / "sounds").mkdir()
    for number in range(6):
        t = np.arange(600 + 50 * number) / RATE
        tone = 0.6 * np.sin(2 * np.pi * (150 + 300 * (number % 2)) * t) * np.exp(-8 * t)
        name = f"{('low', 'high')[number % 2]}_{number}.wav"
        files.write(tmp_path / "sounds" / name, Recording(tone[np.newaxis].astype(np.float32), RATE))
    return "sounds"


def test_from_a_folder_to_new_sound(call: Call, sounds: str, tmp_path: Path) -> None:
    begun = call("train", "generate", sounds, "-o", "run", "--classes", "name", *SMALL)
    assert begun.status == 0, begun.said
    assert "6 sounds" in begun.err + begun.out
    assert "bits a sample on held-out sounds" in begun.out
    drawn = json.loads(call("sample", "run", "-o", "new.wav", "--seconds", "0.1", "--count", "2", "--json").out)
    assert [(tmp_path / sound["path"]).name for sound in drawn["sounds"]] == ["new-01.wav", "new-02.wav"]
    assert [sound["class"] for sound in drawn["sounds"]] == ["high", "low"]
    assert files.info("new-01.wav").frames == round(0.1 * RATE)
    named = call("sample", "run", "-o", "low.wav", "--class", "low", "--seconds", "0.1")
    assert "low" in named.out
    facts = json.loads(call("info", "run", "--json").out)
    assert facts["job"] == "generate"
    more = call("train", "generate", "-o", "run", "--resume", "--steps", "5")
    assert more.status == 0, more.said

    # and what such a run cannot do
    refused(call("render", "run", "new-01.wav", "-o", "out.wav"), "belongs to the job generate")
    refused(call("export", "run", "-o", "out.nam"), "belongs to the job generate")
    refused(call("sample", "run", "-o", "new-01.wav", "--seconds", "0.1"), "new-01.wav", "--force")
    refused(call("sample", "run", "-o", "x.wav", "--temperature", "0"), "temperature", "above 0")
    refused(call("sample", "run", "-o", "x.wav", "--class", "middle"), "middle", "high, low")
    refused(call("sample", "run", "-o", "x.wav", "--prompt", "nothing.wav"), "nothing.wav")
    refused(call("sample", "run", "-o", "x.mp3z", "--seconds", "0.1"), "x.mp3z")
    refused(call("sample", "run", "-o", "-", "--count", "2"), "one sound")
    refused(call("train", "emulate", "-o", "run", "--resume"), "belongs to the job generate")


def test_what_cannot_be_learned(call: Call, sounds: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(call("train", "generate", "empty", "-o", "run"), "holds no sound file; looked for", ".wav")
    refused(call("train", "generate", "nowhere", "-o", "run"), "nowhere does not exist")
    refused(call("train", "generate", "-o", "run"), "a folder of sounds")
    refused(call("train", "generate", sounds, "-o", "run", "--rate", "10"), "rate", "1000")
    refused(call("train", "generate", sounds, "-o", "run", "--minutes", "1", "--steps", "3"), "one budget")
    refused(call("train", "generate", sounds, "-o", "run", *SMALL, "--held-out-files", "*.ogg"), "*.ogg")
    refused(call("train", "generate", sounds, "-o", "run", *SMALL, "--classes", "name", "--class-part", "7"), "part 7")
    refused(call("train", "generate", sounds, "-o", "run", "--resume"), "no such folder")
    refused(call("train", "generat", sounds, "-o", "run"), "did you mean 'generate'?")
    refused(call("sample", "nowhere", "-o", "new.wav"), "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "sounds"]


def test_wide_wavenets_begin_at_a_lower_rate_unless_told(call: Call, sounds: str, tmp_path: Path) -> None:
    small = ("--layers", "2", "--batch", "1", "--window", "64", "--threads", "1", "--steps", "1", "--quiet", "--force")
    for words, rate in (
        (("--size", "4"), 0.015),
        (("--size", "24"), 0.008),
        (("--size=24", "--learning-rate", "0.01"), 0.01),
        (("--size", "8", "--network", "audio-rnn"), 0.004),
    ):
        assert call("train", "generate", sounds, "-o", "run", *small, *words).status == 0
        kept = json.loads((tmp_path / "run" / "run.json").read_text())
        assert kept["settings"]["train"]["learning_rate"] == pytest.approx(rate)


def test_a_run_that_lost_a_fact_is_told(call: Call, sounds: str) -> None:
    assert call("train", "generate", sounds, "-o", "run", *SMALL).status == 0
    kept = Path("run/run.json").read_text()
    for name, value in (("classes", 5), ("encoding", None), ("sources", 5), ("skipped", 5), ("median_seconds", [])):
        info = json.loads(kept)
        info["extra"][name] = value
        Path("run/run.json").write_text(json.dumps(info))
        words = ("sample", "run", "-o", "x.wav") if name == "median_seconds" else ("info", "run")
        refused(call(*words), f"damaged ({name} is missing or wrong)")

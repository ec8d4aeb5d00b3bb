"""The models that come with the package: small, plain, at work with nothing trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli.main import run
from wavewright.jobs.upsample import pretrained, upsampling
from wavewright.train import model_file

LARGEST = 8_000_000  # bytes


def buzz(rate: int, seconds: float = 1.5) -> np.ndarray:
    """A glottal buzz of 120 Hz through three formants, with pauses: a voice as textbooks make it."""
    time = np.arange(round(rate * seconds)) / rate
    x = signal.sawtooth(2 * np.pi * 120 * time) * (np.sin(2 * np.pi * 2 * time) > -0.5)
    for hz, width in ((700, 90), (1200, 110), (2600, 160)):
        r = np.exp(-np.pi * width / rate)
        x = signal.lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * hz / rate), r * r], x)
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_a_model_is_small_and_says_what_it_is(name: str) -> None:
    folder = pretrained.place(Path(name))
    assert sum(file.stat().st_size for file in folder.iterdir()) < LARGEST
    text = pretrained.card(Path(name))
    assert text is not None
    for told in ("Licence", "CC0", "SNR", "LSD10", "Limits", "wavewright train upsample"):
        assert told in text
    facts = json.loads((folder / "run.json").read_text())
    assert facts["data"] == []
    assert "/" not in json.dumps(facts["extra"])  # nobody's paths
    saved = model_file.load(folder / "model.safetensors")
    assert all(bool(value.isfinite().all()) for value in saved.weights.values())
    opened = upsampling.open_upsampler(Path(name))
    assert [f"{opened.rate // 1000}k", f"x{opened.rate // opened.low_rate}"] == name.split("-")[1:]


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_it_renders_a_call_with_nothing_trained(name: str, tmp_path: Path) -> None:
    opened = upsampling.open_upsampler(Path(name))
    low = buzz(opened.low_rate)
    files.write(tmp_path / "call.wav", Recording(low[np.newaxis], opened.low_rate))
    assert run(["render", name, str(tmp_path / "call.wav"), "-o", str(tmp_path / "clear.wav"), "--quiet"]) == 0
    clear = files.read(tmp_path / "clear.wav")
    assert clear.rate == opened.rate
    assert clear.frames == len(low) * opened.rate // opened.low_rate
    hz, power = signal.welch(clear.samples[0], opened.rate, nperseg=2048)
    half = opened.low_rate / 2
    heard, written = (power[(hz > low) & (hz < high)].mean() for low, high in ((100, half), (1.2 * half, 1.8 * half)))
    assert 1e-7 < written / heard < 1.0  # something is written above, and below the voice itself


def test_what_lies_on_the_disk_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = next(iter(pretrained.NAMES))
    assert pretrained.place(Path(name)).parent == pretrained.FOLDER
    Path(name).mkdir()
    assert pretrained.place(Path(name)) == Path(name)
    assert pretrained.card(Path(name)) is None


def test_an_unknown_name_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["render", "voice-16k-x5", "call.wav", "-o", str(tmp_path / "clear.wav")]) == 2
    assert "voice-16k-x4" in capsys.readouterr().err


def test_a_page_of_a_model_of_the_package_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("report", "evaluate"):
        assert run([command, "voice-16k-x4"]) == 2
        assert "voice-16k-x4 has no sounds of its own to be measured on" in capsys.readouterr().err

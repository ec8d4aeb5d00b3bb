"""ONNX files on the command line: they play like any model file, and say what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli.main import run
from wavewright.formats import nam, onnx_export
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.jobs.emulate.pairs import Knob
from wavewright.nets.registry import build

pytest.importorskip("onnx", reason="ONNX files need pip install 'wavewright[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX files need pip install 'wavewright[onnx]'")

RATE = 48_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same network in two formats, and a sound of two channels."""
    torch.manual_seed(0)
    network = build("a2-lite")
    nam.save(tmp_path / "twin.nam", network, RATE, NamMetadata(loudness=-18.0, gain=0.5))
    onnx_export.save(tmp_path / "twin.onnx", network, RATE, NamMetadata(name="Crunchy", loudness=-18.0))
    sound = (np.random.default_rng(1).standard_normal((2, 5000)) * 0.2).astype(np.float32)
    files.write(tmp_path / "in.wav", Recording(sound, RATE))
    return tmp_path


def test_it_renders_as_the_nam_of_the_same_network(folder: Path) -> None:
    for name in ("nam", "onnx"):
        words = ["render", str(folder / f"twin.{name}"), str(folder / "in.wav"), "-o", str(folder / f"{name}.wav")]
        assert run([*words, "--quiet"]) == 0
    ours, theirs = (files.read(folder / f"{name}.wav").samples for name in ("nam", "onnx"))
    assert np.abs(ours).max() > 0.01
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


def test_its_knobs_are_turned_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = build("lstm", hidden_size=6, input_size=2, controls=1, prewarm=100)
    about = NamMetadata(name="Screamer")
    onnx_export.save(folder / "knob.onnx", network, RATE, about, knobs=[Knob("gain", 0.0, 10.0)])
    words = ["render", str(folder / "knob.onnx"), str(folder / "in.wav"), "-o", str(folder / "out.wav"), "--quiet"]
    assert run([*words, "--knob", "gain=2.5"]) == 0
    sound = files.read(folder / "in.wav").samples
    with torch.no_grad():
        x = torch.stack([torch.from_numpy(sound), torch.full(sound.shape, 0.25)], dim=1)
        silence = torch.stack([torch.zeros(2, 100), torch.full((2, 100), 0.25)], dim=1)
        _, settled = network(silence, network.settled_state(2))  # the knob is where it is before the sound begins
        expected = network(x, settled)[0][:, 0].numpy()
    np.testing.assert_allclose(files.read(folder / "out.wav").samples, expected, rtol=0, atol=1e-5)
    assert run([*words, "--force", "--knob", "gian=2.5"]) == 2
    assert "did you mean 'gain'" in capsys.readouterr().err


def test_it_is_evaluated_and_described(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twin, dry, wet = (str(folder / name) for name in ("twin.onnx", "in.wav", "wet.wav"))
    assert run(["render", str(folder / "twin.nam"), dry, "-o", wet, "--quiet"]) == 0
    capsys.readouterr()
    assert run(["evaluate", twin, dry, wet, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["esr"] < 1e-9
    assert run(["info", twin, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["rate"], told["receptive_field"]) == ("Crunchy", RATE, 6347)


def test_it_rehearses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["live", str(folder / "twin.onnx"), "--rehearse", "--seconds", "0.2", "--block", "512", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "Crunchy"


def test_rendering_it_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; from wavewright.cli.main import run\n"
        f"run(['render', {str(folder / 'twin.onnx')!r}, {str(folder / 'in.wav')!r}, '-o', {str(folder / 'o.wav')!r}])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_extra_it_says_what_to_install(
    folder: Path, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert run(["render", str(folder / "twin.onnx"), str(folder / "in.wav"), "-o", str(folder / "o.wav")]) == 2
    assert "pip install 'wavewright[onnx]'" in capsys.readouterr().err
    assert not (folder / "o.wav").exists()


def test_what_cannot_be_played_is_refused_in_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = folder / "damaged.onnx"
    damaged.write_bytes((folder / "twin.onnx").read_bytes()[:-2000])
    assert run(["render", str(damaged), str(folder / "in.wav"), "-o", str(folder / "o.wav")]) == 2
    said = capsys.readouterr().err.strip()
    assert str(damaged) in said
    assert "\n" not in said

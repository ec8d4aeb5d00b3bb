"""A twin opened to play: the same as with torch, and without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, RunError
from wavewright.formats import nam
from wavewright.jobs.emulate import playing, twin
from wavewright.jobs.emulate.settings import JOB
from wavewright.nets import registry
from wavewright.nets.plain import PlainNetwork
from wavewright.train import model_file
from wavewright.train.run import RunFolder

RATE = 48_000


def noise(samples: int) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((1, samples)) * 0.3).astype(np.float32)


def a_run(path: Path, name: str = "a1-nano", job: str = JOB) -> Path:
    torch.manual_seed(2)
    net = registry.build(name)
    run = RunFolder.create(path, job=job, settings={}, data=[], network=registry.config_of(net), rate=RATE)
    model_file.save(run.model, net.state_dict(), run.info, step=1, figures={"esr": 0.5})
    return path


@pytest.mark.parametrize("name", ["a1-nano", "gated-wavenet", "lstm", "gru", "linear"])
def test_a_run_plays_as_with_torch(name: str, tmp_path: Path) -> None:
    path, x = a_run(tmp_path / "run", name), noise(500)
    opened, whole = playing.open_playable(path), twin.open_twin(path)
    assert isinstance(opened.network, PlainNetwork)
    assert (opened.rate, opened.name) == (whole.rate, whole.name) == (RATE, "run")
    np.testing.assert_array_equal(Player(opened.network).process(x), Player(whole.network).process(x))


def test_a_container_plays_in_the_size_asked_for(tmp_path: Path) -> None:
    path, x = tmp_path / "twin.nam", noise(500)
    sizes = [registry.build(name) for name in ("a2-lite", "a1-nano")]
    nam.save_container(path, [(0.5, sizes[0]), (1.0, sizes[1])], RATE)
    for size, net in (("lite", sizes[0]), ("full", sizes[1]), (None, sizes[1])):
        opened = playing.open_playable(path, size)
        np.testing.assert_array_equal(Player(opened.network).process(x), Player(net).process(x))
    nam.save(tmp_path / "one.nam", sizes[1], RATE)
    with pytest.raises(ModelFileError, match="leave --size away"):
        playing.open_playable(tmp_path / "one.nam", "lite")


def test_what_cannot_be_played_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no run and no model file"):
        playing.open_playable(tmp_path / "gone.nam")
    with pytest.raises(RunError, match="belongs to the job generate"):
        playing.open_playable(a_run(tmp_path / "other", job="generate"))
    run = a_run(tmp_path / "run")
    content = bytearray((run / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match="does not match its seal"):
        playing.open_playable(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"no model\.safetensors yet"):
        playing.open_playable(run)


@pytest.mark.parametrize("kind", ["run", "model"])
def test_rendering_loads_no_torch(kind: str, tmp_path: Path) -> None:
    files.write(tmp_path / "in.wav", Recording(noise(5000), RATE))
    path = a_run(tmp_path / "run")
    if kind == "model":
        nam.save(tmp_path / "twin.nam", twin.open_twin(path).network, RATE)
        path = tmp_path / "twin.nam"
    code = (
        "import sys; from wavewright.cli.main import run\n"
        "status = run(sys.argv[1:])\n"
        "heavy = {'torch', 'scipy.signal', 'soxr'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    words = ["render", str(path), str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav"), "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = Player(playing.open_playable(path).network).process(files.read(tmp_path / "in.wav").samples)
    np.testing.assert_array_equal(files.read(tmp_path / "out.wav").samples, expected)

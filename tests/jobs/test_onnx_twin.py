"""A trained twin with a knob becomes an ONNX file that names the knob, and hears it as torch does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.audio import files
from wavewright.audio.music import riff
from wavewright.audio.recording import Recording
from wavewright.engine.player import Player
from wavewright.formats import onnx_import
from wavewright.jobs.emulate import exporting, pairs, twin
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

pytest.importorskip("onnx", reason="ONNX files need pip install 'wavewright[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX files need pip install 'wavewright[onnx]'")

RATE = 8_000


def test_a_twin_with_a_knob_plays_from_its_onnx_file_with_the_knob_moving(tmp_path: Path) -> None:
    dry = riff(6.0, RATE)[np.newaxis]
    names = ["dry.wav", "low.wav", "high.wav"]
    for name, sound in zip(names, (dry, 0.2 * dry, np.tanh(4 * dry)), strict=True):
        files.write(tmp_path / name, Recording(sound.astype(np.float32), RATE))
    capture = pairs.from_flags([tmp_path / name for name in names], ["gain=2,10"])
    plain = EmulateSettings(network="lstm", net=("hidden_size=6", "prewarm=100"), window=256, validation_seconds=1.0)
    settings = replace(plain, train=replace(with_budget(plain.train, steps=3), threads=1, validate_steps=3))
    emulate.train_capture(capture, tmp_path / "run", settings, Silent())
    learned = twin.open_twin(tmp_path / "run")
    exporting.export(learned, tmp_path / "twin.onnx", "onnx")

    opened = onnx_import.load(tmp_path / "twin.onnx")
    assert (opened.rate, dict(opened.network.knobs), opened.network.controls) == (RATE, {"gain": (2.0, 10.0)}, 1)
    knob = np.linspace(0.0, 1.0, 2000, dtype=np.float32)
    x = np.stack([dry[0, :2000], knob]).astype(np.float32)
    player = Player(opened.network, inputs=2)
    out = np.concatenate([player.process(part) for part in np.split(x, [64, 65, 398], axis=1)], axis=1)
    network = learned.network
    assert isinstance(network, torch.nn.Module)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)[np.newaxis], network.settled_state(1))[0][0].numpy()
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)

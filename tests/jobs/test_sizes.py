"""A twin trained in two sizes at once: both learn, either plays, and one file holds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.audio import files
from wavewright.audio.devices import SoftClipper
from wavewright.audio.recording import Recording
from wavewright.audio.signals import noise_ramp
from wavewright.errors import ModelFileError
from wavewright.formats import nam
from wavewright.jobs.emulate import playing, twin
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.losses import Loss
from wavewright.nets.slimmable import Slimmable
from wavewright.train import model_file
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 16_000
STEPS = 12
TOLD = nam.NamMetadata(loudness=-18.0, gain=0.5)
"""What would be measured, which takes longer than the tests."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    dry = noise_ramp(8.0, RATE, -20.0, seed=3)[np.newaxis]
    files.write(folder / "dry.wav", Recording(dry, RATE), subtype="FLOAT")
    files.write(folder / "wet.wav", Recording(SoftClipper(12.0)(dry, RATE), RATE), subtype="FLOAT")
    return folder / "dry.wav", folder / "wet.wav"


@pytest.fixture(scope="module")
def settings() -> EmulateSettings:
    plain = EmulateSettings(
        network="a2", net=("full_channels=2", "lite_channels=1"), window=1024, batch=2, validation_seconds=1.0, delay=0
    )
    return replace(plain, train=replace(with_budget(plain.train, steps=STEPS), threads=1, validate_steps=STEPS))


@pytest.fixture(scope="module")
def run(pair: tuple[Path, Path], settings: EmulateSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    emulate.train(*pair, folder, settings, Silent())
    return folder


def test_the_loss_is_the_sum_and_both_figures_are_kept(run: Path, settings: EmulateSettings) -> None:
    network = emulate.new_network(settings)
    assert isinstance(network, Slimmable)
    task = emulate.EmulateTask(network, emulate.takes.material_of(emulate.RunFolder.open(run)), settings)
    dry, wet = task.batch(0, 0, 1)
    alone = [Loss(settings.loss)(part.valid(dry), wet) for part in network.sizes.values()]
    torch.testing.assert_close(task.loss((dry, wet)), alone[0] + alone[1], rtol=1e-4, atol=1e-6)
    figures = model_file.load(run / "model.safetensors").figures
    for size, name in (("full", "esr"), ("lite", "esr lite")):
        judged = twin.evaluate(twin.open_twin(run, size)).figures["esr"]
        assert figures[name] == pytest.approx(judged, rel=1e-3)
    before = task.validate()
    assert figures["esr"] < before["esr"]
    assert figures["esr lite"] < before["esr lite"]


def test_either_size_plays_from_the_run_and_from_its_file(run: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "twin.nam"
    twin.export_nam(twin.open_twin(run), target)
    assert [(part.max_value, part.model.architecture) for part in nam.load(target).submodels] == [
        (0.5, "WaveNet"),
        (1.0, "WaveNet"),
    ]
    heard = {}
    for size in ("lite", "full", None):
        out = []
        for at, source in enumerate((run, target)):
            path = tmp_path / f"{size}-{at}.wav"
            playing.render(playing.open_playable(source, size), [pair[0]], path)
            out.append(files.read(path).samples.astype(np.float64))
        assert np.sum((out[0] - out[1]) ** 2) <= 1e-9 * np.sum(out[0] ** 2)
        heard[size] = out[0]
    np.testing.assert_array_equal(heard[None], heard["full"])
    assert np.abs(heard["lite"] - heard["full"]).max() > 1e-3


def test_levels_and_figures_of_the_run_go_into_the_file(run: Path, tmp_path: Path) -> None:
    opened = twin.open_twin(run, "lite")
    assert opened.run is not None
    opened.run.info["extra"]["input_dbu"] = 12.5
    twin.export_nam(opened, tmp_path / "lite.nam", replace(TOLD, output_level_dbu=3.0))
    told = nam.load(tmp_path / "lite.nam").metadata
    assert (told.input_level_dbu, told.output_level_dbu) == (12.5, 3.0)
    assert told.training is not None
    assert told.training["validation_esr"] == model_file.load(run / "model.safetensors").figures["esr lite"]


def test_a_size_of_what_has_none(run: Path, tmp_path: Path) -> None:
    twin.export_nam(twin.open_twin(run, "lite"), tmp_path / "lite.nam", TOLD)
    for door in (playing.open_playable, twin.open_twin):
        with pytest.raises(ModelFileError, match="leave --size away"):
            door(tmp_path / "lite.nam", "full")
    assert twin.describe(run)["models"] == 2
    assert twin.describe(tmp_path / "lite.nam")["models"] == 1

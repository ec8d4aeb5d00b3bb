"""Judging a generator: every figure it prints, beside what is ordinary."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from generator_runs import RATE, trained

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli.main import run as command
from wavewright.errors import DataError
from wavewright.jobs.generate import judge as generate_judge
from wavewright.jobs.generate.generator import OpenGenerator, open_generator


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenGenerator:
    return open_generator(trained(tmp_path_factory.mktemp("judged"), "sample-wavenet", classes="folder"))


def test_every_held_out_sample_is_counted_and_untrained_networks_know_eight_bits(opened: OpenGenerator) -> None:
    predicted = generate_judge.predict(opened)
    held_out = opened.material.held_out
    assert predicted.sounds == len(held_out)
    assert predicted.score.samples == sum(sound.length for sound in held_out)
    assert 7.0 < predicted.score.bits < 9.0  # four steps of training
    assert predicted.beside.lpc < predicted.beside.unigram < 8.0  # a decaying tone is easily predicted
    assert predicted.int8_bits is not None
    assert abs(predicted.int8_bits) < 0.05


def test_other_sounds_are_judged_at_the_rate_of_the_network(opened: OpenGenerator, tmp_path: Path) -> None:
    (tmp_path / "low").mkdir()
    t = np.arange(4410) / 11_025
    files.write(tmp_path / "low" / "other.wav", Recording(0.5 * np.sin(700 * t)[np.newaxis].astype(np.float32), 11_025))
    predicted = generate_judge.predict(opened, tmp_path)
    assert predicted.seconds == pytest.approx(0.4, abs=1e-3)
    assert predicted.score.samples == pytest.approx(0.4 * RATE, abs=1)
    (tmp_path / "low").rename(tmp_path / "middle")
    with pytest.raises(DataError, match="classes that the network does not know: middle"):
        generate_judge.predict(opened, tmp_path)


def test_new_sounds_are_held_against_the_corpus(opened: OpenGenerator) -> None:
    outputs = generate_judge.listen(opened, count=4)
    assert len(outputs.drawn) == len(outputs.nearest) == 4
    figures = generate_judge.figures_of_outputs(outputs)
    assert figures["mmd"][0] > figures["mmd_real"][0]  # noise is no tone
    assert figures["frechet"][0] > figures["frechet_real"][0]
    assert figures["hiss"][0] > figures["hiss_real"][0]
    assert figures["decay"][0] > figures["decay_real"][0]
    assert 0 <= figures["copy"][0] < figures["copy_real"][0] <= 1
    assert all(words for _, words in figures.values())
    assert "intervals" not in figures  # nothing here has a rhythm
    assert set(outputs.faults.values()) <= {0.25, 0.5, 0.75, 1.0}


def test_the_command_prints_all_of_it_for_machines(opened: OpenGenerator, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["evaluate", str(opened.run.path), "--count", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"bits", "lpc_floor", "unigram", "accuracy", "int8_cost", "mmd", "frechet", "diversity"} <= told.keys()
    assert {"rising", "attack", "hiss_gaussian", "centroid_grains"} <= told.keys()
    assert math.isfinite(told["bits"])


def test_the_command_shows_real_sounds_and_floors_beside_the_new_ones(
    opened: OpenGenerator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["evaluate", str(opened.run.path), "--count", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if "Gaussian" in line)
    assert head.split() == ["figure", "new", "real", "Gaussian", "grains"]
    row = next(line.split() for line in lines if line.startswith("mmd "))
    assert float(row[1]) > float(row[2])
    assert len([float(value) for value in row[1:5]]) == 4

"""Mosaics by the command line: from a run and from a store, targets of any rate and channels, wrong ones refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from generator_runs import RATE, trained

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli.main import run as command
from wavewright.data.corpus import Corpus
from wavewright.data.mosaic_settings import MosaicSettings
from wavewright.errors import DataError, OutputError, RunError
from wavewright.jobs.frames.settings import FrameSettings
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.mosaic import generated, mosaic
from wavewright.jobs.generate.settings import GenerateSettings
from wavewright.train.progress import Silent
from wavewright.train.settings import TrainSettings


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("mosaic"), "audio-rnn")


def a_sound(learned: Path, number: int) -> Path:
    return sorted((learned.parent / "sounds").rglob("*.wav"))[number]


def test_a_learned_sound_is_given_back_from_its_run_and_from_a_store(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Corpus.create(tmp_path / "store", [learned.parent / "sounds"])
    for source in (learned, tmp_path / "store"):
        out = tmp_path / f"{source.name}.wav"
        assert command(["sample", str(source), "--mosaic", str(a_sound(learned, 3)), "-o", str(out), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        sound, made = files.read(a_sound(learned, 3)), files.read(out)
        assert made.rate == RATE == told["rate"]
        np.testing.assert_allclose(made.samples, sound.samples, atol=1e-3)
        assert told["joins"] == 0
        assert told["distance"] < 1e-3
        assert told["seconds"] == pytest.approx(sound.seconds)


def test_a_target_of_another_rate_and_two_channels_is_resampled_and_told(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    t = np.arange(11_025) / 11_025
    tone = (0.5 * np.sin(2 * np.pi * 440 * t) * np.exp(-5 * t)).astype(np.float32)
    files.write(tmp_path / "other.wav", Recording(np.stack([tone, tone]), 11_025))
    out = tmp_path / "out.flac"
    assert (
        command(["sample", str(learned), f"--mosaic={tmp_path / 'other.wav'}", "-o", str(out), "--grain", "0.03"]) == 0
    )
    words = capsys.readouterr().out
    assert "brought from 11025 to 4000 Hz" in words
    assert "2 channels are mixed down" in words
    made = files.read(out)
    assert (made.rate, made.frames) == (RATE, RATE)
    assert np.sqrt(np.mean(made.samples**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=0.3)


def test_what_cannot_be_rebuilt_is_refused_before_any_work(learned: Path, tmp_path: Path) -> None:
    files.write(tmp_path / "silent.wav", Recording(np.zeros((1, 9000), np.float32), 8000))
    out = tmp_path / "out.wav"
    with pytest.raises(DataError, match=r"silent\.wav is silent"):
        mosaic(learned, tmp_path / "silent.wav", out)
    with pytest.raises(RunError):
        mosaic(tmp_path, a_sound(learned, 0), out)
    assert not out.exists()
    out.write_bytes(b"mine")
    with pytest.raises(OutputError):
        mosaic(learned, a_sound(learned, 0), out)
    assert out.read_bytes() == b"mine"
    mosaic(learned, a_sound(learned, 0), out, MosaicSettings(candidates=1), force=True)
    assert files.info(out).rate == RATE


def test_frames_that_a_network_made_up_are_followed(learned: Path, tmp_path: Path) -> None:
    settings = GenerateSettings(
        network="frame-mixture",
        size=8,
        layers=1,
        held_out=0.3,
        window=16,
        batch=2,
        frame=FrameSettings(frames="mfcc", frame_size=32, bands=20, coefficients=8, mixtures=1, character=0),
        train=TrainSettings(steps=3, threads=1, preview_minutes=None, device="cpu"),
    )
    run = tmp_path / "run"
    generate.learn(generate.begin([learned.parent / "sounds"], run, settings, Silent()), settings, Silent())
    told = ["sample", str(run), "--mosaic", "generated", "--seconds", "0.5", "--grain", "0.03"]
    for name in ("one.wav", "again.wav"):
        assert command([*told, "-o", str(tmp_path / name)]) == 0
    one, again = (files.read(tmp_path / name).samples[0] for name in ("one.wav", "again.wav"))
    assert np.array_equal(one, again)
    assert one.size <= RATE // 2
    assert np.abs(one).max() > 0.01  # grains of the corpus, at their own level
    with pytest.raises(RunError, match="mfcc or log-mel are needed"):
        generated(learned, tmp_path / "no.wav")


def test_help_tells_of_grains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(["sample", "--mosaic", "--help"])
    assert "--continuity" in capsys.readouterr().out

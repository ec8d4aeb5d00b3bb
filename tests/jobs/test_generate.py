"""The job generate: what it learns from, that it resumes exactly, that it judges every sample."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from generator_runs import RATE, SIZES, settings, tones

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.data.store import Store
from wavewright.errors import AudioFileError, DataError, RunError, SettingsError
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import describe, open_generator
from wavewright.jobs.generate.settings import temperature_points
from wavewright.nets.sample_wavenet import SampleWaveNet
from wavewright.train.progress import Silent
from wavewright.train.run import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tones(tmp_path / "sounds")


def at_step(task: generate.GenerateTask, step: int, act: Callable[[], None]) -> None:
    draw = task.batch

    def batch(number: int, rank: int, world: int) -> tuple[torch.Tensor, ...]:
        if number == step:
            act()
        return draw(number, rank, world)

    task.batch = batch  # type: ignore[method-assign]


@pytest.mark.parametrize("network", SIZES)
def test_every_network_trains_and_resumes_to_the_same_weights(folder: Path, tmp_path: Path, network: str) -> None:
    told = settings(network, classes="folder", onset=True, tail=0.02, forget=0.2, train={"steps": 5})
    straight = generate.begin([folder], tmp_path / "straight", told, Silent())
    assert generate.learn(straight, told, Silent()).status == "finished"
    stopped = generate.begin([folder], tmp_path / "run", told, Silent())
    at_step(stopped.task, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert generate.learn(stopped, told, Silent()).status == "interrupted"
    assert generate.resume(tmp_path / "run", told, Silent()).step == 5
    ends = [open_generator(tmp_path / name) for name in ("straight", "run")]
    for one, other in zip(*(opened.network.state_dict().values() for opened in ends), strict=True):
        assert torch.equal(one, other)
    facts = describe(tmp_path / "run")
    assert facts["classes"] == "high, low"
    assert facts["rate"] == RATE


@pytest.mark.parametrize("network", SIZES)
@pytest.mark.parametrize("quantization", ["mu-law", "16-bit"])
def test_judging_is_the_cost_of_every_sample_after_all_before_it(
    folder: Path, tmp_path: Path, network: str, quantization: str
) -> None:
    told = settings(network, quantization=quantization, pre_emphasis=0.5, classes="name")
    task = generate.begin([folder], tmp_path / "run", told, Silent()).task
    material, net = task.material, task.generator.eval()
    nats, samples = 0.0, 0
    for sound in material.held_out:
        codes, _ = material.encoding.encode(np.array(material.sound(sound)))
        levels = material.encoding.quantizer.levels_of(np.concatenate([[material.encoding.quantizer.silence], codes]))
        controls = material.controls.signal(len(codes), label=sound.label)
        x = np.concatenate([levels[np.newaxis, :-1], controls]).astype(np.float32)
        with torch.no_grad():
            told_before = torch.from_numpy(controls[np.newaxis, :, 0])  # silence was heard under the first controls
            state = net.state_of_silence(told_before) if isinstance(net, SampleWaveNet) else None
            parameters, _ = net(torch.from_numpy(x)[None], state)
            cost = net.distribution.nats(parameters, torch.from_numpy(codes.astype(np.int64))[None])
        nats, samples = nats + float(cost.double().sum()), samples + len(codes)
    score = generate.judge(net, material.excerpts(material.held_out))
    assert score.samples == samples
    assert score.bits == pytest.approx(nats / samples / math.log(2), abs=2e-3)


def test_steps_go_on_with_the_state_of_the_step_before(folder: Path, tmp_path: Path) -> None:
    """Two chunks with the state carried cost what both cost in one piece, in rows that go on."""
    told = settings("audio-rnn", window=50, batch=1)
    task = generate.begin([folder], tmp_path / "run", told, Silent()).task
    first, second = (task.batch(step, 0, 1) for step in (0, 1))
    assert first[3].all()
    assert not second[3].any()
    with torch.no_grad():
        costs = [float(task.loss(part)) for part in (first, second)]
        x, codes = torch.cat([first[0], second[0]], -1), torch.cat([first[1], second[1]], -1)
        parameters, _ = task.generator(x)
        bits = task.generator.distribution.nats(parameters, codes)[0] / math.log(2)
    assert costs[0] == pytest.approx(float(bits[:50].mean()), abs=1e-4)
    assert costs[1] == pytest.approx(float(bits[50:].mean()), abs=1e-4)


def test_a_state_that_is_not_finite_is_forgotten(folder: Path, tmp_path: Path) -> None:
    told = settings("audio-rnn", window=50, batch=1)
    task = generate.begin([folder], tmp_path / "run", told, Silent()).task
    task.carry({name: torch.full_like(value, math.nan) for name, value in task.carried().items()})
    assert math.isfinite(task.loss(task.batch(1, 0, 1)).item())


@pytest.mark.parametrize("network", ["audio-rnn", "sample-wavenet"])
def test_what_is_forgotten_is_silent_and_must_be_predicted_all_the_same(
    folder: Path, tmp_path: Path, network: str
) -> None:
    plain, forgetful = (
        generate.begin([folder], tmp_path / f"{share}", settings(network, onset=True, forget=share), Silent()).task
        for share in (0.0, 0.3)
    )
    some = [(plain.batch(step, 0, 1), forgetful.batch(step, 0, 1)) for step in range(30)]
    for whole, hidden in some:
        assert all(map(torch.equal, whole[1:], hidden[1:]))
        assert torch.equal(whole[0][:, 1:], hidden[0][:, 1:])
        assert bool(((whole[0] == hidden[0]) | (hidden[0].abs() < 0.01)).all())
    sounding = torch.cat([(whole[0][:, 0].abs() > 0.02).flatten() for whole, _ in some])
    changed = torch.cat([(whole[0] != hidden[0])[:, 0].flatten() for whole, hidden in some])
    assert 0.2 < changed[sounding].float().mean() < 0.4


def test_whole_files_are_held_out_by_name(folder: Path, tmp_path: Path) -> None:
    told = settings(held_out_files="*_[03].wav")
    begun = generate.begin([folder], tmp_path / "run", told, Silent())
    held = {Path(path).name for path in begun.run.info["extra"]["held_out"]}
    assert held == {"low_0.wav", "low_3.wav", "high_0.wav", "high_3.wav"}
    assert not held & {sound.path.name for sound in begun.task.material.learned}


def test_a_store_is_used_where_it_lies(folder: Path, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", [folder], mono=True)
    told = settings()
    begun = generate.begin([store.folder], tmp_path / "run", told, Silent())
    assert not (tmp_path / "run" / "data").exists()
    generate.learn(begun, told, Silent())
    assert open_generator(tmp_path / "run").material.corpus.store.folder == store.folder
    (store.folder / "audio.f32").write_bytes(b"\0" * (store.folder / "audio.f32").stat().st_size)
    with pytest.raises(DataError, match="has changed"):
        generate.resume(tmp_path / "run", told, Silent())


def test_one_unreadable_file_is_named_and_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "low" / "broken.wav").write_bytes(b"RIFF this is no sound")
    said: list[str] = []

    class Telling(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    generate.learn(generate.begin([folder], tmp_path / "run", settings(), Telling()), settings(), Silent())
    assert any("1 files left out" in line and "broken.wav" in line for line in said)
    kept = RunFolder.open(tmp_path / "run").info["extra"]["skipped"]
    assert [(Path(one["path"]).name, "broken.wav" in one["why"]) for one in kept] == [("broken.wav", True)]
    assert describe(tmp_path / "run")["left_out"].startswith("1 files; the first: ")


def test_what_cannot_be_learned_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    run, empty = tmp_path / "run", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(AudioFileError, match=r"holds no sound file; looked for .*\.wav"):
        generate.begin([empty], run, settings(), Silent())
    with pytest.raises(DataError, match="sequences"):
        generate.begin([folder], run, settings(batch=500), Silent())
    with pytest.raises(SettingsError, match="slowest frame"):
        generate.begin([folder], run, settings("sample-rnn", window=63), Silent())
    with pytest.raises(SettingsError, match="held_out"):
        generate.begin([folder], run, settings(held_out=0.0), Silent())
    silent = tmp_path / "silent"
    silent.mkdir()
    files.write(silent / "a.wav", Recording(np.zeros((1, 900), np.float32), RATE))
    with pytest.raises(DataError, match="silent"):
        generate.begin([silent], run, settings(), Silent())
    assert not run.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("text", ["", "a", "0,", "-1", "1.0", "1,1"])
def test_parts_of_names_that_are_none_are_refused(folder: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="setting class_part"):
        generate.begin([folder], tmp_path / "run", settings(classes="name", class_part=text), Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["sounds"]


def test_a_run_of_another_job_is_refused(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", job="emulate", settings={})
    with pytest.raises(RunError, match="belongs to the job emulate"):
        generate.resume(tmp_path / "run", settings(), Silent())
    with pytest.raises(RunError, match="belongs to the job emulate"):
        open_generator(tmp_path / "run")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "warm", "0:1,0:0.5", "1:", "2:1,1:1", "inf"])
def test_a_temperature_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="temperature"):
        temperature_points(text)


@pytest.mark.parametrize("network", ["sample-wavenet", "audio-rnn"])
def test_sounds_that_are_all_shorter_than_the_context_are_refused(tmp_path: Path, network: str) -> None:
    for number in range(3):
        click = np.full((1, 50 + number), 0.5, np.float32)
        files.write(tmp_path / f"click_{number}.wav", Recording(click, 4000))
    told = replace(settings(network), window=64)
    words = rf"{network} hears .*all 3 sounds are shorter: .*click_2\.wav with 52 .*--tail"
    with pytest.raises(DataError, match=words):
        generate.begin([tmp_path], tmp_path / "run", told, Silent())
    assert not (tmp_path / "run").exists()
    generate.begin([tmp_path], tmp_path / "run", replace(told, tail=0.3), Silent())

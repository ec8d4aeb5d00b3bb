"""The digital twin from end to end: learn, go on, render, judge, export."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from wavewright.audio import files
from wavewright.audio.devices import LowPass, SoftClipper
from wavewright.audio.music import riff
from wavewright.audio.recording import Recording
from wavewright.data.signal_settings import SignalSettings
from wavewright.data.training_signal import compose
from wavewright.errors import DataError, ModelFileError, OutputError, PairError, RunError, SettingsError
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate import twin
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.nets.contract import Network, State
from wavewright.nets.names import NETWORK_NAMES
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 48_000
LATE = 23


def settings(steps: int, network: str = "a1-nano") -> EmulateSettings:
    plain = EmulateSettings(network=network, validation_seconds=1.0, window=2048)
    return replace(plain, train=replace(with_budget(plain.train, steps=steps), threads=1, validate_steps=20))


def wet_of(dry: np.ndarray) -> np.ndarray:
    """A device: a clipper behind a low-pass, its answer late."""
    return np.pad(SoftClipper(12.0)(LowPass(4_000.0, 1)(dry, RATE), RATE), ((0, 0), (LATE, 0)))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    dry = compose(SignalSettings(seconds=14.0, sweep_seconds=1.0, noise_seconds=1.0, silence_seconds=0.5)).samples
    files.write(folder / "dry.wav", Recording(dry, RATE))
    files.write(folder / "wet.wav", Recording(wet_of(dry), RATE))
    return folder / "dry.wav", folder / "wet.wav"


@pytest.fixture(scope="module")
def run(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    emulate.train(*pair, folder, settings(400), Silent())
    return folder


def test_learns_the_device_and_says_how_well(run: Path) -> None:
    judged = twin.evaluate(twin.open_twin(run))
    # a copy of the dry signal, the best that needs no learning, is what it must beat by far
    opened = twin.open_twin(run)
    dry, wet, context = twin.held_out(opened)
    untouched = twin.judge(dry[:, context:], wet, RATE, 0)
    assert judged.figures["esr"] < 0.25 * untouched.figures["esr"]
    assert judged.seconds == pytest.approx(1.0)


def test_a_run_stands_alone(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    assert facts["job"] == "emulate"
    assert facts["rate"] == RATE
    assert facts["extra"]["delay"] == LATE
    assert {Path(file["path"]).name for file in facts["data"]} == {"dry.wav", "wet.wav"}
    assert (run / "model.safetensors").is_file()
    assert (run / "last" / "checkpoint.safetensors").is_file()
    assert all(json.loads(line) for line in (run / "log.jsonl").read_text().splitlines())


@pytest.mark.parametrize("network", ["a1-nano", "gru"])
def test_going_on_gives_the_weights_of_a_run_never_stopped(
    pair: tuple[Path, Path], tmp_path: Path, network: str
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    chosen = settings(60, network)
    emulate.train(*pair, whole, chosen, Silent())
    interrupted_after(parts, pair, chosen, steps=31)
    emulate.resume(parts, chosen, Silent())
    for name in ("model.safetensors", "last/checkpoint.safetensors"):
        expected, found = load_file(whole / name), load_file(parts / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)


def interrupted_after(folder: Path, pair: tuple[Path, Path], chosen: EmulateSettings, steps: int) -> None:
    """Train with ``chosen`` settings, but press Ctrl-C after so many steps."""

    class Impatient(emulate.EmulateTask):
        def batch(self, step: int, rank: int, world: int) -> tuple[torch.Tensor, ...]:
            if step == steps:
                import signal

                signal.raise_signal(signal.SIGINT)
            return super().batch(step, rank, world)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulate, "EmulateTask", Impatient)
        outcome = emulate.train(*pair, folder, chosen, Silent())
    assert outcome.status == "interrupted"
    assert outcome.step < 60


def test_recordings_that_changed_are_not_trained_on(pair: tuple[Path, Path], tmp_path: Path) -> None:
    dry, wet = (tmp_path / path.name for path in pair)
    for source, copy in zip(pair, (dry, wet), strict=True):
        copy.write_bytes(source.read_bytes())
    interrupted_after(tmp_path / "run", (dry, wet), settings(60), steps=25)
    files.write(wet, Recording(wet_of(riff(9.0, RATE, seed=6)[np.newaxis]), RATE), force=True)
    with pytest.raises(DataError, match=r"wet\.wav"):
        emulate.resume(tmp_path / "run", settings(60), Silent())


def test_resuming_with_another_network_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    interrupted_after(tmp_path / "run", pair, settings(60), steps=25)
    with pytest.raises(SettingsError, match="network"):
        emulate.resume(tmp_path / "run", settings(60, network="a1-feather"), Silent())


def test_rendering_in_blocks_is_the_network_itself(run: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Files of two channels, longer than a block: each channel alike, as the network gives it in one go."""
    mono = files.read(pair[0]).samples
    stereo = np.concatenate([mono, 0.3 * mono[:, ::-1]])
    files.write(tmp_path / "in.wav", Recording(stereo, RATE))
    opened = twin.open_twin(run)
    (done,) = twin.render(opened, [tmp_path / "in.wav"], tmp_path / "out.wav")
    played = files.read(tmp_path / "out.wav")
    with torch.no_grad():
        state = opened.network.settled_state(2)
        whole, _ = opened.network(torch.from_numpy(stereo)[:, None], state)
    assert (played.channels, played.frames, played.rate) == (2, stereo.shape[1], RATE)
    np.testing.assert_allclose(played.samples, whole[:, 0].numpy(), atol=1e-5)
    assert done.clipped == 0


def test_a_file_of_another_rate_keeps_its_rate_and_length(run: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """At 44.1 kHz the twin must sound as at 48 kHz: the same render, resampled."""
    from wavewright.audio.resample import resample

    at_48 = files.read(pair[0])
    at_44 = resample(at_48, 44_100)
    files.write(tmp_path / "in.wav", at_44)
    opened = twin.open_twin(run)
    with pytest.raises(DataError, match="--resample"):
        twin.render(opened, [tmp_path / "in.wav"], tmp_path / "out.wav")
    twin.render(opened, [tmp_path / "in.wav"], tmp_path / "out.wav", resample=True)
    out = files.read(tmp_path / "out.wav")
    assert (out.rate, out.frames) == (44_100, at_44.frames)
    expected = resample(Recording(twin.play(opened.network, at_48.samples), RATE), 44_100).samples
    inner = slice(4_000, at_44.frames - 4_000)
    error = np.sum((out.samples[:, inner] - expected[:, inner]) ** 2) / np.sum(expected[:, inner] ** 2)
    assert error < 1e-3


def test_nothing_of_the_users_is_overwritten(run: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out.wav").write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        twin.render(twin.open_twin(run), [pair[0]], tmp_path / "out.wav")
    with pytest.raises(OutputError, match="--force"):
        twin.export_nam(twin.open_twin(run), tmp_path / "out.wav")
    with pytest.raises(RunError, match="not empty"):
        emulate.train(*pair, run, settings(10), Silent())
    assert (tmp_path / "out.wav").read_text() == "mine"


class NextSample(Network):
    """Gives the sample after each: it is not causal."""

    causal = False
    lookahead = 1
    receptive_field = 2

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        return torch.nn.functional.pad(x, (0, 1))[..., 1:] * self.weight, ()


@pytest.mark.parametrize("samples", [0, 1, 50_000])
def test_a_network_that_looks_ahead_plays_in_its_place(samples: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    np.testing.assert_array_equal(twin.play(NextSample(), x), np.pad(x, ((0, 0), (0, 1)))[:, 1:])


def test_what_is_exported_sounds_the_same(run: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    opened = twin.open_twin(run)
    twin.export_nam(opened, tmp_path / "twin.nam")
    again = twin.open_twin(tmp_path / "twin.nam")
    assert again.rate == RATE
    x = files.read(pair[0]).samples[:, :RATE]
    ours, theirs = twin.play(opened.network, x), twin.play(again.network, x)
    assert np.sum((ours - theirs) ** 2) / np.sum(ours**2) < 1e-10
    training = json.loads((tmp_path / "twin.nam").read_text())["metadata"]["training"]
    assert training["validation_esr"] == pytest.approx(twin.evaluate(opened).figures["esr"], rel=1e-3)


@pytest.mark.parametrize("lag", [-300, 0, 41])
def test_evaluation_finds_the_delay_of_its_pair(run: Path, tmp_path: Path, lag: int) -> None:
    dry = riff(3.0, RATE, seed=9)[np.newaxis]
    wet = wet_of(dry)[:, LATE:]
    moved = np.pad(wet, ((0, 0), (lag, 0))) if lag >= 0 else wet[:, -lag:]
    files.write(tmp_path / "dry.wav", Recording(dry, RATE))
    files.write(tmp_path / "wet.wav", Recording(moved, RATE))
    judged = twin.evaluate(twin.open_twin(run), tmp_path / "dry.wav", tmp_path / "wet.wav")
    assert judged.delay == lag


def test_evaluation_against_another_rate_is_refused(run: Path, tmp_path: Path) -> None:
    files.write(tmp_path / "dry.wav", Recording(np.zeros((1, 9000), np.float32), 44_100))
    with pytest.raises(PairError, match="44100 Hz"):
        twin.evaluate(twin.open_twin(run), tmp_path / "dry.wav", tmp_path / "dry.wav")


def test_real_recordings_of_an_amplifier(shared: Path, tmp_path: Path) -> None:
    """The first minute of training on the real amp must leave the network's first guess far behind."""
    amp = shared / "audio" / "amp"
    chosen = EmulateSettings(network="a1-feather", window=4096, validation_seconds=4.0)
    chosen = replace(chosen, train=with_budget(chosen.train, steps=400))
    outcome = emulate.train(amp / "dry.flac", amp / "wet.flac", tmp_path / "run", chosen, Silent())
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["extra"]["delay"] == 137
    judged = twin.evaluate(twin.open_twin(tmp_path / "run"), amp / "test_dry.flac", amp / "test_wet.flac")
    assert judged.delay == 0
    assert judged.figures["esr"] < 0.5
    assert outcome.status == "finished"


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_every_network_goes_the_whole_way(pair: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    """Two steps of training, then its own sound again from the run, and from a .nam where that can hold it."""
    net = ("window=960", "width=8") if name.startswith("window-") else ()
    chosen = replace(settings(2, name), net=net, batch=1, train=replace(settings(2).train, validate_steps=2))
    emulate.train(*pair, tmp_path / "run", chosen, Silent())
    opened = twin.open_twin(tmp_path / "run")
    files.write(tmp_path / "in.wav", Recording(files.read(pair[0]).samples[:, : RATE // 2], RATE))
    twin.render(opened, [tmp_path / "in.wav"], tmp_path / "out.wav")
    out = files.read(tmp_path / "out.wav").samples
    if name in ("gated-wavenet", "gru") or not opened.network.causal:
        with pytest.raises(ModelFileError, match=r"cannot be written as \.nam"):
            twin.export_nam(opened, tmp_path / "twin.nam")
        return
    twin.export_nam(opened, tmp_path / "twin.nam")
    again = twin.play(twin.open_twin(tmp_path / "twin.nam").network, files.read(tmp_path / "in.wav").samples)
    assert np.sum((again - out) ** 2) <= 1e-9 * np.sum(out**2)

"""Beginning with what another run learned: what is kept stays bit for bit, and a resumed run is the same run."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from wavewright.audio import files
from wavewright.audio.devices import LowPass, SoftClipper
from wavewright.audio.recording import Recording
from wavewright.cli.main import run as command
from wavewright.errors import ModelFileError, RunError, SettingsError
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate.settings import EmulateSettings, settings_for, starting_from
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 8_000
NET = ("width=3", "filter_sizes=8", "stride=2")


def settings(steps: int, network: str = "conv-deconv", net: tuple[str, ...] = NET, **more: object) -> EmulateSettings:
    plain = settings_for(network)
    train = replace(with_budget(plain.train, steps=steps), threads=1, preview_minutes=None, validate_steps=10)
    chosen = replace(plain, net=net, window=256, validation_seconds=0.5, delay=0, table_epochs=None, train=train)
    return replace(chosen, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    """One dry recording, and what two devices make of it."""
    folder = tmp_path_factory.mktemp("pairs")
    dry = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 3 * RATE)).astype(np.float32)
    sounds = {"dry": dry, "dark": LowPass(900.0)(dry, RATE), "loud": SoftClipper(20.0)(dry, RATE)}
    for name, sound in sounds.items():
        files.write(folder / f"{name}.wav", Recording(sound, RATE), subtype="FLOAT")
    dark, loud = ((folder / "dry.wav", folder / f"{name}.wav") for name in ("dark", "loud"))
    return dark, loud


@pytest.fixture(scope="module")
def start(pairs: tuple[tuple[Path, Path], tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("start") / "run"
    emulate.train(*pairs[0], run, settings(30), Silent())
    return run


Pairs = tuple[tuple[Path, Path], tuple[Path, Path]]


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(run / "model.safetensors")
    return found


def test_a_frozen_front_end_stays_bit_for_bit_and_the_middle_learns(pairs: Pairs, start: Path, tmp_path: Path) -> None:
    chosen = settings(30, start_from=start, freeze=("frontend",))
    emulate.train(*pairs[1], tmp_path / "run", chosen, Silent())
    before, after = weights(start), weights(tmp_path / "run")
    kept = {name for name in before if name.split(".")[-1] in ("encoder", "decoder") or name == "banks.0.bias"}
    assert len(kept) == 3
    for name, value in before.items():
        assert torch.equal(value, after[name]) == (name in kept), name


def test_without_freezing_all_of_it_learns_from_where_the_other_ended(
    pairs: Pairs, start: Path, tmp_path: Path
) -> None:
    first = emulate.new_network(settings(1), start=start)
    assert all(torch.equal(value, weights(start)[name]) for name, value in first.state_dict().items())
    emulate.train(*pairs[1], tmp_path / "run", settings(30, start_from=start), Silent())
    assert not any(torch.equal(value, weights(start)[name]) for name, value in weights(tmp_path / "run").items())


def test_a_resumed_run_is_the_run_never_stopped_and_needs_the_first_no_more(
    pairs: Pairs, start: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "first"
    shutil.copytree(start, gone)
    chosen = settings(40, start_from=gone, freeze=("frontend",))
    emulate.train(*pairs[1], tmp_path / "whole", chosen, Silent())

    def stopped_after(steps: int, run: Path) -> None:
        class Impatient(emulate.EmulateTask):
            def batch(self, step: int, rank: int, world: int) -> tuple[torch.Tensor, ...]:
                if step == steps:
                    signal.raise_signal(signal.SIGINT)
                return super().batch(step, rank, world)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(emulate, "EmulateTask", Impatient)
            emulate.train(*pairs[1], run, chosen, Silent())

    stopped_after(17, tmp_path / "parts")
    stopped_after(0, tmp_path / "from its first step")
    (tmp_path / "from its first step" / "last" / "checkpoint.safetensors").unlink()  # as if killed before the first
    shutil.rmtree(gone)
    for name in ("parts", "from its first step"):
        emulate.resume(tmp_path / name, chosen, Silent())
        expected, found = weights(tmp_path / "whole"), weights(tmp_path / name)
        assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize(("network", "part"), [("lstm", "rnn"), ("a1-nano", "arrays.0")])
def test_every_network_has_parts_to_keep(pairs: Pairs, tmp_path: Path, network: str, part: str) -> None:
    net = ("hidden_size=4", "warm_up=16") if network == "lstm" else ()
    small = replace(settings(2, network, net, batch=1), validation_seconds=0.3)
    emulate.train(*pairs[0], tmp_path / "first", small, Silent())
    more = replace(small, start_from=tmp_path / "first", freeze=(part,))
    emulate.train(*pairs[1], tmp_path / "second", more, Silent())
    before, after = weights(tmp_path / "first"), weights(tmp_path / "second")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith(f"{part}.")} <= same
    assert same != set(before)


def test_what_cannot_be_started_from_is_told(pairs: Pairs, start: Path, tmp_path: Path) -> None:
    def refused(error: type[Exception], told: str, chosen: EmulateSettings) -> None:
        with pytest.raises(error, match=told):
            emulate.train(*pairs[1], tmp_path / "run", chosen, Silent())
        assert not (tmp_path / "run").exists()

    refused(SettingsError, "did you mean 'frontend'", settings(5, start_from=start, freeze=("frontent",)))
    refused(SettingsError, "nothing is left to learn", settings(5, start_from=start, freeze=("frontend", "middle")))
    refused(SettingsError, "say with start_from", settings(5, freeze=("frontend",)))
    refused(RunError, "no run at .* to start from", settings(5, start_from=tmp_path / "none"))
    refused(ModelFileError, "width = 3, here it is 5", settings(5, net=("width=5", *NET[1:]), start_from=start))
    refused(ModelFileError, "of kind conv-deconv, not lstm", settings(5, "lstm", (), start_from=start))


def test_the_command_line_takes_the_network_of_the_run_it_starts_from(
    pairs: Pairs, start: Path, tmp_path: Path
) -> None:
    told = starting_from(start)
    assert (told.network, told.net, told.window, told.start_from) == ("conv-deconv", NET, 256, start)
    dry, wet = map(str, pairs[1])
    words = [dry, wet, "-o", str(tmp_path / "run"), "--start-from", str(start), "--freeze", "frontend", "--steps", "4"]
    assert command(["train", "emulate", *words, "--threads", "1", "--quiet"]) == 0
    assert torch.equal(weights(start)["banks.0.encoder"], weights(tmp_path / "run")["banks.0.encoder"])
    assert command(["train", "emulate", "-o", str(tmp_path / "run"), "--resume", "--steps", "6", "--quiet"]) == 0

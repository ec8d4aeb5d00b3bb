"""The networks of TensorFlow Signal Processing as users meet them: settings by name, tables, overlapping windows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import fftconvolve

from wavewright.audio import files
from wavewright.audio.devices import LowPass
from wavewright.audio.recording import Recording
from wavewright.cli.main import run as command
from wavewright.errors import SettingsError
from wavewright.jobs.emulate import takes, twin, twin_table
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate.settings import EmulateSettings, settings_for
from wavewright.nets.contract import Network
from wavewright.train import memory
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 8_000


def settings(network: str, *net: str, steps: int, **more: object) -> EmulateSettings:
    plain = settings_for(network)
    train = replace(with_budget(plain.train, steps=steps), threads=1, preview_minutes=None)
    chosen = replace(plain, net=net, window=400, validation_seconds=1.0, delay=0, train=train)
    return replace(chosen, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Noise in, and out what hears 20 samples ahead: no causal network can follow it."""
    folder = tmp_path_factory.mktemp("pair")
    dry = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 8 * RATE)).astype(np.float32)
    wet = np.pad(LowPass(1_000.0)(dry, RATE), ((0, 0), (0, 20)))[:, 20:]
    for name, sound in (("dry", dry), ("wet", wet)):
        files.write(folder / f"{name}.wav", Recording(sound, RATE), subtype="FLOAT")
    return folder / "dry.wav", folder / "wet.wav"


@pytest.mark.parametrize(
    ("network", "net", "steps"),
    [
        ("conv-deconv", ("width=8", "filter_sizes=40", "activation=none"), 80),
        ("conv-deconv-multi", ("width=4", "filter_sizes=8,40", "stride=4", "middle=dense", "activation=none"), 120),
    ],
)
def test_what_lies_ahead_is_heard_in_training_and_in_playing(
    pair: tuple[Path, Path], tmp_path: Path, network: str, net: tuple[str, ...], steps: int
) -> None:
    emulate.train(*pair, tmp_path / "run", settings(network, *net, steps=steps), Silent())
    opened = twin.open_twin(tmp_path / "run")
    judged = twin.evaluate(opened)
    assert judged.figures["esr"] < 0.05
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["net"] == list(net)
    # what training says of the held-out part is what playing it gives
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    best = min(line["esr"] for line in log if "esr" in line)
    assert judged.figures["esr"] == pytest.approx(best, rel=0.02)


def test_a_linear_regressor_learns_a_filter_from_windows_that_overlap(pair: tuple[Path, Path], tmp_path: Path) -> None:
    chosen = settings("window-linear", "window=100", "width=60", steps=300, scroll=30, batch=8)
    chosen = replace(chosen, train=replace(chosen.train, learning_rate=0.004))
    emulate.train(*pair, tmp_path / "run", chosen, Silent())
    opened = twin.open_twin(tmp_path / "run")
    assert opened.run is not None
    hops = (7 * RATE - 400) / 30
    assert opened.run.info["extra"]["steps_per_epoch"] == pytest.approx(hops / 8, abs=2)
    impulse = np.zeros((1, 100), np.float32)
    impulse[0, 50] = 1.0
    heard = twin.play(opened.network, impulse) - twin.play(opened.network, 0 * impulse)
    taps = LowPass(1_000.0)(np.eye(1, 64, dtype=np.float32), RATE)[0]
    expected = fftconvolve(impulse[0], taps)[20:120]
    assert np.sum((heard[0] - expected) ** 2) < 0.3 * np.sum(expected**2)


def test_the_table_is_kept_and_printed(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    chosen = settings("conv-deconv", "width=2", "filter_sizes=8", steps=120, batch=8, table_epochs=2)
    emulate.train(*pair, run, chosen, Silent())
    opened = twin.open_twin(run)
    rows = twin_table.rows(opened)
    assert opened.run is not None
    steps = opened.run.info["extra"]["steps_per_epoch"]
    assert [name for name, _ in rows] == [f"epoch:{epoch:7.4g}" for epoch in (2, 4, 6, 120 / steps)]
    # the line of the best weights by hand: the held-out part, and as much of the end of what training heard
    material = takes.material_of(opened.run)
    start, stop = opened.run.info["extra"]["validation"]
    assert isinstance(opened.network, Network)
    past, future = opened.network.context
    ends = {"": (start, stop), "training_": (start - past - future - (stop - start), start - past - future)}
    best = min((row for _, row in rows), key=lambda row: float(row["esr"]))
    for prefix, (first, last) in ends.items():
        played = twin.play(opened.network, np.array(material.dry[:, first - past : last + future]))
        error = np.asarray(material.wet[:, first:last], np.float64) - played[:, past : past + last - first]
        assert best[f"{prefix}mse"] == pytest.approx(np.mean(error**2), rel=1e-4)
        assert best[f"{prefix}rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
        assert best[f"{prefix}error_std"] == pytest.approx(error.std(), rel=1e-4)
    assert command(["evaluate", str(run), *map(str, pair), "--table", "--delay", "0"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["mse", "rmse", "std"]
    assert shown[1].split() == ["training", "validation"] * 3 + ["reference"]
    assert shown[2].split()[:2] == ["epoch:", "2"]
    assert [line.split(":")[0] for line in shown[-3:]] == ["test mse", "test rmse", "test std"]


def test_a_run_that_kept_no_table_has_a_line_of_its_best_weights(pair: tuple[Path, Path], tmp_path: Path) -> None:
    chosen = settings("conv-deconv", "width=2", "filter_sizes=8", steps=10, table_epochs=None)
    outcome = emulate.train(*pair, tmp_path / "run", chosen, Silent())
    ((name, line),) = twin_table.rows(twin.open_twin(tmp_path / "run"))
    assert name == "best weights"
    assert line["mse"] / (line["mse"] + 1) > 0
    judged = twin.evaluate(twin.open_twin(tmp_path / "run")).figures
    assert line["mse"] == pytest.approx(judged["mse"], rel=0.02)
    assert outcome.best == pytest.approx(judged["esr"], rel=0.02)


def test_settings_of_a_network_are_checked_by_name() -> None:
    with pytest.raises(SettingsError, match="did you mean 'width'"):
        emulate.new_network(EmulateSettings(network="conv-deconv", net=("widht=3",)))
    with pytest.raises(SettingsError, match="width = 'wide': must be a whole number"):
        emulate.new_network(EmulateSettings(network="conv-deconv", net=("width=wide",)))
    with pytest.raises(SettingsError, match="write it as name=value"):
        emulate.new_network(EmulateSettings(network="conv-deconv", net=("width",)))
    assert emulate.new_network(EmulateSettings(network="lstm", net=("hidden_size=7",))).init_state(1)[0].shape[-1] == 7


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 8e9)
    straight = EmulateSettings(network="window-linear", net=("width=0",))
    with pytest.raises(SettingsError, match=r"576,024,000 weights, and training it takes 18.4 GB .* 8.0 GB are free"):
        emulate.new_network(straight)

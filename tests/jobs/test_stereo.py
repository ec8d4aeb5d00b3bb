"""Twins of several channels: a ping-pong delay that only a joint network can learn, and the way of all layouts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.audio import files
from wavewright.audio.devices import PingPong, SoftClipper
from wavewright.audio.recording import FloatArray, Recording
from wavewright.errors import DataError, ModelFileError, PairError, SettingsError
from wavewright.jobs.emulate import exporting, playing, twin, twin_report
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate.conditioning import network_for
from wavewright.jobs.emulate.layout import Layout, laid, layout_of
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.nets import standing
from wavewright.nets.contract import Network
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 8_000


def noise(seconds: float, seed: int, channels: int = 2) -> FloatArray:
    random = np.random.default_rng(seed)
    level = np.repeat(random.uniform(0.05, 0.4, (channels, int(10 * seconds) + 1)), RATE // 10, axis=1)
    frames = int(seconds * RATE)
    return np.asarray(level[:, :frames] * random.standard_normal((channels, frames)), dtype=np.float32)


def settings(layout: str, steps: int) -> EmulateSettings:
    plain = EmulateSettings(network="lstm", channels=layout, validation_seconds=1.0, window=128)
    train = replace(with_budget(plain.train, steps=steps), threads=1, validate_steps=30)
    return replace(plain, net=("warm_up=32", "skip=yes"), batch=16, train=train)


@pytest.fixture(scope="module")
def ping_pong(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An echo on the other side one sample later: what a small network learns in seconds."""
    folder = tmp_path_factory.mktemp("ping-pong")
    dry = noise(6, 0)
    files.write(folder / "dry.wav", Recording(dry, RATE))
    files.write(folder / "wet.wav", Recording(PingPong(1 / RATE, 0.6)(dry, RATE), RATE))
    return folder / "dry.wav", folder / "wet.wav"


@pytest.fixture(scope="module")
def runs(ping_pong: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for layout, steps in (("joint", 200), ("each", 30), ("shared", 30)):
        emulate.train(*ping_pong, folder / layout, settings(layout, steps), Silent())
    return {layout: folder / layout for layout in ("joint", "each", "shared")}


def test_blocks_of_the_ping_pong_make_no_difference_and_its_echoes_follow_the_formula() -> None:
    device, x = PingPong(0.0011, -0.7), noise(0.2, 1)
    whole = device(x, RATE)
    state, parts = None, []
    for start in range(0, x.shape[1], 77):
        part, state = device.process(x[:, start : start + 77], RATE, state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    lag, expected = 9, x.astype(np.float64)
    for n in range(lag, x.shape[1]):  # y[n] = x[n] + f · (the other side's y)[n − lag]
        expected[:, n] += -0.7 * expected[::-1, n - lag]
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    with pytest.raises(ValueError, match="must be"):
        device(x[:1], RATE)


def test_the_joint_network_learns_what_no_channel_can_foretell_alone(runs: dict[str, Path]) -> None:
    found = {layout: twin.evaluate(twin.open_twin(run)).figures["esr"] for layout, run in runs.items()}
    # echo k has f^k: the even ones come from one's own side, the odd ones from the other, which a channel cannot know
    unknown = 0.6**2 / (1 + 0.6**2)
    assert found["each"] > 0.9 * unknown
    assert found["shared"] > 0.9 * unknown
    assert found["joint"] < 0.7 * unknown


def test_what_a_run_keeps_and_how_it_goes_on(runs: dict[str, Path], ping_pong: tuple[Path, Path]) -> None:
    for layout, run in runs.items():
        facts = json.loads((run / "run.json").read_text())
        assert facts["extra"]["channels"] == layout
        assert facts["network"]["kind"] == ("lstm" if layout == "joint" else "channels")
    chosen = settings("shared", 32)
    outcome = emulate.resume(runs["shared"], chosen, Silent(), ping_pong)
    assert outcome.step == 32


@pytest.mark.parametrize("layout", ["joint", "each", "shared"])
def test_files_are_rendered_as_the_twin_plays_them(layout: str, runs: dict[str, Path], tmp_path: Path) -> None:
    x = noise(0.5, 2)
    files.write(tmp_path / "in.wav", Recording(x, RATE))
    opened = playing.open_playable(runs[layout])
    for threads in (1, 2):
        playing.render(opened, [tmp_path / "in.wav"], tmp_path / "out.wav", threads=threads, force=True)
        played = files.read(tmp_path / "out.wav").samples
        np.testing.assert_allclose(played, twin.play(twin.open_twin(runs[layout]).network, x), atol=1e-6)
    x = 0.2 * x  # far from full scale, where files would cut it off
    files.write(tmp_path / "mono.wav", Recording(x[:1], RATE), subtype="FLOAT")
    if layout == "shared":  # one network plays as many channels as there are
        playing.render(opened, [tmp_path / "mono.wav"], tmp_path / "out.wav", force=True)
        alone = twin.play(twin.open_twin(runs[layout]).network, x[:1])
        np.testing.assert_allclose(files.read(tmp_path / "out.wav").samples, alone, atol=1e-6)
    elif layout == "each":  # one channel goes to all networks
        playing.render(opened, [tmp_path / "mono.wav"], tmp_path / "out.wav", force=True)
        both = twin.play(twin.open_twin(runs[layout]).network, np.repeat(x[:1], 2, axis=0))
        np.testing.assert_allclose(files.read(tmp_path / "out.wav").samples, both, atol=1e-6)
        judged = twin.evaluate(twin.open_twin(runs[layout]), tmp_path / "mono.wav", tmp_path / "out.wav", delay=0)
        assert judged.figures["esr"] < 1e-8
    else:
        with pytest.raises(DataError, match=r"has 1 channel, and the twin plays 2"):
            playing.render(opened, [tmp_path / "mono.wav"], tmp_path / "out.wav", force=True)


def test_figures_of_every_channel_stand_beside_those_of_all(runs: dict[str, Path]) -> None:
    judged = twin.evaluate(twin.open_twin(runs["each"]))
    assert list(judged.each) == ["channel 1", "channel 2"]
    low, high = sorted(figures["esr"] for figures in judged.each.values())
    assert low <= judged.figures["esr"] <= high


def test_the_page_is_written(runs: dict[str, Path], tmp_path: Path) -> None:
    for layout in ("each", "joint"):
        page = twin_report.write(runs[layout], tmp_path / f"{layout}.html")
        assert "Channel 1 of 2 is heard and drawn; the figures are of all." in page.read_text()


def test_files_for_players_hold_one_channel(runs: dict[str, Path], tmp_path: Path) -> None:
    done = exporting.export(twin.open_twin(runs["shared"]), tmp_path / "one.json", "rtneural")
    assert done.path == tmp_path / "one.json"
    made = exporting.export_each(twin.open_twin(runs["each"]), tmp_path / "two.json", "rtneural")
    assert [one.path.name for one in made] == ["two-1.json", "two-2.json"]
    x = noise(0.2, 3)
    both = twin.play(twin.open_twin(runs["each"]).network, x)
    for channel, one in enumerate(made):
        np.testing.assert_allclose(
            twin.play(twin.open_twin(one.path).network, x[channel : channel + 1])[0], both[channel], atol=1e-5
        )
    for to in ("nam", "rtneural", "aidax", "proteus"):
        with pytest.raises(ModelFileError, match="2 channels"):
            exporting.export(twin.open_twin(runs["joint"]), tmp_path / f"joint-{to}.x", to)
        assert not list(tmp_path.glob("joint-*"))


def test_a_joint_twin_goes_to_onnx_whole(runs: dict[str, Path], tmp_path: Path) -> None:
    joint = twin.open_twin(runs["joint"])
    assert exporting.suggested(joint) == "--to onnx -o TWIN.onnx"
    assert twin.describe(runs["joint"])["channels"] == 2
    exporting.export(joint, tmp_path / "joint.onnx", "onnx")
    x = noise(0.2, 6)
    again = twin.play(twin.open_twin(tmp_path / "joint.onnx").network, x)
    np.testing.assert_allclose(again, twin.play(joint.network, x), atol=1e-5)


@pytest.mark.parametrize("layout", ["each", "shared"])
@pytest.mark.parametrize("name", ["a1-nano", "lstm"])
def test_knobs_of_networks_side_by_side_stand_still(name: str, layout: str) -> None:
    net = network_for(name, channels=2, knobs=1, layout=layout).eval()
    x = torch.from_numpy(noise(0.05, 7))[None]  # (1, 2, time)
    still = standing.at(net, [0.3])
    assert isinstance(still, Network)
    assert (still.in_channels, still.out_channels) == (2, 2)
    with torch.no_grad():
        turned, _ = net(torch.cat([x, torch.full_like(x[:, :1], 0.3)], dim=1))
        np.testing.assert_allclose(still(x)[0].numpy(), turned.numpy(), atol=1e-6)


@pytest.mark.parametrize(("network", "told"), [("a2", "choose a2-full or a2-lite"), ("conv-deconv", "looks ahead")])
def test_networks_that_cannot_stand_side_by_side_are_refused(network: str, told: str) -> None:
    for layout in ("each", "shared"):
        with pytest.raises(SettingsError, match=told):
            network_for(network, channels=2, layout=layout)
    assert network_for("conv-deconv", channels=2, layout="each", causal=True, stride=1).out_channels == 2


def test_one_dry_channel_may_become_two(tmp_path: Path) -> None:
    dry = noise(4, 4, channels=1)
    wet = np.concatenate([SoftClipper(12.0)(dry, RATE), 0.5 * dry])
    files.write(tmp_path / "dry.wav", Recording(dry, RATE))
    files.write(tmp_path / "wet.wav", Recording(wet, RATE))
    emulate.train(tmp_path / "dry.wav", tmp_path / "wet.wav", tmp_path / "run", settings("auto", 2), Silent())
    assert json.loads((tmp_path / "run" / "run.json").read_text())["extra"]["channels"] == "each"


def pairs(dry: int, wet: int, same: bool = False) -> list[tuple[Recording, Recording]]:
    x = noise(0.2, 5, 8)
    x = np.repeat(x[:1], 8, axis=0) if same else x
    return [(Recording(x[:dry], RATE), Recording(x[:wet], RATE))]


def test_what_becomes_of_the_channels() -> None:
    assert layout_of("auto", pairs(1, 1)).name == "mono"
    assert layout_of("joint", pairs(1, 1)).name == "mono"
    assert layout_of("auto", pairs(2, 2, same=True)).name == "mono"
    assert layout_of("auto", pairs(2, 2)) == Layout("shared", 2)
    assert layout_of("auto", pairs(1, 2)) == Layout("each", 2)
    assert layout_of("auto", pairs(2, 1)).name == "mono"
    assert layout_of("joint", pairs(3, 3)) == Layout("joint", 3)
    assert "channel 1 stands for all" in layout_of("mono", pairs(2, 2)).words
    assert laid(pairs(1, 2)[0][0], Layout("each", 2)).shape[0] == 2
    with pytest.raises(PairError, match="dry recording has 2 channels and the wet one 3"):
        layout_of("auto", pairs(2, 3))
    with pytest.raises(PairError, match="2 times the same"):
        layout_of("shared", pairs(1, 2))
    with pytest.raises(PairError, match="different channels"):
        layout_of("joint", [*pairs(2, 2), *pairs(3, 3)])

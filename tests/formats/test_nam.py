"""The .nam format: real files sound as in the reference player, what is written comes back, the rest is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, OutputError, SettingsError
from wavewright.formats import nam, nam_loudness
from wavewright.nets.contract import Network
from wavewright.nets.registry import build
from wavewright.nets.wavenet import Activation, LayerArrayConfig, WaveNet, WaveNetConfig

REFERENCES = {
    "wavenet_a1_standard": None,
    "obsidian_a1": None,
    "wavenet": None,
    "lstm": None,
    "A2.slim0": 0,
    "A2.slim1": -1,
    "slimmable_container.slim0": 0,
    "slimmable_container.slim1": -1,
}


def play(net: Network, x: np.ndarray) -> np.ndarray:
    return Player(net).process(np.ascontiguousarray(x, np.float32)[None])[0]


def noise(samples: int = 3000) -> np.ndarray:
    return (np.random.default_rng(5).standard_normal(samples) * 0.3).astype(np.float32)


@pytest.mark.parametrize("name", REFERENCES)
def test_real_files_sound_as_in_the_reference_player(shared: Path, name: str) -> None:
    model = nam.load(shared / "nam" / f"{name.split('.')[0]}.nam")
    which = REFERENCES[name]
    net = model.net if which is None else model.submodels[which].model.net
    x, _ = soundfile.read(shared / "nam" / "input.wav", dtype="float32")
    expected, _ = soundfile.read(shared / "nam" / f"{name}.reference.wav")
    error = play(net, x).astype(np.float64) - expected
    assert np.sum(error**2) / np.sum(expected**2) < 1e-8


def test_unsupported_blocks_are_named(shared: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        nam.load(shared / "nam" / "wavenet_a2_max.nam")
    for block in (
        "condition_dsp",
        "conv_pre_film",
        "head1x1_post_film",
        "groups_input_mixin",
        "head1x1",
        "layer1x1 groups",
    ):
        assert block in str(caught.value)


def test_metadata_of_a_real_file(shared: Path) -> None:
    model = nam.load(shared / "nam" / "lstm.nam")
    assert (model.rate, model.version, model.architecture) == (48_000, "0.5.4", "LSTM")
    assert model.metadata.name == "Test LSTM"
    assert model.metadata.input_level_dbu == 18.3
    assert model.metadata.loudness == pytest.approx(-37.84, abs=0.01)
    assert model.metadata.training is not None
    assert nam.load(shared / "nam" / "wavenet_a1_standard.nam").rate is None


@pytest.mark.parametrize("name", ["obsidian_a1", "A2", "lstm"])
def test_what_is_read_and_written_again_says_the_same(shared: Path, tmp_path: Path, name: str) -> None:
    """Configuration and weights, key for key and number for number, in the schema of the original."""
    source = shared / "nam" / f"{name}.nam"
    model = nam.load(source)
    target = tmp_path / "again.nam"
    if model.submodels:
        nam.save_container(target, [(part.max_value, part.model.net) for part in model.submodels], model.rate)
    else:
        nam.save(target, model.net, model.rate, model.metadata)
    before, after = json.loads(source.read_text()), json.loads(target.read_text())
    if not model.submodels:
        assert after["metadata"] == before["metadata"]
        assert after["version"] == "0.5.4"
    pairs = [(before, after)]
    if model.submodels:
        both = zip(before["config"]["submodels"], after["config"]["submodels"], strict=True)
        pairs = [(was["model"], now["model"]) for was, now in both]
    for was, now in pairs:
        assert now["config"] == was["config"]
        assert now["weights"] == was["weights"]
        assert now["sample_rate"] == was["sample_rate"]


def gated() -> WaveNet:
    array = LayerArrayConfig(1, 1, 1, 4, (2, 3), (1, 4), (Activation("Tanh"), Activation("ReLU")), 2, True, True, 3)
    return WaveNet(WaveNetConfig((array,), head_scale=0.3))


ALL = {
    **{
        name: lambda name=name: build(name)
        for name in ("a1-standard", "a1-lite", "a1-feather", "a1-nano", "a2-full", "a2-lite")
    },
    "gated": gated,
    "lstm": lambda: build("lstm", hidden_size=6, num_layers=2, learned_start=True, prewarm=24_000),
    "linear": lambda: build("linear", taps=50, bias=True),
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_comes_back(tmp_path: Path, name: str) -> None:
    torch.manual_seed(2)
    net = ALL[name]()
    if name == "lstm":
        torch.nn.init.normal_(net.start, std=0.3)
    metadata = nam.NamMetadata(loudness=-20.0, gain=0.5, name="Größe", others={"maker": {"tool": "Wavewright"}})
    nam.save(tmp_path / "net.nam", net, 48_000, metadata)
    back = nam.load(tmp_path / "net.nam")
    assert dataclasses.replace(back.metadata, date=None) == metadata
    assert back.version == ("0.7.0" if name in ("a2-full", "a2-lite", "gated") else "0.5.4")
    assert back.rate == 48_000
    np.testing.assert_allclose(play(back.net, noise(500)), play(net, noise(500)), rtol=0, atol=1e-6)
    nam.save(tmp_path / "again.nam", back.net, back.rate, back.metadata)
    assert (tmp_path / "again.nam").read_bytes() == (tmp_path / "net.nam").read_bytes()


def test_an_unknown_rate_is_left_out(tmp_path: Path) -> None:
    nam.save(tmp_path / "net.nam", build("a1-nano"), None)
    assert "sample_rate" not in json.loads((tmp_path / "net.nam").read_text())
    assert nam.load(tmp_path / "net.nam").rate is None


def test_the_weights_lie_as_the_description_says(tmp_path: Path) -> None:
    """Read back by hand: the last weight is head_scale, before it the head's bias and weights."""
    net = build("a1-nano")
    assert isinstance(net, WaveNet)
    nam.save(tmp_path / "net.nam", net, 48_000)
    weights = np.array(json.loads((tmp_path / "net.nam").read_text())["weights"], np.float32)
    *_, last = net.each_array()
    assert weights[-1] == np.float32(0.02)
    assert weights[-2] == last.head.bias.item()  # type: ignore[union-attr]
    np.testing.assert_array_equal(weights[-4:-2], last.head.weight.detach().numpy().ravel())
    first = next(net.each_array())
    np.testing.assert_array_equal(weights[:4], first.rechannel.weight.detach().numpy().ravel())
    np.testing.assert_array_equal(weights[4:52], next(first.each_layer()).conv.weight.detach().numpy().ravel())


def test_loudness_is_the_level_of_the_standard_input(tmp_path: Path) -> None:
    """A wire is as loud as its input and has no gain; a wire at half the level is 6 dB softer; a limiter has gain."""
    wire = build("linear", taps=1)
    x = nam_loudness.standard_input()
    level = 20 * math.log10(math.sqrt(float(np.mean(x.astype(np.float64) ** 2))))
    assert level == pytest.approx(-15.0, abs=0.05)
    with torch.no_grad():
        wire.impulse_response.fill_(0.5)  # type: ignore[operator,union-attr]
    found = nam_loudness.measure(wire)
    assert found.loudness == pytest.approx(level + 20 * math.log10(0.5), abs=1e-4)
    assert found.gain == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        wire.impulse_response.zero_()  # type: ignore[operator,union-attr]
    assert nam_loudness.measure(wire) == nam_loudness.Loudness(None, None)


def test_loudness_agrees_with_the_reference_trainer(shared: Path) -> None:
    for name in ("obsidian_a1", "wavenet"):
        model = nam.load(shared / "nam" / f"{name}.nam")
        found = nam_loudness.measure(model.net)
        assert found.loudness == pytest.approx(model.metadata.loudness, abs=0.3)
        assert found.gain == pytest.approx(model.metadata.gain, abs=0.05)


@pytest.mark.parametrize("name", ["gru", "gated-wavenet"])
def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match=r"cannot be written as \.nam"):
        nam.save(tmp_path / "net.nam", build(name), 48_000)
    with pytest.raises(ModelFileError, match="skip"):
        nam.save(tmp_path / "net.nam", build("lstm", skip=True), 48_000)
    assert not (tmp_path / "net.nam").exists()


def test_broken_weights_are_not_written(tmp_path: Path) -> None:
    net = build("a1-nano")
    with torch.no_grad():
        next(net.parameters()).fill_(math.nan)
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        nam.save(tmp_path / "net.nam", net, 48_000)
    assert not (tmp_path / "net.nam").exists()


def test_an_existing_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "net.nam"
    target.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        nam.save(target, build("a1-nano"), 48_000)
    assert target.read_text() == "mine"
    nam.save(target, build("a1-nano"), 48_000, force=True)
    assert nam.load(target).architecture == "WaveNet"


def test_a_container_must_grow_to_one(tmp_path: Path) -> None:
    nets: list[tuple[float, Any]] = [(0.5, build("a2-lite")), (0.5, build("a2-lite"))]
    with pytest.raises(SettingsError, match="does not grow"):
        nam.save_container(tmp_path / "net.nam", nets, 48_000)
    with pytest.raises(SettingsError, match="no models"):
        nam.save_container(tmp_path / "net.nam", [], 48_000)

"""ONNX files: in onnxruntime they sound as in torch, block by block, whatever the blocks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx_networks import MAKERS, loud

from wavewright.errors import ModelFileError, OutputError
from wavewright.formats import nam_loudness, onnx_export
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.nets.contract import Network
from wavewright.nets.registry import build

onnx = pytest.importorskip("onnx", reason="ONNX files need pip install 'wavewright[onnx]'")
reference = pytest.importorskip("onnx.reference", reason="ONNX files need pip install 'wavewright[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX files need pip install 'wavewright[onnx]'")

AS_LOUD = NamMetadata(loudness=-18.0, gain=0.5)
"""What need not be measured then."""
CAUSAL = [name for name in MAKERS if MAKERS[name]().causal]
SAMPLES = 700


@dataclass(frozen=True)
class Knob:
    name: str
    low: float
    high: float


def knobs_of(network: Network) -> list[Knob]:
    return [Knob(f"knob {at}", -1.0, 2.0 + at) for at in range(network.controls)]


def host(content: bytes, x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """What a host would do that knows docs/onnx.md and nothing of Wavewright; ``x`` (batch, channels, time)."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    states = json.loads(session.get_modelmeta().custom_metadata_map["states"])
    shapes = {entry.name: entry.shape[1:] for entry in session.get_inputs()}
    now = {
        name: np.broadcast_to(np.array(told["start"], np.float32), (x.shape[0], *shapes[name])).copy()
        for name, told in states.items()
    }
    blocks, at, turn = [], 0, cycle(sizes)
    while at < x.shape[-1]:
        size = next(turn)
        wanted = ["audio_out", *(told["output"] for told in states.values())]
        sound, *after = session.run(wanted, {"audio": x[..., at : at + size], **now})
        now = dict(zip(states, after, strict=True))
        blocks.append(sound)
        at += size
    return np.concatenate(blocks, axis=-1)


def noise(batch: int, channels: int, samples: int = SAMPLES, controls: int = 0) -> np.ndarray:
    """The last ``controls`` channels are knobs, which move."""
    x = (np.random.default_rng(7).standard_normal((batch, channels, samples)) * 0.3).astype(np.float32)
    knobs = x[:, channels - controls :]
    knobs[:] = np.abs(knobs) / (1 + np.abs(knobs))
    return x


@pytest.mark.parametrize("name", CAUSAL)
def test_every_causal_network_sounds_as_in_torch_at_any_block_size(name: str) -> None:
    network = loud(name)
    content = onnx_export.model_of(network, 48_000, AS_LOUD, knobs=knobs_of(network)).SerializeToString()
    x = noise(2, network.in_channels, controls=network.controls)
    with torch.no_grad():
        expected = network(torch.from_numpy(x), network.settled_state(2))[0].numpy()
    assert np.abs(expected).max() > 0.05  # else the comparison would say nothing
    for sizes in ((1,), (64,), (333,), (1, 64, 5, 333, 2)):
        few = x[..., :200] if sizes == (1,) else x
        np.testing.assert_allclose(host(content, few, sizes), expected[..., : few.shape[-1]], rtol=0, atol=1e-5)


def test_a_second_of_a_recurrent_network_stays_beside_torch() -> None:
    """Whatever is remembered for ever might drift away."""
    network = loud("lstm")
    content = onnx_export.model_of(network, 48_000, AS_LOUD).SerializeToString()
    x = noise(1, 1, 48_000)
    with torch.no_grad():
        expected = network(torch.from_numpy(x), network.settled_state(1))[0].numpy()
    np.testing.assert_allclose(host(content, x, (4096, 333)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["every activation", "gru, two layers", "lstm, three layers"])
def test_another_runtime_hears_the_same(name: str) -> None:
    """onnx's own evaluator in plain numpy."""
    network = loud(name)
    model = onnx_export.model_of(network, 48_000, AS_LOUD)
    x = noise(1, network.in_channels, 40)
    state = network.settled_state(1)
    with torch.no_grad():
        expected, after = network(torch.from_numpy(x), state)
    entries = [entry.name for entry in model.graph.input]
    feeds = dict(zip(entries, [x, *(part.numpy() for part in state)], strict=True))
    sound, *found = reference.ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_allclose(sound, expected.numpy(), rtol=0, atol=1e-5)
    for value, part in zip(found, after, strict=True):
        np.testing.assert_allclose(value, part.numpy(), rtol=0, atol=1e-5)


def test_what_the_file_tells(tmp_path: Path) -> None:
    network = loud("every activation")
    path = tmp_path / "twin.onnx"
    onnx_export.save(path, network, 44_100, NamMetadata(name="Crunchy", gear_make="Acme", input_level_dbu=12.5))
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert (model.ir_version, model.opset_import[0].version, model.producer_name) == (8, 17, "wavewright")
    assert (told["sample_rate"], told["latency"], told["prewarm"]) == ("44100", "0", str(network.prewarm))
    assert (told["name"], told["gear_make"], told["input_level_dbu"]) == ("Crunchy", "Acme", "12.5")
    assert float(told["loudness"]) == pytest.approx(nam_loudness.measure(network).loudness)
    assert json.loads(told["knobs"]) == {}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def dimensions(values: Any) -> dict[str, list[Any]]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def test_time_and_batch_are_open_and_states_are_named() -> None:
    graph = onnx_export.model_of(loud("gru, two layers"), 48_000, AS_LOUD).graph
    assert dimensions(graph.input) == {"audio": ["batch", 1, "time"], "state_hidden": ["batch", 2, 7]}
    assert dimensions(graph.output) == {"audio_out": ["batch", 1, "time"], "new_state_hidden": ["batch", 2, 7]}


def test_a_long_history_of_silence_takes_little_room() -> None:
    """A WaveNet's states are told by one moment each, and are the settled ones all the same."""
    network = loud("a1-nano")
    model = onnx_export.model_of(network, 48_000, AS_LOUD)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert len(told["states"]) < 10_000
    for state, settled in zip(json.loads(told["states"]).values(), network.settled_state(1), strict=True):
        start = np.broadcast_to(np.array(state["start"], np.float32), settled.shape[1:])
        np.testing.assert_allclose(start, settled[0].numpy(), rtol=1e-5, atol=1e-6)


def test_generators_networks_that_look_ahead_and_unknown_rates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twin.onnx"
    with pytest.raises(ModelFileError, match="audio-rnn cannot be written as ONNX"):
        onnx_export.save(path, build("audio-rnn", hidden_size=4), 16_000)
    for ahead in (
        build("window-linear", window=8, width=2),
        build("conv-deconv", stride=1, width=2, filter_sizes=(4,)),
    ):
        with pytest.raises(ModelFileError, match="is not causal"):
            onnx_export.save(path, ahead, 48_000)
    with pytest.raises(ModelFileError, match="must say its rate"):
        onnx_export.save(path, build("linear", taps=4), None)
    with pytest.raises(ModelFileError, match="has 0 knobs, and 1 were named"):
        onnx_export.save(path, build("linear", taps=4), 48_000, knobs=[Knob("gain", 0.0, 1.0)])
    broken = build("linear", taps=4)
    broken.impulse_response.data[1] = float("nan")
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        onnx_export.save(path, broken, 48_000)
    assert not path.exists()


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "twin.onnx"
    path.write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        onnx_export.save(path, build("linear", taps=4), 48_000)
    assert path.read_text() == "mine"
    onnx_export.save(path, build("linear", taps=4), 48_000, force=True)
    assert onnx.load(str(path)).graph.node

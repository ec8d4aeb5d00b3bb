"""Reading ONNX files: ours come back and sound the same; what cannot be played by blocks is refused, and says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_networks import loud

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError
from wavewright.formats import onnx_export, onnx_import
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.onnx_graph import AUDIO, Graph
from wavewright.nets.registry import build

onnx = pytest.importorskip("onnx", reason="ONNX files need pip install 'wavewright[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX files need pip install 'wavewright[onnx]'")

ABOUT = NamMetadata(name="Crunchy", loudness=-18.0, gain=0.5, gear_type="amp", training={"settings": {"steps": 3}})


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A small WaveNet's file."""
    return bytes(onnx_export.model_of(loud("gated with bottleneck"), 44_100, ABOUT).SerializeToString())


def noise(channels: int, samples: int) -> np.ndarray:
    return (np.random.default_rng(7).standard_normal((channels, samples)) * 0.3).astype(np.float32)


def play(player: Player, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    ends = np.cumsum(sizes)
    return np.concatenate([player.process(part) for part in np.split(x, ends[ends < x.shape[1]], axis=1)], axis=1)


@pytest.mark.parametrize("name", ["gated with bottleneck", "gru, two layers", "a1-nano", "taps and bias"])
def test_what_is_written_comes_back_and_plays_the_same(tmp_path: Path, name: str) -> None:
    network = loud(name)
    onnx_export.save(tmp_path / "twin.onnx", network, 44_100, ABOUT)
    model = onnx_import.load(tmp_path / "twin.onnx")
    assert (model.rate, model.metadata.name, model.metadata.loudness) == (44_100, "Crunchy", -18.0)
    assert model.metadata.training == {"settings": {"steps": 3}}
    assert (model.network.receptive_field, model.network.prewarm) == (network.receptive_field, network.prewarm)
    x = noise(2, 9000)  # longer than what goes through at once
    player = Player(model.network, channels=2)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)[:, None], network.settled_state(2))[0][:, 0].numpy()
    for sizes in ([9000], [1, 64, 333, 2, 5000]):
        np.testing.assert_allclose(play(player, x, sizes), expected, rtol=0, atol=1e-5)
        player.reset()


def test_several_inputs_and_outputs_play_side_by_side(tmp_path: Path) -> None:
    network = loud("several inputs")
    onnx_export.save(tmp_path / "twin.onnx", network, 48_000, ABOUT)
    opened = onnx_import.load(tmp_path / "twin.onnx").network
    x = noise(6, 500)
    out = Player(opened, channels=2, inputs=3, outputs=2).process(x)
    with torch.no_grad():
        expected = network(torch.from_numpy(x.reshape(2, 3, -1)), network.settled_state(2))[0].reshape(4, -1).numpy()
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)


def test_what_is_no_number_is_played_as_silence_and_overflow_starts_afresh(tmp_path: Path) -> None:
    network = build("linear", taps=3)
    network.impulse_response.data[:] = torch.tensor([1.0, 1.0, 1.0])
    onnx_export.save(tmp_path / "twin.onnx", network, 48_000, ABOUT)
    player = Player(onnx_import.load(tmp_path / "twin.onnx").network)
    out = player.process(np.array([[1.0, np.nan, 2.0]], np.float32))
    assert (out.tolist(), player.non_finite) == ([[1.0, 1.0, 3.0]], 1)
    out = player.process(np.array([[3e38, 3e38]], np.float32))
    assert (out[0, 1], player.overflows) == (0.0, 1)
    assert player.process(np.ones((1, 1), np.float32)).tolist() == [[1.0]]


# ── refused ───────────────────────────────────────────────────────────────────────────────────────────────────────


def frozen_time(model: Any) -> None:
    """What exporting by tracing did to recurrent networks."""
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64


def without(*keys: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key not in keys]
        onnx.helper.set_model_props(model, dict(kept))

    return change


def saying(key: str, value: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        told = {entry.key: entry.value for entry in model.metadata_props}
        onnx.helper.set_model_props(model, {**told, key: value if isinstance(value, str) else json.dumps(value)})

    return change


def elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret.bin"


def renamed(model: Any) -> None:
    model.graph.input[0].name = "x"
    for node in model.graph.node:
        node.input[:] = ["x" if name == AUDIO else name for name in node.input]


def silent_input(model: Any) -> None:
    told = {entry.key: entry.value for entry in model.metadata_props}
    states = json.loads(told["states"])
    states.popitem()
    onnx.helper.set_model_props(model, {**told, "states": json.dumps(states)})


def no_new_state(model: Any) -> None:
    del model.graph.output[-1]


def of_another_domain(model: Any) -> None:
    model.graph.node[0].domain = "com.acme"
    model.opset_import.append(onnx.helper.make_opsetid("com.acme", 1))


def with_chance(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("RandomNormal", [], ["dice"], shape=[4]))


def with_a_bomb(model: Any) -> None:
    """Each node doubles what the last one made."""
    name = AUDIO
    for at in range(40):
        model.graph.node.append(onnx.helper.make_node("Concat", [name, name], [f"bomb_{at}"], axis=1))
        name = f"bomb_{at}"


def larger_than_itself(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def huge_state(model: Any) -> None:
    model.graph.input[1].type.tensor_type.shape.dim[2].dim_value = 1 << 40


def state_grows(model: Any) -> None:
    """The state comes back a sample longer than it was."""
    for node in model.graph.node:
        if node.op_type == "Slice":
            longer = onnx.numpy_helper.from_array(np.array([-2]), "longer")
            model.graph.initializer.append(longer)
            node.input[1] = "longer"
            return


def nested(model: Any) -> None:
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("inner", model.graph))


WRONG: dict[str, tuple[Callable[[Any], None], str]] = {
    "frozen time": (frozen_time, "time axis fixed at 64 samples"),
    "no rate": (without("sample_rate"), "metadata lacks sample_rate"),
    "no metadata": (without("sample_rate", "states"), "metadata lacks sample_rate and states"),
    "rate in words": (saying("sample_rate", "fast"), "sample_rate = 'fast': must be a whole number"),
    "rate beyond": (saying("sample_rate", "99999999"), "must be a whole number from 1 to 1,000,000"),
    "latency below": (saying("latency", "-1"), "latency = '-1'"),
    "loudness no number": (saying("loudness", "nan"), "loudness = 'nan': must be a finite number"),
    "states no JSON": (saying("states", "{"), "metadata states that is not JSON"),
    "rules to come": (saying("wavewright", "2"), "version 2; update Wavewright"),
    "start of another shape": (
        lambda model: saying(
            "states",
            {value.name: {"output": f"new_{value.name}", "start": [0] * 7} for value in model.graph.input[1:]},
        )(model),
        "does not fit",
    ),
    "knobs and no sound": (saying("knobs", {"gain": [0, 1]}), "1 knobs and 1 inputs"),
    "knob without a range": (saying("knobs", {"gain": [1, 1]}), "two different numbers"),
    "weights elsewhere": (elsewhere, "in another file"),
    "no audio": (renamed, "no input 'audio'"),
    "an input that nobody explains": (silent_input, "does not say what the inputs"),
    "a state that does not come back": (no_new_state, "is no output"),
    "operators of others": (of_another_domain, "'com.acme'; only ONNX's own"),
    "chance": (with_chance, "operators that are not played here: RandomNormal"),
    "a bomb": (with_a_bomb, "computes .* numbers"),
    "larger than itself": (larger_than_itself, "larger than the file itself"),
    "a huge state": (huge_state, "remembers more than"),
    "a state that grows": (state_grows, "shape"),
    "graphs within": (nested, "graphs within its graph"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, whole: bytes, name: str) -> None:
    change, sentence = WRONG[name]
    model = onnx.ModelProto.FromString(whole)
    change(model)
    path = tmp_path / "wrong.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=sentence) as caught:
        onnx_import.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    for content, sentence in ((b"", "is empty"), (b"RIFF....WAVE", "is no ONNX file"), (b'{"layers": []}', "no ONNX")):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=sentence):
            onnx_import.load(path)
    with pytest.raises(ModelFileError, match="cannot be read"):
        onnx_import.load(tmp_path / "absent.onnx")
    with path.open("wb") as file:
        file.truncate(onnx_import.MOST_BYTES + 1)
    with pytest.raises(ModelFileError, match="too large"):
        onnx_import.load(path)


def test_a_network_that_thins_out_time_is_refused(tmp_path: Path) -> None:
    graph = Graph({})
    odd = graph.node("Slice", AUDIO, graph.whole(0), graph.whole(10**9), graph.whole(2), graph.whole(2))
    model = graph.model(1, 1, odd, {"sample_rate": "48000", "states": "{}"})
    path = tmp_path / "thin.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="must be as many samples"):
        onnx_import.load(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_refused_or_harmless(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Flipped or missing bytes: a sentence, or a file that still plays."""
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(damaged)), st.integers(1, len(damaged))))
    path = tmp_path_factory.mktemp("damage") / "damaged.onnx"
    path.write_bytes(damaged[:end])
    try:
        network = onnx_import.load(path).network
        out = Player(network, inputs=network.in_channels, outputs=network.out_channels).process(
            noise(network.in_channels, 70)
        )
    except ModelFileError:
        return
    assert np.isfinite(out).all()

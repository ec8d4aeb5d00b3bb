"""Builds an ONNX graph of a network that is played block by block: sound and states in, sound and states out.

Whatever the network remembers enters as an input and leaves as an output, so that the graph itself holds nothing that
changes. Time and batch are named dimensions of every length. Shapes in the comments are ``(batch, channels, time)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import __version__
from wavewright.errors import ModelFileError

OPSET = 17
"""Of ONNX's own operators: what onnxruntime reads since 1.12 (2022)."""
IR_VERSION = 8
"""Of the file's layout: the one that came with this opset."""

AUDIO, AUDIO_OUT = "audio", "audio_out"
TO_THE_END = np.iinfo(np.int64).max

Array = NDArray[np.float32]


def onnx_module() -> Any:
    """The package onnx, which is needed to write and to read such files.

    Raises:
        ModelFileError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelFileError("ONNX files need the package onnx; pip install 'wavewright[onnx]' brings it") from error
    return onnx


@dataclass(frozen=True)
class GraphState:
    """One tensor that is remembered: the names of its input and output, and its shape without the batch."""

    input: str
    output: str
    shape: tuple[int, ...]


@dataclass
class Graph:
    """Nodes, weights and states so far; every method that adds a node gives the name of its result.

    ``weights`` are the network's by name. They keep these names in the file, and only those that are used go there.
    """

    weights: Mapping[str, Array]
    states: list[GraphState] = field(default_factory=list)
    _nodes: list[Any] = field(default_factory=list)
    _constants: dict[str, Any] = field(default_factory=dict)
    _ends: dict[str, str] = field(default_factory=dict)

    # ── values ────────────────────────────────────────────────────────────────────────────────────────────────────

    def weight(self, name: str) -> str:
        """A weight as it is."""
        return self.constant(name, self.weights[name])

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Numbers that never change, by a name of their own."""
        if name not in self._constants:
            numbers = np.ascontiguousarray(value)
            self._constants[name] = onnx_module().numpy_helper.from_array(numbers, name)
        return name

    def scalar(self, name: str, value: float) -> str:
        """One number."""
        return self.constant(name, np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """A row of whole numbers, shared by all who want the same."""
        return self.constant(f"whole_{'_'.join(map(str, values))}", np.array(values, np.int64))

    # ── nodes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def nodes(self, operator: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """A node with several results."""
        name = f"{operator}_{len(self._nodes)}"
        names = [name] if results == 1 else [f"{name}_{index}" for index in range(results)]
        self._nodes.append(onnx_module().helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return names

    def convolve(self, x: str, name: str, dilation: int = 1) -> str:
        """``x`` (batch, in, history + time) through the convolution ``name`` → (batch, out, time)."""
        bias = [self.weight(f"{name}.bias")] if f"{name}.bias" in self.weights else []
        taps = self.weights[f"{name}.weight"].shape[-1]
        return self.node("Conv", x, self.weight(f"{name}.weight"), *bias, kernel_shape=[taps], dilations=[dilation])

    def halves(self, x: str, each: int) -> list[str]:
        """``x`` (batch, 2·each, time) → its first and second half, (batch, each, time)."""
        return self.nodes("Split", [x, self.whole(each, each)], 2, axis=1)

    # ── states ────────────────────────────────────────────────────────────────────────────────────────────────────

    def state(self, name: str, *shape: int) -> str:
        """What the network remembers under ``name``, as it was before this block: (batch, *shape)."""
        state = GraphState(f"state_{name}", f"new_state_{name}", shape)
        self.states.append(state)
        return state.input

    def remember(self, name: str, value: str) -> None:
        """``value`` is what the state ``name`` is after this block."""
        self._ends[f"new_state_{name}"] = value

    def before(self, stream: str, name: str, channels: int, length: int) -> str:
        """``stream`` (batch, channels, time) with its past before it: (batch, channels, length + time)."""
        if length == 0:
            return stream
        whole = self.node("Concat", self.state(name, channels, length), stream, axis=2)
        last = self.node("Slice", whole, self.whole(-length), self.whole(TO_THE_END), self.whole(2))
        self.remember(name, last)
        return whole

    # ── the whole ─────────────────────────────────────────────────────────────────────────────────────────────────

    def model(self, inputs: int, outputs: int, sound: str, metadata: Mapping[str, str]) -> Any:
        """The finished model, ``sound`` (batch, outputs, time) being what the network makes; checked by onnx."""
        onnx = onnx_module()
        tensor = onnx.helper.make_tensor_value_info
        single = onnx.TensorProto.FLOAT
        self._nodes += [
            onnx.helper.make_node("Identity", [value], [name])
            for name, value in {AUDIO_OUT: sound, **self._ends}.items()
        ]
        graph = onnx.helper.make_graph(
            self._nodes,
            "wavewright",
            [tensor(AUDIO, single, ["batch", inputs, "time"])]
            + [tensor(state.input, single, ["batch", *state.shape]) for state in self.states],
            [tensor(AUDIO_OUT, single, ["batch", outputs, "time"])]
            + [tensor(state.output, single, ["batch", *state.shape]) for state in self.states],
            list(self._constants.values()),
        )
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="wavewright",
            producer_version=__version__,
        )
        onnx.helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model

"""LSTMs and GRUs as ONNX graphs, by ONNX's own recurrent operators.

They want time first, and gates in another order than torch: i, o, f, c where torch keeps i, f, g, o, and z, r, h where
it keeps r, z, n (ONNX operator reference, LSTM and GRU). States keep torch's shape, (batch, layers, units).
"""

from __future__ import annotations

import numpy as np

from wavewright.formats.onnx_graph import AUDIO, Array, Graph
from wavewright.nets.recurrent_config import RecurrentConfig


def lstm(graph: Graph, config: RecurrentConfig) -> str:
    """Long short-term memory; gives its sound (batch, outputs, time)."""
    return _recurrent(graph, config, "LSTM", (0, 3, 1, 2), ("hidden", "cell"))


def gru(graph: Graph, config: RecurrentConfig) -> str:
    """Gated recurrent units; gives their sound (batch, outputs, time)."""
    # torch applies the reset gate behind the recurrent product
    return _recurrent(graph, config, "GRU", (1, 0, 2), ("hidden",), linear_before_reset=1)


def _recurrent(
    graph: Graph,
    config: RecurrentConfig,
    operator: str,
    order: tuple[int, ...],
    memories: tuple[str, ...],
    **attributes: int,
) -> str:
    layers, hidden = config.num_layers, config.hidden_size

    def ordered(name: str) -> Array:
        """A weight with its gates in ONNX's order, in front the one direction: (1, gates·units, …)."""
        weight = graph.weights[name]
        gates = weight.reshape(len(order), hidden, *weight.shape[1:])
        return gates[list(order)].reshape(1, *weight.shape)

    starts = {name: _by_layer(graph, graph.state(name, layers, hidden), layers) for name in memories}
    ends: dict[str, list[str]] = {name: [] for name in memories}
    stream = graph.node("Transpose", AUDIO, perm=[2, 0, 1])  # (time, batch, inputs)
    for layer in range(layers):
        at = f"_l{layer}"
        biases = np.concatenate([ordered(f"rnn.bias_ih{at}"), ordered(f"rnn.bias_hh{at}")], axis=1)
        inputs = [
            stream,
            graph.constant(f"rnn.weight_ih{at}", ordered(f"rnn.weight_ih{at}")),
            graph.constant(f"rnn.weight_hh{at}", ordered(f"rnn.weight_hh{at}")),
            graph.constant(f"rnn.bias{at}", biases),
            "",  # all sounds of a batch are of one length
            *(starts[name][layer] for name in memories),
        ]
        y, *last = graph.nodes(operator, inputs, 1 + len(memories), hidden_size=hidden, **attributes)
        stream = graph.node("Squeeze", y, graph.whole(1))  # (time, 1, batch, units) → (time, batch, units)
        for name, end in zip(memories, last, strict=True):
            ends[name].append(end)
    for name in memories:
        whole = ends[name][0] if layers == 1 else graph.node("Concat", *ends[name], axis=0)
        graph.remember(name, graph.node("Transpose", whole, perm=[1, 0, 2]))  # (batch, layers, units)
    head = graph.constant("head.weight", graph.weights["head.weight"].T)
    y = graph.node("Add", graph.node("MatMul", stream, head), graph.weight("head.bias"))  # (time, batch, outputs)
    sound = graph.node("Transpose", y, perm=[1, 2, 0])
    if not config.skip:
        return sound
    dry = graph.node("Slice", AUDIO, graph.whole(0), graph.whole(config.output_size), graph.whole(1))
    return graph.node("Add", sound, graph.node("Mul", dry, graph.scalar("skip_gain", config.skip_gain)))


def _by_layer(graph: Graph, state: str, layers: int) -> list[str]:
    """A state (batch, layers, units) → one (1, batch, units) for each layer."""
    whole = graph.node("Transpose", state, perm=[1, 0, 2])
    return [whole] if layers == 1 else graph.nodes("Split", [whole, graph.whole(*[1] * layers)], layers, axis=0)

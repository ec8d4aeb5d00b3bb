"""Convolutional networks as ONNX graphs: WaveNets with and without knobs, filter banks, impulse responses.

Each function writes what the network's ``forward`` does (`wavewright.nets.wavenet`, `knob_wavenet`, `gated_wavenet`,
`conv_deconv`, `linear`), node by node. What a convolution remembers are its own last inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wavewright.formats.onnx_graph import AUDIO, TO_THE_END, Graph

if TYPE_CHECKING:
    from wavewright.nets.conv_deconv import ConvDeconvConfig
    from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig
    from wavewright.nets.knob_wavenet_config import KnobWaveNetConfig
    from wavewright.nets.linear_config import LinearConfig
    from wavewright.nets.slimmable_config import SlimmableConfig
    from wavewright.nets.wavenet_config import Activation, LayerArrayConfig, WaveNetConfig

Shaped = Callable[[str], str]

_OPERATORS = {"ReLU": "Relu", "Hardswish": "HardSwish"}
"""Where ONNX has another name for an activation of .nam."""


def activate(graph: Graph, z: str, activation: Activation) -> str:
    """``z`` through the function that ``activation`` names."""
    match activation.name:
        case "LeakyReLU":
            return graph.node("LeakyRelu", z, alpha=float(activation.negative_slope))
        case "SiLU":
            return graph.node("Mul", z, graph.node("Sigmoid", z))
        case "Hardtanh":
            return graph.node("Clip", z, graph.scalar("minus_one", -1.0), graph.scalar("one", 1.0))
        case name:
            return graph.node(_OPERATORS.get(name, name), z)


def wavenet(
    graph: Graph, config: WaveNetConfig, within: str = "", sound: str = AUDIO, shaped: Shaped | None = None
) -> str:
    """A WaveNet of the .nam format; gives its sound (batch, outputs, time).

    Its weights' names begin with ``within``; it hears ``sound``. ``shaped`` does something to z, what goes into the
    activation of each layer.
    """
    stream, h = sound, None
    for index, array in enumerate(config.arrays):
        last = index == len(config.arrays) - 1
        place = f"{within}arrays.{index}"
        stream, h = _layer_array(graph, array, place, stream, h, sound, shaped, leads_on=not last)
    assert h is not None
    return graph.node("Mul", h, graph.weight(f"{within}head_scale"))


def _layer_array(
    graph: Graph,
    array: LayerArrayConfig,
    place: str,
    stream: str,
    h: str | None,
    sound: str,
    shaped: Shaped | None,
    *,
    leads_on: bool,
) -> tuple[str, str]:
    """One array: the stream (batch, channels, time) behind it, and its head's output (batch, head, time)."""
    stream = graph.convolve(stream, f"{place}.rechannel")
    layers = list(zip(array.kernel_sizes, array.dilations, array.activations, strict=True))
    for index, (taps, dilation, activation) in enumerate(layers):
        each = f"{place}.layers.{index}"
        padded = graph.before(stream, each, array.channels, (taps - 1) * dilation)
        z = graph.node("Add", graph.convolve(padded, f"{each}.conv", dilation), graph.convolve(sound, f"{each}.mixer"))
        z = z if shaped is None else shaped(z)
        if array.gated:
            filtered, gate = graph.halves(z, array.width)
            a = graph.node("Mul", activate(graph, filtered, activation), graph.node("Sigmoid", gate))
        else:
            a = activate(graph, z, activation)  # (batch, width, time)
        h = a if h is None else graph.node("Add", h, a)
        if leads_on or index < len(layers) - 1:  # the last stream leads nowhere
            stream = graph.node("Add", stream, graph.convolve(a, f"{each}.output"))
    assert h is not None
    padded = graph.before(h, f"{place}.head", array.width, array.head_kernel_size - 1)
    return stream, graph.convolve(padded, f"{place}.head")


def slimmable(graph: Graph, config: SlimmableConfig) -> str:
    """Of two sizes the full one, as which the pair is played; gives its sound (batch, 1, time)."""
    return wavenet(graph, config.size("full"), within="full.")


def knob_wavenet(graph: Graph, config: KnobWaveNetConfig) -> str:
    """A WaveNet with knobs behind its inputs for sound; gives its sound (batch, outputs, time)."""
    channels, knobs = config.wavenet.arrays[0].input_size, config.knobs
    axis = graph.whole(1)
    sound = graph.node("Slice", AUDIO, graph.whole(0), graph.whole(channels), axis)
    p = graph.node("Slice", AUDIO, graph.whole(channels), graph.whole(channels + knobs), axis)  # (batch, knobs, time)
    bend = graph.constant("bend.exp", np.exp(graph.weights["bend"])[None, :, None])
    rest = graph.node("Mul", bend, graph.node("Sub", graph.scalar("one", 1.0), p))
    u = graph.node("Div", p, graph.node("Add", p, rest))  # the taper
    if config.units:
        matrix = graph.constant("between.taps", graph.weights["between.weight"][..., None])
        u = graph.node("Tanh", graph.node("Conv", u, matrix, graph.weight("between.bias"), kernel_shape=[1]))
    counted = itertools.count()

    def shaped(z: str) -> str:
        """One layer's z, scaled and shifted by the knobs: (1 + A u) · z + B u."""
        place = f"shapings.{next(counted)}"
        if config.conditioning == "film":
            scale = graph.constant(f"{place}.scale.taps", graph.weights[f"{place}.scale.weight"][..., None])
            factor = graph.node("Add", graph.scalar("one", 1.0), graph.node("Conv", u, scale, kernel_shape=[1]))
            z = graph.node("Mul", z, factor)
        shift = graph.constant(f"{place}.shift.taps", graph.weights[f"{place}.shift.weight"][..., None])
        return graph.node("Add", z, graph.node("Conv", u, shift, kernel_shape=[1]))

    return wavenet(graph, config.wavenet, "wavenet.", sound, shaped)


def gated_wavenet(graph: Graph, config: GatedWaveNetConfig) -> str:
    """aNN_Audio's WaveNet; gives its sound (batch, 1, time)."""

    def sloped(z: str, name: str) -> str:
        slope = np.float32(config.slope_scale) * graph.weights[f"{name}.slope"]
        return graph.node("Mul", z, graph.constant(f"{name}.scaled", slope))

    stream, total = graph.convolve(AUDIO, "entry"), None
    for index, dilation in enumerate(config.dilations):
        each = f"layers.{index}"
        padded = graph.before(stream, each, config.channels, (config.kernel_size - 1) * dilation)
        f, g = graph.halves(graph.convolve(padded, f"{each}.conv", dilation), config.channels)
        filtered = graph.node("Tanh", sloped(f, f"{each}.filter_slope"))
        a = graph.node("Mul", filtered, graph.node("Sigmoid", sloped(g, f"{each}.gate_slope")))
        share = graph.convolve(a, f"{each}.skip")  # (batch, skip, time)
        total = share if total is None else graph.node("Add", total, share)
        if index < len(config.dilations) - 1:  # the last stream leads nowhere
            stream = graph.node("Add", stream, graph.convolve(a, f"{each}.residual"))
    assert total is not None
    hidden = graph.convolve(graph.node("Tanh", sloped(total, "sum_slope")), "middle")
    return graph.convolve(graph.node("Tanh", sloped(hidden, "middle_slope")), "last")


def conv_deconv(graph: Graph, config: ConvDeconvConfig) -> str:
    """Causal filter banks side by side; gives their sound (batch, 1, time)."""
    longest, total = max(config.filter_sizes), None
    past = graph.before(AUDIO, "input", 1, longest - 1)
    for index, size in enumerate(config.filter_sizes):
        place = f"banks.{index}"
        first = longest - size
        heard = past
        if first:
            heard = graph.node("Slice", past, graph.whole(first), graph.whole(TO_THE_END), graph.whole(2))
        filters = graph.weight(f"{place}.encoder"), graph.weight(f"{place}.bias")
        h = _found(graph, config, graph.node("Conv", heard, *filters, kernel_shape=[size]), f"{place}.middle")
        frames = graph.before(h, place, config.width, size - 1)  # (batch, width, size − 1 + time)
        # a frame laid down from its newest sample on: each sample adds up what the last frames put there
        decoder = graph.weights[f"{place}.{'encoder' if config.shared else 'decoder'}"]
        taps = graph.constant(f"{place}.laid_down", decoder.transpose(1, 0, 2)[..., ::-1])  # (1, width, size)
        y = graph.node("Conv", frames, taps, kernel_shape=[size])
        total = y if total is None else graph.node("Add", total, y)
    assert total is not None
    return graph.node("Add", total, graph.weight("bias"))


def _found(graph: Graph, config: ConvDeconvConfig, h: str, middle: str) -> str:
    """What the filters found (batch, width, time), through activation and middle layer."""

    def activate_found(h: str) -> str:
        match config.activation:
            case "relu":
                return graph.node("Relu", h)
            case "leaky-relu":
                return graph.node("LeakyRelu", h, alpha=0.1)
            case "tanh":
                return graph.node("Tanh", h)
        return h

    h = activate_found(h)
    match config.middle:
        case "channel":
            weighted = graph.node("Mul", h, graph.weight(f"{middle}.weight"))
            return activate_found(graph.node("Add", weighted, graph.weight(f"{middle}.bias")))
        case "dense":
            return activate_found(graph.convolve(h, middle))
    return h


def linear(graph: Graph, config: LinearConfig) -> str:
    """An impulse response; gives its sound (batch, 1, time)."""
    taps = graph.constant("taps", graph.weights["impulse_response"][None, None, ::-1])  # oldest sample's tap first
    bias = [graph.weight("bias")] if config.bias else []
    return graph.node("Conv", graph.before(AUDIO, "input", 1, config.taps - 1), taps, *bias, kernel_shape=[config.taps])

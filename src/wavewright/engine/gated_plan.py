"""aNN_Audio's gated WaveNet as a list of products (`stream_plan`).

For a layer with input x and skip sum s, f and g the two halves of one product:

    a = tanh(f)·sigmoid(g),  [f, g] = b + W·[x at every tap]        s += S a        x' = x + R a

and behind the last layer y = last(tanh(middle(tanh(s)))). The learned slopes are factors of the weights in front of
them. Constant terms of the stream go into the next convolution's bias (`wavenet_plan`), those of the skip sum into its
start.
"""

from __future__ import annotations

import numpy as np

from wavewright.engine.stream_plan import SPAN, Matrix, PlanWriter, Rows, StreamPlan
from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.wavenet_config import Activation

TANH = Activation("Tanh")

LONG_SPAN = 4 * SPAN
"""Pasts of many thousand samples move four times as rarely: that costs memory, which these networks take anyway."""


def write_gated(net: PlainNetwork, exact: bool = False) -> StreamPlan:
    """A gated WaveNet, ready to play; its activations in their ``exact`` forms or the quick ones.

    >>> from wavewright.nets.plain import plain_of
    >>> from wavewright.nets.registry import build
    >>> write_gated(plain_of(build("gated-wavenet"))).table.shape
    (44, 20)
    """
    config: GatedWaveNetConfig = net.config
    layers = [f"layers.{layer}" for layer in range(len(config.dilations))]
    histories = [(config.kernel_size - 1) * dilation for dilation in config.dilations]

    def numbers(name: str) -> Matrix:
        return net.weights[name].astype(np.float64)

    def factor(name: str) -> float:
        return config.slope_scale * float(numbers(f"{name}.slope"))

    writer = PlanWriter(exact, LONG_SPAN if max(histories) > SPAN else SPAN)
    source = writer.rows(1, moves=True)
    z = writer.rows(2 * config.channels)
    a = Rows(z.first, z.stride, config.channels, 0, False)
    total, hidden, output = (writer.rows(count) for count in (config.skip_channels, config.skip_channels, 1))

    x = writer.rows(config.channels, histories[0], moves=True)
    writer.product(x, source, source.each(), numbers("entry.weight")[:, :, 0], np.zeros(config.channels))
    offset = numbers("entry.bias")  # ρ (channels): what the stream lacks of x
    slope = factor("sum_slope")
    begin: Rows | Matrix = slope * np.sum([numbers(f"{layer}.skip.bias") for layer in layers], axis=0)
    for index, (layer, dilation) in enumerate(zip(layers, config.dilations, strict=True)):
        last = index + 1 == len(layers)
        conv, taps = numbers(f"{layer}.conv.weight"), range(1 - config.kernel_size, 1)  # (2·channels, channels, taps)
        slopes = np.repeat([factor(f"{layer}.filter_slope"), factor(f"{layer}.gate_slope")], config.channels)
        weights = slopes[:, None] * conv.reshape(z.count, -1)
        bias = slopes * (numbers(f"{layer}.conv.bias") + conv.sum(axis=2) @ offset)
        writer.product(z, x, x.each([tap * dilation for tap in taps]), weights, bias, TANH, gated=True)
        skip = slope * numbers(f"{layer}.skip.weight")[:, :, 0]
        writer.product(total, a, a.each(), skip, begin, TANH if last else None)
        begin = total
        if not last:
            behind = writer.rows(config.channels, histories[index + 1], moves=True)
            writer.product(behind, a, a.each(), numbers(f"{layer}.residual.weight")[:, :, 0], x)
            x, offset = behind, offset + numbers(f"{layer}.residual.bias")
    slope = factor("middle_slope")
    middle, bias = slope * numbers("middle.weight")[:, :, 0], slope * numbers("middle.bias")
    writer.product(hidden, total, total.each(), middle, bias, TANH)
    writer.product(output, hidden, hidden.each(), numbers("last.weight")[:, :, 0], numbers("last.bias"))
    return writer.finished(source, output)

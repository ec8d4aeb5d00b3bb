"""aNN_Audio's gated WaveNet as a list of products (`stream_plan`).

For a layer with input x and skip sum s, f and g the two halves of one product:

    a = tanh(f)·sigmoid(g),  [f, g] = b + W·[x at every tap]        s += S a        x' = x + R a

and behind the last layer y = last(tanh(middle(tanh(s)))). The learned slopes are factors of the weights in front of
them. Constant terms of the stream go into the next convolution's bias (`wavenet_plan`), those of the skip sum into its
start.
"""

from __future__ import annotations

import numpy as np

from wavewright.engine.stream_plan import SPAN, Matrix, PlanWriter, Rows, StreamPlan, numbers
from wavewright.nets.gated_wavenet import GatedWaveNet, Slope
from wavewright.nets.wavenet_config import Activation

TANH = Activation("Tanh")

LONG_SPAN = 4 * SPAN
"""Pasts of many thousand samples move four times as rarely: that costs memory, which these networks take anyway."""


def _factor(slope: Slope) -> float:
    return slope.scale * float(slope.slope.detach())


def write_gated(net: GatedWaveNet, exact: bool = False) -> StreamPlan:
    """``net`` with its present weights, ready to play; its activations in their ``exact`` forms or the quick ones.

    >>> from wavewright.nets.registry import build
    >>> write_gated(build("gated-wavenet")).table.shape
    (44, 20)
    """
    config, layers = net.config, list(net.each_layer())
    longest = max(layer.history for layer in layers)
    writer = PlanWriter(exact, LONG_SPAN if longest > SPAN else SPAN)
    source = writer.rows(1, moves=True)
    z = writer.rows(2 * config.channels)
    a = Rows(z.first, z.stride, config.channels, 0, False)
    total, hidden, output = (writer.rows(count) for count in (config.skip_channels, config.skip_channels, 1))

    x = writer.rows(config.channels, layers[0].history, moves=True)
    writer.product(x, source, source.each(), numbers(net.entry.weight)[:, :, 0], np.zeros(config.channels))
    offset = numbers(net.entry.bias)  # ρ (channels): what the stream lacks of x
    slope = _factor(net.sum_slope)
    begin: Rows | Matrix = slope * np.sum([numbers(layer.skip.bias) for layer in layers], axis=0)
    for index, (layer, dilation) in enumerate(zip(layers, config.dilations, strict=True)):
        last = index + 1 == len(layers)
        conv, taps = numbers(layer.conv.weight), range(1 - config.kernel_size, 1)  # (2·channels, channels, taps)
        slopes = np.repeat([_factor(layer.filter_slope), _factor(layer.gate_slope)], config.channels)
        weights = slopes[:, None] * conv.reshape(z.count, -1)
        bias = slopes * (numbers(layer.conv.bias) + conv.sum(axis=2) @ offset)
        writer.product(z, x, x.each([tap * dilation for tap in taps]), weights, bias, TANH, gated=True)
        skip = slope * numbers(layer.skip.weight)[:, :, 0]
        writer.product(total, a, a.each(), skip, begin, TANH if last else None)
        begin = total
        if not last:
            behind = writer.rows(config.channels, layers[index + 1].history, moves=True)
            writer.product(behind, a, a.each(), numbers(layer.residual.weight)[:, :, 0], x)
            x, offset = behind, offset + numbers(layer.residual.bias)
    slope = _factor(net.middle_slope)
    middle, bias = slope * numbers(net.middle.weight)[:, :, 0], slope * numbers(net.middle.bias)
    writer.product(hidden, total, total.each(), middle, bias, TANH)
    writer.product(output, hidden, hidden.each(), numbers(net.last.weight)[:, :, 0], numbers(net.last.bias))
    return writer.finished(source, output)

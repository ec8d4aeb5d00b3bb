"""A WaveNet of the .nam kind as a list of products (`stream_plan`): A1, A2, gated, conditioned, any activation.

For a layer with input x, dry signal and controls c, and head's sum h:

    a = act(b + W·[x at every tap, c])        h += a        x' = x + R a

and where it is gated, a = act(z₁)·sigmoid(z₂) with z₁, z₂ the two halves of the product.

**Biases of the stream.** The 1×1's bias r would be one more addition a sample. As it is constant, the stream can do
without: with x = x̃ + ρ, the next convolution's bias takes what ρ gives, b + (Σ_k W_k)·ρ, and the sums stay the same.
So does the last head's weight take the factor ``head_scale``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wavewright.engine.stream_plan import Matrix, PlanWriter, Rows, StreamPlan, numbers
from wavewright.nets.wavenet import Layer, LayerArray, WaveNet


class _Network:
    """Writes a network array by array: what is carried on from layer to layer are its fields."""

    def __init__(self, net: WaveNet, exact: bool) -> None:
        self.net = net
        self.writer = PlanWriter(exact)
        self.input = self.writer.rows(net.in_channels, moves=True)
        self.stream = self.input  # (channels)
        self.offset: Matrix = np.zeros(net.in_channels)  # ρ (channels): what the stream lacks of x
        self.head: Rows | None = None  # what the head's sum of the next array begins with

    def write(self) -> StreamPlan:
        arrays = list(self.net.each_array())
        widest = max(array.config.mid for array in arrays)
        scratch = self.writer.rows(widest)
        for index, array in enumerate(arrays):
            self._array(array, scratch, None if index + 1 == len(arrays) else arrays[index + 1])
        assert self.head is not None
        return self.writer.finished(self.input, self.head)

    def _array(self, array: LayerArray, scratch: Rows, following: LayerArray | None) -> None:
        layers = list(array.each_layer())
        rechannel = numbers(array.rechannel.weight)[:, :, 0]  # (channels, inputs)
        before = self.stream
        self.stream = self.writer.rows(array.config.channels, layers[0].history, moves=True)
        self.writer.product(self.stream, before, before.each(), rechannel, np.zeros(array.config.channels))
        self.offset = rechannel @ self.offset
        fresh, total = self.head is None, self.head or self._sum(array)
        for index, layer in enumerate(layers):
            history = layers[index + 1].history if index + 1 < len(layers) else None
            a = Rows(scratch.first, scratch.stride, array.config.width, 0, False)
            dead = history is None and following is None
            self._layer(layer, array.config.dilations[index], a, total, fresh and index == 0, dead, history or 0)
        self._head(array, total, following)

    def _sum(self, array: LayerArray) -> Rows:
        """Rows for the sum that goes into the array's head."""
        return self.writer.rows(array.config.width, array.config.head_kernel_size - 1)

    def _layer(self, layer: Layer, dilation: int, a: Rows, total: Rows, fresh: bool, dead: bool, history: int) -> None:
        """One layer; ``dead``: nothing reads the stream behind it; ``history``: what its reader remembers."""
        conv, x = numbers(layer.conv.weight), self.stream  # (mid, channels, taps)
        z = replace(a, count=conv.shape[0])
        taps = [(k - conv.shape[2] + 1) * dilation for k in range(conv.shape[2])]
        weights = np.concatenate([conv.reshape(z.count, -1), numbers(layer.mixer.weight)[:, :, 0]], axis=1)
        bias = numbers(layer.conv.bias) + conv.sum(axis=2) @ self.offset
        columns = [*x.each(taps), *self.input.each()]
        self.writer.product(z, x, columns, weights, bias, layer.activation, total, fresh, layer.gated)
        if not dead:
            self.stream = self.writer.rows(x.count, history, moves=True)
            self.writer.product(self.stream, a, a.each(), numbers(layer.output.weight)[:, :, 0], x)
            self.offset = self.offset + numbers(layer.output.bias)

    def _head(self, array: LayerArray, total: Rows, following: LayerArray | None) -> None:
        weight = numbers(array.head.weight)  # (head size, width, kernel)
        bias = np.zeros(weight.shape[0]) if array.head.bias is None else numbers(array.head.bias)
        shifts = range(1 - weight.shape[2], 1)
        out = self.writer.rows(len(bias)) if following is None else self._sum(following)
        scale = float(self.net.head_scale) if following is None else 1.0
        self.writer.product(out, total, total.each(shifts), weight.reshape(out.count, -1) * scale, bias * scale)
        self.head = out


def write_wavenet(net: WaveNet, exact: bool = False) -> StreamPlan:
    """``net`` with its present weights, ready to play; its activations in their ``exact`` forms or the quick ones.

    >>> from wavewright.nets.registry import build
    >>> write_wavenet(build("a1-nano")).table.shape
    (43, 20)
    """
    return _Network(net, exact).write()

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

from wavewright.engine.stream_plan import Matrix, PlanWriter, Rows, StreamPlan
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.wavenet_config import WaveNetConfig


class _Network:
    """Writes a network array by array: what is carried on from layer to layer are its fields."""

    def __init__(self, net: PlainNetwork, exact: bool) -> None:
        self.config: WaveNetConfig = net.config
        self.weights = net.weights
        self.writer = PlanWriter(exact)
        self.input = self.writer.rows(net.in_channels, moves=True)
        self.stream = self.input  # (channels)
        self.offset: Matrix = np.zeros(net.in_channels)  # ρ (channels): what the stream lacks of x
        self.head: Rows | None = None  # what the head's sum of the next array begins with

    def numbers(self, *name: object) -> Matrix:
        """A weight in double precision; its name in parts."""
        return self.weights[".".join(map(str, name))].astype(np.float64)

    def write(self) -> StreamPlan:
        """The plan of all layer arrays, one behind the other, each head adding to the one before."""
        arrays = self.config.arrays
        scratch = self.writer.rows(max(array.mid for array in arrays))
        for index in range(len(arrays)):
            self._array(index, scratch)
        assert self.head is not None
        return self.writer.finished(self.input, self.head)

    def _array(self, index: int, scratch: Rows) -> None:
        array = self.config.arrays[index]
        histories = [(taps - 1) * apart for taps, apart in zip(array.kernel_sizes, array.dilations, strict=True)]
        rechannel = self.numbers("arrays", index, "rechannel.weight")[:, :, 0]  # (channels, inputs)
        before = self.stream
        self.stream = self.writer.rows(array.channels, histories[0], moves=True)
        self.writer.product(self.stream, before, before.each(), rechannel, np.zeros(array.channels))
        self.offset = rechannel @ self.offset
        fresh, total = self.head is None, self.head or self._sum(index)
        a = Rows(scratch.first, scratch.stride, array.width, 0, False)
        last = index + 1 == len(self.config.arrays)
        for layer, following in enumerate([*histories[1:], None]):
            dead = following is None and last
            self._layer(index, layer, a, total, fresh and layer == 0, dead, following or 0)
        self._head(index, total, last)

    def _sum(self, index: int) -> Rows:
        """Rows for the sum that goes into the array's head."""
        array = self.config.arrays[index]
        return self.writer.rows(array.width, array.head_kernel_size - 1)

    def _layer(self, index: int, layer: int, a: Rows, total: Rows, fresh: bool, dead: bool, history: int) -> None:
        """One layer; ``dead``: nothing reads the stream behind it; ``history``: what its reader remembers."""
        array, place, x = self.config.arrays[index], ("arrays", index, "layers", layer), self.stream
        conv = self.numbers(*place, "conv.weight")  # (mid, channels, taps)
        z = replace(a, count=conv.shape[0])
        taps = [(k - conv.shape[2] + 1) * array.dilations[layer] for k in range(conv.shape[2])]
        mixer = self.numbers(*place, "mixer.weight")[:, :, 0]
        weights = np.concatenate([conv.reshape(z.count, -1), mixer], axis=1)
        bias = self.numbers(*place, "conv.bias") + conv.sum(axis=2) @ self.offset
        columns = [*x.each(taps), *self.input.each()]
        self.writer.product(z, x, columns, weights, bias, array.activations[layer], total, fresh, array.gated)
        if not dead:
            self.stream = self.writer.rows(x.count, history, moves=True)
            self.writer.product(self.stream, a, a.each(), self.numbers(*place, "output.weight")[:, :, 0], x)
            self.offset = self.offset + self.numbers(*place, "output.bias")

    def _head(self, index: int, total: Rows, last: bool) -> None:
        weight = self.numbers("arrays", index, "head.weight")  # (head size, width, kernel)
        biased = self.config.arrays[index].head_bias
        bias = self.numbers("arrays", index, "head.bias") if biased else np.zeros(weight.shape[0])
        shifts = range(1 - weight.shape[2], 1)
        out = self.writer.rows(len(bias)) if last else self._sum(index + 1)
        scale = float(self.numbers("head_scale")) if last else 1.0
        self.writer.product(out, total, total.each(shifts), weight.reshape(out.count, -1) * scale, bias * scale)
        self.head = out


def write_wavenet(net: PlainNetwork, exact: bool = False) -> StreamPlan:
    """A WaveNet, ready to play; its activations in their ``exact`` forms or the quick ones.

    >>> from wavewright.nets.plain import plain_of
    >>> from wavewright.nets.registry import build
    >>> write_wavenet(plain_of(build("a1-nano"))).table.shape
    (43, 20)
    """
    return _Network(net, exact).write()

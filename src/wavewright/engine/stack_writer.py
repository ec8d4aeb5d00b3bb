"""A WaveNet of the .nam kind written out as operations on rows: its forward pass and the gradients of it.

Forward, for layer l with dilation d (c the input, h the head's sum, x the stream, K taps):

    z_l = Σ_k W_l[k] x_l[t − (K−1−k)d] + m_l c + b_l      a_l = act(z_l)
    h += a_l                                              x_{l+1} = x_l + R_l a_l + r_l

Backward, from the last layer to the first, with ∂v the gradient of the loss by v:

    ∂z_l = (∂h + R_lᵀ ∂x_{l+1}) · act'(z_l)               ∂h is the same for all layers of an array
    ∂x_l[t] = ∂x_{l+1}[t] + Σ_k W_l[k]ᵀ ∂z_l[t + (K−1−k)d]
    ∂W_l[k] = Σ_t ∂z_l[t] x_l[t − (K−1−k)d]ᵀ    ∂m_l = Σ_t ∂z_l cᵀ    ∂b_l = Σ_t ∂z_l
    ∂R_l = Σ_t ∂x_{l+1} a_lᵀ                    ∂r_l = Σ_t ∂x_{l+1}

act' comes from a itself where it can: 1 − a² for tanh, the sign of a for the rectifiers. Where it cannot, z is kept
beside a. So it is in a gated layer, where z has two halves, and f = act(z₁) and g = sigmoid(z₂) are kept:

    a = f·g        ∂z₁ = ∂a·g·act'(z₁)        ∂z₂ = ∂a·f·g·(1 − g)

The transposed convolution gathers, so it is an affine operation like the forward one, its taps mirrored. Mixer and bias
are columns like any other, of the input and of a row of ones, so their gradients fall out with the rest.

Each row starts at the first sample that an output of the window needs, rounded down to whole tiles. What is computed
before that is never used and its gradient is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wavewright.engine.activations import KEEPS_INPUT, NUMBERS, RECTIFIER, slope_of
from wavewright.engine.pointwise import GATED, GRADIENT
from wavewright.engine.program_writer import ProgramWriter
from wavewright.engine.stack_program import (
    BLOCK,
    GATE,
    GATE_GRADIENT,
    NONE,
    QUANTUM,
    IntArray,
    Rows,
    StackProgram,
)
from wavewright.nets.wavenet_config import Activation, LayerArrayConfig, WaveNetConfig


def supported(config: WaveNetConfig) -> bool:
    """Whether the programs can express this network: all but a long head on an array that is not the last."""
    return all(array.head_kernel_size == 1 for array in config.arrays[:-1])


def in_place(config: LayerArrayConfig, activation: Activation) -> bool:
    """Whether a layer's activation may take its input's place: its value tells the derivative, and there is no gate."""
    number = NUMBERS[activation.name]
    rising = number == RECTIFIER and slope_of(activation) >= 0
    return not config.gated and (rising or number not in KEEPS_INPUT)


@dataclass
class _Layer:
    """A layer's rows in the arena, its parameters, and its first sample."""

    activation: Activation
    gated: bool
    taps: list[int]
    ahead: int
    begin: int
    x: Rows  # (channels)
    kept: Rows  # (mid), what the activation's derivative is worked out from: a itself where that will do
    a: Rows  # (width)
    columns: list[int]
    weights: IntArray  # (mid, taps of channels + condition + 1)
    back_weights: IntArray  # conv (mid, channels, taps)
    mixer: IntArray  # (mid, condition)
    output: IntArray | None  # (channels, width + 1), or None where the stream ends


@dataclass
class _Array:
    """An array's rows in the arena, its parameters, and its first sample."""

    config: LayerArrayConfig
    begin: int
    source: Rows
    rechannel: IntArray  # (channels, inputs)
    layers: list[_Layer]
    end: Rows
    head: Rows
    head_shifts: list[int]
    head_weights: IntArray  # (head size, width, taps)
    head_bias: IntArray | None  # (head size, 1)


class _Writer(ProgramWriter):
    """Writes both programs, array by array and layer by layer."""

    def __init__(self, config: WaveNetConfig, outputs: int, lanes: int) -> None:
        super().__init__(config.receptive_field - 1, config.arrays[0].input_size, outputs, lanes)
        self.config = config

    def write(self) -> StackProgram:
        """Both programs for the whole network."""
        arrays: list[_Array] = []
        reach = 0
        for config in self.config.arrays:
            array, reach = self._array(config, arrays[-1] if arrays else None, reach)
            arrays.append(array)
        last = arrays[-1]
        output = self.memory.rows(last.config.head_size, self.long)
        final = self.warm_up // QUANTUM * QUANTUM
        self._head(last, output, final)

        gradient = self.workspace.rows(last.config.head_size, BLOCK + last.config.head_kernel_size - 1)
        self.look_ahead(gradient, last.config.head_kernel_size - 1)
        stack = (self.warm_up - last.config.head_kernel_size + 1) // QUANTUM * QUANTUM
        input_gradient = self._backward(arrays, gradient, stack, final)
        return self.finished(output, gradient, input_gradient)

    def _array(self, config: LayerArrayConfig, before: _Array | None, reach: int) -> tuple[_Array, int]:
        """Writes an array's forward pass; ``reach`` counts the samples lost at the start so far."""
        begin = reach // QUANTUM * QUANTUM
        source = self.input if before is None else before.end
        rechannel = self.take(config.channels, config.input_size)
        x = self.memory.rows(config.channels, self.long)
        head = self.memory.rows(config.width, self.long)
        self.forward.affine(x, begin, self.zero, source.each(), rechannel)
        first = (reach + (config.kernel_sizes[0] - 1) * config.dilations[0]) // QUANTUM * QUANTUM
        if before is None:
            self.forward.affine(head, first, self.zero, [], np.zeros((config.width, 0), np.int64))
        else:
            self._head(before, head, first)
        layers = []
        last_array = config is self.config.arrays[-1]
        for index in range(len(config.dilations)):
            reach += (config.kernel_sizes[index] - 1) * config.dilations[index]
            ends = last_array and index == len(config.dilations) - 1
            layer, x = self._layer(config, index, x, head, reach // QUANTUM * QUANTUM, ends)
            layers.append(layer)
        kernel = config.head_kernel_size
        shifts = [k - kernel + 1 for k in range(kernel)]
        weights = self.take(config.head_size, config.width, kernel)
        bias = self.take(config.head_size, 1) if config.head_bias else None
        return _Array(config, begin, source, rechannel, layers, x, head, shifts, weights, bias), reach

    def _layer(
        self, config: LayerArrayConfig, index: int, x: Rows, head: Rows, begin: int, ends: bool
    ) -> tuple[_Layer, Rows]:
        """Writes a layer's forward pass; returns it and the stream behind it."""
        channels, kernel, dilation = config.channels, config.kernel_sizes[index], config.dilations[index]
        conv, bias = self.take(config.mid, channels, kernel), self.take(config.mid, 1)
        mixer = self.take(config.mid, config.condition_size)
        taps = [(k - kernel + 1) * dilation for k in range(kernel)]
        columns = [*x.each(taps), *self.input.each(), *self.ones.each()]
        weights = np.concatenate([conv.reshape(config.mid, -1), mixer, bias], axis=1)
        activation = config.activations[index]
        simple = in_place(config, activation)
        kept = self.memory.rows(config.mid, self.long)
        a = kept if simple else self.memory.rows(config.width, self.long)
        behind = x if ends else self.memory.rows(channels, self.long)
        function, slope = NUMBERS[activation.name], slope_of(activation)
        if simple:
            self.forward.affine(a, begin, self.zero, columns, weights, function, head, slope, None if ends else behind)
        else:
            self.forward.affine(kept, begin, self.zero, columns, weights, soon=a)
            function += GATED * config.gated
            self.forward.gate(GATE, function, begin, a, kept, head, config.width, slope)
        output = None
        if not ends:
            output = np.concatenate([self.take(channels, config.width), self.take(channels, 1)], axis=1)
            following = Rows(self.memory.size, a.stride, config.mid)
            self.forward.affine(behind, begin, x, [*a.each(), *self.ones.each()], output, soon=following)
        ahead = (kernel - 1) * dilation
        layer = _Layer(activation, config.gated, taps, ahead, begin, x, kept, a, columns, weights, conv, mixer, output)
        return layer, behind

    def _head(self, array: _Array, out: Rows, begin: int) -> None:
        columns, weights = self._head_columns(array)
        self.forward.affine(out, begin, self.zero, columns, weights)

    def _head_columns(self, array: _Array) -> tuple[list[int], IntArray]:
        columns = array.head.each(array.head_shifts)
        weights = array.head_weights.reshape(array.config.head_size, -1)
        if array.head_bias is None:
            return columns, weights
        return [*columns, *self.ones.each()], np.concatenate([weights, array.head_bias], axis=1)

    def _backward(self, arrays: list[_Array], gradient: Rows, stack: int, final: int) -> Rows:
        """Writes the gradients, last array first; ``gradient`` is the output's, ``stack`` the head sums' first sample.

        Returns the rows of the input's gradient, which the last operation computes.
        """
        ones = self.ones.first
        sources: list[int] = []  # all that the input's gradient sums up, with its weights
        weights: list[IntArray] = []
        stream: Rows | None = None
        for array in reversed(arrays):
            columns, head_weights = self._head_columns(array)
            self.backward.outer(gradient, final, columns, head_weights, ones)
            back = array.head_weights.transpose(1, 0, 2).reshape(array.config.width, -1)
            head = self.workspace.rows(array.config.width, BLOCK)
            mirrored = gradient.each([-shift for shift in array.head_shifts])
            self.backward.affine(head, stack, self.nought, mirrored, back)
            for index in reversed(range(len(array.layers))):
                before = array.layers[index - 1].begin if index else array.begin
                soon = array.layers[index - 1].kept if index else None
                stream = self._layer_backward(array.layers[index], before, head, stream, sources, weights, soon)
            assert stream is not None
            self.backward.outer(stream, array.begin, array.source.each(), array.rechannel, ones)
            if array is not arrays[0]:
                below = self.workspace.rows(array.config.input_size, BLOCK)
                self.backward.affine(below, array.begin, self.nought, stream.each(), array.rechannel.T)
                stream = below
            gradient, final = head, stack
        assert stream is not None
        into = self.workspace.rows(self.input.channels, BLOCK)
        sources += stream.each()
        weights.append(arrays[0].rechannel.T)
        self.backward.affine(into, 0, self.nought, sources, np.concatenate(weights, axis=1))
        return into

    def _layer_backward(
        self,
        layer: _Layer,
        before: int,
        head: Rows,
        stream: Rows | None,
        sources: list[int],
        weights: list[IntArray],
        soon: Rows | None,
    ) -> Rows:
        """Writes a layer's gradients, given those of the head's sum and of the stream behind it (None: it ends here);
        returns the rows of the stream's before it, from sample ``before`` on."""
        channels, width, ones = layer.x.channels, layer.a.channels, self.ones.first
        dz = self.workspace.rows(layer.kept.channels, BLOCK + layer.ahead)
        self.look_ahead(dz, layer.ahead)
        function, slope = NUMBERS[layer.activation.name], slope_of(layer.activation)
        da = self.workspace.rows(width, BLOCK) if layer.gated else dz
        sources_of_a, back = [], np.zeros((width, 0), np.int64)
        if layer.output is not None and stream is not None:
            sources_of_a, back = stream.each(), layer.output[:, :width].T
        self.backward.affine(
            da, layer.begin, head, sources_of_a, back, NONE if layer.gated else function + GRADIENT,
            layer.kept, slope, layer.x, -layer.ahead,
        )  # fmt: skip
        if layer.gated:
            self.backward.gate(GATE_GRADIENT, function + GATED, layer.begin, dz, da, layer.kept, width, slope)
        if layer.output is not None and stream is not None:
            self.backward.outer(stream, layer.begin, [*layer.a.each(), ones], layer.output, ones)
        self.backward.outer(dz, layer.begin, layer.columns, layer.weights, ones)
        sources += dz.each()
        weights.append(layer.mixer.T)
        mirrored = dz.each([-tap for tap in layer.taps])
        back = layer.back_weights.transpose(1, 0, 2).reshape(channels, -1)
        before_rows = stream or self.workspace.rows(channels, BLOCK)
        self.backward.affine(before_rows, before, stream or self.nought, mirrored, back, soon=soon)
        return before_rows


@lru_cache(maxsize=16)
def write_program(config: WaveNetConfig, outputs: int, lanes: int) -> StackProgram:
    """The programs of ``config`` for windows of ``outputs`` samples beyond the receptive field."""
    return _Writer(config, outputs, lanes).write()

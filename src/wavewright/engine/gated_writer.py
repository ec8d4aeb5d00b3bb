"""aNN_Audio's gated WaveNet written out as operations on rows: its forward pass and the gradients of it.

Forward, for layer l with dilation d (s the skip sum, x the stream, K taps), all slopes being factors of the weights in
front of them (`gated_weights`):

    [f, g] = Σ_k W_l[k] x_l[t − (K−1−k)d] + b_l      a_l = tanh(f)·sigmoid(g)
    s += S_l a_l + u_l                               x_{l+1} = x_l + R_l a_l + r_l

and behind the last one p = tanh(s), q = tanh(M p + m), y = L q + l. Backward, with ∂v the gradient of the loss by v:

    ∂q̂ = Lᵀ∂y · (1 − q²)      ∂s = Mᵀ∂q̂ · (1 − p²), the same for all layers
    ∂a_l = S_lᵀ ∂s + R_lᵀ ∂x_{l+1}      ∂x_l[t] = ∂x_{l+1}[t] + Σ_k W_l[k]ᵀ ∂z_l[t + (K−1−k)d]

with ∂z_l from ∂a_l through the gate (`stack_writer`). Biases are weights of a row of ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor, nn

from wavewright.engine.activations import TANH
from wavewright.engine.pointwise import GATED, GRADIENT
from wavewright.engine.program_writer import ProgramWriter
from wavewright.engine.stack_program import BLOCK, GATE, GATE_GRADIENT, QUANTUM, IntArray, Rows, StackProgram
from wavewright.nets.gated_wavenet import GatedWaveNet, Slope
from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig


def _factor(slope: Slope) -> Tensor:
    return slope.scale * slope.slope


def _both(convolution: nn.Conv1d) -> list[Tensor]:
    assert convolution.bias is not None
    return [convolution.weight, convolution.bias]


def gated_weights(net: GatedWaveNet) -> list[Tensor]:
    """The weights in the order in which the writer numbers them, slopes multiplied in; the last stream's 1×1 leads
    nowhere."""
    layers = list(net.each_layer())
    through, outwards = _factor(net.sum_slope), _factor(net.middle_slope)
    weights = _both(net.entry)
    for layer in layers:
        slopes = (_factor(layer.filter_slope), _factor(layer.gate_slope))
        for both in _both(layer.conv):
            weights += [half * slope for half, slope in zip(both.chunk(2), slopes, strict=True)]
        weights += [weight * through for weight in _both(layer.skip)]
        if layer is not layers[-1]:
            weights += _both(layer.residual)
    return [*weights, *(weight * outwards for weight in _both(net.middle)), *_both(net.last)]


@dataclass
class _Layer:
    """A layer's rows in the arena, its parameters, and its first sample."""

    taps: list[int]
    begin: int
    x: Rows
    z: Rows  # (2·channels): what the gate keeps
    a: Rows
    conv: IntArray  # (2·channels, channels, taps)
    bias: IntArray  # (2·channels, 1)
    skip: IntArray  # (skip channels, channels + 1)
    residual: IntArray | None  # (channels, channels + 1), or None where the stream ends


class _Writer(ProgramWriter):
    """Writes both programs, layer by layer."""

    def __init__(self, config: GatedWaveNetConfig, outputs: int, lanes: int) -> None:
        super().__init__((config.kernel_size - 1) * sum(config.dilations), 1, outputs, lanes)
        self.config = config
        self.final = self.warm_up // QUANTUM * QUANTUM

    def write(self) -> StackProgram:
        """Both programs for the whole network."""
        c, ones = self.config, self.ones.each()
        entry = np.concatenate([self.take(c.channels, 1), self.take(c.channels, 1)], axis=1)
        x = self.memory.rows(c.channels, self.long)
        self.forward.affine(x, 0, self.zero, [*self.input.each(), *ones], entry)
        p, q = (self.memory.rows(c.skip_channels, self.long) for _ in range(2))
        output = self.memory.rows(1, self.long)
        nowhere = Rows(self.memory.rows(1, self.long).first, 0, 1)  # sums that nobody asks for, all into one row
        layers, reach = [], 0
        for index, dilation in enumerate(c.dilations):
            reach += (c.kernel_size - 1) * dilation
            layer, x = self._layer(index, dilation, x, p, reach // QUANTUM * QUANTUM, nowhere)
            layers.append(layer)
        middle = np.concatenate([self.take(c.skip_channels, c.skip_channels), self.take(c.skip_channels, 1)], axis=1)
        last = np.concatenate([self.take(1, c.skip_channels), self.take(1, 1)], axis=1)
        self.forward.affine(q, self.final, self.zero, [*p.each(), *ones], middle, TANH, nowhere)
        self.forward.affine(output, self.final, self.zero, [*q.each(), *ones], last)

        gradient, dq, ds = (self.workspace.rows(rows, BLOCK) for rows in (1, c.skip_channels, c.skip_channels))
        self._back_through_tanh(dq, q, gradient, last)
        self.backward.outer(gradient, self.final, [*q.each(), *ones], last, ones[0])
        self._back_through_tanh(ds, p, dq, middle)
        self.backward.outer(dq, self.final, [*p.each(), *ones], middle, ones[0])
        stream: Rows | None = None
        for layer, before in zip(reversed(layers), [*(layer.begin for layer in layers[-2::-1]), 0], strict=True):
            stream = self._layer_backward(layer, before, ds, stream)
        assert stream is not None
        self.backward.outer(stream, 0, [*self.input.each(), *ones], entry, ones[0])
        into = self.workspace.rows(1, BLOCK)
        self.backward.affine(into, 0, self.nought, stream.each(), entry[:, :1].T)
        return self.finished(output, gradient, into)

    def _layer(self, index: int, dilation: int, x: Rows, p: Rows, begin: int, nowhere: Rows) -> tuple[_Layer, Rows]:
        """Writes a layer's forward pass; returns it and the stream behind it."""
        c, ones, ends = self.config, self.ones.each(), index + 1 == len(self.config.dilations)
        conv, bias = self.take(2 * c.channels, c.channels, c.kernel_size), self.take(2 * c.channels, 1)
        skip = np.concatenate([self.take(c.skip_channels, c.channels), self.take(c.skip_channels, 1)], axis=1)
        residual = None
        if not ends:
            residual = np.concatenate([self.take(c.channels, c.channels), self.take(c.channels, 1)], axis=1)
        taps = [(k - c.kernel_size + 1) * dilation for k in range(c.kernel_size)]
        z, a = self.memory.rows(2 * c.channels, self.long), self.memory.rows(c.channels, self.long)
        behind = x if ends else self.memory.rows(c.channels, self.long)
        weights = np.concatenate([conv.reshape(z.channels, -1), bias], axis=1)
        self.forward.affine(z, begin, self.zero, [*x.each(taps), *ones], weights, soon=a)
        self.forward.gate(GATE, TANH + GATED, begin, a, z, nowhere, c.channels, 0.0)
        begun = p if index else self.zero
        how = (TANH, nowhere) if ends else ()
        self.forward.affine(p, self.final, begun, [*a.each(), *ones], skip, *how)
        if residual is not None:
            soon = Rows(self.memory.size, a.stride, z.channels)
            self.forward.affine(behind, begin, x, [*a.each(), *ones], residual, soon=soon)
        return _Layer(taps, begin, x, z, a, conv, bias, skip, residual), behind

    def _back_through_tanh(self, out: Rows, kept: Rows, gradient: Rows, weights: IntArray) -> None:
        """``out`` = weightsᵀ · gradient · (1 − kept²)."""
        back = weights[:, : kept.channels].T
        self.backward.affine(out, self.final, self.nought, gradient.each(), back, TANH + GRADIENT, kept)

    def _layer_backward(self, layer: _Layer, before: int, ds: Rows, stream: Rows | None) -> Rows:
        """Writes a layer's gradients, given those of the skip sum and of the stream behind it (None: it ends here);
        returns the rows of the stream's before it, from sample ``before`` on."""
        channels, ones, ahead = layer.a.channels, self.ones.first, -layer.taps[0]
        columns_of_a = [*layer.a.each(), ones]
        sources, weights = ds.each(), layer.skip[:, :channels].T
        self.backward.outer(ds, self.final, columns_of_a, layer.skip, ones)
        if layer.residual is not None and stream is not None:
            sources = [*sources, *stream.each()]
            weights = np.concatenate([weights, layer.residual[:, :channels].T], axis=1)
            self.backward.outer(stream, layer.begin, columns_of_a, layer.residual, ones)
        da = self.workspace.rows(channels, BLOCK)
        dz = self.workspace.rows(2 * channels, BLOCK + ahead)
        self.look_ahead(dz, ahead)
        self.backward.affine(da, layer.begin, self.nought, sources, weights, soon=layer.x, soon_shift=-ahead)
        self.backward.gate(GATE_GRADIENT, TANH + GATED, layer.begin, dz, da, layer.z, channels, 0.0)
        both = np.concatenate([layer.conv.reshape(2 * channels, -1), layer.bias], axis=1)
        self.backward.outer(dz, layer.begin, [*layer.x.each(layer.taps), ones], both, ones)
        back = layer.conv.transpose(1, 0, 2).reshape(channels, -1)
        under = stream or self.workspace.rows(channels, BLOCK)
        self.backward.affine(under, before, stream or self.nought, dz.each([-tap for tap in layer.taps]), back)
        return under


@lru_cache(maxsize=16)
def write_gated_program(config: GatedWaveNetConfig, outputs: int, lanes: int) -> StackProgram:
    """The programs of ``config`` for windows of ``outputs`` samples beyond the receptive field."""
    return _Writer(config, outputs, lanes).write()

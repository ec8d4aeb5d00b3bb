"""`AudioRNN` as a `Program`: what follows from the code before is a row of a table; then two products a layer.

The sums of a layer stand in four rows, so that each product is one matrix: what the inputs add to the new value, the
reset gate, the update gate, what the units add to the new value. What is heard is put into the first three, the layer
below adds to them; the units' product adds to the last three.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from wavewright.audio.recording import FloatArray
from wavewright.engine.sampler_program import GATES, NEVER_DRAWN, ON_CONTROLS, Program, Source, Start
from wavewright.engine.sampler_tiles import LANES, TANH, padded
from wavewright.nets.audio_rnn import AudioRNN


def numbers(tensor: Tensor | None) -> FloatArray:
    """A tensor's values, float32; a bias that may be missing is known to be there."""
    assert tensor is not None
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())


def widened(values: FloatArray, fill: float = 0.0) -> FloatArray:
    """``values`` (numbers, …) up to whole vectors of numbers."""
    whole = np.full((padded(len(values)), *values.shape[1:]), fill, np.float32)
    whole[: len(values)] = values
    return whole


class GatedUnits:
    """One layer of gated recurrent units: its weights in the order of the rows, and where its numbers are."""

    def __init__(self, program: Program, layer: nn.GRU, sums: int | None = None) -> None:
        from_inputs, from_units, input_bias, unit_bias = (numbers(part) for part in layer.parameters())
        self.row = padded(layer.hidden_size)
        self.from_inputs = self._rows(from_inputs, (2, 0, 1))  # (3 rows, inputs): new, reset, update
        self.from_units = self._rows(from_units, (0, 1, 2))  # (3 rows, units): reset, update, new
        self.bias = self._rows(input_bias[:, None], (2, 0, 1))[:, 0]
        self.unit_bias = self._rows(unit_bias[:, None], (0, 1, 2))[:, 0]
        self.sums = program.room(4 * self.row) if sums is None else sums
        self.units = program.source(layer.hidden_size, bounded=True)

    def _rows(self, weights: FloatArray, order: Sequence[int]) -> FloatArray:
        """The gates of ``weights`` (3 · units, inputs) in that order, each padded to whole vectors."""
        return np.concatenate([widened(np.split(weights, 3)[gate]) for gate in order])

    def advance(self, program: Program, below: Sequence[tuple[FloatArray, Source]] = (), period: int = 1) -> None:
        """The products of the units and of what lies ``below``, then the gates. The sums have begun."""
        start = Start(self.sums + self.row)
        program.product(start.place, [(self.from_units, self.units)], self.unit_bias, start, period)
        if below:
            program.product(self.sums, below, start=Start(self.sums), period=period)
        program.do(
            GATES, period, out=self.sums, vectors=self.row // LANES, state=self.units.x, bytes=self.units.bytes_at
        )


def write_audio_rnn(net: AudioRNN, program: Program) -> int:
    """Appends what one sample takes; returns where the parameters of its distribution are."""
    hidden, layers = net.config.hidden_size, list(net.each_layer())
    row = padded(hidden)
    sums = [program.room(4 * row) for _ in layers]
    said = program.room(net.distribution.size)
    units = [GatedUnits(program, layer, place) for layer, place in zip(layers, sums, strict=True)]
    head, head_bias = numbers(net.output.weight), widened(numbers(net.output.bias), NEVER_DRAWN)
    spoken = None
    if net.controls:
        spoken = Start(program.room(3 * row))
        weights = units[0].from_inputs[:, net.config.dense_size :]
        program.product(spoken.place, [(weights, program.controls)], period=ON_CONTROLS)
    # What d adds to each layer's sums and to the parameters, (rows, dense): the skips come behind the layer below.
    parts = [units[0].from_inputs[:, : net.config.dense_size]]
    parts += [layer.from_inputs[:, hidden:] for layer in units[1:]]
    places = [*zip(sums, parts, [layer.bias for layer in units], strict=True), (said, head[:, hidden:], head_bias)]
    if isinstance(net.dense, nn.Embedding):
        codes = np.tanh(numbers(net.dense.weight))  # (levels, dense)
        for index, (place, weights, bias) in enumerate(places):
            table = np.broadcast_to(bias, (len(codes), len(bias))).copy()
            table[:, : len(weights)] += codes @ weights.T
            program.lookup(place, table[None], start=spoken if index == 0 else None)
    else:
        dense = program.source(net.dense.out_features, bounded=True)
        slopes, offsets = numbers(net.dense.weight), numbers(net.dense.bias)
        program.product(dense.x, [(slopes, program.level)], offsets)
        program.activate(TANH, dense)
        for index, (place, weights, bias) in enumerate(places):
            heard = [(weights[:, :1], program.level), (weights[:, 1:], dense)]
            program.product(place, heard, bias, start=spoken if index == 0 else None)
    units[0].advance(program)
    for below, layer in pairwise(units):
        layer.advance(program, [(layer.from_inputs[:, :hidden], below.units)])
    program.product(said, [(head[:, :hidden], units[-1].units)], start=Start(said))
    return said

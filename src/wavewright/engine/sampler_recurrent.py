"""`AudioRNN` as a `Program`: two products a layer, and rows of tables for what follows from the code before alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from wavewright.audio.recording import FloatArray
from wavewright.engine.sampler_packing import LANES, padded, unit_tiles
from wavewright.engine.sampler_pointwise import TANH
from wavewright.engine.sampler_program import NEVER_DRAWN, ON_CONTROLS, Program, Start
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
    """One layer of gated recurrent units: its weights in the order of tiles, and where its numbers are.

    A tile of units has the sums of four rows behind one another: what the inputs add to the new value, the reset gate,
    the update gate, what the units add to the new value. The units' product adds to the last three, that of the inputs
    to the first three.
    """

    def __init__(self, program: Program, layer: nn.GRU) -> None:
        inputs, own, input_bias, own_bias = (
            [widened(gate) for gate in np.split(numbers(part), 3)] for part in layer.parameters()
        )  # reset, update, new
        self._tiles = unit_tiles(padded(layer.hidden_size) // LANES, program.streams)
        self.inputs = self._in_tiles([inputs[2], inputs[0], inputs[1]])  # (3 rows, inputs)
        self.own = self._in_tiles(own)  # (3 rows, units)
        biases = [input_bias[2], input_bias[0] + own_bias[0], input_bias[1] + own_bias[1], own_bias[2]]
        self.bias = self._in_tiles(biases)  # (4 rows,)
        self.sums = program.room(len(self.bias))
        self.units = program.source(layer.hidden_size, bounded=True)

    def _in_tiles(self, rows: Sequence[FloatArray]) -> FloatArray:
        """``rows``, each (padded units, …), tile after tile."""
        ends = np.cumsum(self._tiles) * LANES
        tiles = zip(self._tiles, ends, strict=True)
        return np.concatenate([row[end - size * LANES : end] for size, end in tiles for row in rows])

    def four_rows(self, three: FloatArray) -> FloatArray:
        """``three`` rows in tiles, what inputs add, with a fourth of zeros."""
        parts = np.split(three, 3 * LANES * np.cumsum(self._tiles)[:-1])
        rows = [part.reshape(3, -1, *three.shape[1:]) for part in parts]
        return np.concatenate([np.concatenate([part, 0 * part[:1]]).reshape(-1, *three.shape[1:]) for part in rows])


class Heard:
    """What d, which follows from the sample before alone, adds to sums: from tables, or by products."""

    def __init__(self, net: AudioRNN, program: Program) -> None:
        self.program = program
        self.codes: FloatArray | None = None
        if isinstance(net.dense, nn.Embedding):
            self.codes = np.tanh(numbers(net.dense.weight))  # (levels, dense)
            return
        self.steps = program.source(net.dense.out_features, bounded=True)
        program.product(self.steps.x, [(numbers(net.dense.weight), program.level)], numbers(net.dense.bias))
        program.activate(TANH, self.steps)

    def table(self, weights: FloatArray, bias: FloatArray) -> FloatArray | None:
        """``bias + weights · d`` for each code, (1, levels, numbers); ``bias`` up to whole vectors. None: no tables."""
        if self.codes is None:
            return None
        table = np.broadcast_to(bias, (len(self.codes), len(bias))).copy()
        table[:, : len(weights)] += self.codes @ weights.T
        return table[None]

    def add(self, weights: FloatArray, bias: FloatArray, out: int, start: Start | None = None) -> None:
        """``out = start + bias + weights · d``."""
        table = self.table(weights, bias)
        if table is not None:
            self.program.lookup(out, table, start)
            return
        parts = [(weights[:, :1], self.program.level), (weights[:, 1:], self.steps)]
        self.program.product(out, parts, bias, start)


def write_audio_rnn(net: AudioRNN, program: Program) -> int:
    """Appends what one sample takes; returns where the parameters of its distribution are."""
    hidden, dense = net.config.hidden_size, net.config.dense_size
    heard = Heard(net, program)
    below: GatedUnits | None = None
    for layer in map(partial(GatedUnits, program), net.each_layer()):
        # The first layer hears d and the controls, all others the layer below and d.
        first = 0 if below is None else hidden
        weights = layer.four_rows(layer.inputs[:, first : first + dense])
        spoken = None
        if below is None and net.controls:
            spoken = Start(program.room(len(layer.bias)))
            rows = layer.four_rows(layer.inputs[:, dense:])
            program.product(spoken.place, [(rows, program.controls)], period=ON_CONTROLS)
        table, begin = heard.table(weights, layer.bias), None
        if table is not None and program.streams == 1:
            begin = program.tables(table)
            begin = begin if spoken is None else replace(begin, spoken=spoken.place)
        else:
            heard.add(weights, layer.bias, layer.sums, spoken)
        inputs = None if below is None else (layer.inputs[:, :hidden], below.units)
        program.units(layer.units, layer.sums, layer.own, inputs, begin)
        below = layer
    assert below is not None
    said = program.room(net.distribution.size)
    weights, bias = numbers(net.output.weight), numbers(net.output.bias)
    heard.add(weights[:, hidden:], widened(bias), said)
    program.product(said, [(weights[:, :hidden], below.units)], widened(0 * bias, NEVER_DRAWN), Start(said))
    return said

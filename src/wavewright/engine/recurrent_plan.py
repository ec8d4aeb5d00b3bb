"""An LSTM or a GRU laid out for its kernels: which units share a vector, and what lies where in one stretch of memory.

Units are played in groups, as many as a vector has lanes: 16, then 8 and 4 for what is left, so that few lanes idle.
A group's weights lie in the order in which they are read: what its sums begin with, then for each input and each hidden
unit a vector for every gate. With E = 2^y where torch has e^{−x}, the sigmoid's gates are scaled by −1/ln 2 here, the
one tanh among an LSTM's gates by −2/ln 2 (`recurrent_tiles`).

**Gates.** An LSTM has i, f, g, o, all over inputs and hidden units. A GRU has r and z over both, and keeps its third
gate's two halves apart, for r multiplies the hidden one alone: n = tanh(xₙ + r·hₙ).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.engine.vector_code import VECTOR_BYTES

FloatArray = NDArray[np.float32]
Matrix = NDArray[np.float64]

LSTM, GRU = 0, 1
"""The kinds of cells."""

CHUNK = 64
"""Samples that go through a layer before the next one hears them; what they leave stays in the nearest cache."""

LINE = 16
"""Samples of a cache line."""

SUMS = 4
"""Sums of a unit: the gates of an LSTM; of a GRU r, z, hₙ and xₙ."""

WIDTHS = tuple(width for width in (16, 8, 4) if 4 * width <= VECTOR_BYTES)
"""Lanes of a group, widest first."""


def _lines(samples: int) -> int:
    """``samples`` rounded up to whole cache lines."""
    return -(-samples // LINE) * LINE


@dataclass(frozen=True)
class RecurrentShape:
    """What a kernel is made for, and the places that follow from it (in samples).

    ``inputs`` are the network's: the sound, then controls.

    >>> RecurrentShape(LSTM, units=21, inputs=1, layers=1).padded
    24
    """

    kind: int
    units: int
    inputs: int
    layers: int
    skip: bool = False

    @property
    def padded(self) -> int:
        """Units with those that only fill up a group; they stay zero."""
        return -(-self.units // 4) * 4

    @property
    def groups(self) -> tuple[int, ...]:
        """The lanes of each group of units, first to last."""
        found: list[int] = []
        for width in WIDTHS:
            found += [width] * ((self.padded - sum(found)) // width)
        return tuple(found)

    @property
    def from_inputs(self) -> tuple[int, ...]:
        """The sums that an input adds to."""
        return (0, 1, 2, 3) if self.kind == LSTM else (0, 1, 3)

    @property
    def from_hidden(self) -> tuple[int, ...]:
        """The sums that a hidden unit adds to."""
        return (0, 1, 2, 3) if self.kind == LSTM else (0, 1, 2)

    def inputs_of(self, layer: int) -> int:
        """What layer ``layer`` hears: the network's inputs, or the units below it."""
        return self.inputs if layer == 0 else self.padded

    def group_size(self, layer: int, lanes: int) -> int:
        """Weights of a group."""
        return lanes * (SUMS + self.inputs_of(layer) * len(self.from_inputs) + self.padded * len(self.from_hidden))

    def weights(self, layer: int) -> int:
        """Where the weights of ``layer`` begin; behind the last layer, where the head's do."""
        sizes = (sum(self.group_size(below, lanes) for lanes in self.groups) for below in range(layer))
        return sum(_lines(size) for size in sizes)

    # ── memory that all channels share: weights, the head, what silence leaves ────────────────────────────────────

    @property
    def row(self) -> int:
        """Samples between the hidden units at one time and at the next: an odd number of cache lines."""
        return LINE * (-(-self.padded // LINE) | 1)

    @property
    def bias(self) -> int:
        """Where the head's bias lies, behind a row of its weights; the gain of the skipped input lies behind it."""
        return self.head + self.row

    @property
    def head(self) -> int:
        """Where the head's weights lie."""
        return self.weights(self.layers)

    def rest(self, layer: int) -> int:
        """Where the hidden units of ``layer`` lie as silence leaves them, the cells a row behind them."""
        return self.bias + LINE + 2 * self.row * layer

    @property
    def shared(self) -> int:
        """Samples of all that."""
        return self.rest(self.layers)

    # ── memory of one channel ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def sound(self) -> int:
        """Where the output lies, behind the inputs, which are time by time."""
        return _lines((CHUNK + 1) * self.inputs)

    def hidden(self, layer: int) -> int:
        """Where the hidden units of ``layer`` lie: a row for the time before the chunk, then one for each of its."""
        return self.sound + CHUNK + layer * (CHUNK + 2) * self.row

    def cells(self, layer: int) -> int:
        """Where the cells of ``layer`` lie."""
        return self.hidden(layer) + (CHUNK + 1) * self.row

    @property
    def voice(self) -> int:
        """Samples of one channel."""
        return self.hidden(self.layers)


def write_shared(shape: RecurrentShape, weights: Mapping[str, FloatArray], skip_gain: float = 1.0) -> FloatArray:
    """The memory that all channels share, from a `wavewright.nets.recurrent.Recurrent`'s weights by their names.

    In place of what silence leaves stands the network's first state.
    """
    memory = np.zeros(shape.shared, np.float32)
    for layer in range(shape.layers):
        place = shape.weights(layer)
        first = 0
        tables = _tables(shape, weights, layer)
        for lanes in shape.groups:
            parts = [table[..., first : first + lanes].ravel() for table in tables]
            flat = np.concatenate(parts)
            memory[place : place + flat.size] = flat
            place, first = place + flat.size, first + lanes
        for memory_of_unit, state in enumerate(weights["start"][:, layer]):
            at = shape.rest(layer) + memory_of_unit * shape.row
            memory[at : at + shape.units] = state
    memory[shape.head : shape.head + shape.units] = weights["head.weight"][0]
    memory[shape.bias : shape.bias + 2] = weights["head.bias"][0], skip_gain
    return memory


def _tables(shape: RecurrentShape, weights: Mapping[str, FloatArray], layer: int) -> tuple[Matrix, Matrix, Matrix]:
    """What the sums begin with (sums, units), and the weights (inputs, sums, units) and (hidden, sums, units)."""
    units, padded = shape.units, shape.padded
    gates = SUMS if shape.kind == LSTM else 3
    heard = shape.inputs if layer == 0 else units

    def gate_by_gate(name: str, columns: int) -> Matrix:
        """(columns, gates, units)"""
        table: Matrix = weights[f"rnn.{name}_l{layer}"].astype(np.float64).reshape(gates, units, columns)
        return table.transpose(2, 0, 1)

    def filled(table: Matrix, columns: int) -> Matrix:
        """``table`` (columns, sums, units) with zeros for what only fills up."""
        wide = np.zeros((columns, table.shape[1], padded))
        wide[: table.shape[0], :, :units] = table
        return wide

    begin = np.zeros((1, SUMS, units))
    input_bias, hidden_bias = gate_by_gate("bias_ih", 1), gate_by_gate("bias_hh", 1)
    begin[:, shape.from_inputs] += input_bias
    begin[:, shape.from_hidden] += hidden_bias
    power = -1 / math.log(2)
    scales = np.array([power, power, 2 * power, power] if shape.kind == LSTM else [power, power, 1.0, 1.0])
    inputs = gate_by_gate("weight_ih", heard) * scales[list(shape.from_inputs), None]
    hidden = gate_by_gate("weight_hh", units) * scales[list(shape.from_hidden), None]
    return (
        filled(begin * scales[:, None], 1)[0],
        filled(inputs, shape.inputs_of(layer)),
        filled(hidden, padded),
    )

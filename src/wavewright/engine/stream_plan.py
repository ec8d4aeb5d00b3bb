"""A WaveNet written out for streaming: rows of samples in flat memory, and a list of products over them.

Every product is ``out = start + weights × columns`` with perhaps an activation behind it; a column is a row at a shift
in time (`stream_tiles`). For a layer with input x, dry signal c and head's sum h:

    a = act(b + W·[x at every tap, c])        h += a        x' = x + R a

**Rows.** What a later block still needs (the input of a dilated convolution, the sum before a long head) lies in rows
that *move*: sample t of the chunk is at ``first + position + t``, and each row has as much past in front as its own
reader needs, no more. `SPAN` samples further on, the pasts are moved back to the front. All else is scratch, written
and read within a chunk. Rows are an odd number of cache lines apart: no two fall into the same sets of the cache.

**Biases of the stream.** The 1×1's bias r would be one more addition a sample. As it is constant, the stream can do
without: with x = x̃ + ρ, the next convolution's bias takes what ρ gives, b + (Σ_k W_k)·ρ, and the sums stay the same.
So does the last head's weight take the factor ``head_scale``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wavewright.engine import tiles
from wavewright.engine.stream_tiles import FRESH, tile_outputs
from wavewright.nets.wavenet import Layer, LayerArray, WaveNet
from wavewright.nets.wavenet_config import Activation, WaveNetConfig

CHUNK = 192
"""Samples that go through the network at once: what one product writes the next reads from the nearest cache. Tiles of
three vectors, the best, divide it."""

SPAN = 1024
"""Samples between two moves of all pasts to the front of their rows."""

LINE = 16
"""Samples of a cache line; every row begins with one, and a whole vector may be written past every chunk."""

KIND, OUTPUTS, SHAPE_4, SHAPE_3, SHAPE_1, COLUMNS, COUNT, MOVES, WEIGHTS, FROM_ROWS = range(10)
START, START_STRIDE, START_MOVES, OUT, OUT_STRIDE, OUT_MOVES, TOTAL, TOTAL_STRIDE, TOTAL_MOVES, SLOPE = range(10, 20)
"""A product's fields. ``KIND``: the activation, `FRESH` added where the head's sum begins. ``SHAPE_n``: outputs of a
tile of n vectors. ``COLUMNS``, ``COUNT``: its columns. ``WEIGHTS``: place of its weights, a row of ``OUTPUTS`` for each
column. ``START``: the rows that the sums begin with where ``FROM_ROWS``, else the place of the biases. ``TOTAL``: the
head's sum. ``SLOPE``: place of the rectifier's slope. ``…MOVES``: 1 where those rows move."""
FIELDS = 20

ACTIVATIONS = {"Tanh": tiles.TANH, "ReLU": tiles.LEAKY, "LeakyReLU": tiles.LEAKY}

FloatArray = NDArray[np.float32]
Matrix = NDArray[np.float64]


def supported(config: WaveNetConfig) -> bool:
    """Whether there are kernels for this network: no gates, activations in `ACTIVATIONS`, one input and one output."""
    one = config.arrays[0].input_size == config.arrays[-1].head_size == 1
    known = all(a.name in ACTIVATIONS for array in config.arrays for a in array.activations)
    return one and known and not any(array.gated for array in config.arrays)


@dataclass(frozen=True)
class Rows:
    """``count`` rows, ``stride`` samples apart, sample 0 of the first at ``first``, ``past`` samples in front."""

    first: int
    stride: int
    count: int
    past: int
    moves: bool

    def each(self, shifts: Sequence[int] = (0,)) -> list[int]:
        """The columns of a convolution over these rows: every channel at every shift in time."""
        return [self.first + row * self.stride + shift for row in range(self.count) for shift in shifts]


@dataclass(frozen=True)
class StreamPlan:
    """All that `stream_kernels` needs. ``table`` (products, fields); ``pasts`` has a (first, stride, rows, past) for
    each group of rows that remember; ``size`` is the memory of one channel in samples."""

    table: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: FloatArray
    pasts: NDArray[np.int64]
    input: int
    output: int
    size: int


@dataclass
class _Writer:
    size: int = LINE
    table: list[list[int]] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    weights: list[Matrix] = field(default_factory=list)
    placed: int = 0
    pasts: list[list[int]] = field(default_factory=list)

    def rows(self, count: int, past: int = 0, moves: bool = False) -> Rows:
        """Room for ``count`` rows; whatever has a past moves."""
        moves = moves or past > 0
        before = -(-past // LINE) * LINE
        stride = LINE * (((before + (SPAN if moves else CHUNK)) // LINE + 1) | 1)
        rows = Rows(self.size + before, stride, count, past, moves)
        self.size += count * stride
        if past:
            self.pasts.append([rows.first, rows.stride, count, past])
        return rows

    def put(self, numbers: Matrix | Sequence[float]) -> int:
        """Place of ``numbers`` among the weights."""
        flat = np.asarray(numbers, np.float64).reshape(-1)
        place, self.placed = self.placed, self.placed + flat.size
        self.weights.append(flat)
        return place

    def product(
        self,
        out: Rows,
        source: Rows,
        columns: Sequence[int],
        weights: Matrix,
        start: Rows | Matrix,
        activation: Activation | None = None,
        total: Rows | None = None,
        fresh: bool = False,
    ) -> None:
        """``out = act(start + weights × columns)`` with ``weights`` (outputs, columns), ``start`` rows or biases
        (outputs); ``total`` takes the sum, from nothing where ``fresh``."""
        from_rows, beside = isinstance(start, Rows), total or out
        leaky = activation is not None and activation.name == "LeakyReLU"
        fields = {
            KIND: 0 if activation is None else ACTIVATIONS[activation.name] + FRESH * fresh,
            OUTPUTS: out.count,
            SHAPE_4: tile_outputs(out.count, 4), SHAPE_3: tile_outputs(out.count, 3),
            SHAPE_1: tile_outputs(out.count, 1),
            COLUMNS: len(self.columns), COUNT: len(columns), MOVES: source.moves,
            WEIGHTS: self.put(weights.T), FROM_ROWS: from_rows,
            START: start.first if isinstance(start, Rows) else self.put(start),
            START_STRIDE: start.stride if isinstance(start, Rows) else 0,
            START_MOVES: start.moves if isinstance(start, Rows) else 0,
            OUT: out.first, OUT_STRIDE: out.stride, OUT_MOVES: out.moves,
            TOTAL: beside.first, TOTAL_STRIDE: beside.stride, TOTAL_MOVES: beside.moves,
            SLOPE: self.put([activation.negative_slope if activation is not None and leaky else 0.0]),
        }  # fmt: skip
        self.table.append([int(fields[index]) for index in range(FIELDS)])
        self.columns.extend(columns)


def _numbers(weight: Tensor | None) -> Matrix:
    assert weight is not None
    numbers: Matrix = weight.detach().double().numpy()
    return numbers


class _Network:
    """Writes a network array by array: what is carried on from layer to layer are its fields."""

    def __init__(self, net: WaveNet) -> None:
        self.net = net
        self.writer = _Writer()
        self.input = self.writer.rows(1, moves=True)
        self.stream = self.input  # (channels)
        self.offset: Matrix = np.zeros(1)  # ρ (channels): what the stream lacks of x
        self.head: Rows | None = None  # what the head's sum of the next array begins with

    def write(self) -> StreamPlan:
        arrays = list(self.net.each_array())
        widest = max(array.config.width for array in arrays)
        scratch = self.writer.rows(widest)
        for index, array in enumerate(arrays):
            self._array(array, scratch, None if index + 1 == len(arrays) else arrays[index + 1])
        assert self.head is not None
        w = self.writer
        return StreamPlan(
            np.array(w.table, np.int64), np.array(w.columns, np.int64), np.concatenate(w.weights).astype(np.float32),
            np.array(w.pasts, np.int64).reshape(-1, 4), self.input.first, self.head.first, -(-w.size // LINE) * LINE,
        )  # fmt: skip

    def _array(self, array: LayerArray, scratch: Rows, following: LayerArray | None) -> None:
        layers = list(array.each_layer())
        rechannel = _numbers(array.rechannel.weight)[:, :, 0]  # (channels, inputs)
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
        conv, x = _numbers(layer.conv.weight), self.stream  # (width, channels, taps)
        taps = [(k - conv.shape[2] + 1) * dilation for k in range(conv.shape[2])]
        weights = np.concatenate([conv.reshape(a.count, -1), _numbers(layer.mixer.weight)[:, :, 0]], axis=1)
        bias = _numbers(layer.conv.bias) + conv.sum(axis=2) @ self.offset
        self.writer.product(a, x, [*x.each(taps), *self.input.each()], weights, bias, layer.activation, total, fresh)
        if not dead:
            self.stream = self.writer.rows(x.count, history, moves=True)
            self.writer.product(self.stream, a, a.each(), _numbers(layer.output.weight)[:, :, 0], x)
            self.offset = self.offset + _numbers(layer.output.bias)

    def _head(self, array: LayerArray, total: Rows, following: LayerArray | None) -> None:
        weight = _numbers(array.head.weight)  # (head size, width, kernel)
        bias = np.zeros(weight.shape[0]) if array.head.bias is None else _numbers(array.head.bias)
        shifts = range(1 - weight.shape[2], 1)
        out = self.writer.rows(1) if following is None else self._sum(following)
        scale = float(self.net.head_scale) if following is None else 1.0
        self.writer.product(out, total, total.each(shifts), weight.reshape(out.count, -1) * scale, bias * scale)
        self.head = out


def write_plan(net: WaveNet) -> StreamPlan:
    """``net`` with its present weights, ready to play; `supported` must have said yes.

    >>> from wavewright.nets.registry import build
    >>> write_plan(build("a1-nano")).table.shape
    (43, 20)
    """
    return _Network(net).write()

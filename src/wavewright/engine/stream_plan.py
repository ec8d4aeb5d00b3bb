"""A network written out for streaming: rows of samples in flat memory, and a list of products over them.

Every product is ``out = start + weights × columns`` with perhaps an activation behind it; a column is a row at a shift
in time (`stream_tiles`). `wavenet_plan` and `gated_plan` write networks so.

**Rows.** What a later block still needs (the input of a dilated convolution, the sum before a long head) lies in rows
that *move*: sample t of the chunk is at ``first + position + t``, and each row has as much past in front as its own
reader needs, no more. `SPAN` samples further on, the pasts are moved back to the front. All else is scratch, written
and read within a chunk. Rows are an odd number of cache lines apart: no two fall into the same sets of the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavewright.engine.activations import NUMBERS, slope_of
from wavewright.engine.stream_tiles import FRESH, GATED, kind, tile_outputs
from wavewright.nets.wavenet_config import Activation

CHUNK = 192
"""Samples that go through the network at once: what one product writes the next reads from the nearest cache. Tiles of
three vectors, the best, divide it."""

SPAN = 1024
"""Samples between two moves of all pasts to the front of their rows, unless a plan says otherwise."""

LINE = 16
"""Samples of a cache line; every row begins with one, and a whole vector may be written past every chunk."""

KIND, OUTPUTS, SHAPE_3, SHAPE_4, SHAPE_1, COLUMNS, COUNT, MOVES, WEIGHTS, FROM_ROWS = range(10)
START, START_STRIDE, START_MOVES, OUT, OUT_STRIDE, OUT_MOVES, TOTAL, TOTAL_STRIDE, TOTAL_MOVES, SLOPE = range(10, 20)
"""A product's fields. ``KIND``: the activation, with what `stream_tiles` adds to its number. ``SHAPE_n``: outputs of a
tile of n vectors. ``COLUMNS``, ``COUNT``: its columns. ``WEIGHTS``: place of its weights, a row of ``OUTPUTS`` for each
column. ``START``: the rows that the sums begin with where ``FROM_ROWS``, else the place of the biases. ``TOTAL``: the
head's sum. ``SLOPE``: place of the rectifier's slope. ``…MOVES``: 1 where those rows move."""
FIELDS = 20

FloatArray = NDArray[np.float32]
Matrix = NDArray[np.float64]


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
    each group of rows that remember; ``size`` is the memory of one channel in samples, ``span`` what `SPAN` says."""

    table: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: FloatArray
    pasts: NDArray[np.int64]
    input: Rows
    output: Rows
    size: int
    span: int


@dataclass
class PlanWriter:
    """A plan while it is being written; ``exact`` activations, or quick ones."""

    exact: bool = False
    span: int = SPAN
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
        stride = LINE * (((before + (self.span if moves else CHUNK)) // LINE + 1) | 1)
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
        gated: bool = False,
    ) -> None:
        """``out = act(start + weights × columns)`` with ``weights`` (outputs, columns), ``start`` rows or biases
        (outputs). Where ``gated``, the second half of the rows gates the first, which alone counts from then on.
        ``total`` takes the sum of what comes out, from nothing where ``fresh``."""
        from_rows, beside = isinstance(start, Rows), total or out
        how = GATED * gated + FRESH * (fresh or total is None)
        fields = {
            KIND: 0 if activation is None else kind(NUMBERS[activation.name], self.exact) + how,
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
            SLOPE: self.put([0.0 if activation is None else slope_of(activation)]),
        }  # fmt: skip
        self.table.append([int(fields[index]) for index in range(FIELDS)])
        self.columns.extend(columns)

    def finished(self, source: Rows, output: Rows) -> StreamPlan:
        """The plan, with ``source`` the rows of the input."""
        return StreamPlan(
            np.array(self.table, np.int64), np.array(self.columns, np.int64),
            np.concatenate(self.weights).astype(np.float32), np.array(self.pasts, np.int64).reshape(-1, 4),
            source, output, -(-self.size // LINE) * LINE, self.span,
        )  # fmt: skip

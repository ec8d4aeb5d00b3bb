"""What a fused stack of convolutions is made of: rows of samples in flat memory, and lists of operations on them.

Two operations do the work (`tiles`): *affine*, ``out = start + weights × columns`` with an activation or its derivative
behind it, and *outer*, the gradient of those weights. A column is a row of samples at a shift. A third, *gate*, is for
activations that cannot be put in their input's place, and for their derivatives (`pointwise`). `stack_writer` writes a
network as two lists of them, `stack_kernels` runs the lists block by block of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavewright.engine.tiles import TILES

QUANTUM = 192
"""Samples: every range of time is a multiple of it (every tile's length divides it), and every row has this margin."""

BLOCK = 576
"""Samples that go through all layers at a time, so that what one layer writes the next reads from the cache."""

KIND, OUTPUTS, VECTORS, BLOCKS, COLUMNS, COUNT, PACKED, START, START_STRIDE, OUT, OUT_STRIDE = range(11)
OTHER, OTHER_STRIDE, FROM, NEXT, NEXT_STRIDE, NEXT_ROWS = range(11, 17)
"""An operation's fields. ``KIND``: what `finish` does behind it, or one of the kinds below. ``OUTPUTS`` × ``BLOCKS``
rows are written to ``OUT`` (`OUTER`: read from ``START``), ``VECTORS`` a tile (`OUTER`: columns a tile). ``COLUMNS``,
``COUNT``: place and number of its columns (`OUTER`: of its groups of columns). ``PACKED``: place of its packed weights
(`OUTER`: sums). ``OTHER``: the rows that `finish` needs. ``FROM``: its first sample. ``NEXT``: rows to fetch into the
cache meanwhile, for a later operation. A gate has ``OUTPUTS`` rows a half and in ``COUNT`` the function's number; it
reads from ``START``."""
FIELDS = 17
NONE, OUTER, GATE, GATE_GRADIENT = 0, -1, -2, -3

IntArray = NDArray[np.int64]


def tile_outputs(rows: int) -> int:
    """How many of ``rows`` outputs a tile takes: the least waste, then the largest tile."""
    return min(TILES, key=lambda size: -(-rows // size) * (size + 0.5))


def rounded(count: int, unit: int) -> int:
    """``count`` rounded up to a multiple of ``unit``."""
    return -(-count // unit) * unit


@dataclass(frozen=True)
class Rows:
    """``channels`` rows of samples, ``stride`` apart, sample 0 of the first at ``first``."""

    first: int
    stride: int
    channels: int

    def each(self, shifts: Sequence[int] = (0,)) -> list[int]:
        """The columns of a convolution over these rows: every channel at every shift in time."""
        return [self.first + channel * self.stride + shift for channel in range(self.channels) for shift in shifts]


class Memory:
    """Hands out rows, an odd number of cache lines apart: no two neighbours fall into the same sets of the cache."""

    def __init__(self) -> None:
        self.size = QUANTUM

    def rows(self, channels: int, samples: int) -> Rows:
        """Room for ``samples`` samples of ``channels`` channels, rounded up to whole tiles."""
        first, stride = self.size, 16 * (-(-samples // 16) | 1)
        self.size += rounded(channels, tile_outputs(channels)) * stride
        return Rows(first, stride, channels)


@dataclass(frozen=True)
class Operations:
    """A finished list: (operations, fields), each one's rectifier slope, and which parameter (−1: zero) stands where in
    the packed weights."""

    table: IntArray
    slopes: NDArray[np.float64]
    weights: IntArray


@dataclass(frozen=True)
class StackProgram:
    """What `stack_kernels` needs for one network and one window; sizes in elements, times in samples.

    ``arena`` holds an item's rows over the whole window (sample t at ``row + t``), ``workspace`` the gradients of one
    block (sample t at ``row + t − block``) and, in the rows that ``futures`` lists as (first, stride, rows, samples),
    of the samples behind it. The last operation of ``backward`` computes the input's gradient and may be left out.
    ``places`` tells where each parameter's gradient stands among the packed ``sums``.
    """

    samples: int
    padded: int
    warm_up: int
    arena: int
    workspace: int
    sums: int
    columns: IntArray
    forward: Operations
    backward: Operations
    places: IntArray
    futures: IntArray
    input: Rows
    ones: Rows
    zero: Rows
    output: Rows
    output_gradient: Rows
    zero_gradient: Rows
    input_gradient: Rows


@dataclass
class Listing:
    """Operations while they are being written. Lists of one program share ``columns``; ``sums`` grows with `outer`."""

    columns: list[int]
    lanes: int
    table: list[list[int]] = field(default_factory=list)
    slopes: list[float] = field(default_factory=list)
    weights: list[IntArray] = field(default_factory=list)
    packed: int = 0
    sums: int = 0
    places: dict[int, int] = field(default_factory=dict)

    def affine(
        self,
        out: Rows,
        begin: int,
        start: Rows,
        columns: Sequence[int],
        weights: IntArray,
        kind: int = NONE,
        other: Rows | None = None,
        slope: float = 0.0,
        soon: Rows | None = None,
        soon_shift: int = 0,
    ) -> None:
        """``out = start + weights × columns`` from sample ``begin`` on.

        ``weights`` (channels, columns) are numbers of parameters; ``soon`` the rows to fetch into the cache meanwhile.
        """
        outputs = tile_outputs(out.channels)
        blocks = -(-out.channels // outputs)
        packed = np.full((blocks * outputs, len(columns)), -1, np.int64)
        packed[: out.channels] = weights
        beside = other or out
        self._append(
            {
                KIND: kind, OUTPUTS: outputs, VECTORS: TILES[outputs][0], BLOCKS: blocks, COLUMNS: len(self.columns),
                COUNT: len(columns), PACKED: self.packed, START: start.first, START_STRIDE: start.stride,
                OUT: out.first, OUT_STRIDE: out.stride, OTHER: beside.first, OTHER_STRIDE: beside.stride, FROM: begin,
                NEXT: soon.first + soon_shift if soon else 0, NEXT_STRIDE: soon.stride if soon else 0,
                NEXT_ROWS: soon.channels if soon else 0,
            },
            slope,
        )  # fmt: skip
        self.columns.extend(columns)
        self.weights.append(packed.reshape(blocks, outputs, -1).transpose(0, 2, 1).reshape(-1))
        self.packed += packed.size

    def outer(self, rows: Rows, begin: int, columns: Sequence[int], weights: IntArray, filler: int) -> None:
        """The gradients of ``weights`` (channels, columns), by ``rows``, the gradients of what they made.

        ``filler`` is any readable column: the last group of columns is filled up with it.
        """
        outputs = tile_outputs(rows.channels)
        blocks = -(-rows.channels // outputs)
        wide = TILES[outputs][1]
        groups = -(-len(columns) // wide)
        tile = rounded(outputs * wide, self.lanes)
        self._append(
            {
                KIND: OUTER, OUTPUTS: outputs, VECTORS: wide, BLOCKS: blocks, COLUMNS: len(self.columns), COUNT: groups,
                PACKED: self.sums, START: rows.first, START_STRIDE: rows.stride, FROM: begin,
            }
        )  # fmt: skip
        self.columns.extend([*columns, *[filler] * (groups * wide - len(columns))])
        for (row, column), parameter in np.ndenumerate(weights):
            place = (row // outputs * groups + column // wide) * tile + column % wide * outputs + row % outputs
            self.places[int(parameter)] = self.sums + place
        self.sums += blocks * groups * tile

    def gate(
        self, kind: int, function: int, begin: int, out: Rows, source: Rows, other: Rows, rows: int, slope: float
    ) -> None:
        """`GATE`: ``out`` from ``source``, also added to ``other``. `GATE_GRADIENT`: the gradients by both halves,
        ``out``, from ``source`` and what the layer kept in ``other``. ``rows`` are those of a half."""
        self._append(
            {
                KIND: kind, COUNT: function, OUTPUTS: rows, BLOCKS: out.channels // rows, START: source.first,
                START_STRIDE: source.stride, OUT: out.first, OUT_STRIDE: out.stride, OTHER: other.first,
                OTHER_STRIDE: other.stride, FROM: begin,
            },
            slope,
        )  # fmt: skip

    def _append(self, fields: dict[int, int], slope: float = 0.0) -> None:
        self.table.append([fields.get(index, 0) for index in range(FIELDS)])
        self.slopes.append(slope)

    def finished(self) -> Operations:
        """As kernels read it: fields (operations, `FIELDS`), slopes (operations,), places of the weights (count,)."""
        weights = np.concatenate(self.weights) if self.weights else np.zeros(0, np.int64)
        return Operations(np.array(self.table, np.int64).reshape(-1, FIELDS), np.array(self.slopes), weights)

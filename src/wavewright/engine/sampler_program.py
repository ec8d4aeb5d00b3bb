"""What a sampler computes for one sample, as a list of operations over flat memory.

Each stream has a row of floats (units, sums, histories) and a row of bytes (what is multiplied as bytes); the weights
are shared. `Program` takes room in these and appends operations; `sampler_kernels` runs the list once a sample.

An operation runs at every sample, or once a frame (``period``), or when the controls have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine.integer_dots import OFFSET
from wavewright.engine.sampler_packing import LANES, LINE, pack, pack_bytes, padded, tile_vectors, unit_tiles

PRODUCT, LOOKUP, UNITS, ACTIVATE, SKIP, QUANTISE, SHIFT, REMEMBER, LAYER = range(9)
"""The kinds of operations."""

KIND, PERIOD = range(2)
"""The fields that every operation has; the period is in samples, `ON_CONTROLS` means when the controls have changed."""
OUT, VECTORS, START, START_PERIOD, START_COUNT, START_STEP, BIAS, SEGMENT, SEGMENTS = range(2, 11)
"""A product's: a row of outputs, of which there are so many vectors; where the sums start, which may move along with
the samples; its biases; its inputs (segments). The first of these serve the other kinds, too."""
TABLE, ROWS, LAGS = 8, 9, 10
"""A lookup's: tables of rows, one row a code, one table for each of the samples before."""
STATE, BYTES, SCALE, OTHER = 4, 5, 6, 7
"""Of gated units, activations and all else: state, places for bytes and their scale, a second row or another number."""
ROW, BELOW, SHADOW = 6, 10, 11
"""Gated units have besides: the floats of a row of their table; the segment of what lies below; where new values wait
until no product reads the old."""
STREAM, TOP = 6, 11
"""A narrow layer has its sums, its taps as segments, biases, and besides: the stream's place; the segment of what leads
back into it."""
CURSOR, RING_BYTES, RING_SCALE = 8, 9, 10
"""What remembers has besides, to go to: the number of its ring, and places for bytes and their scales."""
FIRST_SCALE = 12
"""Where the scales of a table's rows are, if its numbers have 16 bits; else `NOWHERE`."""
FIELDS = 13

IS_BYTES, X, COUNT, WIDTH, RING, BACK, LENGTH, UNIT, WEIGHTS = range(9)
"""A segment's: numbers or bytes from ``x`` on; in a ring of ``length`` rows of ``width`` the row that lies ``back``
rows behind; where the scale of the bytes is; the weights."""
SEGMENT_FIELDS = 9

EVERY, ON_CONTROLS = 1, 0
NOWHERE = -1
SHORT = 32767
"""The largest number of 16 bits."""
NEVER_DRAWN = -1e30
"""The logit of what pads the codes up to whole vectors."""


@dataclass(frozen=True)
class Source:
    """Inputs of a product: ``count`` numbers of a stream's row from ``x`` on, or, in a ring, of one of its rows."""

    x: int
    count: int
    bytes_at: int = NOWHERE
    scale_at: int = NOWHERE
    ring: int = NOWHERE
    back: int = 0
    length: int = 1


@dataclass(frozen=True)
class Ring:
    """The last ``length`` rows of a source."""

    source: Source
    number: int
    length: int
    x: int
    bytes_at: int = NOWHERE
    scale_at: int = NOWHERE

    def before(self, samples: int) -> Source:
        """The row of so many samples ago, before the present one is pushed."""
        return Source(self.x, self.source.count, self.bytes_at, self.scale_at, self.number, samples, self.length)


@dataclass(frozen=True)
class Start:
    """Where sums start: at ``place``, which moves by ``step`` once in ``period`` samples and goes back after ``count``
    moves."""

    place: int
    period: int = 1
    count: int = 1
    step: int = 0


@dataclass(frozen=True)
class Begin:
    """How the sums of gated units begin: with a row of the table at ``place``, the newest code's of those that are
    ``row`` numbers long (0: there is one row for all), and with what is ``spoken``; ``scales`` if it has 16 bits."""

    place: int
    row: int = 0
    spoken: int = NOWHERE
    scales: int = NOWHERE


@dataclass
class Program:
    """Operations and memory for ``streams`` streams; ``quantised`` where products are of bytes.

    ``level`` and ``controls`` (of which there are ``channels``) are there from the start.
    """

    streams: int
    quantised: bool
    channels: int = 0
    operations: list[list[int]] = field(default_factory=list)
    segments: list[list[int]] = field(default_factory=list)
    floats: int = 0
    bytes: int = 0
    rings: int = 0
    reads: float = 0.0
    """Bytes of weights that products read for one sample, on average."""
    fills: list[tuple[int, FloatArray]] = field(default_factory=list)
    """Places in a stream's row that do not begin as zeros."""
    byte_fills: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    level: Source = field(init=False)
    controls: Source = field(init=False)
    _step: int = NOWHERE
    _shared: list[FloatArray] = field(default_factory=list)
    _shared_size: int = 0
    _cells: list[NDArray[np.uint8]] = field(default_factory=list)
    _cells_size: int = 0
    _widest: int = LANES

    def __post_init__(self) -> None:
        self.level, self.controls = Source(self.room(1), 1), Source(self.room(self.channels), self.channels)

    def room(self, count: int) -> int:
        """A place for ``count`` floats in every stream's row, whole vectors of it."""
        place = self.floats
        self.floats += padded(count)
        return place

    def room_for_bytes(self, count: int) -> int:
        """A place for ``count`` bytes in every stream's row, and as many as whole vectors of floats become."""
        place = self.bytes
        self.bytes += padded(count)
        return place

    def source(self, count: int, bounded: bool = False) -> Source:
        """A place for ``count`` numbers that products read, as bytes too if products are of bytes.

        ``bounded``: they stay within ±1, and a byte is worth 1/127; else each time as little as the largest allows.
        """
        if not self.quantised:
            return Source(self.room(count), count)
        if bounded and self._step == NOWHERE:
            self._step = self.room(1)
            self.fills.append((self._step, np.full(1, 1 / 127, np.float32)))
        step = self._step if bounded else self.room(1)
        return Source(self.room(count), count, self.room_for_bytes(count), step)

    def at(self, place: int, count: int) -> Source:
        """What is at ``place`` as a source."""
        if not self.quantised:
            return Source(place, count)
        return Source(place, count, self.room_for_bytes(count), self.room(1))

    def quantise(self, source: Source, period: int = EVERY) -> None:
        """Makes bytes of a source's numbers, where products are of bytes."""
        if self.quantised:
            bounded = int(source.scale_at == self._step)
            self.do(
                QUANTISE, period, out=source.x, vectors=padded(source.count) // LANES, bytes=source.bytes_at,
                scale=source.scale_at, other=bounded,
            )  # fmt: skip

    def remember(self, source: Source, rows: FloatArray) -> Ring:
        """A ring that holds the last numbers of ``source``, as bytes where products are of bytes.

        ``rows`` (length, count) are those that it begins with. It takes in a new row where `Ring.push` stands.
        """
        length, width = len(rows), padded(source.count)
        whole = np.zeros((length, width), np.float32)
        whole[:, : source.count] = rows
        self.rings += 1
        if not self.quantised or source.bytes_at == NOWHERE:
            place = self.room(length * width)
            self.fills.append((place, whole.ravel()))
            return Ring(source, self.rings - 1, length, place)
        place, scales = self.room_for_bytes(length * width), self.room(length)
        steps = np.abs(whole).max(axis=1) / 127
        values = np.rint(np.divide(whole, steps[:, None], out=np.zeros_like(whole), where=steps[:, None] > 0))
        self.byte_fills.append((place, (values.ravel() + OFFSET).astype(np.int16).astype(np.uint8)))
        self.fills.append((scales, steps))
        return Ring(source, self.rings - 1, length, NOWHERE, place, scales)

    def push(self, ring: Ring) -> None:
        """Puts the present numbers of a ring's source in the place of its oldest row."""
        source = ring.source
        self.do(
            REMEMBER, out=source.x, vectors=padded(source.count) // LANES, state=ring.x, bytes=source.bytes_at,
            scale=source.scale_at, other=ring.length, cursor=ring.number, ring_bytes=ring.bytes_at,
            ring_scale=ring.scale_at,
        )  # fmt: skip

    def activate(self, function: int, source: Source, period: int = EVERY) -> None:
        """``function`` on a source's numbers in place, and bytes of them."""
        self.do(ACTIVATE, period, out=source.x, vectors=padded(source.count) // LANES, other=function)
        self.quantise(source, period)

    def share(self, numbers: FloatArray) -> int:
        """A place for ``numbers`` beside the weights, one after the other."""
        flat = np.ascontiguousarray(numbers, np.float32).ravel()
        place = self._shared_size
        whole = np.zeros(padded(flat.size), np.float32)
        whole[: flat.size] = flat
        self._shared.append(whole)
        self._shared_size += whole.size
        return place

    def do(self, kind: int, period: int = EVERY, **fields: int) -> None:
        """Appends an operation, its fields by their names in small letters."""
        row = [0] * FIELDS
        row[KIND], row[PERIOD] = kind, period
        for name, value in fields.items():
            row[int(globals()[name.upper()])] = value
        self.operations.append(row)

    def product(
        self,
        out: int,
        parts: Sequence[tuple[FloatArray, Source]],
        bias: FloatArray | None = None,
        start: Start | None = None,
        period: int = EVERY,
    ) -> None:
        """``out = start + bias + Σ W x`` over ``parts``, weights (outputs, inputs) and their inputs.

        ``bias`` may be longer than ``outputs``, up to whole vectors: what lies beyond is the rows' padding.
        """
        outputs = parts[0][0].shape[0]
        self._widest = max(self._widest, padded(outputs))
        first = len(self.segments)
        for weights, source in parts:
            assert weights.shape == (outputs, source.count), (weights.shape, outputs, source)
            self._segment(weights, source, tile_vectors(padded(outputs) // LANES, self.streams), period)
        self.do(
            PRODUCT, period, out=out, vectors=padded(outputs) // LANES, segment=first, segments=len(parts),
            bias=NOWHERE if bias is None else self.share(bias), **_start(start),
        )  # fmt: skip

    def lookup(self, out: int, tables: FloatArray, start: Start | None = None) -> None:
        """``out = start + Σ_lag tables[lag, code]``, ``tables`` (lags, levels, numbers), the newest code's first."""
        lags, levels, numbers = tables.shape
        table = self.tables(tables)
        self.do(
            LOOKUP, out=out, vectors=padded(numbers) // LANES, table=table.place, rows=levels, lags=lags,
            first_scale=table.scales, **_start(start),
        )  # fmt: skip

    def _put(self, values: NDArray[Any]) -> int:
        """A place for ``values`` among the shared bytes, whole cache lines of it."""
        place, flat = self._cells_size, values.view(np.uint8).ravel()
        whole = np.zeros(-(-flat.size // LINE) * LINE, np.uint8)
        whole[: flat.size] = flat
        self._cells.append(whole)
        self._cells_size += whole.size
        return place

    def tables(self, tables: FloatArray) -> Begin:
        """``tables`` (lags, levels, numbers), each row whole vectors; of 16 bits where products are of bytes."""
        lags, levels, numbers = tables.shape
        row = padded(numbers)
        whole = np.zeros((lags * levels, row), np.float32)
        whole[:, :numbers] = tables.reshape(-1, numbers)
        self._widest = max(self._widest, row)
        if not self.quantised:
            return Begin(self.share(whole), row)
        scales = np.maximum(np.abs(whole).max(axis=1), 1e-30) / SHORT
        place = self._put(np.rint(whole / scales[:, None]).astype(np.int16))
        return Begin(place, row, scales=self.share(np.asarray(scales, np.float32)))

    def layer(
        self,
        sums: int,
        stream: Source,
        total: int,
        taps: Sequence[tuple[FloatArray, Source]],
        back: tuple[FloatArray, FloatArray] | None,
        gated: bool,
        first: bool,
    ) -> None:
        """A dilated layer of one vector of channels, in single precision; ``sums`` have begun.

        ``taps`` are weights and their inputs, the present ones first, the others rows of one ring that the stream is
        remembered in; ``back`` the weights and biases of what leads back into the stream, None in the last layer.
        """
        segment = len(self.segments)
        for weights, source in taps:
            self._segment(weights, source, [2 if gated else 1], EVERY)
        if back is not None:
            self._segment(back[0], Source(sums, back[0].shape[1]), [1], EVERY)
        self.do(
            LAYER, out=sums, state=total, bytes=NOWHERE if first else 0, other=int(gated), stream=stream.x,
            segment=segment, segments=len(taps), top=NOWHERE if back is None else segment + len(taps),
            bias=NOWHERE if back is None else self.share(back[1]),
        )  # fmt: skip

    def units(
        self,
        units: Source,
        sums: int,
        own: FloatArray,
        below: tuple[FloatArray, Source] | None,
        begin: Begin | None = None,
        period: int = EVERY,
    ) -> None:
        """Gated recurrent units go on by one step.

        ``own`` and ``below`` are the weights of three gates, in the order of tiles (`unit_tiles`), for the units
        themselves and for what lies below. Without ``begin`` the sums have begun.
        """
        vectors = padded(units.count) // LANES
        tiles = [3 * size for size in unit_tiles(vectors, self.streams)]
        first = len(self.segments)
        self._segment(own, units, tiles, period)
        if below is not None:
            self._segment(*below, tiles, period)
        self._widest = max(self._widest, 4 * LANES * vectors)
        shadow = self.room_for_bytes(units.count) if self.quantised else self.room(units.count)
        begin = Begin(NOWHERE) if begin is None else begin
        self.do(
            UNITS, period, out=sums, vectors=vectors, state=units.x, bytes=units.bytes_at, other=begin.spoken,
            table=begin.place, row=begin.row, first_scale=begin.scales, shadow=shadow, segment=first,
            below=NOWHERE if below is None else first + 1,
        )  # fmt: skip

    def _segment(self, weights: FloatArray, source: Source, tiles: list[int], period: int) -> None:
        """Appends a segment: its weights in the order of ``tiles``."""
        row = [0] * SEGMENT_FIELDS
        as_bytes = self.quantised and source.bytes_at != NOWHERE
        row[IS_BYTES], row[X] = as_bytes, source.bytes_at if as_bytes else source.x
        row[COUNT], row[WIDTH] = -(-source.count // 4) if as_bytes else source.count, padded(source.count)
        row[RING], row[BACK], row[LENGTH], row[UNIT] = source.ring, source.back, source.length, source.scale_at
        if as_bytes:
            row[WEIGHTS] = self._put(pack_bytes(weights, tiles))
        else:
            row[WEIGHTS] = self._shared_size
            self._shared.append(pack(weights, tiles))
            self._shared_size += self._shared[-1].size
        self.segments.append(row)
        if period != ON_CONTROLS:
            self.reads += (self._cells[-1] if as_bytes else self._shared[-1]).nbytes / period

    def zeros(self) -> int:
        """A place beside the weights with as many zeros as the longest row has numbers."""
        return self.share(np.zeros(self._widest, np.float32))

    def weights(self) -> tuple[FloatArray, NDArray[np.uint8]]:
        """All that is shared: floats, and the bytes of quantised weights."""
        floats, cells = aligned(self._shared_size, np.float32), aligned(self._cells_size, np.uint8)
        np.concatenate(self._shared, out=floats)
        if self._cells:
            np.concatenate(self._cells, out=cells)
        return floats, cells

    def table(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The operations, and the segments of products."""
        return np.array(self.operations, np.int64), np.array(self.segments, np.int64).reshape(-1, SEGMENT_FIELDS)

    def rows(self) -> list[tuple[int, bool, int, int]]:
        """All tables of single codes, the newest code's first: lag, whether of 16 bits, place, numbers of a row."""
        found = []
        for op in self.operations:
            short, row = op[FIRST_SCALE] != NOWHERE, op[VECTORS] * LANES
            if op[KIND] == UNITS and op[ROW]:
                found.append((0, short, op[TABLE], op[ROW]))
            if op[KIND] == LOOKUP:
                size = op[ROWS] * row * (2 if short else 1)
                found += [(lag, short, op[TABLE] + lag * size, row) for lag in range(op[LAGS])]
        return sorted(found)


def _start(start: Start | None) -> dict[str, int]:
    if start is None:
        return {"start": NOWHERE, "start_period": 1, "start_count": 1, "start_step": 0}
    return {
        "start": start.place, "start_period": start.period, "start_count": start.count, "start_step": start.step,
    }  # fmt: skip


HUGE = 1 << 21
"""Bytes of a large page: memory that begins with one may be given such pages."""


def aligned(count: int, dtype: Any) -> NDArray[Any]:
    """Zeros that begin with a large page where they fill one, else with a cache line."""
    size = count * np.dtype(dtype).itemsize
    line = HUGE if size >= HUGE // 8 else 64
    # numpy asks for large pages from 4 MB on; what is never touched takes no memory
    room = np.zeros(-(-size // line) * line + (2 * HUGE if line == HUGE else line), np.uint8)
    first = -room.ctypes.data % line
    return room[first : first + size].view(dtype)

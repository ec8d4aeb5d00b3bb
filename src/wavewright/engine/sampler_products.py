"""Products and lookups of a `Program` as vector code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from wavewright.engine import sampler_pointwise
from wavewright.engine.integer_dots import FORM
from wavewright.engine.sampler_context import (
    BYTE,
    CELLS,
    GROUPS,
    WIDEST,
    Operation,
    apart,
    while_below,
)
from wavewright.engine.sampler_packing import LANES, WIDTHS
from wavewright.engine.sampler_program import (
    BIAS,
    COUNT,
    FIRST_SCALE,
    IS_BYTES,
    LAGS,
    OUT,
    ROWS,
    SEGMENT,
    SEGMENTS,
    TABLE,
    VECTORS,
    WEIGHTS,
)
from wavewright.engine.sampler_tiles import times, whole, write_multiply
from wavewright.engine.vector_code import INT, VECTOR_BYTES, loop


def tiles(
    o: Operation, segment: Any, x: Any, unit: Any, weights: Any, size: Any, count: Any, bias: Any, start: Any,
    stride: Any, out: Any,
) -> None:  # fmt: skip
    """``count`` tiles of ``size`` vectors, for all streams: ``out = start + bias + W x``."""
    b = o.b
    inputs, as_bytes = o.number(segment, COUNT), b.icmp_signed("!=", o.number(segment, IS_BYTES), whole(0))
    group_row = b.mul(size, b.add(o.streams, whole(1)))
    alone = b.icmp_signed("==", b.load(o.address(GROUPS, INT, b.add(group_row, o.streams))), o.streams)
    several = b.select(alone, count, whole(1))
    length = b.select(
        as_bytes,
        b.mul(b.add(inputs, whole(2)), times(b, size, VECTOR_BYTES)),
        b.mul(inputs, times(b, size, LANES)),
    )

    def tile(index: Any) -> None:
        offset, place = b.mul(index, times(b, size, LANES)), b.add(weights, b.mul(index, length))
        here = [b.gep(pointer, [offset]) for pointer in (bias, start, out)]

        def group(stream: Any) -> Any:
            rest = b.sub(o.streams, stream)
            taken = b.load(o.address(GROUPS, INT, b.add(group_row, rest)))
            begin = b.gep(here[1], [b.mul(stream, stride)])
            end = b.gep(here[2], [b.mul(stream, o.room)])
            ends = [here[0], begin, stride, end, o.room]
            shape, scale = b.add(times(b, size, 8), taken), o.floats(unit, stream)

            def from_bytes() -> None:
                cells = o.address(CELLS, BYTE, place)
                write_multiply(b, shape, [several, inputs, o.cells(x, stream), o.bytes_room, scale, cells, *ends], FORM)

            def from_floats() -> None:
                row = o.floats(x, stream)
                write_multiply(b, shape, [several, inputs, row, o.room, row, o.shared(place), *ends])

            o.choose(as_bytes, from_bytes, from_floats)
            return b.add(stream, taken)

        while_below(b, o.streams, group)

    o.repeat(b.select(alone, whole(1), count), tile)


def _part(o: Operation, segment: Any, vectors: Any, bias: Any, start: Any, stride: Any, out: Any) -> None:
    """One part of a product: ``out = start + bias + W x``."""
    b = o.b
    (x, unit), widest = o.inputs(segment), o.given(WIDEST)
    weights, done = o.number(segment, WEIGHTS), whole(0)
    as_bytes = b.icmp_signed("!=", o.number(segment, IS_BYTES), whole(0))
    inputs = o.number(segment, COUNT)
    vector = b.select(as_bytes, times(b, b.add(inputs, whole(2)), VECTOR_BYTES), times(b, inputs, LANES))
    for size in WIDTHS:
        fits = b.icmp_signed(">=", widest, whole(size))
        count = b.select(fits, b.sdiv(b.sub(vectors, done), whole(size)), whole(0))
        offset = times(b, done, LANES)
        ends = [b.gep(bias, [offset]), b.gep(start, [offset]), stride, b.gep(out, [offset])]
        place = b.add(weights, b.mul(done, vector))

        def several(count: Any = count, size: int = size, place: Any = place, ends: list[Any] = ends) -> None:
            apart(o, "tiles", [segment, x, unit, place, whole(size), count, *ends], tiles)

        o.choose(b.icmp_signed(">", count, whole(0)), several)
        done = b.add(done, times(b, count, size))


def product(o: Operation) -> None:
    """``out = start + bias + Σ W x`` over the segments."""
    b = o.b
    start, stride = o.start()
    out, zeros, vectors = o.floats(o.field(OUT)), o.zeros(), o.field(VECTORS)
    bias = b.select(o.is_nowhere(o.field(BIAS)), zeros, o.shared(o.field(BIAS)))

    def part(index: Any, state: Sequence[Any]) -> list[Any]:
        segment = o.segment(b.add(o.field(SEGMENT), index))
        apart(o, "part", [segment, vectors, *state, out], _part)
        return [zeros, out, o.room]

    loop(b, o.field(SEGMENTS), [bias, start, stride], part)


class Row:
    """A row of a table: single-precision numbers, or numbers of 16 bits that are each worth the row's scale."""

    def __init__(self, o: Operation, table: Any, numbers: Any, row: Any, short: bool) -> None:
        self._v, self._short, b = o.v, short, o.b
        if short:
            self._place = o.address(CELLS, BYTE, b.add(table, times(b, b.mul(row, numbers), 2)))
            self._scale = o.v.spread(b.load(o.shared(b.add(o.field(FIRST_SCALE), row))))
        else:
            self._place = o.shared(b.add(table, b.mul(row, numbers)))

    def load(self, offset: Any) -> Any:
        """The vector that begins with number ``offset``."""
        v, b = self._v, self._v.builder
        if not self._short:
            return v.load(v.address(self._place, offset))
        kind = ir.VectorType(ir.IntType(16), v.lanes)
        place = b.gep(self._place, [times(b, offset, 2)])
        values = b.load(b.bitcast(place, kind.as_pointer()))
        values.align = 2
        return b.fmul(b.sitofp(b.sext(values, v.whole), v.type), self._scale)

    def add(self, other: Any, vectors: Any, out: Any, offset: Any = None) -> None:
        """``out = row + other``, ``vectors`` vectors, of the row from number ``offset`` on."""
        v = self._v

        def step(place: Any) -> None:
            number = place if offset is None else v.builder.add(place, offset)
            total = v.builder.fadd(self.load(number), v.load(v.address(other, place)))
            v.store(total, v.address(out, place))

        sampler_pointwise.each_vector(v, vectors, step)


def lookup(o: Operation, short: bool) -> None:
    """``out = start + Σ_lag tables[lag, code]``."""
    b = o.b
    start, stride = o.start()
    vectors, rows = o.field(VECTORS), o.field(ROWS)
    numbers = times(b, vectors, LANES)

    def of_stream(stream: Any) -> None:
        out = o.floats(o.field(OUT), stream)

        def of_lag(lag: Any, state: Sequence[Any]) -> list[Any]:
            index = b.add(b.mul(lag, rows), o.code(stream, lag))
            Row(o, o.field(TABLE), numbers, index, short).add(state[0], vectors, out)
            return [out]

        loop(b, o.field(LAGS), [b.gep(start, [b.mul(stream, stride)])], of_lag)

    o.each_stream(of_stream)

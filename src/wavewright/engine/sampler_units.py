"""Gated recurrent units of a `Program` as vector code: products of three gates at a time, and the gates.

A tile of units has its sums in four rows behind one another (`sampler_recurrent.GatedUnits`); once they are complete,
its gates are computed. New values wait in the shadows until no product reads the old ones any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from wavewright.engine import sampler_pointwise, vector_code
from wavewright.engine.sampler_context import BYTE, CELLS, UNIT_WIDTH, Cases, Operation, apart, while_below
from wavewright.engine.sampler_packing import LANES
from wavewright.engine.sampler_products import Row, tiles
from wavewright.engine.sampler_program import (
    BELOW,
    BYTES,
    COUNT,
    FIRST_SCALE,
    IS_BYTES,
    OTHER,
    OUT,
    ROW,
    SEGMENT,
    SHADOW,
    STATE,
    TABLE,
    VECTORS,
    WEIGHTS,
)
from wavewright.engine.sampler_tiles import ByteCells, Cells, FloatCells, times, whole
from wavewright.engine.vector_code import VECTOR_BYTES, WIDE, loop

PAIR = 2
"""Vectors of units in a tile of `units_in_line`."""


def begin(o: Operation, stream: Any, place: Any, vectors: Any) -> None:
    """The sums from ``place`` on begin: with the row of the table, if there is one, and with what is spoken."""
    b, spoken_at = o.b, o.field(OTHER)
    spoken = b.select(o.is_nowhere(spoken_at), o.zeros(), o.floats(b.add(spoken_at, place), stream))
    out = o.floats(b.add(o.field(OUT), place), stream)
    numbers, code = o.field(ROW), o.code(stream, whole(0))

    def with_row(short: bool) -> None:
        Row(o, o.field(TABLE), numbers, code, short).add(spoken, vectors, out, place)

    def with_table() -> None:
        o.choose(o.is_nowhere(o.field(FIRST_SCALE)), lambda: with_row(False), lambda: with_row(True))

    o.choose(o.is_nowhere(o.field(TABLE)), lambda: None, with_table)


def units_by_tiles(o: Operation) -> None:
    """Gated units go on by one step, a tile of them after the other, all streams."""
    b = o.b
    vectors, below = o.field(VECTORS), o.field(BELOW)
    has_below = b.not_(o.is_nowhere(below))
    own = o.segment(o.field(SEGMENT))
    under = b.select(has_below, o.segment(below), own)
    (x, unit), (under_x, under_unit) = o.inputs(own), o.inputs(under)
    zeros, sums = o.zeros(), o.floats(o.field(OUT))
    o.each_stream(lambda stream: begin(o, stream, whole(0), times(b, vectors, 4)))

    def weights(segment: Any, done: Any) -> Any:
        """Where those of the units behind the first ``done`` vectors are."""
        inputs = o.number(segment, COUNT)
        as_bytes = b.icmp_signed("!=", o.number(segment, IS_BYTES), whole(0))
        vector = b.select(as_bytes, times(b, b.add(inputs, whole(2)), VECTOR_BYTES), times(b, inputs, LANES))
        return b.add(o.number(segment, WEIGHTS), b.mul(done, times(b, vector, 3)))

    def tile(done: Any) -> Any:
        rest, widest = b.sub(vectors, done), o.given(UNIT_WIDTH)
        size = b.select(b.icmp_signed("<", rest, widest), rest, widest)
        three = times(b, size, 3)
        out = b.gep(sums, [times(b, done, 4 * LANES)])
        gated = b.gep(out, [times(b, size, LANES)])
        parts = [own, x, unit, weights(own, done), three, whole(1), zeros, gated, o.room, gated]
        apart(o, "tiles", parts, tiles)

        def add_below() -> None:
            parts = [under, under_x, under_unit, weights(under, done), three, whole(1), zeros, out, o.room, out]
            apart(o, "tiles", parts, tiles)

        o.choose(has_below, add_below)
        o.each_stream(lambda stream: apart(o, "gates", [stream, done, size], all_gates))
        return b.add(done, size)

    while_below(b, vectors, tile)
    floats, cells = (lambda stream, kind=kind: settle(o, kind, stream) for kind in (False, True))
    o.choose(o.is_nowhere(o.field(BYTES)), lambda: o.each_stream(floats), lambda: o.each_stream(cells))


def all_gates(o: Operation, stream: Any, done: Any, size: Any) -> None:
    """The gates of a tile: ``size`` vectors of units behind the first ``done``."""

    def vector(index: Any) -> None:
        one_gate(o, stream, done, size, index)

    o.repeat(size, vector)


def one_gate(o: Operation, stream: Any, done: Any, size: Any, index: Any) -> None:
    """The gates of vector ``index`` of a tile."""
    b, v = o.b, o.v
    sums = o.floats(b.add(o.field(OUT), times(b, done, 4 * LANES)), stream)
    gate, offset = times(b, size, LANES), times(b, index, LANES)
    rows = [b.gep(sums, [b.add(offset, b.mul(gate, whole(number)))]) for number in range(4)]
    unit = times(b, b.add(done, index), LANES)
    before = o.floats(b.add(o.field(STATE), unit), stream)
    shadow = b.add(o.field(SHADOW), unit)
    o.choose(
        o.is_nowhere(o.field(BYTES)),
        lambda: sampler_pointwise.gates(v, rows, before, o.floats(shadow, stream), None),
        lambda: sampler_pointwise.gates(v, rows, before, before, o.cells(shadow, stream)),
    )


def settle(o: Operation, to_bytes: bool, stream: Any) -> None:
    """What waited becomes what products read."""
    if to_bytes:
        source, to = o.cells(o.field(SHADOW), stream), o.cells(o.field(BYTES), stream)
        sampler_pointwise.copy_cells(o.v, source, to, o.field(VECTORS))
    else:
        source, to = o.floats(o.field(SHADOW), stream), o.floats(o.field(STATE), stream)
        sampler_pointwise.copy(o.v, source, to, o.field(VECTORS))


def units_in_line(o: Operation, as_bytes: bool, has_below: bool) -> None:
    """Gated units of one stream go on by one step.

    One stream waits for the weights to come from the caches. So that they never stop coming, what follows the sums of
    a tile is computed in pieces among the sums of the next: adding up, then the gates of one vector, of the other.
    """
    b, v = o.b, o.v
    own = o.segment(o.field(SEGMENT))
    parts = [own, o.segment(o.field(BELOW))] if has_below else [own]
    places = [o.inputs(part) for part in parts]
    counts = [o.number(part, COUNT) for part in parts]
    starts = [o.number(part, WEIGHTS) for part in parts]
    zero = whole(0)
    if as_bytes:
        weights: list[Cells] = [ByteCells(v, o.address(CELLS, BYTE, start), 3 * PAIR) for start in starts]
        inputs = [o.cells(x) for x, _ in places]
        scales = [[b.load(o.floats(unit))] for _, unit in places]
    else:
        weights = [FloatCells(v, o.shared(start), 3 * PAIR) for start in starts]
        inputs = [o.floats(x) for x, _ in places]
        scales = [[] for _ in places]
    last = len(parts) - 1

    def sums_at(tile: Any) -> Any:
        return o.floats(b.add(o.field(OUT), times(b, tile, 4 * PAIR * LANES)))

    def finish(part: int, tile: Any, sums: Sequence[Any]) -> None:
        """Adds the sums of a part to the rows that it adds to."""
        place = v.address(sums_at(tile), 0 if part else PAIR * LANES)
        first = [v.load(place, n) for n in range(3 * PAIR)]
        for n, value in enumerate(weights[part].tile(counts[part], tile).finish(sums, first, scales[part])):
            v.store(value, place, n)

    def gate(tile: Any, index: int) -> None:
        one_gate(o, zero, times(b, tile, PAIR), whole(PAIR), whole(index))

    def phase(part: int, tile: Any, pieces: Sequence[Callable[[], None]]) -> list[Any]:
        """The sums of a part of a tile; each of the ``pieces`` after as many of its inputs."""
        cells = weights[part].tile(counts[part], tile)
        share = b.udiv(counts[part], whole(len(pieces) + 1))
        sums, done = cells.begin(), whole(0)
        for piece in [*pieces, None]:
            count = share if piece else b.sub(counts[part], done)
            sums = loop(b, count, sums, lambda k, state, done=done: cells.step(b.add(done, k), [inputs[part]], state))
            done = b.add(done, share)
            if piece:
                piece()
        return sums

    def tile(index: Any, pending: Sequence[Any]) -> list[Any]:
        before = b.sub(index, whole(1))
        later = b.icmp_signed(">", index, zero)

        def after_first(body: Callable[[], None]) -> Callable[[], None]:
            return lambda: o.choose(later, body)

        def last_piece() -> None:
            o.choose(later, lambda: gate(before, 1))
            begin(o, zero, times(b, index, 4 * PAIR * LANES), whole(4 * PAIR))

        pieces = [after_first(lambda: finish(last, before, pending)), after_first(lambda: gate(before, 0)), last_piece]
        sums = phase(0, index, pieces)
        return phase(1, index, [lambda: finish(0, index, sums)]) if has_below else sums

    count = b.udiv(o.field(VECTORS), whole(PAIR))
    pending = loop(b, count, weights[last].begin(), tile)
    end = b.sub(count, whole(1))
    finish(last, end, pending)
    for index in range(PAIR):
        gate(end, index)
    settle(o, as_bytes, zero)


def units(o: Operation) -> None:
    """Gated units go on by one step: `units_in_line` for one stream, where they fall into pairs of vectors."""
    b = o.b
    one = b.icmp_signed("==", o.streams, whole(1))
    even = b.icmp_signed("==", b.and_(o.field(VECTORS), whole(1)), whole(0))
    own = o.segment(o.field(SEGMENT))
    as_bytes = b.icmp_signed("!=", o.number(own, IS_BYTES), whole(0))
    bottom = o.is_nowhere(o.field(BELOW))

    def in_line() -> None:
        kind = b.add(b.select(as_bytes, whole(2), whole(0)), b.select(bottom, whole(0), whole(1)))
        cases: Cases = {
            2 * cells + below: partial(
                apart,
                o,
                f"units_{cells}_{below}",
                [],
                partial(units_in_line, as_bytes=bool(cells), has_below=bool(below)),
            )
            for cells in (0, 1)
            for below in (0, 1)
        }
        vector_code.switch(b, kind, cases)

    def by_tiles() -> None:
        apart(o, "units", [], units_by_tiles)

    if WIDE:
        o.choose(b.and_(one, even), in_line, by_tiles)
    else:
        by_tiles()

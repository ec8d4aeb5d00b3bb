"""The operations of a `Program` as vector code, one function each: `perform` runs one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir

from wavewright.engine import sampler_layers, sampler_pointwise, sampler_products, sampler_units, vector_code
from wavewright.engine.sampler_context import CURSORS, LEVEL, Cases, Operation, apart
from wavewright.engine.sampler_packing import LANES, LINE
from wavewright.engine.sampler_pointwise import RECTIFIER, SIGMOID, TANH
from wavewright.engine.sampler_program import (
    ACTIVATE,
    BYTES,
    CURSOR,
    FIRST_SCALE,
    KIND,
    LAYER,
    LOOKUP,
    OTHER,
    OUT,
    PRODUCT,
    QUANTISE,
    REMEMBER,
    RING_BYTES,
    RING_SCALE,
    SCALE,
    SHIFT,
    SKIP,
    STATE,
    UNITS,
    VECTORS,
)
from wavewright.engine.sampler_tiles import times, whole
from wavewright.engine.vector_code import INT, types


def pointwise(o: Operation, body: Callable[[Operation, Any, Any], None]) -> None:
    """``body(o, stream, row)`` for every stream's row."""
    o.each_stream(lambda stream: body(o, stream, o.floats(o.field(OUT), stream)))


def activate(o: Operation, stream: Any, row: Any) -> None:
    """A function in place."""
    cases: Cases = {
        number: partial(sampler_pointwise.activate, o.v, number, row, o.field(VECTORS))
        for number in (TANH, RECTIFIER, SIGMOID)
    }
    vector_code.switch(o.b, o.field(OTHER), cases)


def skip(o: Operation, stream: Any, row: Any) -> None:
    """The activation of a layer, gated or not, and the sum of all layers'."""
    out = o.floats(o.field(STATE), stream)
    before = o.b.select(o.is_nowhere(o.field(BYTES)), o.zeros(), out)
    cases: Cases = {
        int(gated): partial(sampler_pointwise.skip, o.v, gated, row, o.field(VECTORS), before, out)
        for gated in (False, True)
    }
    vector_code.switch(o.b, o.field(OTHER), cases)


def quantise(o: Operation, stream: Any, row: Any) -> None:
    """Bytes of numbers."""
    out, scale = o.cells(o.field(BYTES), stream), o.floats(o.field(SCALE), stream)
    cases: Cases = {
        int(bounded): partial(sampler_pointwise.quantise, o.v, bounded, row, o.field(VECTORS), out, scale)
        for bounded in (False, True)
    }
    vector_code.switch(o.b, o.field(OTHER), cases)


def shift(o: Operation, stream: Any, row: Any) -> None:
    """All numbers of a row one place towards its beginning, the level at its end."""
    b = o.b
    last = b.sub(o.field(OTHER), whole(1))
    o.repeat(last, lambda n: b.store(b.load(b.gep(row, [b.add(n, whole(1))])), b.gep(row, [n])))
    b.store(b.load(o.floats(o.given(LEVEL), stream)), b.gep(row, [last]))


def remember(o: Operation) -> None:
    """The present row into its ring, in the place of the oldest."""
    b, v = o.b, o.v
    place = o.address(CURSORS, INT, o.field(CURSOR))
    cursor, width = b.load(place), times(b, o.field(VECTORS), LANES)
    offset = b.mul(cursor, width)

    def floats(stream: Any) -> None:
        sampler_pointwise.copy(
            v, o.floats(o.field(OUT), stream), o.floats(b.add(o.field(STATE), offset), stream), o.field(VECTORS)
        )

    def cells(stream: Any) -> None:
        to = o.cells(b.add(o.field(RING_BYTES), offset), stream)
        sampler_pointwise.copy_cells(v, o.cells(o.field(BYTES), stream), to, o.field(VECTORS))
        scale = b.load(o.floats(o.field(SCALE), stream))
        b.store(scale, o.floats(b.add(o.field(RING_SCALE), cursor), stream))

    o.choose(o.is_nowhere(o.field(RING_BYTES)), lambda: o.each_stream(floats), lambda: o.each_stream(cells))
    following = b.add(cursor, whole(1))
    b.store(b.select(b.icmp_signed("==", following, o.field(OTHER)), whole(0), following), place)


def _lookup(o: Operation) -> None:
    o.choose(
        o.is_nowhere(o.field(FIRST_SCALE)),
        partial(sampler_products.lookup, o, False),
        partial(sampler_products.lookup, o, True),
    )


KINDS: dict[int, Callable[[Operation], None]] = {
    PRODUCT: sampler_products.product,
    LOOKUP: _lookup,
    UNITS: sampler_units.units,
    ACTIVATE: partial(pointwise, body=activate),
    SKIP: partial(pointwise, body=skip),
    QUANTISE: partial(pointwise, body=quantise),
    SHIFT: partial(pointwise, body=shift),
    REMEMBER: remember,
    LAYER: sampler_layers.layer,
}


@vector_code.intrinsic
def perform(typing: Any, row: Any, context_row: Any, position: Any) -> Any:
    """Runs the operation that ``row`` describes, for sample ``position``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        o = Operation(b, arguments)
        cases: Cases = {
            kind: partial(apart, o, f"kind_{kind}", [], lambda inner, write=write: write(inner))
            for kind, write in KINDS.items()
        }
        vector_code.switch(b, o.field(KIND), cases)
        return context.get_dummy_value()

    return types.void(row, context_row, types.intp), generate


@vector_code.intrinsic
def ask(typing: Any, address: Any, lines: Any) -> Any:
    """Asks for ``lines`` cache lines ahead of their use."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        place = b.inttoptr(arguments[0], ir.IntType(8).as_pointer())

        def line(index: Any, _: Any) -> list[Any]:
            vector_code.fetch(b, b.gep(place, [times(b, index, LINE)]))
            return []

        vector_code.loop(b, arguments[1], [], line)
        return context.get_dummy_value()

    return types.void(types.int64, types.intp), generate

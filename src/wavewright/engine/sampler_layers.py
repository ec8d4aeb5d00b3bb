"""Narrow dilated layers of a `Program` as vector code: all that one of them does for a few streams, in one piece.

A layer of no more channels than a vector has lanes is over before the next operation has been looked up: here its
products, its activation, its past and the way back into the stream follow one another without leaving the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from wavewright.engine import sampler_pointwise, vector_code
from wavewright.engine.sampler_context import CURSORS, Cases, Operation, apart
from wavewright.engine.sampler_packing import LANES
from wavewright.engine.sampler_program import (
    BIAS,
    BYTES,
    COUNT,
    LENGTH,
    OTHER,
    OUT,
    RING,
    SEGMENT,
    SEGMENTS,
    STATE,
    STREAM,
    TOP,
    WEIGHTS,
    X,
)
from wavewright.engine.sampler_tiles import FloatCells, sum_up, times, whole
from wavewright.engine.vector_code import INT, loop

GROUPS_OF_STREAMS = (4, 2, 1)
"""How many streams are taken together."""


def layer(o: Operation) -> None:
    """One layer, all streams."""
    b = o.b

    def all_streams(inner: Operation, gated: bool) -> None:
        done = whole(0)
        for size in GROUPS_OF_STREAMS:
            count = inner.b.sdiv(inner.b.sub(inner.streams, done), whole(size))

            def group(index: Any, size: int = size, done: Any = done) -> None:
                _few_streams(inner, gated, size, inner.b.add(done, times(inner.b, index, size)))

            inner.repeat(count, group)
            done = inner.b.add(done, times(inner.b, count, size))

    cases: Cases = {
        int(gated): partial(apart, o, f"layer_{gated:d}", [], partial(all_streams, gated=gated))
        for gated in (False, True)
    }
    vector_code.switch(b, o.field(OTHER), cases)
    o.choose(b.icmp_signed(">", o.field(SEGMENTS), whole(1)), lambda: _turn(o))


def _turn(o: Operation) -> None:
    """The ring has taken in a row."""
    b = o.b
    past = o.segment(b.add(o.field(SEGMENT), whole(1)))
    place = o.address(CURSORS, INT, o.number(past, RING))
    following = b.add(b.load(place), whole(1))
    b.store(b.select(b.icmp_signed("==", following, o.number(past, LENGTH)), whole(0), following), place)


def _few_streams(o: Operation, gated: bool, count: int, first: Any) -> None:
    """One layer, ``count`` streams from ``first`` on."""
    b, v = o.b, o.v
    halves = 2 if gated else 1
    streams = [b.add(first, whole(n)) for n in range(count)]
    places = [o.floats(o.field(OUT), stream) for stream in streams]
    present = [o.floats(o.field(STREAM), stream) for stream in streams]

    def products(segment: Any, inputs: Sequence[Any], sums: Sequence[Any], halves: int) -> list[Any]:
        cells = FloatCells(v, o.shared(o.number(segment, WEIGHTS)), halves)
        return sum_up(b, cells, o.number(segment, COUNT), inputs, sums)

    def tap(index: Any, sums: Sequence[Any]) -> list[Any]:
        segment = o.segment(b.add(o.field(SEGMENT), index))
        x, _ = o.inputs(segment)
        return products(segment, [o.floats(x, stream) for stream in streams], sums, halves)

    begun = [v.load(place, n) for place in places for n in range(halves)]
    # The past first: it is known before the layers below have been computed.
    past = loop(b, b.sub(o.field(SEGMENTS), whole(1)), begun, lambda n, sums: tap(b.add(n, whole(1)), sums))
    sums = tap(whole(0), past)

    fresh = o.is_nowhere(o.field(BYTES))
    for n, (stream, place) in enumerate(zip(streams, places, strict=True)):
        value = v.tanh(sums[n * halves])
        if gated:
            value = b.fmul(value, v.sigmoid(sums[n * halves + 1]))
        v.store(value, place)
        total = o.floats(o.field(STATE), stream)
        before = b.select(fresh, o.zeros(), total)
        v.store(b.fadd(v.load(before), value), total)

    def remember() -> None:
        row = o.segment(b.add(o.field(SEGMENT), whole(1)))
        cursor = b.load(o.address(CURSORS, INT, o.number(row, RING)))
        slot = b.add(o.number(row, X), times(b, cursor, LANES))
        for stream, x in zip(streams, present, strict=True):
            sampler_pointwise.copy(v, x, o.floats(slot, stream), whole(1))

    def back() -> None:
        begin = [b.fadd(v.load(x), v.load(o.shared(o.field(BIAS)))) for x in present]
        for x, value in zip(present, products(o.segment(o.field(TOP)), places, begin, 1), strict=True):
            v.store(value, x)

    o.choose(b.icmp_signed(">", o.field(SEGMENTS), whole(1)), remember)
    o.choose(o.is_nowhere(o.field(TOP)), lambda: None, back)

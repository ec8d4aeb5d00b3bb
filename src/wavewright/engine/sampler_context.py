"""What the vector code of an operation sees: its own row of numbers, the context, and the number of the sample.

An operation is a row of whole numbers (`sampler_program`); all it works on lies at the addresses that a second row
gives, the context. So an operation is called with two addresses and the number of the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from wavewright.engine import vector_code
from wavewright.engine.sampler_pointwise import SamplerVectors
from wavewright.engine.sampler_program import (
    BACK,
    LENGTH,
    NOWHERE,
    RING,
    SEGMENT_FIELDS,
    START,
    START_COUNT,
    START_PERIOD,
    START_STEP,
    UNIT,
    WIDTH,
    X,
)
from wavewright.engine.sampler_tiles import times, whole
from wavewright.engine.vector_code import INT, loop

MEMORY, CELLS_OF_STREAMS, SHARED, CELLS, CURSORS, PAST, ALL_SEGMENTS, GROUPS = range(8)
"""The addresses of the context: the streams' rows of floats and of bytes; shared floats and bytes; where rings are;
past codes; the segments of products; how streams are cut into groups."""
STREAMS, ROOM, BYTES_ROOM, WIDEST, UNIT_WIDTH, ZEROS, LEVEL, MASK = range(8, 16)
"""Its numbers: how many streams; floats and bytes of a stream's row; the vectors of the widest tile of a product, and
of a tile of gated units; where zeros lie; the place of the level; the length of the past codes less one."""
CONTEXT = 16

Cases = dict[int, Callable[[], None]]
"""Numbers, and what writes the code of each."""

FLOAT, BYTE = ir.FloatType(), ir.IntType(8)


class Operation:
    """What the code of an operation sees: its own fields, the context, and the number of the sample."""

    def __init__(self, b: Any, arguments: Sequence[Any]) -> None:
        self.b, self.arguments = b, list(arguments)
        self.row, self.context, self.position = arguments
        self.v = SamplerVectors(b)
        self.streams, self.room, self.bytes_room = (self.given(n) for n in (STREAMS, ROOM, BYTES_ROOM))

    def number(self, row: Any, index: int) -> Any:
        """Number ``index`` of a row."""
        return self.b.load(self.b.gep(row, [whole(index)]))

    def field(self, index: int) -> Any:
        """One of the operation's fields."""
        return self.number(self.row, index)

    def given(self, index: int) -> Any:
        """One of the context's numbers."""
        return self.number(self.context, index)

    def address(self, index: int, kind: Any, offset: Any) -> Any:
        """``offset`` elements of ``kind`` behind one of the context's addresses."""
        return self.b.gep(self.b.inttoptr(self.given(index), kind.as_pointer()), [offset])

    def floats(self, place: Any, stream: Any = None) -> Any:
        """A place in a stream's row of floats."""
        return self.address(MEMORY, FLOAT, self._at(place, stream, self.room))

    def cells(self, place: Any, stream: Any = None) -> Any:
        """A place in a stream's row of bytes."""
        return self.address(CELLS_OF_STREAMS, BYTE, self._at(place, stream, self.bytes_room))

    def _at(self, place: Any, stream: Any, room: Any) -> Any:
        return place if stream is None else self.b.add(place, self.b.mul(stream, room))

    def shared(self, place: Any) -> Any:
        """A place among the shared floats."""
        return self.address(SHARED, FLOAT, place)

    def zeros(self) -> Any:
        """As many zeros as any row has numbers."""
        return self.shared(self.given(ZEROS))

    def segment(self, index: Any) -> Any:
        """The row of a segment."""
        return self.address(ALL_SEGMENTS, INT, times(self.b, index, SEGMENT_FIELDS))

    def is_nowhere(self, place: Any) -> Any:
        """Whether there is no such place."""
        return self.b.icmp_signed("==", place, whole(NOWHERE))

    def each_stream(self, body: Callable[[Any], None]) -> None:
        """``body(stream)`` for every stream."""
        self.repeat(self.streams, body)

    def repeat(self, count: Any, body: Callable[[Any], None]) -> None:
        """``body(index)`` so many times."""

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            body(index)
            return []

        loop(self.b, count, [], step)

    def choose(self, condition: Any, yes: Callable[[], None], no: Callable[[], None] = lambda: None) -> None:
        """``yes()`` where the condition holds, else ``no()``."""
        with self.b.if_else(condition) as (then, otherwise):
            with then:
                yes()
            with otherwise:
                no()

    def code(self, stream: Any, lag: Any) -> Any:
        """The code of so many samples before the last."""
        mask = self.given(MASK)
        slot = self.b.and_(self.b.sub(self.b.sub(self.position, whole(1)), lag), mask)
        place = self.b.add(self.b.mul(stream, self.b.add(mask, whole(1))), slot)
        return self.b.load(self.address(PAST, INT, place))

    def inputs(self, segment: Any) -> tuple[Any, Any]:
        """Where a segment's inputs and their scale are now."""
        b = self.b
        ring, width = self.number(segment, RING), self.number(segment, WIDTH)
        turning = b.icmp_signed("!=", ring, whole(NOWHERE))
        cursor = b.load(self.address(CURSORS, INT, b.select(turning, ring, whole(0))))
        slot = b.sub(cursor, self.number(segment, BACK))
        slot = b.add(slot, b.select(b.icmp_signed("<", slot, whole(0)), self.number(segment, LENGTH), whole(0)))
        slot = b.select(turning, slot, whole(0))
        x = b.add(self.number(segment, X), b.mul(slot, width))
        return x, b.add(self.number(segment, UNIT), slot)

    def start(self) -> tuple[Any, Any]:
        """Where the sums of a product or a lookup start, and how far apart two streams' are."""
        b = self.b
        place, count = self.field(START), self.field(START_COUNT)
        moves = b.urem(b.udiv(self.position, self.field(START_PERIOD)), count)
        own = self.floats(b.add(place, b.mul(moves, self.field(START_STEP))))
        nowhere = self.is_nowhere(place)
        return b.select(nowhere, self.zeros(), own), b.select(nowhere, whole(0), self.room)


def apart(operation: Operation, name: str, extra: Sequence[Any], body: Callable[..., None]) -> None:
    """Calls ``body(operation, *extra)`` as a function of its own."""

    def work(b: Any, arguments: Sequence[Any]) -> None:
        body(Operation(b, arguments[:3]), *arguments[3:])

    vector_code.apart(operation.b, f"wavewright_sampler_{name}", [*operation.arguments, *extra], work)


def while_below(b: Any, end: Any, body: Callable[[Any], Any]) -> None:
    """``index = 0; while index < end: index = body(index)``."""
    before = b.block
    head, work, after = (b.append_basic_block(name) for name in ("head", "work", "after"))
    b.branch(head)
    b.position_at_end(head)
    index = b.phi(INT)
    index.add_incoming(whole(0), before)
    b.cbranch(b.icmp_signed("<", index, end), work, after)
    b.position_at_end(work)
    following = body(index)
    index.add_incoming(following, b.block)
    b.branch(head)
    b.position_at_end(after)

"""The vector code of the streaming player, made with the writers of `vector_code`.

Three pieces, each over rows of samples in flat memory:

`multiply_rows`
    ``out[o, t] = start + Σ_j w[j, o] · base[columns[j] + t]``, where the sums start from a bias or from other rows.
`activate_rows`
    an activation in place, each row added to (or put into) a second one: the head's sum.
`flush_denormals`, `restore_denormals`
    the processor's mode in which numbers below 1e-38 count as zero: they would cost a hundred times as much.

A tile of 3 vectors × 8 outputs keeps the multipliers of the processor busiest. A block of the player is short, so that
there are tiles of 4 vectors (a block of 64 samples) and of 1, too, the latter with up to twice the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llvmlite import ir

from wavewright.engine import vector_code
from wavewright.engine.activations import NUMBERS, SIGMOID, SILU, SOFTSIGN, TANH, StreamActivations
from wavewright.engine.vector_code import WIDE, types

SHAPES: dict[int, tuple[int, ...]] = (
    {4: (1, 2, 3, 4, 6), 3: (1, 2, 3, 4, 6, 8), 1: (1, 2, 3, 4, 6, 8, 16)}
    if WIDE
    else {4: (1, 2, 3), 3: (1, 2, 3, 4), 1: (1, 2, 3, 4, 6, 8)}
)
"""Vectors of a tile → the numbers of outputs that it may have: as many sums as the registers hold."""

EXACT, GATED, FRESH = 16, 32, 64
"""Added to an activation's number. `EXACT`: its exact form. `GATED`: the second half of the rows, through a sigmoid,
multiplies the first (`multiply_gates`). `FRESH`: its rows are put where it otherwise adds them."""

_INT = ir.IntType(64)
_CONTROL = ir.IntType(32)
_FLUSH = 0x8040  # MXCSR: flush results to zero, take denormal inputs as zero


TILE_COST = 4
"""What a tile costs beside its sums, counted in sums: it begins and ends with the multipliers waiting."""


def tile_outputs(outputs: int, vectors: int) -> int:
    """How many of ``outputs`` rows a tile of ``vectors`` vectors takes; what is left is one tile, too.

    >>> [tile_outputs(outputs, 1) for outputs in (1, 3, 5, 8)]
    [1, 3, 4, 8]
    """

    def cost(shape: int) -> tuple[int, int]:
        tiles = [shape] * (outputs // shape) + [outputs % shape] * (outputs % shape > 0)
        return sum(max(tile * vectors, 8) + TILE_COST for tile in tiles), -shape

    shapes = SHAPES[vectors]
    return min((shape for shape in shapes if shape <= outputs and outputs % shape in (0, *shapes)), key=cost)


class _Tiles:
    """Writes the tiles of one shape: ``outputs`` rows × ``vectors`` vectors at a time, the sums in registers."""

    def __init__(self, b: Any, arguments: Sequence[Any], outputs: int, vectors: int) -> None:
        (
            self.steps, self.blocks, self.base, self.columns, self.count, self.weights, self.weights_stride,
            self.from_rows, self.start, self.start_stride, self.out, self.out_stride,
        ) = arguments  # fmt: skip
        self.b, self.v = b, vector_code.Vectors(b, types.float32)
        self.outputs, self.vectors = outputs, vectors

    def write(self) -> None:
        """All tiles, time outside: the columns stay in the cache while the outputs go by."""
        v, b = self.v, self.b
        by_block = b.select(self._starts_from_rows(), self.start_stride, ir.Constant(_INT, 1))

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            t = self._times(index, self.vectors * v.lanes)
            base, out = v.address(self.base, t), v.address(self.out, t)
            start = v.address(self.start, b.mul(t, self.from_rows))

            def block(index: Any, _: Sequence[Any]) -> list[Any]:
                o = self._times(index, self.outputs)
                begin, end = v.address(start, b.mul(o, by_block)), v.address(out, b.mul(o, self.out_stride))
                self._tile(base, v.address(self.weights, o), begin, end)
                return []

            vector_code.loop(b, self.blocks, [], block)
            return []

        vector_code.loop(b, self.steps, [], step)

    def _tile(self, base: Any, weights: Any, start: Any, out: Any) -> None:
        """One tile: every column's vectors are loaded once, and multiplied with a weight for each output."""
        v, b = self.v, self.b

        def column(j: Any, sums: Sequence[Any]) -> list[Any]:
            source = v.address(base, b.load(v.address(self.columns, j)))
            inputs = [v.load(source, t) for t in range(self.vectors)]
            place = v.address(weights, b.mul(j, self.weights_stride))
            result = []
            for o in range(self.outputs):
                weight = v.spread(b.load(v.address(place, o)))
                result += [v.multiply_add(weight, x, sums[o * self.vectors + t]) for t, x in enumerate(inputs)]
            return result

        for index, value in enumerate(vector_code.loop(b, self.count, self._first(start), column)):
            o, t = divmod(index, self.vectors)
            v.store(value, self._row(out, self.out_stride, o), t)

    def _first(self, start: Any) -> list[Any]:
        """The sums before the first column: what the rows at ``start`` hold, or one number for each output."""
        v, b = self.v, self.b
        rows, biases, after = (b.append_basic_block(name) for name in ("rows", "biases", "after"))
        b.cbranch(self._starts_from_rows(), rows, biases)
        b.position_at_end(rows)
        places = [(o, t) for o in range(self.outputs) for t in range(self.vectors)]
        loaded = [v.load(self._row(start, self.start_stride, o), t) for o, t in places]
        b.branch(after)
        b.position_at_end(biases)
        spread = [v.spread(b.load(v.address(start, o))) for o in range(self.outputs)]
        b.branch(after)
        b.position_at_end(after)
        sums = [b.phi(v.type) for _ in places]
        for phi, (o, _), value in zip(sums, places, loaded, strict=True):
            phi.add_incoming(value, rows)
            phi.add_incoming(spread[o], biases)
        return sums

    def _starts_from_rows(self) -> Any:
        return self.b.icmp_signed("!=", self.from_rows, ir.Constant(_INT, 0))

    def _times(self, value: Any, factor: int) -> Any:
        return self.b.mul(value, ir.Constant(_INT, factor))

    def _row(self, pointer: Any, stride: Any, index: int) -> Any:
        return self.v.address(pointer, self._times(stride, index))


@vector_code.intrinsic
def multiply_rows(
    typing: Any,
    shape: Any,
    steps: Any,
    blocks: Any,
    base: Any,
    columns: Any,
    count: Any,
    weights: Any,
    weights_stride: Any,
    from_rows: Any,
    start: Any,
    start_stride: Any,
    out: Any,
    out_stride: Any,
) -> Any:
    """``steps`` × ``blocks`` tiles of a product, side by side in time and outputs; ``shape`` is
    32·vectors + outputs, one of `SHAPES`.

    ``columns`` (``count`` offsets from ``base``) are the inputs; ``weights`` has a row of ``weights_stride`` for each,
    with a weight for each output. The sums start from the rows ``start``, ``start_stride`` apart, where ``from_rows``
    is 1; from one number an output, ``start[o]``, where it is 0.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(vectors: int, outputs: int) -> None:
            def body(b: Any, arguments: Sequence[Any]) -> None:
                _Tiles(b, arguments, outputs, vectors).write()

            vector_code.apart(b, f"wavewright_multiply_{vectors}_{outputs}", arguments[1:], body)

        cases: dict[int, Callable[[], None]] = {
            32 * vectors + outputs: partial(case, vectors, outputs)
            for vectors, shapes in SHAPES.items()
            for outputs in shapes
        }
        vector_code.switch(b, arguments[0], cases)
        return context.get_dummy_value()

    whole = types.intp
    signature = types.void(whole, whole, whole, base, columns, whole, weights, whole, whole, start, whole, out, whole)
    return signature, generate


@vector_code.intrinsic
def beyond(typing: Any, pointer: Any, offset: Any) -> Any:
    """The address ``offset`` elements behind ``pointer``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), generate


@vector_code.intrinsic
def place_of_numbers(typing: Any, address: Any) -> Any:
    """The address ``address``, a whole number, of single-precision numbers."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), generate


@vector_code.intrinsic
def place_of_integers(typing: Any, address: Any) -> Any:
    """The address ``address``, a whole number, of 64-bit integers."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], _INT.as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@vector_code.intrinsic
def all_finite(typing: Any, row: Any, vectors: Any) -> Any:
    """0 where every number of ``vectors`` vectors is finite, else not-a-number."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        row, vectors = arguments
        v = vector_code.Vectors(b, types.float32)

        def step(index: Any, sums: Sequence[Any]) -> list[Any]:
            value = v.load(v.address(row, b.mul(index, ir.Constant(_INT, v.lanes))))
            return [b.fadd(sums[0], b.fsub(value, value))]

        (total,) = vector_code.loop(b, vectors, [v.zero], step)
        return b.extract_element(v.lane_sums([total]), ir.Constant(ir.IntType(32), 0))

    return types.float32(row, types.intp), generate


def kind(function: int, exact: bool) -> int:
    """The number of an activation, its exact form where that is another one."""
    return function + EXACT * (exact and function in (TANH, SIGMOID, SILU, SOFTSIGN))


KINDS = sorted({kind(function, exact) for function in NUMBERS.values() for exact in (False, True)})
"""What `activate_rows` knows: every function, quick and exact."""


def _sum_up(v: StreamActivations, value: Any, place: Any, fresh: Any) -> None:
    """Adds ``value`` to what is at ``place``, or puts it there where ``fresh`` has no bits set."""
    v.store(v.builder.fadd(v.masked(v.load(place), fresh), value), place)


@vector_code.intrinsic
def activate_rows(
    typing: Any, kind: Any, rows: Any, vectors: Any, out: Any, stride: Any, total: Any, total_stride: Any, slope: Any
) -> Any:
    """The activation ``kind`` on ``rows`` × ``vectors``, in place; each row is also added to a row of ``total``.

    ``kind`` is one of `KINDS`, perhaps with `FRESH`.
    """
    whole = types.intp

    def each(b: Any, arguments: Sequence[Any], kind: int) -> None:
        rows, vectors, out, stride, total, total_stride, slope, kept = arguments
        v = StreamActivations(b, exact=bool(kind & EXACT))
        slopes, mask = v.spread(slope), v.spread(b.bitcast(kept, v.scalar))

        def row(index: Any, _: Sequence[Any]) -> list[Any]:
            place, beside = v.address(out, b.mul(index, stride)), v.address(total, b.mul(index, total_stride))

            def step(index: Any, _: Sequence[Any]) -> list[Any]:
                t = b.mul(index, ir.Constant(_INT, v.lanes))
                value = v.activate(kind % EXACT, v.load(v.address(place, t)), slopes)
                v.store(value, v.address(place, t))
                _sum_up(v, value, v.address(beside, t), mask)
                return []

            vector_code.loop(b, vectors, [], step)
            return []

        vector_code.loop(b, rows, [], row)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(number: int) -> None:
            passed = [*arguments[1:], _kept(b, arguments[0])]
            vector_code.apart(b, f"wavewright_activate_{number}", passed, partial(each, kind=number))

        cases: dict[int, Callable[[], None]] = {number: partial(case, number) for number in KINDS}
        vector_code.switch(b, b.and_(arguments[0], ir.Constant(_INT, GATED - 1)), cases)
        return context.get_dummy_value()

    signature = types.void(whole, whole, whole, out, whole, total, whole, types.float32)
    return signature, generate


@vector_code.intrinsic
def multiply_gates(
    typing: Any, kind: Any, rows: Any, vectors: Any, out: Any, stride: Any, total: Any, total_stride: Any
) -> Any:
    """``rows`` × ``vectors`` multiplied by the gates, ``rows`` rows further on; each row is also added to a row of
    ``total``, or put there where ``kind`` has `FRESH`."""
    whole = types.intp

    def each(b: Any, arguments: Sequence[Any]) -> None:
        rows, vectors, out, stride, total, total_stride, kept = arguments
        v = StreamActivations(b)
        mask, further = v.spread(b.bitcast(kept, v.scalar)), b.mul(rows, stride)

        def row(index: Any, _: Sequence[Any]) -> list[Any]:
            place, beside = v.address(out, b.mul(index, stride)), v.address(total, b.mul(index, total_stride))
            gates = v.address(place, further)

            def step(index: Any, _: Sequence[Any]) -> list[Any]:
                t = b.mul(index, ir.Constant(_INT, v.lanes))
                value = b.fmul(v.load(v.address(place, t)), v.load(v.address(gates, t)))
                v.store(value, v.address(place, t))
                _sum_up(v, value, v.address(beside, t), mask)
                return []

            vector_code.loop(b, vectors, [], step)
            return []

        vector_code.loop(b, rows, [], row)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        vector_code.apart(b, "wavewright_gates", [*arguments[1:], _kept(b, arguments[0])], each)
        return context.get_dummy_value()

    return types.void(whole, whole, whole, out, whole, total, whole), generate


def _kept(b: Any, kind: Any) -> Any:
    """All bits, or none where ``kind`` has `FRESH`."""
    fresh = b.icmp_signed("!=", b.and_(kind, ir.Constant(_INT, FRESH)), ir.Constant(_INT, 0))
    return b.select(fresh, ir.Constant(_CONTROL, 0), ir.Constant(_CONTROL, -1))


def _control(b: Any, name: str, place: Any) -> None:
    byte = ir.IntType(8).as_pointer()
    full = f"llvm.x86.sse.{name}"
    function = b.module.globals.get(full) or ir.Function(b.module, ir.FunctionType(ir.VoidType(), [byte]), full)
    b.call(function, [b.bitcast(place, byte)])


@vector_code.intrinsic
def flush_denormals(typing: Any) -> Any:
    """Turns the mode on; gives what `restore_denormals` wants. Nothing off x86, where denormals cost nothing."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        if not vector_code.X86:
            return ir.Constant(_CONTROL, 0)
        place = b.alloca(_CONTROL)
        _control(b, "stmxcsr", place)
        before = b.load(place)
        b.store(b.or_(before, ir.Constant(_CONTROL, _FLUSH)), place)
        _control(b, "ldmxcsr", place)
        return before

    return types.int32(), generate


@vector_code.intrinsic
def restore_denormals(typing: Any, before: Any) -> Any:
    """Puts the mode back as it was."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        if vector_code.X86:
            place = b.alloca(_CONTROL)
            b.store(arguments[0], place)
            _control(b, "ldmxcsr", place)
        return context.get_dummy_value()

    return types.void(types.int32), generate

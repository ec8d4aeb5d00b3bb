"""The samplers' products as vector code: a few streams times a matrix, in single precision or in bytes.

    out[s, o] = start[s, o] + bias[o] + Σ_k w[o, k] · x[s, k]        over streams s

Lanes run along outputs o. A tile keeps vectors of outputs × streams in registers: each weight is read once for all its
streams, each input once for all its vectors. How weights lie is in `sampler_packing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llvmlite import ir

from wavewright.engine import vector_code
from wavewright.engine.integer_dots import FORM, Form, IntegerDots
from wavewright.engine.sampler_packing import LANES, SHAPES
from wavewright.engine.vector_code import INT, VECTOR_BYTES, Vectors, types

CHAINS = 8
"""Sums that a tile should keep going, for a multiplication to begin in every cycle: small tiles split theirs."""


def whole(value: int) -> Any:
    """A whole number as a constant."""
    return ir.Constant(INT, value)


def times(b: Any, value: Any, factor: int) -> Any:
    """``value · factor``."""
    return b.mul(value, whole(factor))


class FloatCells:
    """Weights as single-precision numbers, `vectors` for each input."""

    def __init__(self, v: Vectors, weights: Any, vectors: int) -> None:
        self.v, self.weights, self.vectors = v, weights, vectors
        self.zero, self.add = v.zero, v.builder.fadd

    def tile(self, count: Any, index: Any) -> FloatCells:
        """Tile ``index`` of those that have ``count`` inputs each."""
        place = self.v.builder.mul(index, times(self.v.builder, count, self.vectors * LANES))
        return FloatCells(self.v, self.v.address(self.weights, place), self.vectors)

    def begin(self) -> list[Any]:
        """The sums before the first input."""
        return [self.v.zero] * self.vectors

    def step(self, k: Any, inputs: Sequence[Any], sums: Sequence[Any]) -> list[Any]:
        """The sums with input ``k`` of every stream in ``inputs``."""
        v, b = self.v, self.v.builder
        place = v.address(self.weights, times(b, k, self.vectors * LANES))
        rows = [v.load(place, n) for n in range(self.vectors)]
        spread = [v.spread(b.load(v.address(row, k))) for row in inputs]
        pairs = [(x, row) for x in spread for row in rows]
        return [v.multiply_add(row, x, total) for (x, row), total in zip(pairs, sums, strict=True)]

    def finish(self, sums: Sequence[Any], first: Sequence[Any], scales: Sequence[Any]) -> list[Any]:
        """``first`` plus the sums, as numbers."""
        return [self.v.builder.fadd(start, total) for start, total in zip(first, sums, strict=True)]


class ByteCells:
    """Weights as bytes, four inputs at a time; a tile begins with its sums' first values and its rows' scales."""

    def __init__(self, v: Vectors, weights: Any, vectors: int, form: Form = FORM) -> None:
        self.v, self.weights, self.vectors, self.form = v, weights, vectors, form
        self._dots = IntegerDots(v.builder, form)
        self.zero, self.add = ir.Constant(self._dots.type, None), v.builder.add

    def tile(self, count: Any, index: Any) -> ByteCells:
        """Tile ``index`` of those that have ``count`` groups of inputs each."""
        b = self.v.builder
        size = times(b, b.add(count, whole(2)), self.vectors * VECTOR_BYTES)
        return ByteCells(self.v, self.v.address(self.weights, b.mul(index, size)), self.vectors, self.form)

    def begin(self) -> list[Any]:
        """The sums before the first input."""
        return [self._dots.load(self.weights, n) for n in range(self.vectors)]

    def step(self, k: Any, inputs: Sequence[Any], sums: Sequence[Any]) -> list[Any]:
        """The sums with the inputs of group ``k`` of every stream in ``inputs``."""
        v, b = self.v, self.v.builder
        place = v.address(self.weights, times(b, b.add(k, whole(2)), self.vectors * VECTOR_BYTES))
        rows = [self._dots.load(place, n) for n in range(self.vectors)]
        spread = [self._dots.spread(v.address(row, times(b, k, 4))) for row in inputs]
        pairs = [(x, row) for x in spread for row in rows]
        return [self._dots.add(total, x, row) for (x, row), total in zip(pairs, sums, strict=True)]

    def finish(self, sums: Sequence[Any], first: Sequence[Any], scales: Sequence[Any]) -> list[Any]:
        """``first`` plus the sums, as numbers; ``scales`` are what a byte of each stream is worth."""
        v, b = self.v, self.v.builder
        steps = b.bitcast(v.address(self.weights, self.vectors * VECTOR_BYTES), v.scalar.as_pointer())
        worth = [v.load(steps, n) for n in range(self.vectors)]
        factors = [b.fmul(row, unit) for unit in map(v.spread, scales) for row in worth]
        values = [b.sitofp(total, v.type) for total in sums]
        return [v.multiply_add(*three) for three in zip(values, factors, first, strict=True)]


Cells = FloatCells | ByteCells


def sum_up(b: Any, cells: Cells, count: Any, inputs: Sequence[Any], sums: Sequence[Any]) -> list[Any]:
    """``sums`` with all ``count`` inputs; small tiles take several at a time, each with its own sums."""
    size = len(sums)
    ways = max(1, CHAINS // size)

    def step(k: Any, state: Sequence[Any]) -> list[Any]:
        return cells.step(k, inputs, state)

    def several(index: Any, state: Sequence[Any]) -> list[Any]:
        first = times(b, index, ways)
        pieces = [state[way * size : (way + 1) * size] for way in range(ways)]
        return [value for way, piece in enumerate(pieces) for value in step(b.add(first, whole(way)), piece)]

    if ways == 1:
        return vector_code.loop(b, count, sums, step)
    turns = b.udiv(count, whole(ways))
    state = vector_code.loop(b, turns, [*sums, *[cells.zero] * (size * (ways - 1))], several)
    while len(state) > size:
        half = len(state) // 2
        state = [cells.add(one, other) for one, other in zip(state[:half], state[half:], strict=True)]
    done = times(b, turns, ways)
    return vector_code.loop(b, b.sub(count, done), state, lambda k, rest: step(b.add(done, k), rest))


MULTIPLY = 11
"""How many numbers and addresses `write_multiply` takes."""


def write_multiply(b: Any, shape: Any, arguments: Sequence[Any], form: Form | None = None) -> None:
    """Tiles of ``out = start + bias + W x``, one after the other; ``shape`` is 8·vectors + streams.

    ``arguments``: how many tiles; the number of inputs, in bytes that of groups of four; ``x`` and the distance of two
    streams in it; the scales of the bytes; the weights; ``bias``; ``start`` and its distance; ``out`` and its distance,
    which is that of the scales, too. ``form`` None: single precision.
    """

    def work(b: Any, arguments: Sequence[Any], vectors: int, streams: int) -> None:
        tiles, count, x, x_stride, scale, weights, bias, start, start_stride, out, out_stride = arguments
        v = Vectors(b, types.float32)
        cells = FloatCells(v, weights, vectors) if form is None else ByteCells(v, weights, vectors, form)
        each = range(streams)
        inputs = [v.address(x, times(b, x_stride, stream)) for stream in each]
        scales = [b.load(v.address(scale, times(b, out_stride, stream))) for stream in each] if form else []

        def tile(index: Any, _: Sequence[Any]) -> list[Any]:
            o = times(b, index, vectors * LANES)
            mine = cells.tile(count, index)
            sums = sum_up(b, mine, count, inputs, mine.begin() * streams)
            rows = [v.address(start, b.add(times(b, start_stride, stream), o)) for stream in each]
            ends = [v.address(out, b.add(times(b, out_stride, stream), o)) for stream in each]
            biases = [v.load(v.address(bias, o), n) for n in range(vectors)]
            first = [b.fadd(v.load(row, n), biases[n]) for row in rows for n in range(vectors)]
            for number, value in enumerate(mine.finish(sums, first, scales)):
                stream, n = divmod(number, vectors)
                v.store(value, ends[stream], n)
            return []

        vector_code.loop(b, tiles, [], tile)

    def case(vectors: int, streams: int) -> None:
        name = f"wavewright_multiply_{form or 'floats'}_{vectors}_{streams}"
        vector_code.apart(b, name, arguments, partial(work, vectors=vectors, streams=streams))

    shapes = [(size, count) for size, served in SHAPES.items() for count in served]
    vector_code.switch(b, shape, {8 * size + count: partial(case, size, count) for size, count in shapes})


def multiplier(form: Form | None) -> Callable[..., Any]:
    """`write_multiply` to be called from compiled code."""

    @vector_code.intrinsic
    def multiply(
        typing: Any, shape: Any, tiles: Any, count: Any, x: Any, x_stride: Any, scale: Any, weights: Any, bias: Any,
        start: Any, start_stride: Any, out: Any, out_stride: Any,
    ) -> Any:  # fmt: skip
        n = types.intp

        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            write_multiply(b, arguments[0], arguments[1:], form)
            return context.get_dummy_value()

        return types.void(n, n, n, x, n, scale, weights, bias, start, n, out, n), generate

    return multiply

"""What the samplers do beside products, as vector code: activations, gates, bytes made of numbers, rows added.

The functions here write code where a builder stands, over vectors in a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from wavewright.engine import vector_code
from wavewright.engine.integer_dots import OFFSET
from wavewright.engine.sampler_tiles import times
from wavewright.engine.vector_code import TANH_LIMIT, TANH_P, TANH_Q, Vectors, types

_BYTES = ir.IntType(8)
_WORD = ir.IntType(32)

TANH, RECTIFIER, SIGMOID = range(3)
"""The functions that `activate` knows."""


class SamplerVectors(Vectors):
    """`Vectors` in single precision, with a sigmoid and with what bytes take."""

    def __init__(self, builder: Any) -> None:
        super().__init__(builder, types.float32)

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent to 4e-7, the division by the processor's estimate of 1/q and one step of Newton's."""
        b = self.builder
        x = self.clamp(x, TANH_LIMIT)
        u = b.fmul(x, x)
        p, q = b.fmul(x, self.polynomial(u, TANH_P)), self.polynomial(u, TANH_Q)
        return b.fdiv(p, q, flags=("arcp", "contract", "afn", "reassoc", "nnan", "ninf"))

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2, to 3e-7."""
        half = self.constant(0.5)
        return self.multiply_add(self.tanh(self.builder.fmul(x, half)), half, half)

    def function(self, number: int, x: Any) -> Any:
        """One of the functions above."""
        if number == RECTIFIER:
            return self.largest(x, self.zero)
        return self.tanh(x) if number == TANH else self.sigmoid(x)

    def largest(self, x: Any, y: Any) -> Any:
        """The larger of each lane's numbers."""
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def absolute(self, x: Any) -> Any:
        """Each lane without its sign."""
        return self.call("fabs", x)

    def store_bytes(self, x: Any, pointer: Any) -> None:
        """Whole numbers from −127 to 127 as bytes, with `OFFSET` added."""
        b = self.builder
        whole = b.fptosi(self.call("rint", x), self.whole)
        if OFFSET:
            whole = b.add(whole, ir.Constant(self.whole, [OFFSET] * self.lanes))
        kind = ir.VectorType(_BYTES, self.lanes)
        b.store(b.trunc(whole, kind), b.bitcast(pointer, kind.as_pointer())).align = 1


def each_vector(v: Vectors, vectors: Any, body: Any) -> None:
    """``body(offset)`` for each of ``vectors`` vectors."""

    def step(index: Any, _: Sequence[Any]) -> list[Any]:
        body(times(v.builder, index, v.lanes))
        return []

    vector_code.loop(v.builder, vectors, [], step)


def activate(v: SamplerVectors, function: int, x: Any, vectors: Any) -> None:
    """One of the functions `TANH` … on ``vectors`` vectors, in place."""

    def step(place: Any) -> None:
        here = v.address(x, place)
        v.store(v.function(function, v.load(here)), here)

    each_vector(v, vectors, step)


def skip(v: SamplerVectors, gated: bool, x: Any, vectors: Any, before: Any, out: Any) -> None:
    """``x = tanh(x)``, ``gated`` by the sigmoid of as many vectors behind them; ``out = before + x``."""
    b = v.builder

    def step(place: Any) -> None:
        here = v.address(x, place)
        value = v.tanh(v.load(here))
        if gated:
            value = b.fmul(value, v.sigmoid(v.load(v.address(here, times(b, vectors, v.lanes)))))
        v.store(value, here)
        v.store(b.fadd(v.load(v.address(before, place)), value), v.address(out, place))

    each_vector(v, vectors, step)


def add_rows(v: Vectors, row: Any, other: Any, vectors: Any, out: Any) -> None:
    """``out = row + other``, ``vectors`` vectors."""

    def step(place: Any) -> None:
        total = v.builder.fadd(v.load(v.address(row, place)), v.load(v.address(other, place)))
        v.store(total, v.address(out, place))

    each_vector(v, vectors, step)


def _largest_of(v: SamplerVectors, x: Any, vectors: Any) -> Any:
    """The largest number of a row without its sign."""

    def look(index: Any, state: Sequence[Any]) -> list[Any]:
        return [v.largest(v.absolute(v.load(v.address(x, times(v.builder, index, v.lanes)))), state[0])]

    (found,) = vector_code.loop(v.builder, vectors, [v.zero], look)
    width = v.lanes
    while width > 1:
        width //= 2
        found = v.largest(found, v.shuffle(found, found, [lane ^ width for lane in range(v.lanes)]))
    return v.builder.extract_element(found, ir.Constant(_WORD, 0))


def quantise(v: SamplerVectors, bounded: bool, x: Any, vectors: Any, out: Any, scale: Any) -> None:
    """``vectors`` vectors of ``x`` as bytes. ``bounded``: ±1 as ±127; else the largest as ±127, and ``scale`` becomes
    what a step is worth."""
    b = v.builder
    steps = v.constant(127.0)
    if not bounded:
        most = _largest_of(v, x, vectors)
        b.store(b.fmul(most, ir.Constant(v.scalar, 1 / 127)), scale)
        nothing = b.fcmp_ordered("<", most, ir.Constant(v.scalar, 1e-30))
        each = b.select(nothing, ir.Constant(v.scalar, 0.0), b.fdiv(ir.Constant(v.scalar, 127.0), most))
        steps = v.spread(each)

    def step(place: Any) -> None:
        v.store_bytes(b.fmul(v.load(v.address(x, place)), steps), v.address(out, place))

    each_vector(v, vectors, step)


def gates(v: SamplerVectors, rows: Sequence[Any], before: Any, after: Any, cells: Any | None) -> None:
    """One vector of gated recurrent units (Cho et al. 2014, in the form of torch).

    ``rows`` are the places of four sums: what the inputs add to the new value, the reset gate, the update gate, what
    the units add to the new value. With h the units ``before``:

        r = σ(rows₁), z = σ(rows₂), n = tanh(rows₀ + r · rows₃), after = (1 − z) · n + z · h

    ``cells`` get round(127 · after) as bytes.
    """
    b = v.builder
    new, reset, update, again = map(v.load, rows)
    value = v.tanh(v.multiply_add(v.sigmoid(reset), again, new))
    value = v.multiply_add(v.sigmoid(update), b.fsub(v.load(before), value), value)
    v.store(value, after)
    if cells is not None:
        v.store_bytes(b.fmul(value, v.constant(127.0)), cells)


def copy(v: Vectors, source: Any, to: Any, vectors: Any) -> None:
    """``vectors`` vectors from one place to another."""
    each_vector(v, vectors, lambda place: v.store(v.load(v.address(source, place)), v.address(to, place)))


def copy_cells(v: Vectors, source: Any, to: Any, vectors: Any) -> None:
    """As many bytes as ``vectors`` vectors have numbers."""
    b, kind = v.builder, ir.VectorType(_BYTES, v.lanes)

    def step(place: Any) -> None:
        value = b.load(b.bitcast(b.gep(source, [place]), kind.as_pointer()))
        value.align = 1
        b.store(value, b.bitcast(b.gep(to, [place]), kind.as_pointer())).align = 1

    each_vector(v, vectors, step)

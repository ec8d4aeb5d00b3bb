"""The activations of LSTM and GRU cells as vector code that other code can be written in between.

The gates' sigmoids and the LSTM's one tanh among them go through E = 2^y, y being scaled in the weights
(`recurrent_plan`): σ = 1/(1 + E), tanh = (1 − E)/(1 + E), with 2^r on abs(r) ≤ ½ fitted to the least relative error
(9e-8) by reweighted least squares. The last tanh before the units' new values, on which all is waiting, is the ratio of
polynomials of `activations`. Fractions that meet are multiplied out, for one division less. Units come out within 5e-7
of exact ones.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from llvmlite import ir

from wavewright.engine.activations import TANH_LIMIT, TANH_P, TANH_Q
from wavewright.engine.vector_code import Vectors, types

POWER = (1.0, 0.6931469775981232, 0.24022242084669146, 0.05550733744748132, 0.009671512672035842, 0.0013264726747090547)
POWER_LIMIT = 40.0
"""2^±40 is all and nothing to a gate; three such factors stay in range."""

Work = Generator[None, None, Any]
"""Instructions being written: it stops behind each one, and gives a result in the end."""


class Lanes(Vectors):
    """The writers of `vector_code` for vectors of ``lanes`` single-precision numbers.

    Those that are generators stop behind each instruction, for others to be written in between.
    """

    def __init__(self, builder: Any, lanes: int) -> None:
        super().__init__(builder, types.float32)
        self.lanes = lanes
        self.type = ir.VectorType(self.scalar, lanes)
        self.whole = ir.VectorType(ir.IntType(32), lanes)
        self._undefined = ir.Constant(self.type, ir.Undefined)
        self.zero = ir.Constant(self.type, None)
        self.one = self.constant(1.0)

    def power(self, y: Any) -> Work:
        """2^y."""
        b = self.builder
        y = self.clamp(y, POWER_LIMIT)
        yield
        magic = self.constant(1.5 * 2**23)  # added, it leaves the nearest whole number in the lowest bits
        shifted = b.fadd(y, magic)
        yield
        r = b.fsub(y, b.fsub(shifted, magic))
        yield
        value = self.constant(POWER[-1])
        for coefficient in POWER[-2::-1]:
            value = self.multiply_add(value, r, self.constant(coefficient))
            yield
        exponent = b.shl(b.bitcast(shifted, self.whole), ir.Constant(self.whole, [23] * self.lanes))
        yield
        return b.bitcast(b.add(b.bitcast(value, self.whole), exponent), self.type)

    def tanh_ratio(self, x: Any) -> Work:
        """Two numbers whose ratio is tanh x."""
        b = self.builder
        x = self.clamp(x, TANH_LIMIT)
        yield
        u = b.fmul(x, x)
        yield
        uu = b.fmul(u, u)
        yield
        p, q = ([self.constant(c) for c in coefficients] for coefficients in (TANH_P, TANH_Q))
        low_q, high_q = self.multiply_add(u, q[1], q[0]), self.multiply_add(u, q[3], q[2])
        yield
        low_p, high_p = self.multiply_add(u, p[1], p[0]), self.multiply_add(u, p[3], p[2])
        yield
        high_q = self.multiply_add(uu, q[4], high_q)
        yield
        low_p = self.multiply_add(uu, high_p, low_p)
        yield
        return b.fmul(x, low_p), self.multiply_add(uu, high_q, low_q)


def lstm(v: Lanes, sums: Sequence[Any], cells: Any, before: Any, out: Any) -> Work:
    """The activations of a group: its sums i, f, g, o, and its cells, which change → its units' values at ``out``."""
    b, cell = v.builder, v.load(cells)
    i, f, g, o = yield from together(*(v.power(y) for y in sums))
    ig = b.fdiv(b.fsub(v.one, g), b.fmul(b.fadd(i, v.one), b.fadd(g, v.one)))
    yield
    cell = b.fadd(b.fdiv(cell, b.fadd(f, v.one)), ig)
    yield
    v.store(cell, cells)
    p, q = yield from v.tanh_ratio(cell)
    v.store(b.fdiv(p, b.fmul(q, b.fadd(o, v.one))), out)


def gru(v: Lanes, sums: Sequence[Any], cells: Any, before: Any, out: Any) -> Work:
    """The activations of a group: its sums r, z, hₙ and xₙ, and its units' values ``before`` → those at ``out``.

    h' = (1 − z)·n + z·h, where z = 1/(1 + E) and n = p/q: h' = (E·p + h·q) / ((1 + E)·q).
    """
    b, h = v.builder, v.load(before)
    r, z = yield from together(*(v.power(y) for y in sums[:2]))
    hidden, x = sums[2:]
    p, q = yield from v.tanh_ratio(b.fadd(b.fdiv(hidden, b.fadd(r, v.one)), x))
    yield
    above = v.multiply_add(h, q, b.fmul(z, p))
    yield
    v.store(b.fdiv(above, b.fmul(b.fadd(z, v.one), q)), out)


# ── work in between other work ────────────────────────────────────────────────────────────────────────────────────


def run(work: Iterator[None]) -> None:
    """All of ``work`` at once."""
    for _ in work:
        pass


def together(*works: Work) -> Work:
    """All ``works`` side by side, an instruction of each in turn; gives their results."""
    results: list[Any] = [None] * len(works)
    waiting = dict(enumerate(works))
    while waiting:
        for index in list(waiting):
            try:
                next(waiting[index])
                yield
            except StopIteration as end:
                results[index] = end.value
                del waiting[index]
    return results


def in_between(work: Iterator[None], other: Iterator[None], ratio: float) -> None:
    """``work``, and ``ratio`` instructions of ``other`` in between each two of its own; then what is left of it."""
    owed = 0.0
    for _ in work:
        owed += ratio
        while owed >= 1:
            owed -= 1
            next(other, None)
    run(other)

"""A layer of gated recurrent units over time, forward and backward, as vector code through Numba intrinsics.

Lanes run along the units, which are rounded up to whole vectors; what is there beyond the last unit stays zero. Rows of
the batch go through side by side, for one's sums to be added while another's wait; each row's are the same ones
whatever stands beside it. With `lanes` numbers a vector and ``padded`` units:

    weights  (padded / lanes, units, 3, lanes): for each vector of results and each unit or gradient that is
             multiplied, the numbers of r, z and u beside one another
    gates    (batch, time, 4, padded): r, z, n and u, see `wavewright.engine.fused_gru`
    units    (batch, time + 1, padded): h, the first before any input
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from wavewright.compiled import compiled
from wavewright.engine import activations, vector_code
from wavewright.engine.activations import Activations
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.vector_code import INT, VECTOR_BYTES, apart, at, intrinsic, loop, switch, types

ROWS = 2
"""Rows of the batch side by side."""

R, Z, N, U = range(4)
"""Places in ``gates``."""


def lanes(itemsize: int) -> int:
    """Numbers of so many bytes in a vector."""
    return VECTOR_BYTES // itemsize


class _Layer:
    """Writes one of the two kernels over ``rows`` rows; ``columns`` units, in ``blocks`` vectors."""

    def __init__(self, b: Any, element: Any, rows: int, columns: Any, blocks: Any) -> None:
        self.b, self.v, self.rows, self.columns, self.blocks = b, Activations(b, element), rows, columns, blocks
        self.padded = b.mul(blocks, INT(self.v.lanes))

    def each(self, pointer: Any, stride: Any) -> list[Any]:
        """The same place in every row, ``stride`` apart."""
        return [self.v.address(pointer, self.b.mul(stride, INT(row))) for row in range(self.rows)]

    def rows_of(self, pointers: Sequence[Any], index: Any) -> list[Any]:
        """The row of ``padded`` numbers with that index, behind each pointer."""
        return [self.v.address(pointer, self.b.mul(self.padded, self.whole(index))) for pointer in pointers]

    def whole(self, index: Any) -> Any:
        """``index`` as the builder takes it, whether it is known now or when the kernel runs."""
        return INT(index) if isinstance(index, int) else index

    def products(self, place: Any, sources: Sequence[Sequence[Any]], sums: Sequence[Any]) -> list[Any]:
        """Adds weights times ``sources`` (for each row, where r's, z's and u's factors are) to three sums a row."""
        b, v = self.b, self.v

        def column(j: Any, sums: Sequence[Any]) -> list[Any]:
            here = v.address(place, b.mul(j, INT(3 * v.lanes)))
            weights = [v.load(here, gate) for gate in range(3)]
            result = []
            for row, source in enumerate(sources):
                factors: dict[int, Any] = {}
                for gate, pointer in enumerate(source):
                    if id(pointer) not in factors:
                        factors[id(pointer)] = v.spread(b.load(v.address(pointer, j)))
                    result.append(v.multiply_add(weights[gate], factors[id(pointer)], sums[3 * row + gate]))
            return result

        return loop(b, self.columns, sums, column)

    def each_block(self, weights: Any, body: Callable[[Any, Any], None]) -> None:
        """``body(first unit, its weights)`` for each vector of units."""
        size = self.b.mul(self.columns, INT(3 * self.v.lanes))

        def block(index: Any, _: Sequence[Any]) -> list[Any]:
            body(self.b.mul(index, INT(self.v.lanes)), self.v.address(weights, self.b.mul(index, size)))
            return []

        loop(self.b, self.blocks, [], block)

    def ahead(self, steps: Any, weights: Any, gates: list[Any], units: list[Any]) -> None:
        """``gates`` hold the inputs' shares, and b in the place of u; then what they are called after."""
        b, v = self.b, self.v

        def step(t: Any, _: Sequence[Any]) -> list[Any]:
            at_t = self.rows_of(gates, b.mul(t, INT(4)))
            before = self.rows_of(units, t)
            after = self.rows_of(before, 1)
            gate = [self.rows_of(at_t, number) for number in range(4)]  # by gate, then by row

            def block(first: Any, place: Any) -> None:
                here = [[v.address(pointer, first) for pointer in rows] for rows in gate]
                begin = [v.load(here[number][row]) for row in range(self.rows) for number in (R, Z, U)]
                sums = self.products(place, [[h, h, h] for h in before], begin)
                for row in range(self.rows):
                    r, z, u = v.sigmoid(sums[3 * row]), v.sigmoid(sums[3 * row + 1]), sums[3 * row + 2]
                    n = v.tanh(v.multiply_add(r, u, v.load(here[N][row])))
                    h = v.load(v.address(before[row], first))
                    v.store(v.multiply_add(z, b.fsub(h, n), n), v.address(after[row], first))
                    for number, value in enumerate((r, z, n, u)):
                        v.store(value, here[number][row])

            self.each_block(weights, block)
            return []

        loop(b, steps, [], step)

    def back(
        self, steps: Any, weights: Any, gates: list[Any], units: list[Any], wanted: list[Any], found: list[Any],
        carried: list[Any],
    ) -> None:  # fmt: skip
        """Into ``found`` go the gradients by what was added up for r, z, n and u; into ``carried`` ∂h, from time to
        time and in the end that by the first units."""
        b, v = self.b, self.v
        one = v.constant(1.0)

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            t = b.sub(b.sub(steps, INT(1)), index)
            four = b.mul(t, INT(4))
            kept, into = self.rows_of(gates, four), self.rows_of(found, four)
            before, asked = self.rows_of(units, t), self.rows_of(wanted, t)
            gate = [self.rows_of(kept, number) for number in range(4)]
            gradient = [self.rows_of(into, number) for number in range(4)]

            def cell(first: Any, _: Any) -> None:
                for row in range(self.rows):
                    r, z, n, u = (v.load(v.address(gate[number][row], first)) for number in range(4))
                    h, place = v.load(v.address(before[row], first)), v.address(carried[row], first)
                    dh = b.fadd(v.load(place), v.load(v.address(asked[row], first)))
                    gone = b.fmul(dh, b.fsub(one, z))
                    dn = b.fmul(gone, v.multiply_add(b.fneg(n), n, one))
                    du = b.fmul(dn, r)
                    dr = b.fmul(b.fmul(du, u), b.fsub(one, r))
                    dz = b.fmul(b.fmul(gone, z), b.fsub(h, n))
                    for number, value in enumerate((dr, dz, dn, du)):
                        v.store(value, v.address(gradient[number][row], first))
                    v.store(b.fmul(dh, z), place)

            def through(first: Any, place: Any) -> None:
                places = [v.address(pointer, first) for pointer in carried]
                begin = [value for pointer in places for value in (v.load(pointer), v.zero, v.zero)]
                sources = [[gradient[number][row] for number in (R, Z, U)] for row in range(self.rows)]
                sums = self.products(place, sources, begin)
                for row, pointer in enumerate(places):
                    v.store(b.fadd(b.fadd(sums[3 * row], sums[3 * row + 1]), sums[3 * row + 2]), pointer)

            self.each_block(weights, cell)
            self.each_block(weights, through)
            return []

        loop(b, steps, [], step)


def _written(name: str, element: Any, b: Any, arguments: Sequence[Any], body: Callable[..., None]) -> None:
    """``body(arguments but the first, rows)`` as a function for each number of rows, chosen by the first argument."""

    def case(rows: int) -> None:
        apart(b, f"wavewright_gru_{name}_{rows}_{element}", arguments[1:], partial(body, rows=rows))

    switch(b, arguments[0], {rows: partial(case, rows) for rows in (ROWS, 1)})


@intrinsic
def ahead(
    typing: Any, rows: Any, steps: Any, columns: Any, blocks: Any, weights: Any, gates: Any, units: Any
) -> Any:  # fmt: skip
    """``rows`` rows of the batch, `ROWS` or one, over ``steps`` times (`_Layer.ahead`)."""

    def body(b: Any, arguments: Sequence[Any], rows: int) -> None:
        steps, columns, blocks, weights, gates, units = arguments
        layer = _Layer(b, gates_type.dtype, rows, columns, blocks)
        row = b.mul(steps, layer.padded)
        apart_gates, apart_units = b.mul(row, INT(4)), b.add(row, layer.padded)
        layer.ahead(steps, weights, layer.each(gates, apart_gates), layer.each(units, apart_units))

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _written("ahead", gates_type.dtype, b, arguments, body)
        return context.get_dummy_value()

    gates_type = gates
    whole = types.intp
    return types.void(whole, whole, whole, whole, weights, gates, units), generate


@intrinsic
def back(
    typing: Any, rows: Any, steps: Any, columns: Any, blocks: Any, weights: Any, gates: Any, units: Any, wanted: Any,
    found: Any, carried: Any,
) -> Any:  # fmt: skip
    """``rows`` rows of the batch, `ROWS` or one, from the last of ``steps`` times to the first (`_Layer.back`)."""

    def body(b: Any, arguments: Sequence[Any], rows: int) -> None:
        steps, columns, blocks, weights, gates, units, wanted, found, carried = arguments
        layer = _Layer(b, gates_type.dtype, rows, columns, blocks)
        row = b.mul(steps, layer.padded)
        apart_gates = b.mul(row, INT(4))
        layer.back(
            steps, weights, layer.each(gates, apart_gates), layer.each(units, b.add(row, layer.padded)),
            layer.each(wanted, row), layer.each(found, apart_gates), layer.each(carried, layer.padded),
        )  # fmt: skip

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _written("back", gates_type.dtype, b, arguments, body)
        return context.get_dummy_value()

    gates_type = gates
    whole = types.intp
    return types.void(whole, whole, whole, whole, weights, gates, units, wanted, found, carried), generate


def _runners(source: int) -> tuple[Any, Any]:
    """The two entry points; ``source`` makes stale ones on disk known, see `stack_kernels`."""

    @compiled
    def run_ahead(weights, gates, units):  # type: ignore[no-untyped-def]
        """Over all rows of the batch; shapes and contents as at the top of this file."""
        batch, steps, padded = gates.shape[0], gates.shape[1], gates.shape[3]
        row = 0
        while row < batch and source:
            count = ROWS if row + ROWS <= batch else 1
            ahead(
                count, steps, weights.shape[1], weights.shape[0], at(weights, 0), at(gates, row * steps * 4 * padded),
                at(units, row * (steps + 1) * padded),
            )  # fmt: skip
            row += count

    @compiled
    def run_back(weights, gates, units, wanted, found, carried):  # type: ignore[no-untyped-def]
        """The same backward: ``wanted`` (batch, time, padded), ``found`` as ``gates``, ``carried`` (batch, padded)."""
        batch, steps, padded = gates.shape[0], gates.shape[1], gates.shape[3]
        row = 0
        while row < batch and source:
            count = ROWS if row + ROWS <= batch else 1
            first = row * steps * padded
            back(
                count, steps, weights.shape[1], weights.shape[0], at(weights, 0), at(gates, 4 * first),
                at(units, first + row * padded), at(wanted, first), at(found, 4 * first), at(carried, row * padded),
            )  # fmt: skip
            row += count

    return run_ahead, run_back


run_ahead, run_back = _runners(checksum(__file__, activations.__file__, vector_code.__file__))

"""The vector code of the recurrent players: a chunk of time through a layer of LSTM or GRU cells, and the head.

Lanes run along units. A group of as many units as lanes has all its gates in registers, so that it is finished where
it lies: products, activations, cells, the units' new values.

**Waiting.** Each time needs the one before, and an activation is a long chain of short steps. So a group's activations
are written in between the products of the next group, which do not need them: at the end of a time, in between those
products of the first group at the next time that need other groups only. The processor finds work in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numba.extending

from wavewright.engine import vector_code
from wavewright.engine.recurrent_cells import Lanes, Work, gru, in_between, lstm, run, together
from wavewright.engine.recurrent_plan import LSTM, SUMS, RecurrentShape
from wavewright.engine.vector_code import INT, WIDE, Vectors, types

SPLIT = 2 if WIDE else 1
"""Sums of each gate, for the products not to wait for one another."""

UNROLLED = 48
"""Hidden units up to which all products are written out; of more, the first few for activations to hide among."""
HIDING = 16
FEW_GROUPS = 3
"""Groups of one width that are written out; of more, a loop runs through them."""

STEPS = (60, 40)
"""About how many instructions the activations of a group are: an LSTM's, a GRU's."""


class Layer:
    """Writes one layer over ``rows`` channels side by side, which share the loads of the weights."""

    def __init__(self, builder: Any, shape: RecurrentShape, layer: int, rows: int) -> None:
        self.b, self.shape, self.rows = builder, shape, rows
        self.inputs = shape.inputs_of(layer)
        self.layer = layer
        self.activate = lstm if shape.kind == LSTM else gru
        self.starts = [sum(shape.groups[:index]) for index in range(len(shape.groups))]

    def write(self, steps: Any, weights: Any, inputs: Any, stride: Any, hidden: Any, cells: Any, voice: Any) -> None:
        """``steps`` times. ``inputs`` lie ``stride`` apart, ``hidden`` units a row, channels ``voice``; the units at
        time t go to row t + 1."""
        b, v = self.b, Lanes(self.b, 4)

        def each(pointer: Any) -> list[Any]:
            """The same place in every channel."""
            return [v.address(pointer, b.mul(voice, INT(row))) for row in range(self.rows)]

        def at(t: Any) -> tuple[list[Any], list[Any]]:
            place = b.mul(t, INT(self.shape.row))
            return each(v.address(inputs, b.mul(t, stride))), each(v.address(hidden, place))

        memory = each(cells)
        groups = self.shape.groups

        def step(t: Any, sums: Sequence[Any]) -> list[Any]:
            heard, before = at(t)
            following = at(b.add(t, INT(1)))
            after = following[1]

            def behind(index: int, start: Any, sums: Sequence[Any]) -> Work:
                """The activations of a group that starts with unit ``start``."""
                return self._activations(groups[index], start, sums, memory, before, after)

            def group(place: Any, lanes: int, other: Work) -> list[Any]:
                return self._sums(place, lanes, heard, before, other)

            place, index, sums = weights, 1, list(sums)
            place = v.address(place, self.shape.group_size(self.layer, groups[0]))
            alike = groups.count(groups[0])
            if alike > FEW_GROUPS:
                size = self.shape.group_size(self.layer, groups[0])

                def one(k: Any, sums: Sequence[Any]) -> list[Any]:
                    start = b.mul(k, INT(groups[0]))
                    return group(v.address(place, b.mul(k, INT(size))), groups[0], behind(0, start, sums))

                sums = vector_code.loop(b, INT(alike - 1), sums, one)
                place, index = v.address(place, (alike - 1) * size), alike
            for number in range(index, len(groups)):
                sums = group(place, groups[number], behind(number - 1, self.starts[number - 1], sums))
                place = v.address(place, self.shape.group_size(self.layer, groups[number]))
            return self._sums(weights, groups[0], *following, behind(-1, self.starts[-1], sums), first=True)

        begin = self._sums(weights, groups[0], *at(INT(0)), None, first=True)
        vector_code.loop(b, steps, begin, step)

    def _activations(
        self, lanes: int, start: Any, sums: Sequence[Any], cells: list[Any], before: list[Any], after: list[Any]
    ) -> Work:
        v = Lanes(self.b, lanes)

        def places(pointers: list[Any]) -> list[Any]:
            return [v.address(pointer, start) for pointer in pointers]

        by_row = [sums[SUMS * row : SUMS * (row + 1)] for row in range(self.rows)]
        each = zip(by_row, places(cells), places(before), places(after), strict=True)
        return together(*(self.activate(v, *arguments) for arguments in each))

    def _sums(
        self, place: Any, lanes: int, heard: list[Any], before: list[Any], other: Work | None, first: bool = False
    ) -> list[Any]:
        """A group's sums over all inputs and hidden units, with ``other`` work in between; the ``first`` group of a
        time needs the last group's units, which that work finishes."""
        v, shape = Lanes(self.b, lanes), self.shape
        sums = [v.load(v.address(place, gate * lanes)) for gate in range(SUMS)] * self.rows
        totals: list[list[Any]] = [sums, *([None] * len(sums) for _ in range(SPLIT - 1))]
        by_input = v.address(place, SUMS * lanes)
        by_hidden = v.address(by_input, self.inputs * len(shape.from_inputs) * lanes)
        from_inputs = (v, by_input, heard, shape.from_inputs)
        from_hidden = (v, by_hidden, before, shape.from_hidden)
        ready = self.starts[-1] if first else shape.padded

        def written_out(columns: int) -> int:
            return columns if columns <= UNROLLED else HIDING + columns % 4

        near, far = written_out(self.inputs), written_out(ready)
        hiding = chain(self._products(totals, *from_inputs, 0, near), self._products(totals, *from_hidden, 0, far))
        if other is None:
            run(hiding)
        else:
            products = max(1, near * len(shape.from_inputs) + far * len(shape.from_hidden)) * self.rows
            in_between(hiding, other, STEPS[shape.kind] * self.rows / products)
        self._loop(totals, *from_inputs, near, self.inputs)
        self._loop(totals, *from_hidden, far, ready)
        run(self._products(totals, *from_hidden, ready, shape.padded))
        for part in totals[1:]:
            totals[0] = [a if c is None else self.b.fadd(a, c) for a, c in zip(totals[0], part, strict=True)]
        return totals[0]

    def _products(
        self, totals: list[list[Any]], v: Lanes, weights: Any, columns: list[Any], gates: tuple[int, ...],
        begin: int, end: int,
    ) -> Work:  # fmt: skip
        """Adds the columns from ``begin`` to ``end``, which lie side by side, into the sums of ``gates``."""
        for column in range(begin, end):
            parts = totals[column % SPLIT]
            loaded = [
                v.load(v.address(weights, (column * len(gates) + index) * v.lanes)) for index in range(len(gates))
            ]
            for row, source in enumerate(columns):
                x = v.spread(self.b.load(v.address(source, column)))
                for weight, gate in zip(loaded, gates, strict=True):
                    at = SUMS * row + gate
                    old = parts[at]
                    parts[at] = self.b.fmul(weight, x) if old is None else v.multiply_add(weight, x, old)
                    yield

    def _loop(
        self, totals: list[list[Any]], v: Lanes, weights: Any, columns: list[Any], gates: tuple[int, ...],
        begin: int, end: int,
    ) -> None:  # fmt: skip
        """The same by a loop, four columns at a time."""
        if begin >= end:
            return
        size = len(totals[0])
        state = [v.zero if value is None else value for part in totals for value in part]

        def four(k: Any, state: Sequence[Any]) -> list[Any]:
            parts = [list(state[index * size : (index + 1) * size]) for index in range(SPLIT)]
            column = self.b.add(self.b.mul(k, INT(4)), INT(begin))
            here = [v.address(source, column) for source in columns]
            place = v.address(weights, self.b.mul(column, INT(len(gates) * v.lanes)))
            run(self._products(parts, v, place, here, gates, 0, 4))
            return [value for part in parts for value in part]

        state = vector_code.loop(self.b, INT((end - begin) // 4), state, four)
        totals[:] = [state[index * size : (index + 1) * size] for index in range(SPLIT)]


def _head(b: Any, shape: RecurrentShape, steps: Any, shared: Any, hidden: Any, out: Any) -> None:
    """The output's weights times the units of the last layer, a vector of times at once."""
    v = Vectors(b, types.float32)
    bias = v.spread(b.load(v.address(shared, shape.bias)))
    pieces = -(-shape.padded // v.lanes)

    def block(index: Any, _: Sequence[Any]) -> list[Any]:
        t = b.mul(index, INT(v.lanes))
        rows = v.address(hidden, b.mul(b.add(t, INT(1)), INT(shape.row)))

        def piece(k: Any, sums: Sequence[Any]) -> list[Any]:
            place = b.mul(k, INT(v.lanes))
            weight, here = v.load(v.address(v.address(shared, shape.head), place)), v.address(rows, place)
            return [
                v.multiply_add(weight, v.load(v.address(here, time * shape.row)), sums[time]) for time in range(v.lanes)
            ]

        sums = vector_code.loop(b, INT(pieces), [v.zero] * v.lanes, piece)
        v.store(b.fadd(v.lane_sums(sums), bias), v.address(out, t))
        return []

    vector_code.loop(b, b.udiv(b.add(steps, INT(v.lanes - 1)), INT(v.lanes)), [], block)


def _hear(
    typing: Any,
    kind: Any,
    units: Any,
    inputs: Any,
    layers: Any,
    rows: Any,
    steps: Any,
    shared: Any,
    voices: Any,
) -> Any:
    literals = (kind, units, inputs, layers, rows)
    if not all(isinstance(literal, types.IntegerLiteral) for literal in literals):
        return None
    numbers = [literal.literal_value for literal in literals]
    shape, side_by_side = RecurrentShape(*numbers[:4]), numbers[4]
    name = "wavewright_recurrent_" + "_".join(map(str, numbers))

    def layer(number: int) -> Callable[[Any, Sequence[Any]], None]:
        def body(b: Any, arguments: Sequence[Any]) -> None:
            steps, weights, inputs, hidden, cells = arguments
            stride = INT(shape.inputs if number == 0 else shape.row)
            Layer(b, shape, number, side_by_side).write(steps, weights, inputs, stride, hidden, cells, INT(shape.voice))

        return body

    def head(b: Any, arguments: Sequence[Any]) -> None:
        _head(b, shape, *arguments)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        steps, shared, voices = arguments[len(literals) :]
        v = Vectors(b, types.float32)
        for number in range(shape.layers):
            below = 0 if number == 0 else shape.hidden(number - 1) + shape.row
            places = (below, shape.hidden(number), shape.cells(number))
            pointers = [v.address(shared, shape.weights(number)), *(v.address(voices, place) for place in places)]
            vector_code.apart(b, f"{name}_{min(number, 1)}", [steps, *pointers], layer(number))
        for row in range(side_by_side):
            last, sound = (
                v.address(voices, row * shape.voice + place) for place in (shape.hidden(shape.layers - 1), shape.sound)
            )
            vector_code.apart(b, f"{name}_head", [steps, shared, last, sound], head)
        return context.get_dummy_value()

    return types.void(*literals, types.intp, shared, voices), generate


hear: Any = numba.extending.intrinsic(prefer_literal=True)(_hear)
"""``hear(kind, units, inputs, layers, rows, steps, shared, voices)``: ``steps`` times, no more than a chunk has,
through all layers and the head, for ``rows`` channels side by side, ``voices`` being the first one's memory.

What describes the network and its channels must be known when this is compiled: constants, not variables.
"""

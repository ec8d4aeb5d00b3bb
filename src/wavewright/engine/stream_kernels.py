"""Runs a `StreamPlan` over a block of any length, channel by channel: a small interpreter around `stream_tiles`.

It takes flat memory only, holds no lock and allocates nothing.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import activations, stream_plan, stream_tiles, vector_code
from wavewright.engine.activations import SIGMOID
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.stream_plan import (
    CHUNK,
    COLUMNS,
    COUNT,
    FIELDS,
    FROM_ROWS,
    KIND,
    MOVES,
    OUT,
    OUT_MOVES,
    OUT_STRIDE,
    OUTPUTS,
    SHAPE_3,
    SLOPE,
    START,
    START_MOVES,
    START_STRIDE,
    TOTAL,
    TOTAL_MOVES,
    TOTAL_STRIDE,
    WEIGHTS,
)
from wavewright.engine.stream_tiles import (
    EXACT,
    FRESH,
    GATED,
    activate_rows,
    all_finite,
    beyond,
    flush_denormals,
    multiply_gates,
    multiply_rows,
    place_of_integers,
    place_of_numbers,
    restore_denormals,
)
from wavewright.engine.vector_code import VECTOR_BYTES, at, move

LANES = VECTOR_BYTES // 4
"""Samples of a vector."""

POSITION, NON_FINITE, OVERFLOWS, CHANNELS, SIZE, SPAN, PRODUCTS, GROUPS = range(8)
INPUT, INPUT_STRIDE, INPUTS, OUTPUT, OUTPUT_STRIDE, HEADS = range(8, 14)
TABLE, SHIFTS, NUMBERS, PASTS, SETTLED, MEMORY = range(14, 20)
"""A player's fields. ``POSITION``: where in their rows the moving samples are. ``NON_FINITE``, ``OVERFLOWS``: broken
samples so far, in and out. ``CHANNELS`` of ``SIZE`` samples of memory. ``INPUT`` … ``HEADS``: the rows of the input and
of the output. From ``TABLE`` on: addresses."""
PLAYER_FIELDS = 20


@njit(nogil=True, error_model="numpy")
def _tiles(op, wide, shape, steps, done, columns, weights, memory, position):  # type: ignore[no-untyped-def]
    """A product's tiles of ``wide`` vectors, ``steps`` of them, from vector ``done`` on."""
    t, outputs, from_rows, start_stride, out_stride = (
        done * LANES, op[OUTPUTS], op[FROM_ROWS], op[START_STRIDE], op[OUT_STRIDE],
    )  # fmt: skip
    source = beyond(memory, op[MOVES] * position + t)
    start = op[START] + from_rows * (op[START_MOVES] * position + t)
    out = op[OUT] + op[OUT_MOVES] * position + t
    blocks = outputs // shape
    row = 0
    while row < outputs:
        begin = beyond(memory, start + row * start_stride) if from_rows else beyond(weights, start + row)
        multiply_rows(
            32 * wide + shape, steps, blocks, source, beyond(columns, op[COLUMNS]), op[COUNT],
            beyond(weights, op[WEIGHTS] + row), outputs, from_rows, begin, start_stride,
            beyond(memory, out + row * out_stride), out_stride,
        )  # fmt: skip
        row += blocks * shape
        shape, blocks = outputs - row, 1


@njit(nogil=True, error_model="numpy")
def _product(op, columns, weights, memory, position, vectors):  # type: ignore[no-untyped-def]
    """One product over ``vectors`` vectors: tiles of three, then one of four or up to two of one.

    Numba compiles a function anew for each constant that it is called with: hence one call in a loop.
    """
    fours = 1 if vectors % 3 == 1 and vectors > 1 else 0
    threes = (vectors - 4 * fours) // 3
    ends = 0, 3 * threes, 3 * threes + 4 * fours, vectors
    for turn in range(3):
        wide = (3, 4, 1)[turn]
        steps = (ends[turn + 1] - ends[turn]) // wide
        if steps:
            _tiles(op, wide, op[SHAPE_3 + turn], steps, ends[turn], columns, weights, memory, position)
    if op[KIND]:
        _activate(op, weights, memory, position, vectors)


@njit(nogil=True, error_model="numpy")
def _activate(op, weights, memory, position, vectors):  # type: ignore[no-untyped-def]
    """What stands behind a product: its activation, its gates, and the sum for the head."""
    kind, rows, stride, slope = op[KIND], op[OUTPUTS], op[OUT_STRIDE], weights[op[SLOPE]]
    out = beyond(memory, op[OUT] + op[OUT_MOVES] * position)
    total = beyond(memory, op[TOTAL] + op[TOTAL_MOVES] * position)
    if kind & GATED:
        rows //= 2
        gates = beyond(out, rows * stride)
        activate_rows(SIGMOID + FRESH + (kind & EXACT), rows, vectors, gates, stride, gates, stride, slope)
        activate_rows(kind | FRESH, rows, vectors, out, stride, out, stride, slope)
        multiply_gates(kind, rows, vectors, out, stride, total, op[TOTAL_STRIDE])
    else:
        activate_rows(kind, rows, vectors, out, stride, total, op[TOTAL_STRIDE], slope)


@njit(nogil=True, error_model="numpy")
def _pass(source, to, length, row, vectors):  # type: ignore[no-untyped-def]
    """Moves ``length`` samples, from the ``row`` of ``vectors`` vectors or to it, zeros for what is no number; returns
    how many were none."""
    move(to, source, length)
    broken = 0
    if all_finite(row, vectors) != 0:
        for t in range(length):
            if not math.isfinite(to[t]):
                to[t] = 0
                broken += 1
    return broken


@njit(nogil=True)
def _to_the_front(memory, pasts, groups, position):  # type: ignore[no-untyped-def]
    """Moves every row's past from before ``position`` to before 0."""
    for index in range(0, 4 * groups, 4):
        first, stride, rows, past = pasts[index], pasts[index + 1], pasts[index + 2], pasts[index + 3]
        for row in range(rows):
            place = first + row * stride - past
            move(beyond(memory, place), beyond(memory, place + position), past)


@njit(nogil=True)
def _settle(memory, pasts, groups, settled, position):  # type: ignore[no-untyped-def]
    """Gives every row the past that silence leaves: one number all along."""
    number = 0
    for index in range(0, 4 * groups, 4):
        first, stride, rows, past = pasts[index], pasts[index + 1], pasts[index + 2], pasts[index + 3]
        for row in range(rows):
            place = first + row * stride + position
            for t in range(place - past, place):
                memory[t] = settled[number]
            number += 1


def _player(source: int) -> Any:
    """The entry point; ``source`` makes a stale one on disk known (`stack_kernels`)."""

    @compiled
    def play(player, block, out):  # type: ignore[no-untyped-def]
        """``block`` (channels · inputs, n) → ``out`` (channels · outputs, n).

        A sample that is no number goes in as zero; one that comes out so is given as zero, and the channel forgets
        all. All but the sound comes as addresses: an array costs a fraction of a microsecond at each call.
        """
        if not source:
            return
        mode = flush_denormals()
        products, groups, size, samples = player[PRODUCTS], player[GROUPS], player[SIZE], block.shape[1]
        inputs, heads = player[INPUTS], player[HEADS]
        table, shifts = place_of_integers(player[TABLE]), place_of_integers(player[SHIFTS])
        numbers, pasts = place_of_numbers(player[NUMBERS]), place_of_integers(player[PASTS])
        settled, memory = place_of_numbers(player[SETTLED]), place_of_numbers(player[MEMORY])
        position = player[POSITION]
        for first in range(0, samples, CHUNK):
            length = min(CHUNK, samples - first)
            vectors = (length + LANES - 1) // LANES
            back = position + vectors * LANES > player[SPAN]
            here = 0 if back else position
            for channel in range(player[CHANNELS]):
                state = beyond(memory, channel * size)
                if back:
                    _to_the_front(state, pasts, groups, position)
                for index in range(inputs):
                    row = beyond(state, player[INPUT] + index * player[INPUT_STRIDE] + here)
                    sound = at(block, (channel * inputs + index) * samples + first)
                    for t in range(length, vectors * LANES):
                        row[t] = 0
                    player[NON_FINITE] += _pass(sound, row, length, row, vectors)
                for index in range(products):
                    _product(beyond(table, index * FIELDS), shifts, numbers, state, here, vectors)
                broken = 0
                for index in range(heads):
                    row = beyond(state, player[OUTPUT] + index * player[OUTPUT_STRIDE])
                    sound = at(out, (channel * heads + index) * samples + first)
                    broken += _pass(row, sound, length, row, vectors)
                if broken:
                    player[OVERFLOWS] += broken
                    _settle(state, pasts, groups, settled, here + length)
            position = here + length
        player[POSITION] = position
        restore_denormals(mode)

    return play


play = _player(checksum(stream_plan.__file__, stream_tiles.__file__, activations.__file__, vector_code.__file__))

"""Runs a `StreamPlan` over a block of any length, channel by channel: a small interpreter around `stream_tiles`.

It takes flat memory only, holds no lock and allocates nothing.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import activations, stream_plan, stream_tiles, vector_code
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
    SHAPE_1,
    SHAPE_3,
    SHAPE_4,
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
    GATED,
    activate_rows,
    all_finite,
    beyond,
    flush_denormals,
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
    """One product over ``vectors`` vectors: tiles of three, then one of four or up to two of one."""
    fours = 1 if vectors % 3 == 1 and vectors > 1 else 0
    threes = (vectors - 4 * fours) // 3
    done = 3 * threes + 4 * fours
    if threes:
        _tiles(op, 3, op[SHAPE_3], threes, 0, columns, weights, memory, position)
    if fours:
        _tiles(op, 4, op[SHAPE_4], 1, 3 * threes, columns, weights, memory, position)
    if done < vectors:
        _tiles(op, 1, op[SHAPE_1], vectors - done, done, columns, weights, memory, position)
    if op[KIND]:
        rows = op[OUTPUTS] // 2 if op[KIND] & GATED else op[OUTPUTS]
        activate_rows(
            op[KIND], rows, vectors, beyond(memory, op[OUT] + op[OUT_MOVES] * position), op[OUT_STRIDE],
            beyond(memory, op[TOTAL] + op[TOTAL_MOVES] * position), op[TOTAL_STRIDE], weights[op[SLOPE]],
        )  # fmt: skip


@njit(nogil=True, error_model="numpy")
def _take(block, length, row, vectors):  # type: ignore[no-untyped-def]
    """Puts ``length`` samples into a row, zeros for what is no number and for the rest of the last vector; returns how
    many were no numbers."""
    move(row, block, length)
    for t in range(length, vectors * LANES):
        row[t] = 0
    broken = 0
    if all_finite(row, vectors) != 0:
        for t in range(length):
            if not math.isfinite(row[t]):
                row[t] = 0
                broken += 1
    return broken


@njit(nogil=True, error_model="numpy")
def _give(row, vectors, out, length):  # type: ignore[no-untyped-def]
    """Puts ``length`` samples of a row into the output; returns how many were no finite numbers, given as zeros."""
    move(out, row, length)
    broken = 0
    if all_finite(row, vectors) != 0:
        for t in range(length):
            if not math.isfinite(row[t]):
                out[t] = 0
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
                    player[NON_FINITE] += _take(sound, length, row, vectors)
                for index in range(products):
                    _product(beyond(table, index * FIELDS), shifts, numbers, state, here, vectors)
                broken = 0
                for index in range(heads):
                    row = beyond(state, player[OUTPUT] + index * player[OUTPUT_STRIDE])
                    broken += _give(row, vectors, at(out, (channel * heads + index) * samples + first), length)
                if broken:
                    player[OVERFLOWS] += broken
                    _settle(state, pasts, groups, settled, here + length)
            position = here + length
        player[POSITION] = position
        restore_denormals(mode)

    return play


play = _player(checksum(stream_plan.__file__, stream_tiles.__file__, activations.__file__, vector_code.__file__))

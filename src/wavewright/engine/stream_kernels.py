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
    restore_denormals,
)
from wavewright.engine.vector_code import VECTOR_BYTES, at, move

LANES = VECTOR_BYTES // 4
"""Samples of a vector."""

INPUT, INPUT_STRIDE, INPUTS, OUTPUT, OUTPUT_STRIDE, HEADS, SPAN = range(7)
"""The places: the rows of the input and of the output, and the samples between two moves."""

POSITION, NON_FINITE, OVERFLOWS = range(3)
"""What the counters count: where in their rows the moving samples are; broken samples in, and out."""


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
    def play(table, columns, weights, pasts, settled, memory, places, counters, block, out):  # type: ignore[no-untyped-def]
        """``block`` (channels · inputs, n) → ``out`` (channels · outputs, n); ``memory`` (channels, size) remembers.

        A sample that is no number goes in as zero; one that comes out so is given as zero, and the channel forgets
        all. What is inside gets addresses, not arrays: Numba counts references to an array at each call.
        """
        if not source:
            return
        mode = flush_denormals()
        products, groups, size, samples = table.shape[0], pasts.shape[0], memory.shape[1], block.shape[1]
        operations, shifts, numbers, past = at(table, 0), at(columns, 0), at(weights, 0), at(pasts, 0)
        rest, position = at(settled, 0), counters[POSITION]
        for first in range(0, samples, CHUNK):
            length = min(CHUNK, samples - first)
            vectors = (length + LANES - 1) // LANES
            back = position + vectors * LANES > places[SPAN]
            for channel in range(memory.shape[0]):
                state = at(memory, channel * size)
                if back:
                    _to_the_front(state, past, groups, position)
                here = 0 if back else position
                for index in range(places[INPUTS]):
                    row = beyond(state, places[INPUT] + index * places[INPUT_STRIDE] + here)
                    sound = at(block, (channel * places[INPUTS] + index) * samples + first)
                    counters[NON_FINITE] += _take(sound, length, row, vectors)
                for index in range(products):
                    _product(beyond(operations, index * FIELDS), shifts, numbers, state, here, vectors)
                broken = 0
                for index in range(places[HEADS]):
                    row = beyond(state, places[OUTPUT] + index * places[OUTPUT_STRIDE])
                    sound = at(out, (channel * places[HEADS] + index) * samples + first)
                    broken += _give(row, vectors, sound, length)
                if broken:
                    counters[OVERFLOWS] += broken
                    _settle(state, past, groups, rest, here + length)
            position = length if back else position + length
        counters[POSITION] = position
        restore_denormals(mode)

    return play


play = _player(checksum(stream_plan.__file__, stream_tiles.__file__, activations.__file__, vector_code.__file__))

"""Runs a `StreamPlan` over a block of any length, channel by channel: a small interpreter around `stream_tiles`.

It takes flat memory only, holds no lock and allocates nothing.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import stream_plan, stream_tiles, tiles
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.stream_plan import (
    CHUNK,
    COLUMNS,
    COUNT,
    FROM_ROWS,
    KIND,
    MOVES,
    OUT,
    OUT_MOVES,
    OUT_STRIDE,
    OUTPUTS,
    SHAPE_1,
    SHAPE_2,
    SHAPE_4,
    SLOPE,
    SPAN,
    START,
    START_MOVES,
    START_STRIDE,
    TOTAL,
    TOTAL_MOVES,
    TOTAL_STRIDE,
    WEIGHTS,
)
from wavewright.engine.stream_tiles import activate_rows, flush_denormals, multiply_tile, restore_denormals
from wavewright.engine.tiles import VECTOR_BYTES, at, move

LANES = VECTOR_BYTES // 4
"""Samples of a vector."""

POSITION, NON_FINITE, OVERFLOWS = range(3)
"""What the counters count: where in their rows the moving samples are; broken samples in, and out."""


@njit(nogil=True, error_model="numpy")
def _product(op, columns, weights, memory, position, vectors):  # type: ignore[no-untyped-def]
    """One product over ``vectors`` vectors. Time outside, outputs inside: the columns stay in the nearest cache."""
    outputs, count = op[OUTPUTS], op[COUNT]
    base = op[MOVES] * position
    start, start_stride = op[START] + op[START_MOVES] * position, op[START_STRIDE]
    out, out_stride = op[OUT] + op[OUT_MOVES] * position, op[OUT_STRIDE]
    done = 0
    while done < vectors:
        left = vectors - done
        wide = 4 if left >= 4 else 2 if left >= 2 else 1
        shape = op[SHAPE_4] if wide == 4 else op[SHAPE_2] if wide == 2 else op[SHAPE_1]
        t = done * LANES
        for row in range(0, outputs, shape):
            begin = at(memory, start + row * start_stride + t) if op[FROM_ROWS] else at(weights, start + row)
            multiply_tile(
                32 * wide + min(shape, outputs - row), at(memory, base + t), at(columns, op[COLUMNS]), count,
                at(weights, op[WEIGHTS] + row), outputs, op[FROM_ROWS], begin, start_stride,
                at(memory, out + row * out_stride + t), out_stride,
            )  # fmt: skip
        done += wide
    if op[KIND]:
        activate_rows(
            op[KIND], outputs, vectors, at(memory, out), out_stride,
            at(memory, op[TOTAL] + op[TOTAL_MOVES] * position), op[TOTAL_STRIDE], weights[op[SLOPE]],
        )  # fmt: skip


@njit(nogil=True)
def _to_the_front(memory, pasts, position):  # type: ignore[no-untyped-def]
    """Moves every row's past from before ``position`` to before 0."""
    for index in range(pasts.shape[0]):
        past = pasts[index, 3]
        for row in range(pasts[index, 2]):
            place = pasts[index, 0] + row * pasts[index, 1] - past
            move(at(memory, place), at(memory, place + position), past)


@njit(nogil=True)
def _settle(memory, pasts, settled, position):  # type: ignore[no-untyped-def]
    """Gives every row the past that silence leaves: one number all along."""
    number = 0
    for index in range(pasts.shape[0]):
        past = pasts[index, 3]
        for row in range(pasts[index, 2]):
            place = pasts[index, 0] + row * pasts[index, 1] + position
            memory[place - past : place] = settled[number]
            number += 1


def _player(source: int) -> Any:
    """The entry point; ``source`` makes a stale one on disk known (`stack_kernels`)."""

    @compiled
    def play(table, columns, weights, pasts, settled, memory, places, counters, block, out):  # type: ignore[no-untyped-def]
        """``block`` (channels, n) → ``out``, of the same shape; ``memory`` (channels, size) is what is remembered.

        ``places`` holds the first samples of the input's and of the output's row. A sample that is no number goes in
        as zero; one that comes out so is given as zero, and the channel forgets all.
        """
        if not source:
            return
        mode = flush_denormals()
        samples, position = block.shape[1], counters[POSITION]
        first = 0
        while first < samples:
            length = min(CHUNK, samples - first)
            vectors = (length + LANES - 1) // LANES
            if position + vectors * LANES > SPAN:
                for channel in range(memory.shape[0]):
                    _to_the_front(memory[channel], pasts, position)
                position = 0
            for channel in range(memory.shape[0]):
                state = memory[channel]
                place = places[0] + position
                for t in range(length):
                    value = block[channel, first + t]
                    if not math.isfinite(value):
                        value = 0
                        counters[NON_FINITE] += 1
                    state[place + t] = value
                for index in range(table.shape[0]):
                    _product(table[index], columns, weights, state, position, vectors)
                broken = 0
                for t in range(length):
                    value = state[places[1] + t]
                    if not math.isfinite(value):
                        value = 0
                        broken += 1
                    out[channel, first + t] = value
                if broken:
                    counters[OVERFLOWS] += broken
                    _settle(state, pasts, settled, position + length)
            position += length
            first += length
        counters[POSITION] = position
        restore_denormals(mode)

    return play


play = _player(checksum(stream_plan.__file__, stream_tiles.__file__, tiles.__file__))

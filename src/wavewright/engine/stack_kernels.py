"""Runs the programs of `stack_program` over one item of the batch: a small interpreter around `tiles`.

Both entry points take tables and flat memory only, hold no lock and allocate nothing.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import activations, pointwise, stack_program, tiles, vector_code
from wavewright.engine.pointwise import finish, gate_gradient_rows, gate_rows
from wavewright.engine.stack_program import (
    BLOCK,
    BLOCKS,
    COLUMNS,
    COUNT,
    FROM,
    GATE,
    GATE_GRADIENT,
    KIND,
    NEXT,
    NEXT_ROWS,
    NEXT_STRIDE,
    NONE,
    OTHER,
    OTHER_STRIDE,
    OUT,
    OUT_STRIDE,
    OUTER,
    OUTPUTS,
    PACKED,
    QUANTUM,
    START,
    START_STRIDE,
    VECTORS,
)
from wavewright.engine.tiles import LINE, affine_tile, fetch_rows, outer_tile
from wavewright.engine.vector_code import VECTOR_BYTES, at, move


@njit(nogil=True, error_model="numpy")
def _affine(op, memory, begin, end, columns, weights, other, ahead, slope):  # type: ignore[no-untyped-def]
    """An affine operation from ``begin`` to ``end``; ``other`` lies ``ahead`` samples further on.

    Time outside, outputs inside: what the columns hold at one time comes from the nearest cache after the first tile.
    """
    outputs, count, start_stride, out_stride = op[OUTPUTS], op[COUNT], op[START_STRIDE], op[OUT_STRIDE]
    length = op[VECTORS] * (VECTOR_BYTES // memory.itemsize)
    for t in range(begin, end, length):
        fetch_rows(op[NEXT_ROWS], at(other, op[NEXT] + t + ahead), op[NEXT_STRIDE], length * memory.itemsize // LINE)
        for row in range(0, op[BLOCKS] * outputs, outputs):
            affine_tile(
                outputs, at(columns, op[COLUMNS]), at(memory, t), count, at(weights, op[PACKED] + row * count),
                at(memory, op[START] + row * start_stride + t), start_stride,
                at(memory, op[OUT] + row * out_stride + t), out_stride,
            )  # fmt: skip
        if op[KIND] != NONE:
            for row in range(op[BLOCKS] * outputs):
                beside = op[OTHER] + row * op[OTHER_STRIDE] + t + ahead
                finish(op[KIND], at(memory, op[OUT] + row * out_stride + t), at(other, beside), op[VECTORS], slope)


@njit(nogil=True, error_model="numpy")
def _outer(op, memory, begin, end, columns, sums, other, ahead):  # type: ignore[no-untyped-def]
    """An outer operation from ``begin`` to ``end``, rows in ``memory``, columns in ``other``."""
    rows, groups, wide = op[OUTPUTS], op[COUNT], op[VECTORS]
    lanes = VECTOR_BYTES // memory.itemsize
    tile = (rows * wide + lanes - 1) // lanes * lanes
    for block in range(op[BLOCKS]):
        row = op[START] + block * rows * op[START_STRIDE] + begin
        for group in range(groups):
            outer_tile(
                rows, at(memory, row), op[START_STRIDE], at(other, begin + ahead),
                at(columns, op[COLUMNS] + group * wide), (end - begin) // lanes,
                at(sums, op[PACKED] + (block * groups + group) * tile),
            )  # fmt: skip


@njit(nogil=True, error_model="numpy")
def _gate(op, memory, begin, end, other, ahead, slope):  # type: ignore[no-untyped-def]
    """A gate or its gradient from ``begin`` to ``end``; ``other`` lies ``ahead`` samples further on."""
    steps = (end - begin) // (VECTOR_BYTES // memory.itemsize)
    source, beside = at(memory, op[START] + begin), at(other, op[OTHER] + begin + ahead)
    out = at(memory, op[OUT] + begin)
    strides = op[START_STRIDE], op[OTHER_STRIDE], op[OUT_STRIDE]
    if op[KIND] == GATE:
        gate_rows(op[COUNT], op[OUTPUTS], steps, source, strides[0], out, strides[2], beside, strides[1], slope)
    else:
        gate_gradient_rows(
            op[COUNT], op[OUTPUTS], steps, source, strides[0], beside, strides[1], out, strides[2], slope
        )


@njit(nogil=True)
def _clear(memory, begin, end):  # type: ignore[no-untyped-def]
    for index in range(begin, end):
        memory[index] = 0


@njit(nogil=True)
def _move_on(work, futures):  # type: ignore[no-untyped-def]
    """Moves what the last block computed, and what lay behind that, out of the next block's way."""
    for index in range(futures.shape[0]):
        for row in range(futures[index, 2]):
            place = futures[index, 0] + row * futures[index, 1]
            move(at(work, place + BLOCK), at(work, place), futures[index, 3])


def checksum(*files: str) -> int:
    """A number that changes with the files' content; never 0."""
    return zlib.crc32(b"".join(Path(file).read_bytes() for file in files)) | 1


def _runners(source: int) -> tuple[Any, Any]:
    """The two entry points. Numba knows a stale function on disk by its own text and closure, not by what it calls:
    hence ``source``, a checksum of the code that the kernels are made from."""

    @compiled
    def run_forward(table, slopes, columns, weights, arena, padded):  # type: ignore[no-untyped-def]
        """The list ``table`` over a whole window, block by block from the first; ``arena`` holds the input already."""
        if not source:
            return
        nothing = padded - padded  # a constant would have Numba compile what takes it once more
        for block in range(0, padded, BLOCK):
            end = min(block + BLOCK, padded)
            for index in range(table.shape[0]):
                op = table[index]
                begin = max(block, op[FROM])
                if begin >= end:
                    continue
                if begin == op[FROM]:  # what a later layer reads before the first sample must be finite
                    for row in range(op[OUTPUTS] * op[BLOCKS]):
                        place = op[OUT] + row * op[OUT_STRIDE] + begin
                        _clear(arena, place - QUANTUM, place)
                if op[KIND] == GATE:
                    _gate(op, arena, begin, end, arena, nothing, slopes[index])
                else:
                    _affine(op, arena, begin, end, columns, weights, arena, nothing, slopes[index])

    @compiled
    def run_backward(  # type: ignore[no-untyped-def]
        table, slopes, columns, weights, arena, work, futures, padded, gradient, place, stride, warm_up, sums, into,
        input_place, input_stride,
    ):  # fmt: skip
        """The gradients over a whole window, block by block from the last.

        ``gradient`` (channels, outputs) is the output's, put into ``work`` at ``place``; ``sums`` takes the weights'
        packed gradients; ``into`` (channels, samples) the input's where it has rows and the list computes it.
        """
        if not source:
            return
        _clear(sums, 0, sums.size)
        _clear(work, 0, work.size)
        for end in range(padded, 0, -BLOCK):
            block = end - BLOCK  # negative in the last round: no operation starts before sample 0
            size = end - block
            _move_on(work, futures)
            for channel in range(gradient.shape[0]):
                row = place + channel * stride
                _clear(work, row, row + BLOCK)
                for t in range(max(block, warm_up), min(end, warm_up + gradient.shape[1])):
                    work[row + t - block] = gradient[channel, t - warm_up]
            for index in range(table.shape[0]):
                op = table[index]
                begin = min(max(op[FROM] - block, 0), BLOCK)
                if op[KIND] == OUTER:
                    _outer(op, work, begin, size, columns, sums, arena, block)
                else:
                    for row in range(op[OUTPUTS] * op[BLOCKS]):
                        first = op[OUT] + row * op[OUT_STRIDE]
                        _clear(work, first, first + begin)
                    if op[KIND] == GATE_GRADIENT:
                        _gate(op, work, begin, size, arena, block, slopes[index])
                    else:
                        _affine(op, work, begin, size, columns, weights, arena, block, slopes[index])
            for channel in range(into.shape[0]):
                row = input_place + channel * input_stride - block
                for t in range(max(block, 0), min(end, into.shape[1])):
                    into[channel, t] = work[row + t]

    return run_forward, run_backward


run_forward, run_backward = _runners(
    checksum(stack_program.__file__, tiles.__file__, pointwise.__file__, activations.__file__, vector_code.__file__)
)

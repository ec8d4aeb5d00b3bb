"""Runs the programs of `stack_program` over one item of the batch: a small interpreter around `tiles`."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import stack_program, tiles
from wavewright.engine.stack_program import (
    BLOCK,
    BLOCKS,
    COLUMNS,
    COUNT,
    FROM,
    KIND,
    NEXT,
    NEXT_ROWS,
    NEXT_STRIDE,
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
    TILES,
    VECTORS,
)
from wavewright.engine.tiles import (
    LEAKY,
    LEAKY_GRADIENT,
    NONE,
    TANH,
    TANH_GRADIENT,
    VECTOR_BYTES,
    affine_tile,
    at,
    finish,
    outer_tile,
    prefetch,
)

LINE = 64
"""Bytes of a cache line."""


def checksum(*files: str) -> int:
    """A number that changes with the files' content; never 0."""
    return zlib.crc32(b"".join(Path(file).read_bytes() for file in files)) | 1


def _affine(outputs: int) -> Any:
    """The kernel for tiles of ``outputs`` rows; on a processor without such tiles, one that does nothing."""
    vectors = TILES.get(outputs, (0, 0))[0]
    if not vectors:
        return _nothing

    @njit(nogil=True, error_model="numpy")
    def run(op, memory, begin, columns, weights):  # type: ignore[no-untyped-def]
        start_stride, out_stride, count = op[START_STRIDE], op[OUT_STRIDE], op[COUNT]
        for block in range(op[BLOCKS]):
            row = block * outputs
            affine_tile(
                outputs, vectors, at(columns, op[COLUMNS]), at(memory, begin), count,
                at(weights, op[PACKED] + row * count), at(memory, op[START] + row * start_stride + begin), start_stride,
                at(memory, op[OUT] + row * out_stride + begin), out_stride,
            )  # fmt: skip

    return run


def _outer(outputs: int) -> Any:
    """The gradient kernel for tiles of ``outputs`` rows."""
    wide = TILES.get(outputs, (0, 0))[1]
    if not wide:
        return _no_outer

    @njit(nogil=True, error_model="numpy")
    def run(op, memory, begin, end, columns, sums, other, ahead):  # type: ignore[no-untyped-def]
        lanes = VECTOR_BYTES // memory.itemsize
        tile = (outputs * wide + lanes - 1) // lanes * lanes
        groups = op[COUNT]
        for block in range(op[BLOCKS]):
            row = op[START] + block * outputs * op[START_STRIDE] + begin
            for group in range(groups):
                outer_tile(
                    outputs, wide, at(memory, row), op[START_STRIDE], at(other, begin + ahead),
                    at(columns, op[COLUMNS] + group * wide), (end - begin) // lanes,
                    at(sums, op[PACKED] + (block * groups + group) * tile),
                )  # fmt: skip

    return run


@njit(nogil=True)
def _nothing(op, memory, begin, columns, weights):  # type: ignore[no-untyped-def]
    return


@njit(nogil=True)
def _no_outer(op, memory, begin, end, columns, sums, other, ahead):  # type: ignore[no-untyped-def]
    return


_affine_8, _affine_6, _affine_4, _affine_3, _affine_2, _affine_1 = (_affine(n) for n in (8, 6, 4, 3, 2, 1))
_outer_8, _outer_6, _outer_4, _outer_3, _outer_2, _outer_1 = (_outer(n) for n in (8, 6, 4, 3, 2, 1))


@njit(nogil=True, error_model="numpy")
def _affine_any(op, memory, begin, end, columns, weights, other, ahead, slope):  # type: ignore[no-untyped-def]
    """An affine operation from ``begin`` to ``end``; ``other`` lies ``ahead`` samples further on.

    Time outside, outputs inside: what the columns hold at one time is read from the nearest cache but once.
    """
    size, kind, rows = op[OUTPUTS], op[KIND], op[OUTPUTS] * op[BLOCKS]
    lanes = VECTOR_BYTES // memory.itemsize
    length = op[VECTORS] * lanes
    for t in range(begin, end, length):
        for row in range(op[NEXT_ROWS]):
            place = op[NEXT] + row * op[NEXT_STRIDE] + t + ahead
            for line in range(0, length, LINE // memory.itemsize):
                prefetch(at(other, place + line))
        if size == 8:
            _affine_8(op, memory, t, columns, weights)
        elif size == 6:
            _affine_6(op, memory, t, columns, weights)
        elif size == 4:
            _affine_4(op, memory, t, columns, weights)
        elif size == 3:
            _affine_3(op, memory, t, columns, weights)
        elif size == 2:
            _affine_2(op, memory, t, columns, weights)
        else:
            _affine_1(op, memory, t, columns, weights)
        if kind == NONE:
            continue
        for row in range(rows):
            out = op[OUT] + row * op[OUT_STRIDE] + t
            beside = op[OTHER] + row * op[OTHER_STRIDE] + t + ahead
            if kind == TANH:
                finish(TANH, at(memory, out), at(other, beside), op[VECTORS], slope)
            elif kind == LEAKY:
                finish(LEAKY, at(memory, out), at(other, beside), op[VECTORS], slope)
            elif kind == TANH_GRADIENT:
                finish(TANH_GRADIENT, at(memory, out), at(other, beside), op[VECTORS], slope)
            else:
                finish(LEAKY_GRADIENT, at(memory, out), at(other, beside), op[VECTORS], slope)


@njit(nogil=True)
def _outer_any(op, memory, begin, end, columns, sums, other, ahead):  # type: ignore[no-untyped-def]
    if op[OUTPUTS] == 8:
        _outer_8(op, memory, begin, end, columns, sums, other, ahead)
    elif op[OUTPUTS] == 6:
        _outer_6(op, memory, begin, end, columns, sums, other, ahead)
    elif op[OUTPUTS] == 4:
        _outer_4(op, memory, begin, end, columns, sums, other, ahead)
    elif op[OUTPUTS] == 3:
        _outer_3(op, memory, begin, end, columns, sums, other, ahead)
    elif op[OUTPUTS] == 2:
        _outer_2(op, memory, begin, end, columns, sums, other, ahead)
    else:
        _outer_1(op, memory, begin, end, columns, sums, other, ahead)


@njit(nogil=True)
def _move_on(work, futures):  # type: ignore[no-untyped-def]
    """Moves what the last block computed, and what lay behind that, out of the next block's way."""
    for index in range(futures.shape[0]):
        first, stride, rows, ahead = futures[index]
        for row in range(rows):
            place = first + row * stride
            for piece in range((ahead - 1) // BLOCK, -1, -1):
                start = place + piece * BLOCK
                length = min(BLOCK, ahead - piece * BLOCK)
                work[start + BLOCK : start + BLOCK + length] = work[start : start + length]


def _runners(source: int) -> tuple[Any, Any]:
    """The two entry points. Numba knows by its closure that a function on disk is stale, not by what it calls: hence
    ``source``, a checksum of the code that the kernels are made from."""

    @compiled
    def run_forward(table, slopes, columns, weights, arena, padded):  # type: ignore[no-untyped-def]
        """The list ``table`` over a whole window, block by block from the first; ``arena`` holds the input already."""
        if not source:
            return
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
                        arena[place - QUANTUM : place] = 0
                _affine_any(op, arena, begin, end, columns, weights, arena, 0, slopes[index])

    @compiled
    def run_backward(  # type: ignore[no-untyped-def]
        table, slopes, columns, weights, arena, work, futures, padded, gradient, place, stride,
        warm_up, sums, into, input_place, input_stride,
    ):  # fmt: skip
        """The gradients over a whole window, block by block from the last.

        ``gradient`` (channels, outputs) is the output's, put into ``work`` at ``place``; ``sums`` takes the weights'
        packed gradients; ``into`` (channels, samples) the input's where it has rows and the list computes it.
        """
        if not source:
            return
        sums[:] = 0
        work[:] = 0
        outputs = gradient.shape[1]
        for end in range(padded, 0, -BLOCK):
            block = end - BLOCK  # negative in the last round: no operation starts before sample 0
            _move_on(work, futures)
            for channel in range(gradient.shape[0]):
                row = place + channel * stride
                work[row : row + BLOCK] = 0
                low, high = max(block, warm_up), min(end, warm_up + outputs)
                if low < high:
                    work[row + low - block : row + high - block] = gradient[channel, low - warm_up : high - warm_up]
            for index in range(table.shape[0]):
                op = table[index]
                begin = min(max(op[FROM] - block, 0), BLOCK)
                if op[KIND] == OUTER:
                    if begin < BLOCK:
                        _outer_any(op, work, begin, BLOCK, columns, sums, arena, block)
                    continue
                for row in range(op[OUTPUTS] * op[BLOCKS]):
                    first = op[OUT] + row * op[OUT_STRIDE]
                    work[first : first + begin] = 0
                _affine_any(op, work, begin, BLOCK, columns, weights, arena, block, slopes[index])
            if into.shape[0]:
                low, high = max(block, 0), min(end, into.shape[1])
                for channel in range(into.shape[0]):
                    row = input_place + channel * input_stride - block
                    into[channel, low:high] = work[row + low : row + high]

    return run_forward, run_backward


run_forward, run_backward = _runners(checksum(stack_program.__file__, tiles.__file__))

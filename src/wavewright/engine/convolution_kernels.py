"""Convolution with an impulse response of any length, at any block size and without delay, as compiled loops.

The response is cut into stretches of a block's length (Gardner, "Efficient Convolution without Input-Output Delay",
1995, with stretches of one length). The first is multiplied out, sample by sample. What the others give in a block
depends on blocks that are past: when one is full, its spectrum joins those before it, and the sum of their products
with the spectra of the stretches, turned back into sound, awaits the next block.
"""

from __future__ import annotations

import math
from typing import Any

from numba import carray, njit

from wavewright.compiled import compiled
from wavewright.engine import fourier_kernels
from wavewright.engine.fourier_kernels import backward, forward
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.stream_tiles import beyond, flush_denormals, restore_denormals
from wavewright.engine.vector_code import at, move

POSITION, NEWEST, NON_FINITE, OVERFLOWS = range(4)
"""What the counters count: samples of the block so far, the newest spectrum's place; broken samples in, and out."""


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _multiply_out(heard, start, taps, out):  # type: ignore[no-untyped-def]
    """Adds Σ_k taps[k] · heard[start + t − k] to ``out[t]``, four taps at a time; ``taps`` are a multiple of four.

    Loops over arrays become vector code, loops over addresses may not.
    """
    for k in range(0, taps.size, 4):
        a, b, c, d = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        first = start - k - 3
        x = heard[first : first + out.size + 3]
        for t in range(out.size):
            out[t] += ((a * x[t + 3] + b * x[t + 2]) + c * x[t + 1]) + d * x[t]


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _multiply_spectra(spectra, newest, stretches, count, bins, sum_re, sum_im):  # type: ignore[no-untyped-def]
    """Σ of each stretch's spectrum times that of the block it meets: the newest for the first, older for the others."""
    y_re, y_im = carray(sum_re, bins), carray(sum_im, bins)
    y_re[:] = 0
    y_im[:] = 0
    for index in range(count):
        block, stretch = beyond(spectra, (newest - index) % count * 2 * bins), beyond(stretches, index * 2 * bins)
        x_re, x_im = carray(block, bins), carray(beyond(block, bins), bins)
        h_re, h_im = carray(stretch, bins), carray(beyond(stretch, bins), bins)
        for k in range(bins):
            y_re[k] += x_re[k] * h_re[k] - x_im[k] * h_im[k]
        for k in range(bins):
            y_im[k] += x_re[k] * h_im[k] + x_im[k] * h_re[k]


@njit(nogil=True, error_model="numpy")
def _take(block, out, length):  # type: ignore[no-untyped-def]
    """Puts ``length`` samples into ``out``, zeros for what is no number; returns how many of those there were."""
    broken = 0
    for t in range(length):
        value = block[t]
        if not math.isfinite(value):
            value = 0
            broken += 1
        out[t] = value
    return broken


@njit(nogil=True, error_model="numpy")
def _next_block(heard, tail, spectra, newest, stretches, count, room, rows, columns, order, turns):  # type: ignore[no-untyped-def]
    """A block is full: works out the ``tail`` that the stretches give the next one."""
    size = rows * columns
    bins = size + 1
    here = beyond(spectra, newest * 2 * bins)
    forward(heard, here, beyond(here, bins), room, rows, columns, order, turns)
    sums = beyond(room, 4 * size)
    _multiply_spectra(spectra, newest, stretches, count, bins, sums, beyond(sums, bins))
    sound = beyond(sums, 2 * bins)
    backward(sums, beyond(sums, bins), sound, room, rows, columns, order, turns)
    move(tail, beyond(sound, size), size)


def _player(source: int) -> Any:
    """The entry point; ``source`` makes a stale one on disk known (`stack_kernels`)."""

    @compiled
    def play(fixed, numbers, order, memory, counters, block, out):  # type: ignore[no-untyped-def]
        """``block`` (channels, n) → ``out``, of the same shape.

        ``fixed`` holds taps, bias, tables and the spectra of the stretches, at the places that ``numbers`` tell.
        ``memory`` (channels, …) holds the block before and the present one (2 · size), the tail that the stretches
        give the present one (size), and the spectra of the blocks so far. A sample that is no number goes in as zero;
        one that comes out so is given as zero, and the channel forgets all.
        """
        if not source:
            return
        mode = flush_denormals()
        size, taps, count, rows, columns = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
        bias, turns, stretches = fixed[numbers[5]], at(fixed, numbers[6]), at(fixed, numbers[7])
        room, each = at(memory, numbers[8]), numbers[9]
        samples, done = block.shape[1], 0
        while done < samples:
            position, newest = counters[POSITION], counters[NEWEST]
            length = min(size - position, samples - done)
            for channel in range(block.shape[0]):
                heard = at(memory, channel * each)
                tail, spectra = beyond(heard, 2 * size), beyond(heard, 3 * size)
                here = beyond(heard, size + position)
                counters[NON_FINITE] += _take(at(block, channel * samples + done), here, length)
                given = at(out, channel * samples + done)
                for t in range(length):
                    given[t] = bias + tail[position + t]
                _multiply_out(carray(heard, 2 * size), size + position, fixed[:taps], carray(given, length))
                broken = _take(given, given, length)
                if broken:
                    counters[OVERFLOWS] += broken
                    for index in range(each):
                        heard[index] = 0
                if position + length == size:
                    if count:
                        _next_block(
                            heard, tail, spectra, newest, stretches, count, room, rows, columns, at(order, 0), turns
                        )
                    move(heard, beyond(heard, size), size)
            counters[POSITION] = position + length
            if position + length == size:
                counters[POSITION] = 0
                counters[NEWEST] = (newest + 1) % max(1, count)
            done += length
        restore_denormals(mode)

    return play


play = _player(checksum(str(fourier_kernels.__file__)))

"""Fourier transforms of real stretches as plain compiled loops, every inner one over neighbours in memory.

A transform of n = R·C numbers is R rows of C: transforms down the columns, all columns side by side; a twist; the rows
turned into columns; transforms down the columns again (Bailey, "FFTs in external or hierarchical memory", 1990). Real
numbers go in two by two, as the real and the imaginary part of half as many complex ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wavewright.engine.stream_tiles import beyond
from wavewright.engine.vector_code import move

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Tables:
    """The sines and cosines of a transform of 2·``size`` real numbers, ``size`` a power of two.

    ``order`` holds the bit-reversed row numbers of both passes, one after the other.
    """

    rows: int
    columns: int
    order: NDArray[np.int64]
    turns: FloatArray

    @classmethod
    def of(cls, size: int) -> Tables:
        """Raises ValueError where ``size`` is no power of two."""
        if size < 2 or size & (size - 1):
            raise ValueError(f"a transform of {size} numbers: must be a power of two, at least 2")
        rows = 1 << (size.bit_length() // 2)
        columns = size // rows
        angle = -2 * np.pi
        twists = angle * np.outer(np.arange(rows), np.arange(columns)) / size
        phases = (
            angle * np.arange(rows) / rows,  # of the first pass, of the second, of the twist, of the halves
            angle * np.arange(columns) / columns,
            twists.ravel(),
            angle * np.arange(size + 1) / (2 * size),
        )
        turns = [part for phase in phases for part in (np.cos(phase), np.sin(phase))]
        return cls(
            rows,
            columns,
            np.concatenate([_bits_reversed(rows), _bits_reversed(columns)]),
            np.concatenate(turns).astype(np.float32),
        )


def _bits_reversed(count: int) -> NDArray[np.int64]:
    bits = count.bit_length() - 1
    return np.array([int(f"{index:0{bits}b}"[::-1] or "0", 2) if bits else 0 for index in range(count)], np.int64)


@njit(nogil=True, error_model="numpy")
def _down(re, im, rows, width, cosines, sines):  # type: ignore[no-untyped-def]
    """Transforms of length ``rows`` down each of ``width`` columns, in place; rows come out in bit-reversed order."""
    half = rows // 2
    while half:
        step = rows // (2 * half)
        for start in range(0, rows, 2 * half):
            for index in range(half):
                c, s = cosines[index * step], sines[index * step]
                place = (start + index) * width
                upper_re, upper_im = beyond(re, place), beyond(im, place)
                lower_re, lower_im = beyond(upper_re, half * width), beyond(upper_im, half * width)
                for k in range(width):
                    a, b, x, y = upper_re[k], upper_im[k], lower_re[k], lower_im[k]
                    upper_re[k], upper_im[k] = a + x, b + y
                    x, y = a - x, b - y
                    lower_re[k], lower_im[k] = x * c - y * s, x * s + y * c
        half //= 2


@njit(nogil=True, error_model="numpy")
def _transform(re, im, room, rows, columns, order, turns):  # type: ignore[no-untyped-def]
    """``re + i·im`` (rows · columns) in place; ``room`` for twice as many."""
    size = rows * columns
    other_re, other_im = room, beyond(room, size)
    second = beyond(turns, 2 * rows)
    twist = beyond(second, 2 * columns)
    _down(re, im, rows, columns, turns, beyond(turns, rows))
    for row in range(rows):
        to = order[row]
        for column in range(columns):
            c, s = twist[to * columns + column], twist[size + to * columns + column]
            x, y = re[row * columns + column], im[row * columns + column]
            other_re[column * rows + to] = x * c - y * s
            other_im[column * rows + to] = x * s + y * c
    _down(other_re, other_im, columns, rows, second, beyond(second, columns))
    for row in range(columns):
        to = order[rows + row] * rows
        move(beyond(re, to), beyond(other_re, row * rows), rows)
        move(beyond(im, to), beyond(other_im, row * rows), rows)


@njit(nogil=True, error_model="numpy")
def forward(x, re, im, room, rows, columns, order, turns):  # type: ignore[no-untyped-def]
    """The spectrum of ``x`` (2·size), its bins 0 … size into ``re`` and ``im``; ``room`` for 4·size.

    All are addresses; ``rows`` and what follows are a `Tables`' fields.
    """
    size = rows * columns
    z_re, z_im = room, beyond(room, size)
    for n in range(size):
        z_re[n] = x[2 * n]
        z_im[n] = x[2 * n + 1]
    _transform(z_re, z_im, beyond(room, 2 * size), rows, columns, order, turns)
    cosines = beyond(turns, 2 * (rows + columns + size))
    sines = beyond(cosines, size + 1)
    re[0], im[0], re[size], im[size] = z_re[0] + z_im[0], 0, z_re[0] - z_im[0], 0
    half = np.float32(0.5)
    for k in range(1, size):
        there = size - k
        even_re, even_im = half * (z_re[k] + z_re[there]), half * (z_im[k] - z_im[there])
        odd_re, odd_im = half * (z_im[k] + z_im[there]), half * (z_re[there] - z_re[k])
        re[k] = even_re + odd_re * cosines[k] - odd_im * sines[k]
        im[k] = even_im + odd_re * sines[k] + odd_im * cosines[k]


@njit(nogil=True, error_model="numpy")
def backward(re, im, x, room, rows, columns, order, turns):  # type: ignore[no-untyped-def]
    """The 2·size numbers ``x`` with the spectrum ``re + i·im`` (bins 0 … size), times 2·size."""
    size = rows * columns
    z_re, z_im = room, beyond(room, size)
    cosines = beyond(turns, 2 * (rows + columns + size))
    sines = beyond(cosines, size + 1)
    for k in range(size):
        there = size - k
        even_re, even_im = re[k] + re[there], im[k] - im[there]
        a, b = re[k] - re[there], im[k] + im[there]
        odd_re, odd_im = a * cosines[k] + b * sines[k], b * cosines[k] - a * sines[k]
        z_re[k] = even_re - odd_im
        z_im[k] = even_im + odd_re
    _transform(z_im, z_re, beyond(room, 2 * size), rows, columns, order, turns)  # parts exchanged: backwards
    for n in range(size):
        x[2 * n] = z_re[n]
        x[2 * n + 1] = z_im[n]

"""Frames as codes: residual k-means. The first codebook says roughly what a frame is, each further one what is left.

Lloyd, "Least squares quantization in PCM" (1982), seeded as in Arthur and Vassilvitskii, "k-means++" (2007), stage
after stage as in Juang and Gray, "Multiple stage vector quantization for speech coding" (1982).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

ROUNDS = 12
MOST_FITTED = 20_000


def residual_codebooks(numbers: FloatArray, codebooks: int, tokens: int, seed: int = 0) -> FloatArray:
    """Codebooks ``(codebooks, tokens, size)`` for frames ``(frames, size)``.

    Token 0 of every codebook but the first is zero: nothing is left to say.

    >>> frames = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    >>> books = residual_codebooks(frames, codebooks=2, tokens=4)
    >>> bool(np.abs(decoded(books, encoded(books, frames)) - frames).max() < 1e-6)
    True
    """
    dice = np.random.default_rng(seed)
    if len(numbers) > MOST_FITTED:
        numbers = numbers[dice.choice(len(numbers), MOST_FITTED, replace=False)]
    left = np.asarray(numbers, np.float32)
    books = []
    for stage in range(codebooks):
        book = _kmeans(left, tokens, dice, fixed_zero=stage > 0)
        books.append(book)
        left = left - book[_nearest(book, left)]
    return np.stack(books)


def encoded(books: FloatArray, numbers: FloatArray) -> NDArray[np.int64]:
    """Codes ``(frames, codebooks)`` of frames ``(frames, size)``."""
    left, codes = np.asarray(numbers, np.float32), []
    for book in books:
        nearest = _nearest(book, left)
        codes.append(nearest)
        left = left - book[nearest]
    return np.stack(codes, axis=1)


def decoded(books: FloatArray, codes: NDArray[np.int64]) -> FloatArray:
    """Frames ``(frames, size)`` of codes ``(frames, codebooks)``."""
    return np.asarray(sum(book[codes[:, stage]] for stage, book in enumerate(books)), np.float32)


def _kmeans(points: FloatArray, count: int, dice: np.random.Generator, *, fixed_zero: bool) -> FloatArray:
    """``count`` centres of ``points`` ``(n, size)``; the first is zero and stays there where ``fixed_zero``."""
    centres = np.zeros((count, points.shape[1]), np.float32)
    if not fixed_zero:
        centres[0] = points[int(dice.integers(len(points)))]
    squares = np.square(points - centres[0]).sum(axis=1)
    for at in range(1, count):  # k-means++: far points are likelier
        total = float(squares.sum(dtype=np.float64))
        if total <= 1e-12:
            break
        chosen = int(np.searchsorted(np.cumsum(squares, dtype=np.float64), dice.random() * total))
        centres[at] = points[min(chosen, len(points) - 1)]
        squares = np.minimum(squares, np.square(points - centres[at]).sum(axis=1))
    for _ in range(ROUNDS):
        owner = _nearest(centres, points)
        sizes = np.bincount(owner, minlength=count)
        order = np.argsort(owner, kind="stable")
        present = np.flatnonzero(sizes)
        sums = np.add.reduceat(points[order], (np.cumsum(sizes) - sizes)[present], axis=0)
        centres[present] = sums / sizes[present, None]
        if fixed_zero:
            centres[0] = 0.0
    return centres


def _nearest(centres: FloatArray, points: FloatArray) -> NDArray[np.int64]:
    squares = np.square(centres).sum(axis=1) - 2 * points @ centres.T  # up to what is the same for all centres
    return np.asarray(squares.argmin(axis=1), np.int64)

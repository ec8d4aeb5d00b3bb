"""The modified discrete cosine transform: frames that overlap by half, and yet no more numbers than samples.

Princen, Johnson and Bradley, "Subband/transform coding using filter bank designs based on time domain aliasing
cancellation" (1987). A frame of ``size`` numbers sees 2 · size samples through a window w that fades in and out; what a
frame folds back upon itself, its neighbours fold with the other sign. With w² + (w shifted by size)² = 1 all of it
cancels, and a number that is wrong fades in and out with its window instead of clicking.

Computed as a DCT-IV of the folded block: of quarters (a, b, c, d) of the windowed samples, (−c reversed − d, a − b
reversed).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.special import i0

from wavewright.audio.recording import FloatArray

WINDOWS = ("sine", "kbd")
_KAISER = 4.0  # Kaiser's alpha for "kbd", as in AC-3 and AAC


def mdct(x: FloatArray, size: int, window: str = "sine", lap: int | None = None) -> FloatArray:
    """Frames ``(…, frames, size)`` of ``x`` ``(…, time)``: 1 + ceil(time / size) of them, silence beyond both ends.

    Neighbours fade into one another over ``lap`` samples (all ``size`` of them where None): frame k sees samples
    k · size − lap to (k + 1) · size and fades in over the first and out over the last ``lap`` of these. ``window`` is
    the shape of the fades: "sine", or "kbd" (Kaiser-Bessel derived), which lets less of a loud tone into bins far from
    it.

    Example:
        >>> x = np.sin(np.arange(1000) / 3).astype(np.float32)
        >>> X = mdct(x, size=64)
        >>> X.shape
        (17, 64)
        >>> bool(np.abs(imdct(X)[:1000] - x).max() < 1e-6)
        True

    Raises:
        ValueError: ``size`` is odd or below 2, ``lap`` is odd or beyond ``size``, or the window is none of `WINDOWS`.
    """
    w = mdct_window(size, window, lap)
    time = x.shape[-1]
    frames = 1 + -(-time // size)
    front = lead(size, lap)
    edges = [(0, 0)] * (x.ndim - 1) + [(front, (frames + 1) * size - front - time)]
    blocks = np.pad(x, edges).reshape(*x.shape[:-1], frames + 1, size)
    half = size // 2
    first, second = blocks[..., :-1, :] * w[:size], blocks[..., 1:, :] * w[size:]  # each (…, frames, size)
    a, b, c, d = first[..., :half], first[..., half:], second[..., :half], second[..., half:]
    folded = np.concatenate([-c[..., ::-1] - d, a - b[..., ::-1]], axis=-1)
    return np.asarray(dct(folded, type=4, norm="ortho", axis=-1), np.float32)


def imdct(frames: FloatArray, window: str = "sine", lap: int | None = None) -> FloatArray:
    """The samples ``(…, frames · size − lead)`` from the first on that `mdct` saw: exactly those that it was given.

    Raises:
        ValueError: as `mdct`.
    """
    size = frames.shape[-1]
    pieces = unfolded(frames, window, lap)
    y = pieces[..., :size].copy()
    y[..., 1:, :] += pieces[..., :-1, size:]
    return np.asarray(y.reshape(*frames.shape[:-2], -1)[..., lead(size, lap) :], np.float32)


def lead(size: int, lap: int | None = None) -> int:
    """How many samples before the first one the first block of 2 · size begins."""
    return (size + (size if lap is None else lap)) // 2


def unfolded(frames: FloatArray, window: str = "sine", lap: int | None = None) -> FloatArray:
    """What each frame adds to the samples it sees: ``(…, frames, 2 · size)``; neighbours overlap by half."""
    size = frames.shape[-1]
    w = mdct_window(size, window, lap)
    folded = dct(frames, type=4, norm="ortho", axis=-1)
    p, q = folded[..., : size // 2], folded[..., size // 2 :]
    return np.asarray(np.concatenate([q, -q[..., ::-1], -p[..., ::-1], -p], axis=-1) * w, np.float32)


@lru_cache(maxsize=16)
def mdct_window(size: int, window: str = "sine", lap: int | None = None) -> NDArray[np.float32]:
    """The window ``(2 · size,)``: symmetric, its squares a frame apart adding up to 1, zero where it does not reach.

    Raises:
        ValueError: as `mdct`.
    """
    lap = size if lap is None else lap
    if size < 2 or size % 2:
        raise ValueError(f"size = {size}: must be even and at least 2")
    if not 2 <= lap <= size or lap % 2:
        raise ValueError(f"lap = {lap}: must be even, and 2 to {size}, the size of a frame")
    if window not in WINDOWS:
        raise ValueError(f"window = {window!r}: allowed are {', '.join(WINDOWS)}")
    if window == "sine":
        rising = np.sin(np.pi * (np.arange(lap) + 0.5) / (2 * lap))
    else:
        n = np.arange(lap + 1) / lap
        kaiser = i0(np.pi * _KAISER * np.sqrt(np.maximum(0.0, 1 - (2 * n - 1) ** 2)))
        rising = np.sqrt(np.cumsum(kaiser)[:-1] / kaiser.sum())
    flat = (size - lap) // 2
    half = np.concatenate([np.zeros(flat), rising, np.ones(flat)])
    return np.concatenate([half, half[::-1]]).astype(np.float32)

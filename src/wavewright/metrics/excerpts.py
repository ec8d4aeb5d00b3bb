"""Excerpts of spectra: where in many of them lies what is most like a window, whatever the level.

Distance is the root mean square over bands and frames, in dB, of spectra with their mean levels taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

LOUD = 10 ** (-40 / 20)
"""A window so far below the loudest of its sound is not looked at."""


def nearest_excerpts(
    windows: Sequence[FloatArray], spectra: Iterable[tuple[int, int, FloatArray]]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each of the ``windows``, all ``(bands, frames)``, the least distance from any excerpt of that many frames, the
    number of the spectra it lies in, and its first frame, all ``(windows,)``.

    ``spectra`` are (number, the first of its frames, ``(bands, n)``), n no less than ``frames``.

    >>> ramp = np.tile(np.arange(9, dtype=np.float32) ** 2, (2, 1))
    >>> [found.tolist() for found in nearest_excerpts([ramp[:, 3:6] + 7], [(0, 0, ramp[:, ::-1]), (5, 100, ramp)])]
    [[0.0], [5], [103]]
    """
    bands, frames = windows[0].shape
    cells = bands * frames
    asked = np.stack([window.ravel() for window in windows])
    asked -= asked.mean(axis=1, keepdims=True)
    energy = np.einsum("ij,ij->i", asked, asked, dtype=np.float64)
    best = np.full(len(asked), np.inf)
    owners, starts = np.zeros((2, len(asked)), np.int64)
    for number, first, part in spectra:
        excerpts = sliding_window_view(part, frames, axis=1)  # (bands, excerpts, frames), a view
        flat = np.ascontiguousarray(excerpts.transpose(0, 2, 1)).reshape(cells, -1)
        own = np.einsum("ij,ij->j", flat, flat, dtype=np.float64) - flat.sum(axis=0, dtype=np.float64) ** 2 / cells
        squares = energy[:, None] + own - 2 * (asked @ flat)  # (windows, excerpts)
        nearest = squares.argmin(axis=1)
        for row in np.flatnonzero(squares[np.arange(len(asked)), nearest] < best).tolist():
            # differences of large squares are off by some hundredths of a dB: what is nearest is worked out once more
            apart = asked[row].astype(np.float64) - flat[:, nearest[row]]
            least = float(np.square(apart - apart.mean()).sum())
            if least < best[row]:
                best[row], owners[row], starts[row] = least, number, first + nearest[row]
    return np.sqrt(best / cells), owners, starts


def starts_of_windows(length: int, window: int) -> list[int]:
    """Where windows begin in what is ``length`` long: one every quarter of their own length, and one at the end.

    >>> starts_of_windows(10, 4), starts_of_windows(3, 4)
    ([0, 1, 2, 3, 4, 5, 6], [0])
    """
    last = max(0, length - window)
    return sorted({*range(0, last, max(1, window // 4)), last})


def padded(spectra: FloatArray, frames: int) -> FloatArray:
    """``spectra`` ``(bands, n)`` with ``frames`` frames at least, the last ones at the lowest level there is."""
    missing = max(0, frames - spectra.shape[1])
    return np.pad(spectra, ((0, 0), (0, missing)), constant_values=spectra.min(initial=0.0)) if missing else spectra

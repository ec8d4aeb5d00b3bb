"""Pre-emphasis and de-emphasis: a first difference that lifts the highs, and the integrator that undoes it exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from wavewright.audio.recording import FloatArray

FilterState = NDArray[np.float64]  # (…, 1), what the filter carries from one block to the next


def pre_emphasis(x: FloatArray, coefficient: float, state: FilterState | None = None) -> tuple[FloatArray, FilterState]:
    """y[n] = x[n] − coefficient · x[n−1] along the last axis of ``x`` ``(…, time)``; silence before the first block.

    Hand the returned state to the next block. Gain is 1 − coefficient at 0 Hz and 1 + coefficient at Nyquist.

    Example:
        >>> y, state = pre_emphasis(np.ones(3, np.float32), 0.75)
        >>> y.tolist()
        [1.0, 0.25, 0.25]

    Raises:
        ValueError: ``coefficient`` is not in −1 < coefficient < 1, where de-emphasis would not be stable.
    """
    return _filter([1.0, -_stable(coefficient)], [1.0], x, state)


def de_emphasis(y: FloatArray, coefficient: float, state: FilterState | None = None) -> tuple[FloatArray, FilterState]:
    """x[n] = y[n] + coefficient · x[n−1]: the exact inverse of `pre_emphasis`, with a state of its own.

    Example:
        >>> y, _ = pre_emphasis(np.arange(4, dtype=np.float32), 0.5)
        >>> de_emphasis(y, 0.5)[0].tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    return _filter([1.0], [1.0, -_stable(coefficient)], y, state)


def _stable(coefficient: float) -> float:
    if not -1 < coefficient < 1:
        raise ValueError(f"coefficient = {coefficient}: must lie between -1 and 1")
    return coefficient


def _filter(b: list[float], a: list[float], x: FloatArray, state: FilterState | None) -> tuple[FloatArray, FilterState]:
    # in double, since the integrator would collect the rounding of every sample it has seen
    carried = np.zeros((*x.shape[:-1], 1)) if state is None else state
    if x.shape[-1] == 0:
        return x, carried
    y, carried = lfilter(b, a, x.astype(np.float64), zi=carried)
    return y.astype(np.float32), carried

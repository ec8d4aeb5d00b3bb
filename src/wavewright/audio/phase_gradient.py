"""Phases from magnitudes alone, by integrating what the magnitudes say of their slopes.

Průša, Balazs and Søndergaard, "A Noniterative Method for Reconstruction of Phase from STFT Magnitude" (2017). With a
Gaussian window of width γ the phase φ and the logarithm s of the magnitude of a spectrum belong together,

    ∂φ/∂n = 2π a m / M + (a M / γ) ∂s/∂m          from frame n to frame n + 1
    ∂φ/∂m = − (γ / (a M)) ∂s/∂n − π                from bin m to bin m + 1

for a hop of a samples and M samples a frame, phases told against the frame's first sample. For a Hann window they
nearly do. Phases are carried from the loudest bins to their neighbours, the loudest of those next, so that errors
gather where there is little to be heard. A steady tone comes back as one, a click as a click: no hiss, no echo before.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled

HANN = 0.25645
"""γ / M² of the Gaussian that is most like a Hann window."""

QUIET = 1e-6
"""Share of the loudest bin below which phases are left to chance."""


def phases(
    magnitude: FloatArray, hop: int, *, seed: int = 0, known: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Phases ``(bins, frames)`` that magnitudes ``(bins, frames)`` of Hann-windowed frames ask for.

    ``known`` ``(bins, k)`` are those of the first frames, from which the others go on.

    >>> from wavewright.audio.spectra import istft, stft
    >>> x = (np.sin(np.arange(4000) / 5) * np.hanning(4000)).astype(np.float32)
    >>> wanted = np.abs(stft(x, 256, 32))
    >>> y = istft((wanted * np.exp(1j * phases(wanted, 32))).astype(np.complex64), 32, 4000)
    >>> bool(np.linalg.norm(np.abs(stft(y, 256, 32)) - wanted) < 0.05 * np.linalg.norm(wanted))
    True
    """
    bins, frames = magnitude.shape
    size = 2 * (bins - 1)
    loud = np.asarray(magnitude, np.float64)
    least = max(QUIET * float(loud.max(initial=0.0)), 1e-30)
    s = np.log(np.maximum(loud, least))
    gamma = HANN * size * size
    along = np.gradient(s, axis=0) * (hop * size / gamma) if bins > 1 else np.zeros_like(s)
    along += 2 * np.pi * hop * np.arange(bins)[:, None] / size
    across = -np.pi - (np.gradient(s, axis=1) if frames > 1 else np.zeros_like(s)) * (gamma / (hop * size))
    found = np.random.default_rng(seed).uniform(0, 2 * np.pi, (bins, frames))
    done = loud <= least
    first = 0 if known is None else known.shape[1]
    if known is not None:
        found[:, :first] = known
        done[:, :first] = True
    order = np.argsort(-loud.ravel(), kind="stable")  # the loudest first
    _spread(order, along, across, found, done, first)
    return found


@compiled
def _spread(order, along, across, found, done, first):  # type: ignore[no-untyped-def]
    """Carry phases through all bins that are not ``done``, the loudest neighbours first: those that come first in
    ``order``, of which the heap holds the places, for numbers are compared faster than levels and bins."""
    bins, frames = done.shape
    place = np.empty(order.size, np.int64)
    for rank in range(order.size):
        place[order[rank]] = rank
    heap = [np.int64(0)]
    heap.pop()
    if first:
        for m in range(bins):  # what is known already leads the way
            heapq.heappush(heap, place[m * frames + first - 1])
    next_seed = 0
    while True:
        if not heap:
            while next_seed < order.size and done[order[next_seed] // frames, order[next_seed] % frames]:
                next_seed += 1
            if next_seed == order.size:
                return
            # a new island: its first phase is free, and stays the random one
            done[order[next_seed] // frames, order[next_seed] % frames] = True
            heapq.heappush(heap, np.int64(next_seed))
        at = order[heapq.heappop(heap)]
        m, n = at // frames, at % frames
        phase = found[m, n]
        if n + 1 < frames and not done[m, n + 1]:
            found[m, n + 1] = phase + 0.5 * (along[m, n] + along[m, n + 1])
            done[m, n + 1] = True
            heapq.heappush(heap, place[at + 1])
        if n > first and not done[m, n - 1]:
            found[m, n - 1] = phase - 0.5 * (along[m, n] + along[m, n - 1])
            done[m, n - 1] = True
            heapq.heappush(heap, place[at - 1])
        if m + 1 < bins and not done[m + 1, n]:
            found[m + 1, n] = phase + 0.5 * (across[m, n] + across[m + 1, n])
            done[m + 1, n] = True
            heapq.heappush(heap, place[at + frames])
        if m > 0 and not done[m - 1, n]:
            found[m - 1, n] = phase - 0.5 * (across[m, n] + across[m - 1, n])
            done[m - 1, n] = True
            heapq.heappush(heap, place[at - frames])

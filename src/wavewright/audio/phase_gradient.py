"""Phases from magnitudes alone, by integrating what the magnitudes say of their slopes.

Průša, Balazs and Søndergaard, "A Noniterative Method for Reconstruction of Phase from STFT Magnitude" (2017). With a
Gaussian window of width γ the phase φ and the logarithm s of the magnitude of a spectrum belong together,

    ∂φ/∂n = 2π a m / M + (a M / γ) ∂s/∂m          from frame n to frame n + 1
    ∂φ/∂m = − (γ / (a M)) ∂s/∂n − π                from bin m to bin m + 1

for a hop of a samples and M samples a frame, phases told against the frame's first sample. For a Hann window they
nearly do. Phases are carried from the loudest bins to their neighbours, the loudest of those next, so that errors
gather where there is little to be heard. A steady tone comes back as one, a click as a click: no hiss, no echo before.

The loudest of all that wait is found in a set of ranks kept as bits, a bit above each word telling whether there are
any in it (van Emde Boas, "Preserving order in a forest in less than logarithmic time", 1975): a few instructions, where
a heap takes as many comparisons as it has levels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled

HANN = 0.25645
"""γ / M² of the Gaussian that is most like a Hann window."""

QUIET = 1e-6
"""Share of the loudest bin below which phases are left to chance."""

_STEPS = 65_535
"""Levels that are told apart where the loudest comes first: 0.002 dB each."""


def phases(
    magnitude: FloatArray, hop: int, *, seed: int = 0, known: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """Phases ``(bins, frames)`` from −π to π that magnitudes ``(bins, frames)`` of Hann-windowed frames ask for.

    ``known`` ``(bins, k)`` are those of the first frames, from which the others go on.

    >>> from wavewright.audio.spectra import istft, stft
    >>> x = (np.sin(np.arange(4000) / 5) * np.hanning(4000)).astype(np.float32)
    >>> wanted = np.abs(stft(x, 256, 32))
    >>> y = istft((wanted * np.exp(1j * phases(wanted, 32))).astype(np.complex64), 32, 4000)
    >>> bool(np.linalg.norm(np.abs(stft(y, 256, 32)) - wanted) < 0.05 * np.linalg.norm(wanted))
    True
    """
    loud = np.ascontiguousarray(magnitude.T, np.float32)  # (frames, bins): a frame's bins lie side by side
    frames, bins = loud.shape
    size = 2 * (bins - 1)
    least = max(QUIET * float(loud.max(initial=0.0)), 1e-30)
    s = np.log(np.maximum(loud, np.float32(least)))
    found = np.random.default_rng(seed).random((frames, bins), np.float32) * (2 * np.pi)  # float64 from here on
    first = 0 if known is None else known.shape[1]
    if known is not None:
        found[:first] = known.T
    asked = loud > least
    asked[: max(0, first - 1)] = False  # what is known leads the way from its last frame on
    cells = np.flatnonzero(asked)
    if cells.size:
        levels = s.ravel()[cells]
        top, bottom = float(levels.max()), float(levels.min())
        below = (top - levels) * np.float32(_STEPS / max(top - bottom, 1e-9))
        order = cells[np.argsort(below.astype(np.uint16), kind="stable")].astype(np.int32)  # the loudest first
        _spread(order, s, found, hop, HANN * size * size, first)
    found -= 2 * np.pi * np.rint(found / (2 * np.pi))
    return found.astype(np.float32).T


@compiled
def _spread(order, s, found, hop, gamma, first):  # type: ignore[no-untyped-def]
    """Carry phases ``found`` ``(frames, bins)`` through all cells in ``order``, the loudest neighbours of those that
    are done first; ``s`` are logarithms of magnitudes, of the ``first`` frames phases are known."""
    frames, bins = found.shape
    count = order.size
    rank = np.full(found.size, count, np.int32)  # where in the order a cell stands; behind its end once it is done
    for place in range(count):
        rank[order[place]] = place
    waiting = _no_ranks(count)
    if first:
        for told in range((first - 1) * bins, first * bins):
            if rank[told] < count:
                _put(waiting, rank[told])
                rank[told] = count
    angles, phase = found.ravel(), s.ravel()
    frame_step = 2 * np.pi * hop / (2 * (bins - 1))
    along, across = hop * 2 * (bins - 1) / gamma, gamma / (hop * 2 * (bins - 1))
    island = 0
    while True:
        place = _lowest(waiting)
        if place < 0:
            while island < count and rank[order[island]] == count:
                island += 1
            if island == count:
                return
            place = island  # a new island: its first phase is free, and stays the random one
            rank[order[island]] = count
        cell = np.int64(order[place])
        n, m = cell // bins, cell % bins
        turned = angles[cell]
        forwards = frame_step * m + along * _slope(phase, cell, 1, m, bins)  # ∂φ/∂n here
        upwards = -np.pi - across * _slope(phase, cell, bins, n, frames)  # ∂φ/∂m
        if n + 1 < frames and rank[cell + bins] < count:
            there = cell + bins
            step = frame_step * m + along * _slope(phase, there, 1, m, bins)
            angles[there] = turned + 0.5 * (forwards + step)
            _put(waiting, rank[there])
            rank[there] = count
        if n > first and rank[cell - bins] < count:
            there = cell - bins
            step = frame_step * m + along * _slope(phase, there, 1, m, bins)
            angles[there] = turned - 0.5 * (forwards + step)
            _put(waiting, rank[there])
            rank[there] = count
        if m + 1 < bins and rank[cell + 1] < count:
            there = cell + 1
            step = -np.pi - across * _slope(phase, there, bins, n, frames)
            angles[there] = turned + 0.5 * (upwards + step)
            _put(waiting, rank[there])
            rank[there] = count
        if m > 0 and rank[cell - 1] < count:
            there = cell - 1
            step = -np.pi - across * _slope(phase, there, bins, n, frames)
            angles[there] = turned - 0.5 * (upwards + step)
            _put(waiting, rank[there])
            rank[there] = count


@compiled
def _slope(values, cell, step, at, count):  # type: ignore[no-untyped-def]
    """The slope of ``values`` at a ``cell``, which is number ``at`` of ``count`` that lie ``step`` apart."""
    if count < 2:
        return 0.0
    if at == 0:
        return float(values[cell + step]) - float(values[cell])
    if at == count - 1:
        return float(values[cell]) - float(values[cell - step])
    return 0.5 * (float(values[cell + step]) - float(values[cell - step]))


# ── a set of ranks ────────────────────────────────────────────────────────────────────────────────────────────────


@compiled
def _no_ranks(count):  # type: ignore[no-untyped-def]
    """An empty set of numbers below ``count``: a bit for each, one for each word of these, one for each of those."""
    words = (count >> 6) + 1
    above = (words >> 6) + 1
    return np.zeros(words, np.uint64), np.zeros(above, np.uint64), np.zeros((above >> 6) + 1, np.uint64)


@compiled
def _put(ranks, rank):  # type: ignore[no-untyped-def]
    for words in ranks:
        words[rank >> 6] |= np.uint64(1) << np.uint64(rank & 63)
        rank >>= 6


@compiled
def _lowest(ranks):  # type: ignore[no-untyped-def]
    """Take the lowest number out of the set; −1 where there is none."""
    low, middle, high = ranks
    for top in range(high.size):
        if high[top]:
            above = (top << 6) + _lowest_bit(high[top])
            word = (above << 6) + _lowest_bit(middle[above])
            bit = _lowest_bit(low[word])
            low[word] &= low[word] - np.uint64(1)
            if not low[word]:
                middle[above] &= middle[above] - np.uint64(1)
                if not middle[above]:
                    high[top] &= high[top] - np.uint64(1)
            return (word << 6) + bit
    return -1


_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BITS = np.zeros(64, np.int64)
_BITS[[(0x03F79D71B4CB0A89 << bit & (2**64 - 1)) >> 58 for bit in range(64)]] = np.arange(64)


@compiled
def _lowest_bit(word):  # type: ignore[no-untyped-def]
    """The number of the lowest bit set (Leiserson, Prokop and Randall, "Using de Bruijn sequences to index a 1 in a
    computer word", 1998)."""
    alone = word & (~word + np.uint64(1))
    return _BITS[np.int64((alone * _DE_BRUIJN) >> np.uint64(58))]

"""Grains: a sound cut at its onsets and between them, what each piece sounds like, and pieces laid on end again.

Every grain begins at an onset or a fixed time behind the one before it. Its features are the mean of its frames (MFCC
as a rule) and how its second half differs from its first; its level is its RMS.

Grains are joined by cross-fades that match the signals: Fink, Holters and Zölzer, "Signal-matched power-complementary
cross-fading and dry-wet mixing" (DAFx 2016). With r the correlation of the two over the fade, gains cos and sin are
divided by √(1 + 2 r cos sin): of equal power where grains are unrelated, and adding up to one where they are the same,
so that a grain that goes on where the last one ended is joined without a trace. A fade ends where its grain begins, so
that attacks stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.onsets import onsets
from wavewright.audio.recording import FloatArray
from wavewright.data.frame_kinds import FrameKind

Float64Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Reader = Callable[[int, int, int], FloatArray]
"""Reads samples ``start`` to ``stop`` of the sound of a number; silence beyond both ends."""

_BLOCK = 1024  # frames analysed at once
_MARGIN = 8  # frames that hear beyond a block's edge


@dataclass(frozen=True)
class Pieces:
    """Grains of one sound: where each starts ``(grains,)`` in samples, its features ``(grains, 2 · coefficients)``, its
    level ``(grains,)``, and the ``length`` of the sound."""

    starts: Indices
    features: Float64Array
    levels: Float64Array
    length: int

    @property
    def ends(self) -> Indices:
        """Where each grain's successor starts, or the sound ends."""
        return np.append(self.starts[1:], self.length)


def starts_of(sound: FloatArray, rate: int, grain: int, at_onsets: bool = True) -> Indices:
    """Where the grains of a sound ``(time,)`` start: at its onsets, and every ``grain`` samples behind each.

    What would be shorter than half a grain before the next onset is left with the grain before it.

    >>> x = np.zeros(8000, np.float32)
    >>> x[[1000, 4000]] = 1
    >>> starts_of(x, 8000, 1200)
    array([   0, 1000, 2200, 3400, 4000, 5200, 6400])
    """
    found = onsets(sound, rate) if at_onsets else np.zeros(0, np.int64)
    edges = np.concatenate([[0], found[found >= grain // 2], [sound.size]])
    parts = []
    for low, high in itertools.pairwise(edges):
        part = np.arange(low, max(high, low + 1), grain)
        parts.append(part if part.size == 1 or high - part[-1] >= grain // 2 else part[:-1])
    return np.concatenate(parts).astype(np.int64)


def pieces_of(sound: FloatArray, starts: Indices, grain: int, kind: FrameKind) -> Pieces:
    """What the grains of a sound ``(time,)`` that begin at ``starts`` sound like; read in blocks."""
    return of_frames(_frames(sound, kind), starts, grain, kind.hop, sound.size, _levels(sound, starts, grain))


def of_frames(
    blocks: Iterator[FloatArray], starts: Indices, grain: int, hop: int, length: int, levels: Float64Array
) -> Pieces:
    """The same from frames ``(frames, coefficients)``, in blocks, frame k being heard at sample k · hop."""
    first = np.minimum(-(-starts // hop), max(0, -(-length // hop) - 1))
    half = np.maximum(first + 1, -(-(starts + grain // 2) // hop))
    last = np.maximum(half + 1, -(-(starts + grain) // hop))
    sums = _Sums(np.unique(np.concatenate([first, half, last])))
    for block in blocks:
        sums.push(block)
    begin, middle = sums.means(first, half), sums.means(half, last)
    return Pieces(starts, np.concatenate([(begin + middle) / 2, middle - begin], axis=1), levels, length)


class _Sums:
    """Sums of frames up to some ``places``, gathered while they go by."""

    def __init__(self, places: Indices) -> None:
        self._places, self._count = places, 0
        self._kept: list[Float64Array] = []
        self._total: Float64Array | None = None

    def push(self, block: FloatArray) -> None:
        """The next frames ``(frames, size)``: all that is kept of them are their running sums at the places."""
        if not len(block):
            return
        if self._total is None:
            self._total = np.zeros(block.shape[1])
        running = np.concatenate([self._total[None], self._total + np.cumsum(block, axis=0, dtype=np.float64)])
        low, high = np.searchsorted(self._places, [self._count, self._count + len(block)])
        self._kept.append(running[self._places[low:high] - self._count])
        self._count, self._total = self._count + len(block), running[-1]

    def means(self, first: Indices, last: Indices) -> Float64Array:
        """Means of the frames from ``first`` to before ``last``; where none are left, those of the very last one."""
        if self._total is None:
            raise ValueError("no frames")
        whole = np.concatenate([*self._kept, self._total[None]])
        there = np.append(self._places[self._places < self._count], self._count)
        stop = np.minimum(last, self._count)
        start = np.minimum(first, stop - 1)
        start = there[np.searchsorted(there, start, side="right") - 1]
        stop = np.where(stop > start, stop, start + 1)
        at, to = np.searchsorted(there, start), np.searchsorted(there, np.minimum(stop, self._count))
        return np.asarray((whole[to] - whole[at]) / np.maximum(there[to] - there[at], 1)[:, None])


def _frames(sound: FloatArray, kind: FrameKind) -> Iterator[FloatArray]:
    """Frames of a sound, block by block, as if all of it had been analysed at once."""
    hop = kind.hop
    total = -(-sound.size // hop) + 1
    for first in range(0, total, _BLOCK):
        count = min(_BLOCK, total - first)
        before = min(first, _MARGIN)
        part = np.asarray(sound[(first - before) * hop : (first + count + _MARGIN) * hop], np.float32)
        part = np.pad(part, (0, max(0, (before + count) * hop - part.size)))
        yield kind.analyse(part)[before : before + count]


def _levels(sound: FloatArray, starts: Indices, grain: int) -> Float64Array:
    """RMS of ``grain`` samples from each start on, silence behind the end."""
    return np.array([np.sqrt(np.sum(np.square(sound[at : at + grain], dtype=np.float64)) / grain) for at in starts])


def joined(
    read: Reader,
    owners: Sequence[int] | Indices,
    sources: Indices,
    gains: Float64Array,
    edges: Indices,
    fade: int,
) -> Iterator[FloatArray]:
    """Grains laid on end, block by block, all blocks together ``edges[-1]`` samples.

    Grain i sounds from ``edges[i]`` to ``edges[i + 1]``, taken from ``sources[i]`` on of the sound ``owners[i]``, and
    comes in during the ``fade`` samples before.
    """
    tail = np.zeros(0, np.float32)  # the end of the grain before, yet to be faded out
    for at, (owner, source, gain) in enumerate(zip(owners, sources, gains, strict=True)):
        length = int(edges[at + 1] - edges[at])
        following = min(fade, length) if at + 1 < len(sources) else 0
        sound = read(int(owner), int(source) - tail.size, int(source) + length) * np.float32(gain)
        if tail.size:
            yield crossfade(tail, sound[: tail.size])
        body = sound[tail.size :]
        yield body[: length - following]
        tail = body[length - following :]
    if tail.size:
        yield tail


def crossfade(out: FloatArray, into: FloatArray) -> FloatArray:
    """From one signal ``(time,)`` into another: of equal power, or adding up to one, as they are alike.

    >>> crossfade(np.ones(4, np.float32), np.ones(4, np.float32)).round(6).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    angle = np.pi / 2 * (np.arange(out.size) + 0.5) / max(out.size, 1)
    a, b = np.cos(angle), np.sin(angle)
    energies = float(np.sum(np.square(out, dtype=np.float64))) * float(np.sum(np.square(into, dtype=np.float64)))
    alike = float(np.dot(out.astype(np.float64), into)) / np.sqrt(energies) if energies > 0 else 0.0
    scale = np.sqrt(1 + 2 * min(max(alike, 0.0), 1.0) * a * b)
    return np.asarray((a * out + b * into) / scale, np.float32)


def reader_of(sounds: Sequence[FloatArray]) -> Reader:
    """Reads of ``sounds``, each ``(time,)``, mapped from the disk or not."""

    def read(number: int, start: int, stop: int) -> FloatArray:
        sound = sounds[number]
        part = np.asarray(sound[max(0, start) : max(0, stop)], np.float32)
        return np.pad(part, (min(max(0, -start), stop - start), max(0, stop - max(start, 0) - part.size)))

    return read

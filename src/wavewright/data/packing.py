"""Windows over sounds laid end to end, so that hardly anything is computed that does not count.

A window for each short sound alone (`wavewright.data.excerpts.Windows`) has its own silence as context and its own
unused end: for words of half a second that is a third of all that is computed. Here a window goes through several
sounds, with a short silence in front of each. What lies before that silence is another sound, heard from a distance.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from wavewright.data.excerpts import Excerpt, Excerpts

Indices = NDArray[np.int64]


class Packed:
    """Shuffled windows of ``length`` samples to predict behind ``context``; every batch a pure function of the step.

    In every epoch all sounds lie end to end in a new order, ``gap`` samples of silence in front of each, and windows
    are cut from them, edge to edge from a random place on: every sample is predicted exactly once. Silence does not
    count. Steps walk through the endless sequence of epochs.

    Example:
        >>> from pathlib import Path
        >>> from wavewright.data.corpus import Sound
        >>> from wavewright.data.encoding import Encoding
        >>> sounds = [Sound(Path("a.wav"), None, start=0, length=70), Sound(Path("b.wav"), None, start=70, length=30)]
        >>> excerpts = Excerpts(np.zeros((1, 100), np.float32), sounds, Encoding())
        >>> packed = Packed(excerpts, batch=2, length=64, context=10, gap=16)
        >>> x, codes, counts = packed.batch(step=0)
        >>> x.shape, codes.shape, packed.count
        (torch.Size([2, 1, 74]), torch.Size([2, 64]), 4)
    """

    def __init__(
        self, excerpts: Excerpts, batch: int, length: int, context: int, gap: int = 256, seed: int = 0
    ) -> None:
        if batch < 1 or length < 1 or context < 0 or gap < 0:
            raise ValueError(f"windows of {batch=}, {length=}, {context=}, {gap=}: must be at least 1, 1, 0 and 0")
        self.excerpts, self.batch_size, self.length, self.context = excerpts, batch, length, context
        self.gap, self.seed = gap, seed
        self._total = int((excerpts.lengths + gap).sum())
        self.count = -(-(self._total + length - 1) // length)
        """Windows in an epoch: enough for every place to begin from."""
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    @property
    def share(self) -> float:
        """How much of what is computed counts."""
        return self.excerpts.samples / (self.count * self.length)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Excerpt:
        """The windows of a step; process ``rank`` of ``world`` gets its slice of one process's larger batch."""
        first = (step * world + rank) * self.batch_size
        rows = [self._window(*divmod(number, self.count)) for number in range(first, first + self.batch_size)]
        x, codes, counts = zip(*rows, strict=True)
        return Excerpt(torch.cat(x), torch.cat(codes), torch.cat(counts))

    def _epoch(self, epoch: int) -> tuple[Indices, Indices, Indices]:
        """The sounds in their order, where the silence in front of each begins, and where each window does."""
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.excerpts.lengths))
        ends = np.cumsum(self.excerpts.lengths[order] + self.gap)
        windows = random.permutation(self.count) * self.length - random.integers(self.length)
        return order, np.concatenate([[0], ends[:-1]]), windows

    def _window(self, epoch: int, place: int) -> Excerpt:
        """One window, put together from the sounds that it goes through."""
        order, starts, windows = self.epoch(epoch)
        begin, end = int(windows[place]) - self.context, int(windows[place]) + self.length
        # before the first sound and behind the last one lies more of their silence
        first, last = np.maximum(np.searchsorted(starts, [begin, end - 1], side="right") - 1, 0).tolist()
        edges = [begin, *starts[first + 1 : last + 1].tolist(), end]
        pieces = [
            self.excerpts.cut(order[[number]], np.array([low - starts[number] - self.gap]), high - low)
            for number, low, high in zip(range(first, last + 1), edges, edges[1:], strict=False)
        ]
        x, codes, counts = (torch.cat(parts, dim=-1) for parts in zip(*pieces, strict=True))
        return Excerpt(x, codes[:, self.context :], counts[:, self.context :])

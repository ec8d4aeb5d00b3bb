"""Stateful sequences for truncated back-propagation through time, every chunk a pure function of the step.

The chunks of all regions are laid end to end (regions in a new order each epoch) and cut into ``batch`` streams of
equal length that are read side by side. A row of step k + 1 goes on where the same row of step k ended, so that a
network's state can be carried over; where it does not, the row is marked fresh and its state must be reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.data.split import Region
from wavewright.data.windows import Positions, check_regions, sliding
from wavewright.errors import DataError


class Chunk(NamedTuple):
    """One step: for each track a tensor ``(batch, channels, chunk)``, and which rows start anew, ``(batch,)`` bool."""

    tracks: tuple[Tensor, ...]
    fresh: Tensor


class Sequences:
    """Parallel contiguous streams through ``regions`` of tracks, in chunks of ``chunk`` samples.

    Args:
        tracks: arrays ``(channels, frames)`` of equal frames.
        regions: where to read, in samples; each is cut into whole chunks, starting at a random offset.
        batch: streams a process reads side by side.
        chunk: samples of a stream in one step: how far gradients reach back.
        seed: of the regions' order and the offsets.

    Each epoch reads every sample at most once, and leaves out less than a chunk a region and ``batch - 1`` chunks.

    Raises:
        DataError: as `Windows`; also where there are fewer chunks than streams.

    >>> ramp = np.arange(1000, dtype=np.float32)[np.newaxis]
    >>> sequences = Sequences([ramp], [Region(0, 1000)], batch=2, chunk=100)
    >>> (first,), fresh = sequences.chunk(step=0)
    >>> (second,), more = sequences.chunk(step=1)
    >>> fresh.tolist(), more.tolist(), bool((second == first + 100).all())
    ([True, True], [False, False], True)
    """

    def __init__(
        self, tracks: Sequence[FloatArray], regions: Sequence[Region], *, batch: int, chunk: int, seed: int = 0
    ) -> None:
        if batch < 1 or chunk < 1:
            raise ValueError(f"sequences of {batch=}, {chunk=}: both must be at least 1")
        check_regions(tracks, regions, chunk, 0)
        self.batch_size = batch
        self.length = chunk
        self.seed = seed
        self._views = [sliding(track, chunk) for track in tracks]
        self._starts = np.array([region.start for region in regions], dtype=np.int64)
        self._frames = np.array([region.frames for region in regions], dtype=np.int64)
        self.count = int((self._frames // chunk).sum())
        """Chunks in an epoch."""
        self.steps_per_epoch()
        self.epoch = lru_cache(maxsize=4)(self._epoch)

    def steps_per_epoch(self, world: int = 1) -> int:
        """Chunks in each stream of an epoch.

        Raises:
            DataError: there are more streams than chunks.
        """
        streams = self.batch_size * world
        if self.count < streams:
            raise DataError(
                f"{self.count} chunks of {self.length} samples do not fill {streams} parallel streams; "
                "choose shorter chunks or fewer streams"
            )
        return self.count // streams

    def positions(self, step: int, rank: int = 0, world: int = 1) -> tuple[Positions, NDArray[np.bool_]]:
        """Where each row's chunk starts, and whether the row starts anew, both ``(batch,)``."""
        steps = self.steps_per_epoch(world)
        epoch, place = divmod(step, steps)
        chunks, goes_on, skipped = self.epoch(epoch)
        spare = self.count - steps * self.batch_size * world
        rows = np.arange(rank * self.batch_size, (rank + 1) * self.batch_size)
        index = int(skipped * (spare + 1)) + rows * steps + place
        return chunks[index], ~goes_on[index] if place else np.ones(self.batch_size, dtype=bool)

    def chunk(self, step: int, rank: int = 0, world: int = 1) -> Chunk:
        """The next chunk of each stream; process ``rank`` of ``world`` reads its share of ``world * batch`` streams."""
        positions, fresh = self.positions(step, rank, world)
        return Chunk(tuple(torch.from_numpy(view[positions]) for view in self._views), torch.from_numpy(fresh))

    def _epoch(self, epoch: int) -> tuple[Positions, NDArray[np.bool_], float]:
        """Where the epoch's chunks start, which of them go on from the one before, and a number in [0, 1) that says
        which of the chunks beyond the last full row are left out: those in front, behind, or some of both."""
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self._starts))
        counts = self._frames[order] // self.length
        offsets = random.integers(0, self._frames[order] - counts * self.length + 1)
        within = np.arange(self.count) - np.repeat(np.cumsum(counts) - counts, counts)
        chunks = np.repeat(self._starts[order] + offsets, counts) + within * self.length
        return chunks, within > 0, float(random.random())

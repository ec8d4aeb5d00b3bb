"""Shuffled windows of recordings, every batch a pure function of the step.

The windows of an epoch are a grid of ``hop`` samples over each region. Each epoch the grid is shifted by a random
offset, so that borders move, and the windows are put into a new random order; both depend on ``(seed, epoch)`` alone.
Steps walk through the endless sequence epoch 0, epoch 1, …: a batch that reaches the end of one epoch goes on in the
next, so that no window is seen more often than another. Nothing is remembered between calls, which is why a resumed
run, or eight processes, see exactly the data that one uninterrupted process sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.data.split import Region
from wavewright.errors import DataError

Positions = NDArray[np.int64]


class Windows:
    """Windows of ``length`` targets from ``regions`` of tracks that run in parallel.

    Args:
        tracks: arrays ``(channels, frames)`` of equal frames, such as dry and wet; a memory map serves as it is.
        regions: where targets may lie, in samples.
        batch: windows a step, for each process.
        length: targets in a window, samples.
        hop: samples from one window to the next; ``length`` where None. Smaller ones overlap.
        context: samples in front of the targets, one figure for all tracks or one for each: ``(4092, 0)`` gives the
            dry its receptive field and the wet the targets alone.
        after: samples behind the targets, in the same way, for networks that look ahead.
        seed: of the order and the offsets.
        jitter: move the grid each epoch; without it, windows start at the regions' starts.

    Every target of a region is seen at least once an epoch, and ``length / hop`` times where it lies more than a
    window from the region's edges.

    Raises:
        DataError: tracks of unequal length, a region outside them, shorter than a window or without room for the
            context.

    >>> ramp = np.arange(1000, dtype=np.float32)[np.newaxis]
    >>> windows = Windows([ramp, -ramp], [Region(100, 900, context=50)], batch=4, length=200, context=(50, 0))
    >>> x, y = windows.batch(step=0)
    >>> x.shape, y.shape, bool((x[..., 50:] == -y).all())
    (torch.Size([4, 1, 250]), torch.Size([4, 1, 200]), True)
    """

    def __init__(
        self,
        tracks: Sequence[FloatArray],
        regions: Sequence[Region],
        *,
        batch: int,
        length: int,
        hop: int | None = None,
        context: int | Sequence[int] = 0,
        after: int | Sequence[int] = 0,
        seed: int = 0,
        jitter: bool = True,
    ) -> None:
        self.contexts = (context,) * len(tracks) if isinstance(context, int) else tuple(context)
        behind = (after,) * len(tracks) if isinstance(after, int) else tuple(after)
        self.length = length
        self.hop = length if hop is None else hop
        sides = (*self.contexts, *behind)
        if min(batch, length, self.hop, 1 + min(sides)) < 1 or len(sides) != 2 * len(tracks):
            raise ValueError(
                f"windows of {batch=}, {length=}, hop={self.hop}, contexts={self.contexts}, {after=}, "
                f"{len(tracks)} tracks"
            )
        check_regions(tracks, regions, length, max(self.contexts), max(behind))
        self.batch_size = batch
        self.seed = seed
        self.jitter = jitter
        self._views = [
            sliding(track, ahead + length + later)
            for track, ahead, later in zip(tracks, self.contexts, behind, strict=True)
        ]
        # Region by region: where its windows may start, first and last; the hop's grid reaches one hop before the
        # first, and as far behind the last as the largest shift needs. What sticks out is moved in to the edge.
        self._lowest = np.array([region.start for region in regions], dtype=np.int64)
        self._highest = np.array([region.stop - length for region in regions], dtype=np.int64)
        room = self._highest - self._lowest
        shifts = self.hop - 1 if jitter else 0
        counts = np.where(room == 0, 1, -(-(room + shifts) // self.hop) + 1)
        self._region = np.repeat(np.arange(len(regions)), counts)
        self._step_in_region = np.arange(len(self._region)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.epoch = lru_cache(maxsize=4)(self._epoch)

    @property
    def count(self) -> int:
        """How many windows an epoch has: the same in every epoch."""
        return len(self._region)

    def epochs(self, step: int, world: int = 1) -> float:
        """How many epochs have been seen when ``step`` steps of ``world`` processes are done."""
        return step * self.batch_size * world / self.count

    def positions(self, step: int, rank: int = 0, world: int = 1) -> Positions:
        """The first target of each window of a batch, ``(batch,)``; for those who gather on the device themselves."""
        first = (step * world + rank) * self.batch_size
        epoch, place = divmod(np.arange(first, first + self.batch_size), self.count)
        return np.concatenate([self.epoch(e)[place[epoch == e]] for e in range(int(epoch[0]), int(epoch[-1]) + 1)])

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, ...]:
        """The batch of a step: for each track a tensor ``(batch, channels, context + length + after)``, freshly made.

        Process ``rank`` of ``world`` gets its slice of the batch that one process with ``world`` times the batch gets.
        """
        positions = self.positions(step, rank, world)
        # One copy, by rows, out of the map into the tensor's own memory.
        return tuple(
            torch.from_numpy(view[positions - context])
            for view, context in zip(self._views, self.contexts, strict=True)
        )

    def _epoch(self, epoch: int) -> Positions:
        random = np.random.default_rng([self.seed, epoch])
        regions = len(self._lowest)
        shift = random.integers(1, self.hop + 1, size=regions) if self.jitter else np.full(regions, self.hop)
        positions = (self._lowest + shift - self.hop)[self._region] + self._step_in_region * self.hop
        positions = np.clip(positions, self._lowest[self._region], self._highest[self._region])
        return random.permutation(positions)


def check_regions(
    tracks: Sequence[FloatArray], regions: Sequence[Region], length: int, context: int, after: int = 0
) -> None:
    """Raise `DataError` unless every region lies in the tracks and holds ``length`` targets behind a ``context``.

    ``after`` samples must lie in the tracks behind each region, too.
    """
    frames = {track.shape[-1] for track in tracks}
    if len(frames) != 1:
        raise DataError(f"tracks of {sorted(frames)} samples do not run in parallel; align them first")
    end = frames.pop()
    if not regions:
        raise DataError("there is no region to take windows from; give at least one")
    for region in regions:
        name = f"the region of samples {region.start} to {region.stop}"
        if region.first < 0 or region.stop + after > end:
            behind = f" and {after} behind" if after else ""
            raise DataError(f"{name}, context {region.context}{behind}, lies outside the track's {end} samples")
        if region.frames < length:
            raise DataError(f"{name} has {region.frames} targets, a window needs {length}; choose shorter windows")
        if region.context < context:
            raise DataError(f"{name} leaves a context of {region.context} samples, {context} are needed; split it so")


def sliding(track: FloatArray, width: int) -> FloatArray:
    """A view ``(frames - width + 1, channels, width)`` of a track ``(channels, frames)``, without a copy."""
    return np.moveaxis(sliding_window_view(np.asarray(track), width, axis=1), 0, 1)

"""Patches of full-band sound beside what is left of each at a low rate: what an upsampler learns from.

The store holds the full band once; the low-rate side is made on the way to the network, in another way each time where
a mix is asked for. Which patch, and what befalls it, is a pure function of seed and step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wavewright.audio.degradation import Degradation, degraded
from wavewright.audio.recording import FloatArray
from wavewright.data.split import Region
from wavewright.data.windows import Windows


class DegradedPatches:
    """Batches ``(low, full)``, both ``(batch, 1, length)`` at the full rate, of patches from ``regions`` of a track.

    Args:
        track: ``(1, frames)`` of full-band sound at ``rate`` Hz.
        low_rate: Hz to which each patch is brought down, and from there back.
        kind: one of `wavewright.audio.degradation.KINDS`, or ``mix``.
        share: of an epoch's patches, how many are learned from: the same ones in every epoch where it is below 1.

    Raises:
        DataError: as `Windows`.
    """

    def __init__(
        self,
        track: FloatArray,
        regions: Sequence[Region],
        *,
        rate: int,
        low_rate: int,
        kind: str,
        batch: int,
        length: int,
        hop: int,
        share: float = 1.0,
        seed: int = 0,
    ) -> None:
        self._windows = Windows([track], regions, batch=batch, length=length, hop=hop, seed=seed, jitter=share >= 1.0)
        self._track, self._rate, self._low_rate, self._kind, self._seed = track, rate, low_rate, kind, seed
        self._batch, self._length = batch, length
        self.count = max(1, round(share * self._windows.count))
        self._order = np.random.default_rng([seed, 0x5AFE]).permutation(self._windows.count)[: self.count]
        self._starts = np.sort(self._windows.epoch(0))  # without jitter every epoch has the same

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """The patches of a step."""
        first = (step * world + rank) * self._batch
        if self.count == self._windows.count:
            x = self._windows.batch(step, rank, world)[0]
        else:
            x = torch.from_numpy(np.stack([self._kept(first + place) for place in range(self._batch)]))
        low = [self._lost(patch, first + place) for place, patch in enumerate(x.numpy())]
        return torch.from_numpy(np.stack(low)), x

    def _kept(self, number: int) -> FloatArray:
        """One patch of the share, in an order of its own in every epoch."""
        epoch, place = divmod(number, self.count)
        order = np.random.default_rng([self._seed, epoch, 1]).permutation(self.count)
        start = int(self._starts[self._order[order[place]]])
        return np.array(self._track[:, start : start + self._length])

    def _lost(self, patch: FloatArray, number: int) -> FloatArray:
        how = degradation_of(self._kind, [self._seed, number])
        return degraded(patch, self._rate, self._low_rate, how)


def degradation_of(kind: str, seeds: Sequence[int]) -> Degradation:
    """The plain form of ``kind``, as `scipy.signal.decimate` has it; for ``mix`` one drawn from ``seeds``."""
    return Degradation.drawn(np.random.default_rng(list(seeds))) if kind == "mix" else Degradation(kind)

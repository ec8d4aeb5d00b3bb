"""Patches of full-band sound beside what is left of each at a low rate: what an upsampler learns from.

The store holds the full band once; the low-rate side is made on the way to the network, in another way each time where
a mix is asked for. So are other speakers, microphones and rooms, where they are asked for. Which patch, and what
befalls it, is a pure function of seed and step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wavewright.audio.degradation import Degradation, degraded
from wavewright.audio.recording import FloatArray
from wavewright.audio.variation import FASTEST, Variation, varied
from wavewright.data.split import Region
from wavewright.data.windows import Positions, Windows


class DegradedPatches:
    """Batches ``(low, full, band)`` of patches from ``regions`` of a track.

    ``low`` and ``full`` are ``(batch, 1, length)`` at the full rate; ``band`` ``(batch, 1, 1)`` says how far up, as a
    share of half the rate, a patch has anything to teach.

    Args:
        track: ``(1, frames)`` of sound at ``rate`` Hz.
        bands: how far up each region's sound goes, as a share of half the rate.
        low_rate: Hz to which each patch is brought down, and from there back.
        kind: one of `wavewright.audio.degradation.KINDS`, or ``mix``.
        vary: how far patches are altered, 0 to 1 (`wavewright.audio.variation`).
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
        bands: Sequence[float] | None = None,
        vary: float = 0.0,
        share: float = 1.0,
        seed: int = 0,
    ) -> None:
        # a patch that is played faster begins as a longer one
        taken = math.ceil(length * FASTEST**vary)
        self._windows = Windows([track], regions, batch=batch, length=taken, hop=hop, seed=seed, jitter=share >= 1.0)
        self._track, self._rate, self._low_rate, self._kind, self._seed = track, rate, low_rate, kind, seed
        self._batch, self._length, self._taken, self._vary = batch, length, taken, vary
        order = np.argsort([region.start for region in regions])
        self._first = np.array([region.start for region in regions])[order]
        self._bands = (np.ones(len(regions)) if bands is None else np.asarray(bands, np.float64))[order]
        self.count = max(1, round(share * self._windows.count))
        self._order = np.random.default_rng([seed, 0x5AFE]).permutation(self._windows.count)[: self.count]
        self._starts = np.sort(self._windows.epoch(0))  # without jitter every epoch has the same

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        """The patches of a step."""
        first = (step * world + rank) * self._batch
        patches = [self._patch(start, first + place) for place, start in enumerate(self._places(step, rank, world))]
        low, full = (torch.from_numpy(np.stack(side)) for side in list(zip(*patches, strict=True))[:2])
        return low, full, torch.tensor([patch[2] for patch in patches]).view(-1, 1, 1)

    def _places(self, step: int, rank: int, world: int) -> Positions:
        """Where the patches of a step begin; those of a share go round in an order of their own in every epoch."""
        if self.count == self._windows.count:
            return self._windows.positions(step, rank, world)
        numbers = (step * world + rank) * self._batch + np.arange(self._batch)
        epochs, places = np.divmod(numbers, self.count)
        orders = {
            epoch: np.random.default_rng([self._seed, int(epoch), 1]).permutation(self.count) for epoch in set(epochs)
        }
        chosen = [orders[epoch][place] for epoch, place in zip(epochs, places, strict=True)]
        return np.asarray(self._starts[self._order[chosen]], np.int64)

    def _patch(self, start: int, number: int) -> tuple[FloatArray, FloatArray, float]:
        """One patch as a low rate leaves it, as it was, and how far up it goes."""
        band = float(self._bands[np.searchsorted(self._first, start, side="right") - 1])
        full = np.array(self._track[:, start : start + self._taken])
        if self._vary:
            way = Variation.drawn(np.random.default_rng([self._seed, number, 2]), self._vary)
            full = varied(full[:, : way.source_length(self._length)], self._rate, self._length, way)
            band = min(1.0, band * way.speed)
        how = degradation_of(self._kind, [self._seed, number])
        return degraded(full, self._rate, self._low_rate, how), full, band


def degradation_of(kind: str, seeds: Sequence[int]) -> Degradation:
    """The plain form of ``kind``, as `scipy.signal.decimate` has it; for ``mix`` one drawn from ``seeds``."""
    return Degradation.drawn(np.random.default_rng(list(seeds))) if kind == "mix" else Degradation(kind)

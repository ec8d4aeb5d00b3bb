"""Patches beside what a low rate leaves of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavewright.audio.degradation import Degradation, degraded
from wavewright.data.degrade import DegradedPatches
from wavewright.data.split import Region

RATE, LOW, LENGTH = 16_000, 4000, 1024
TRACK = np.random.default_rng(0).standard_normal((1, 40_000)).astype(np.float32)
REGIONS = [Region(0, 15_000), Region(15_000, 40_000)]


def patches(**changed: object) -> DegradedPatches:
    settings: dict[str, object] = {"kind": "chebyshev", "batch": 4, "length": LENGTH, "hop": 512, "seed": 5}
    return DegradedPatches(TRACK, REGIONS, rate=RATE, low_rate=LOW, **{**settings, **changed})  # type: ignore[arg-type]


def test_a_patch_comes_from_its_region_and_its_low_side_from_it() -> None:
    low, full, band = patches().batch(3)
    assert low.shape == full.shape == (4, 1, LENGTH)
    assert (band == 1).all()
    for one, other in zip(full[:, 0].numpy(), low[:, 0].numpy(), strict=True):
        start = int(np.flatnonzero(TRACK[0] == one[0])[0])
        assert np.array_equal(TRACK[0, start : start + LENGTH], one)
        assert any(region.start <= start and start + LENGTH <= region.stop for region in REGIONS)
        assert np.array_equal(other, degraded(one, RATE, LOW, Degradation("chebyshev")))


@pytest.mark.parametrize("changed", [{}, {"share": 0.3}, {"vary": 1.0}, {"kind": "mix"}])
def test_a_batch_depends_on_its_step_alone_and_processes_share_it(changed: dict[str, object]) -> None:
    whole = patches(batch=8, **changed).batch(2)
    again = patches(batch=8, **changed)
    again.batch(0)
    assert all(torch.equal(a, b) for a, b in zip(whole, again.batch(2), strict=True))
    halves = [patches(**changed).batch(2, rank, 2) for rank in (0, 1)]
    assert all(torch.equal(a, torch.cat(b)) for a, b in zip(whole, zip(*halves, strict=True), strict=True))


def test_a_share_is_the_same_patches_in_every_epoch() -> None:
    some = patches(share=0.25, batch=1)
    epochs = [
        {float(some.batch(epoch * some.count + place)[1][0, 0, 0]) for place in range(some.count)} for epoch in (0, 1)
    ]
    assert epochs[0] == epochs[1]
    assert len(epochs[0]) == some.count == round(0.25 * patches(share=0.999).count)


def test_how_far_up_a_patch_goes_follows_its_region_and_its_speed() -> None:
    plain = patches(bands=[0.5, 1.0], batch=32)
    _, full, band = plain.batch(0)
    for one, share in zip(full[:, 0].numpy(), band.flatten().tolist(), strict=True):
        assert share == (0.5 if np.flatnonzero(TRACK[0] == one[0])[0] < 15_000 else 1.0)
    _, full, band = patches(bands=[0.5, 1.0], batch=64, vary=1.0).batch(0)
    assert set(band.flatten().tolist()) > {0.5, 1.0}
    assert band.max() <= 1.0
    assert band.min() >= 0.4 - 1e-6

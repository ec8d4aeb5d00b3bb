"""Sequences by law. The tracks are ramps, so that every value says where it was read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data.sequences import Sequences
from wavewright.data.split import Region
from wavewright.errors import DataError

TRACK = np.arange(2000, dtype=np.float32)[np.newaxis]
REGIONS = [Region(10, 500, 10), Region(500, 533), Region(700, 1999, 50)]


@settings(deadline=None, max_examples=30)
@given(batch=st.integers(1, 9), chunk=st.integers(1, 33), seed=st.integers(0, 9))
def test_a_row_goes_on_where_it_ended_unless_it_is_fresh(batch: int, chunk: int, seed: int) -> None:
    sequences = Sequences([TRACK, -TRACK], REGIONS, batch=batch, chunk=chunk, seed=seed)
    steps = sequences.steps_per_epoch()
    previous = torch.full((batch,), -1.0)
    seen: Counter[float] = Counter()
    for step in range(2 * steps):
        (x, y), fresh = sequences.chunk(step)
        assert x.shape == y.shape == (batch, 1, chunk)
        assert torch.equal(x, -y)
        assert (x.diff(dim=-1) == 1).all()
        goes_on = x[:, 0, 0] == previous + 1
        assert (goes_on | fresh).all()
        assert fresh.all() or step % steps != 0
        previous = x[:, 0, -1]
        seen.update(x.flatten().tolist() if step < steps else [])
    inside = {float(sample) for region in REGIONS for sample in range(region.start, region.stop)}
    assert seen.keys() <= inside
    assert set(seen.values()) == {1}  # within an epoch nothing is read twice
    assert len(seen) > sum(region.frames for region in REGIONS) - len(REGIONS) * chunk - batch * chunk


@settings(deadline=None, max_examples=30)
@given(step=st.integers(0, 80), batch=st.integers(1, 4), world=st.integers(1, 4), seed=st.integers(0, 3))
def test_ranks_together_read_the_streams_of_one_process(step: int, batch: int, world: int, seed: int) -> None:
    alone = Sequences([TRACK], REGIONS, batch=batch * world, chunk=16, seed=seed).chunk(step)
    ranks = Sequences([TRACK], REGIONS, batch=batch, chunk=16, seed=seed)
    chunks = [ranks.chunk(step, rank, world) for rank in range(world)]
    assert torch.equal(torch.cat([part.tracks[0] for part in chunks]), alone.tracks[0])
    assert torch.equal(torch.cat([part.fresh for part in chunks]), alone.fresh)


def test_one_region_gives_fresh_rows_at_the_epoch_only_and_moves_between_epochs() -> None:
    sequences = Sequences([TRACK], [Region(0, 1999)], batch=3, chunk=64)
    steps = sequences.steps_per_epoch()
    fresh = [sequences.chunk(step).fresh.all().item() for step in range(3 * steps)]
    assert fresh == ([True] + [False] * (steps - 1)) * 3
    assert not any(sequences.chunk(step).fresh.any() for step in range(1, steps))
    starts = {tuple(sequences.positions(epoch * steps)[0].tolist()) for epoch in range(10)}
    assert len(starts) > 5


def test_many_short_files_are_fresh_at_every_file() -> None:
    regions = [Region(start, start + 100) for start in range(0, 2000, 100)]
    sequences = Sequences([TRACK], regions, batch=2, chunk=50)
    rows = torch.stack([sequences.chunk(step).fresh for step in range(sequences.steps_per_epoch())])
    assert rows.sum(dim=0).tolist() == [10, 10]


def test_more_streams_than_chunks_are_refused() -> None:
    with pytest.raises(DataError, match="9 chunks of 200 samples do not fill 10 parallel streams"):
        Sequences([TRACK], [Region(0, 1999)], batch=10, chunk=200)
    with pytest.raises(DataError, match="a window needs 200"):
        Sequences([TRACK], [Region(0, 199)], batch=1, chunk=200)
    with pytest.raises(ValueError, match="chunk=0"):
        Sequences([TRACK], [Region(0, 199)], batch=1, chunk=0)

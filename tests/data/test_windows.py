"""Windows by law. The tracks are ramps, so that every value says where it was read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.recording import FloatArray
from wavewright.data.split import Region, split
from wavewright.data.windows import Windows
from wavewright.errors import DataError


def ramp(frames: int, channels: int = 1) -> FloatArray:
    return np.arange(frames, dtype=np.float32) + 10_000 * np.arange(channels, dtype=np.float32)[:, np.newaxis]


def targets_of_epoch(windows: Windows, epoch: int, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How often each sample is a target in an epoch."""
    seen = np.zeros(frames, dtype=np.int64)
    for position in windows.epoch(epoch):
        seen[position : position + windows.length] += 1
    return seen


@settings(deadline=None, max_examples=30)
@given(
    overlap=st.integers(1, 4),
    hop=st.integers(1, 30),
    room=st.integers(0, 400),
    jitter=st.booleans(),
    epoch=st.integers(0, 5),
)
def test_every_target_is_seen_equally_often_up_to_the_edges(
    overlap: int, hop: int, room: int, jitter: bool, epoch: int
) -> None:
    length = overlap * hop
    region = Region(7, 7 + length + room, context=7)
    frames = region.stop + 11
    windows = Windows([ramp(frames)], [region], batch=3, length=length, hop=hop, context=7, jitter=jitter)
    seen = targets_of_epoch(windows, epoch, frames)
    assert not seen[: region.start].any()
    assert not seen[region.stop :].any()
    assert (seen[region.start : region.stop] >= 1).all()
    assert (seen[region.start + length : region.stop - length] == overlap).all()
    assert len(windows.epoch(epoch)) == windows.count


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(400, 900), steps=st.integers(1, 30), batch=st.integers(1, 7))
def test_no_window_of_one_part_reads_a_sample_of_another(frames: int, steps: int, batch: int) -> None:
    track = ramp(frames)
    parts = split(frames, 100, receptive_field=21, window=40, latency=3, validation=0.2, test=0.2)
    read = []
    for regions in (parts.train, parts.validation, parts.test):
        windows = Windows([track], regions, batch=batch, length=40, hop=20, context=23)
        read.append({int(value) for step in range(steps) for value in windows.batch(step)[0].unique()})
    assert read[0] & read[1] == read[0] & read[2] == read[1] & read[2] == set()


@settings(deadline=None, max_examples=30)
@given(step=st.integers(0, 60), batch=st.integers(1, 5), world=st.integers(1, 4), seed=st.integers(0, 3))
def test_ranks_together_see_what_one_process_sees(step: int, batch: int, world: int, seed: int) -> None:
    regions = [Region(5, 95, 5), Region(120, 200, 20)]
    shared = {"length": 20, "hop": 7, "context": (5, 0), "seed": seed}
    alone = Windows([ramp(200), ramp(200, 2)], regions, batch=batch * world, **shared)  # type: ignore[arg-type]
    ranks = Windows([ramp(200), ramp(200, 2)], regions, batch=batch, **shared)  # type: ignore[arg-type]
    for track in (0, 1):
        together = torch.cat([ranks.batch(step, rank, world)[track] for rank in range(world)])
        assert torch.equal(together, alone.batch(step)[track])


def test_a_batch_is_the_slices_at_its_positions() -> None:
    dry, wet = ramp(500, 2), -ramp(500)
    windows = Windows([dry, wet], [Region(30, 480, 30)], batch=6, length=50, context=(30, 4))
    x, y = windows.batch(step=11)
    assert (x.shape, y.shape, x.dtype) == ((6, 2, 80), (6, 1, 54), torch.float32)
    for row, position in enumerate(windows.positions(step=11)):
        np.testing.assert_array_equal(x[row].numpy(), dry[:, position - 30 : position + 50])
        np.testing.assert_array_equal(y[row].numpy(), wet[:, position - 4 : position + 50])
    x.zero_()
    np.testing.assert_array_equal(dry, ramp(500, 2))  # the batch is memory of its own


def test_steps_wrap_from_epoch_to_epoch_without_losing_a_window() -> None:
    windows = Windows([ramp(300)], [Region(0, 300)], batch=7, length=16)
    assert windows.count % 7 != 0
    walked = np.concatenate([windows.positions(step) for step in range(3 * windows.count)])
    epochs = np.concatenate([windows.epoch(epoch) for epoch in range(21)])
    np.testing.assert_array_equal(walked, epochs)
    assert windows.epochs(windows.count) == 7
    # A batch larger than an epoch reaches through several.
    large = Windows([ramp(300)], [Region(0, 300)], batch=50, length=16)
    np.testing.assert_array_equal(large.positions(2), epochs[100:150])


def test_the_order_is_new_each_epoch_and_the_same_for_each_seed() -> None:
    def epochs(seed: int) -> list[list[int]]:
        windows = Windows([ramp(2000)], [Region(0, 2000)], batch=4, length=16, seed=seed, jitter=False)
        return [windows.epoch(epoch).tolist() for epoch in (0, 1, 2)]

    first = epochs(seed=1)
    assert first == epochs(seed=1)
    assert first[0] != first[1] != first[2] != first[0]
    assert epochs(seed=2)[0] != first[0]
    assert sorted(first[0]) == sorted(first[1]) == list(range(0, 1985, 16))


def test_jitter_moves_the_borders() -> None:
    windows = Windows([ramp(2000)], [Region(0, 2000)], batch=4, length=16)
    phases = [{int(p) % 16 for p in windows.epoch(epoch) if 0 < p < 1984} for epoch in range(40)]
    assert all(len(phase) == 1 for phase in phases)
    assert len(set.union(*phases)) > 10


@pytest.mark.parametrize(
    ("regions", "context", "told"),
    [
        ([], 0, "no region"),
        ([Region(5, 50, 10)], 5, "samples 5 to 50, context 10, lies outside the track's 100 samples"),
        ([Region(0, 101)], 0, "lies outside the track's 100 samples"),
        ([Region(0, 19)], 0, "has 19 targets, a window needs 20"),
        ([Region(40, 90, 8)], 9, "leaves a context of 8 samples, 9 are needed"),
    ],
)
def test_regions_that_hold_no_window_are_refused(regions: list[Region], context: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        Windows([ramp(100)], regions, batch=1, length=20, context=context)


def test_tracks_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"tracks of \[100, 101\] samples do not run in parallel"):
        Windows([ramp(100), ramp(101)], [Region(0, 100)], batch=1, length=20)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"length": 0}, {"hop": 0}, {"context": -1}, {"context": (1, 2)}])
def test_impossible_arguments(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="windows of"):
        Windows([ramp(100)], [Region(0, 100)], **{"batch": 1, "length": 20, **wrong})  # type: ignore[arg-type]


def test_scrolled_windows_come_once_an_epoch_each_in_a_new_order() -> None:
    """Against a plain loop: windows of 100 at an offset of 30, as they are told apart by where they begin."""
    track = np.arange(1000, dtype=np.float32)[np.newaxis]
    windows = Windows([track], [Region(0, 1000)], batch=1, length=100, hop=30, jitter=False, seed=4)
    by_loop = list(range(0, 901, 30))
    epochs = [
        [int(windows.batch(step)[0][0, 0, 0]) for step in range(epoch * windows.count, (epoch + 1) * windows.count)]
        for epoch in range(3)
    ]
    for epoch in epochs:
        assert sorted(set(epoch)) == by_loop
        assert epoch != sorted(epoch)
    assert epochs[0] != epochs[1] != epochs[2]
    two = Windows([track], [Region(0, 1000)], batch=2, length=100, hop=30, jitter=False, seed=4)
    both = [int(two.batch(3, rank, 2)[0][item, 0, 0]) for rank in (0, 1) for item in (0, 1)]
    assert both == [int(windows.batch(step)[0][0, 0, 0]) for step in range(12, 16)]


@given(context=st.integers(0, 20), after=st.integers(0, 20), hop=st.integers(1, 60))
def test_what_lies_behind_the_targets_is_given_too(context: int, after: int, hop: int) -> None:
    ramp = np.arange(500, dtype=np.float32)[np.newaxis]
    region = Region(context, 500 - after, context)
    windows = Windows([ramp, ramp], [region], batch=3, length=50, hop=hop, context=(context, 0), after=(after, 0))
    for step in range(4):
        x, y = windows.batch(step)
        assert x.shape[-1] == context + 50 + after
        np.testing.assert_array_equal(x[..., context : context + 50].numpy(), y.numpy())
        assert (np.diff(x.numpy()) == 1).all()
    with pytest.raises(DataError, match=rf"context {context} and {after + 1} behind, lies outside"):
        Windows([ramp], [region], batch=1, length=50, context=context, after=after + 1)

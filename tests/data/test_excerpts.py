"""Excerpts against the sounds encoded whole, and by their laws: what is heard, how often, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.companding import quantizer
from wavewright.audio.recording import FloatArray
from wavewright.data.controls import Controls
from wavewright.data.corpus import Sound
from wavewright.data.encoding import Encoding
from wavewright.data.excerpts import Chunk, Excerpt, Excerpts
from wavewright.errors import DataError

LENGTHS = [100, 1, 333, 64, 7, 200]
STARTS = np.cumsum([10, *LENGTHS])[:-1].tolist()
SOUNDS = [
    Sound(Path(f"{number}.wav"), "odd" if number % 2 else "even", start, length)
    for number, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True))
]
RAMP = quantizer("16-bit").decode(np.arange(1, 1001))[np.newaxis]  # the code of each sample says where it was read
TOLD = Encoding("16-bit")
SILENCE = TOLD.quantizer.silence
CONTROLS = Controls(8000, ("even", "odd"), onset=True, envelope=True)


def noise(frames: int) -> FloatArray:
    return np.random.default_rng(3).uniform(-0.7, 0.7, (1, frames)).astype(np.float32)


def read(parts: Iterable[Excerpt | Chunk]) -> Counter[int]:
    """How often each sample of the ramp was to be predicted."""
    return Counter(code for part in parts for code in part.codes[part.counts].tolist())


def all_of(sounds: Iterable[Sound]) -> Counter[int]:
    return Counter(place + 1 for sound in sounds for place in range(sound.start, sound.start + sound.length))


@given(
    encoding=st.builds(
        Encoding,
        st.sampled_from(["mu-law", "linear", "16-bit"]),
        st.sampled_from([0.0, 0.9]),
        st.sampled_from([1.0, 0.5]),
    ),
    tail=st.sampled_from([0, 50]),
    places=st.lists(st.tuples(st.integers(0, 5), st.integers(-80, 400)), min_size=1, max_size=4),
    length=st.integers(1, 90),
    context=st.integers(0, 130),
)
@settings(deadline=None, max_examples=60)
def test_an_excerpt_is_a_part_of_the_sound_encoded_whole(
    encoding: Encoding, tail: int, places: list[tuple[int, int]], length: int, context: int
) -> None:
    track = noise(1000)
    excerpts = Excerpts(track, SOUNDS, encoding, CONTROLS, tail)
    index, first = (np.array(column) for column in zip(*places, strict=True))
    x, codes, counts = excerpts.cut(index, first, length, context)
    assert (x.shape, x.dtype) == ((len(places), 5, context + length), torch.float32)
    assert (codes.dtype, counts.dtype) == (torch.int64, torch.bool)
    for row, (number, place) in enumerate(places):
        sound = SOUNDS[number]
        audio = np.pad(track[0, sound.start : sound.start + sound.length], (300, 600))  # silence on either side
        whole = encoding.encode(audio)[0].astype(int)
        levels = 2 * whole / (encoding.quantizer.levels - 1) - 1
        begin, end = 300 + place, 300 + place + length
        np.testing.assert_array_equal(codes[row], whole[begin:end])
        np.testing.assert_allclose(x[row, 0], levels[begin - context - 1 : end - 1], atol=1e-6)
        inside = [0 <= t < sound.length + tail for t in range(place, place + length)]
        np.testing.assert_array_equal(counts[row], inside)
        told = CONTROLS.signal(
            context + length,
            place - context,
            label=sound.label,
            envelope=CONTROLS.envelope_of(track[0, sound.start : sound.start + sound.length]),
        )
        np.testing.assert_array_equal(x[row, 1:], told)


# ── streams ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(batch=st.integers(1, 7), chunk=st.sampled_from([16, 33, 64, 100]), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_a_row_goes_on_where_it_ended_unless_it_is_fresh(batch: int, chunk: int, seed: int) -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    streams = excerpts.streams(batch, chunk, seed)
    steps = streams.steps_per_epoch()
    starts = {sound.start + 1 for sound in SOUNDS}
    before = torch.zeros(batch, dtype=torch.int64)
    chunks = [streams.chunk(step) for step in range(2 * steps)]
    for step, (_, codes, counts, fresh) in enumerate(chunks):
        assert codes.shape == counts.shape == (batch, chunk)
        assert ((codes[:, 0] == before + 1) | fresh).all()
        begins = torch.tensor([code in starts for code in codes[:, 0].tolist()])
        assert (begins == fresh).all() or (step % steps == 0 and fresh.all())
        before = codes[:, -1]
    heard = read(chunks[:steps])
    assert heard.keys() == all_of(SOUNDS).keys()  # nothing is left out
    assert sum(heard.values()) - len(heard) < batch * chunk
    assert steps * batch - streams.count < batch


def test_a_sound_begins_from_silence_and_a_row_within_one_from_what_was_before() -> None:
    streams = Excerpts(RAMP, SOUNDS, TOLD).streams(batch=5, chunk=50)
    silence = float(TOLD.quantizer.levels_of(np.array(SILENCE)))
    starts = {sound.start + 1 for sound in SOUNDS}
    for step in range(streams.steps_per_epoch()):
        x, codes, _, _ = streams.chunk(step)
        for row in range(5):
            code = int(codes[row, 0])
            before = silence if code in starts else float(TOLD.quantizer.levels_of(np.array(code - 1)))
            assert x[row, 0, 0] == before
            assert torch.equal(x[row, 0, 1:], torch.from_numpy(TOLD.quantizer.levels_of(codes[row, :-1].numpy())))


@given(step=st.integers(0, 80), batch=st.integers(1, 3), world=st.integers(1, 4), seed=st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_ranks_together_hear_what_one_process_hears(step: int, batch: int, world: int, seed: int) -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD, CONTROLS)
    alone = [
        excerpts.streams(batch * world, 16, seed).chunk(step),
        excerpts.windows(batch * world, 16, 5, seed).batch(step),
    ]
    streams, windows = excerpts.streams(batch, 16, seed), excerpts.windows(batch, 16, 5, seed)
    shares = [
        [streams.chunk(step, rank, world) for rank in range(world)],
        [windows.batch(step, rank, world) for rank in range(world)],
    ]
    for whole, parts in zip(alone, shares, strict=True):
        for field, pieces in zip(whole, zip(*parts, strict=True), strict=True):
            assert torch.equal(torch.cat(pieces), field)


def test_epochs_differ_and_seeds_differ() -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    streams = excerpts.streams(2, 16)
    steps = streams.steps_per_epoch()
    assert len({tuple(streams.chunk(epoch * steps).codes[:, 0].tolist()) for epoch in range(10)}) > 3
    assert len({tuple(excerpts.streams(2, 16, seed).chunk(0).codes[:, 0].tolist()) for seed in range(10)}) > 3
    windows = excerpts.windows(3, 60, 0)
    assert len({tuple(windows.positions(windows.count * epoch)[1].tolist()) for epoch in range(10)}) > 5
    assert len({tuple(excerpts.windows(3, 60, 0, seed).positions(0)[1].tolist()) for seed in range(10)}) > 5


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(length=st.sampled_from([1, 16, 50, 64, 500]), context=st.sampled_from([0, 40]), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_every_sample_is_predicted_once_an_epoch_the_first_and_the_last_too(
    length: int, context: int, seed: int
) -> None:
    windows = Excerpts(RAMP, SOUNDS, TOLD).windows(1, length, context, seed)
    for epoch in range(2):
        heard = [windows.batch(step) for step in range(epoch * windows.count, (epoch + 1) * windows.count)]
        assert read(heard) == all_of(SOUNDS)
    assert windows.count == sum(-(-sound.length // length) for sound in SOUNDS)
    assert windows.share == sum(LENGTHS) / (windows.count * length)


def test_a_batch_goes_on_from_one_epoch_into_the_next() -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    windows = excerpts.windows(5, 50, 0)
    single = excerpts.windows(1, 50, 0)
    for step in range(2 * windows.count // 5):
        wanted = torch.cat([single.batch(5 * step + row).codes for row in range(5)])
        assert torch.equal(windows.batch(step).codes, wanted)


def test_windows_move_from_epoch_to_epoch() -> None:
    windows = Excerpts(RAMP, [Sound(Path("a.wav"), None, 0, 90)], TOLD).windows(1, 100, 0)
    shifts = {int(windows.positions(epoch)[1][0]) for epoch in range(100)}
    assert shifts == set(range(-10, 1))


# ── everything in order ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("batch", "block"), [(1, 64), (4, 33), (10, 1000)])
@pytest.mark.parametrize("tail", [0, 20])
def test_the_whole_is_every_sample_once_in_order(batch: int, block: int, tail: int) -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD, tail=tail)
    rows: list[list[int]] = []
    group: list[list[int]] = []
    for x, codes, counts, fresh in excerpts.whole(batch, block):
        assert fresh.all() or not fresh.any()
        if fresh.all():
            rows, group = rows + group, [[] for _ in fresh]
            assert (x[:, 0, 0] == float(TOLD.quantizer.levels_of(np.array(SILENCE)))).all()
        for row, code, count in zip(group, codes, counts, strict=True):
            row += code[count].tolist()
    found = sorted(rows + group, key=lambda row: row[0])
    assert found == [[*range(sound.start + 1, sound.start + sound.length + 1), *[SILENCE] * tail] for sound in SOUNDS]


@pytest.mark.parametrize(("batch", "length", "context"), [(1, 64, 0), (4, 33, 20), (100, 1000, 5)])
def test_once_is_every_sample_once(batch: int, length: int, context: int) -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    parts = list(excerpts.once(batch, length, context))
    assert read(parts) == all_of(SOUNDS)
    assert all(len(part.x) <= batch for part in parts)
    assert [code for part in parts for code in part.codes[part.counts].tolist()] == sorted(all_of(SOUNDS))


# ── what cannot be ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="there is no sound"):
        Excerpts(RAMP, [], TOLD)
    with pytest.raises(DataError, match=r"a\.wav: samples 990 to 1001 lie outside the track's 1000"):
        Excerpts(RAMP, [Sound(Path("a.wav"), None, 990, 11)], TOLD)
    with pytest.raises(DataError, match="class 'odd' is unknown"):
        Excerpts(RAMP, SOUNDS, TOLD, Controls(8000, ("even",)))
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    with pytest.raises(DataError, match="7 chunks of 200 samples, too few for 9 sequences"):
        excerpts.streams(9, 200)
    with pytest.raises(DataError, match="too few for 10 sequences"):
        excerpts.streams(5, 200).chunk(0, 0, 2)
    with pytest.raises(ValueError, match="chunk=0"):
        excerpts.streams(1, 0)
    with pytest.raises(ValueError, match="context=-1"):
        excerpts.windows(1, 1, -1)
    with pytest.raises(ValueError, match="tail=-1"):
        Excerpts(RAMP, SOUNDS, TOLD, tail=-1)

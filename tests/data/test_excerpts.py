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
from numpy.typing import NDArray
from torch import Tensor

from wavewright.audio.companding import quantizer
from wavewright.audio.recording import FloatArray
from wavewright.data.controls import Controls
from wavewright.data.corpus import Sound
from wavewright.data.encoding import Encoding
from wavewright.data.excerpts import Chunk, Excerpt, Excerpts, Windows
from wavewright.data.tape import Pieces
from wavewright.errors import DataError
from wavewright.nets.sample_wavenet import SampleWaveNet, SampleWaveNetConfig

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


ENCODINGS = st.builds(
    Encoding,
    st.sampled_from(["mu-law", "linear", "16-bit"]),
    st.sampled_from([0.0, 0.9]),
    st.sampled_from([1.0, 0.5]),
)


def alone(
    excerpts: Excerpts, number: int, first: int, frames: int
) -> tuple[NDArray[np.int64], FloatArray, FloatArray, list[bool]]:
    """Codes, levels before, controls and which count of a part of one sound, the sound encoded whole."""
    sound = SOUNDS[number]
    audio = np.pad(excerpts.track[0, sound.start : sound.start + sound.length], (300, 600))  # silence on either side
    codes = excerpts.encoding.encode(audio)[0].astype(np.int64)
    levels = 2 * codes / (excerpts.encoding.quantizer.levels - 1) - 1
    begin, end = 300 + first, 300 + first + frames
    told = np.zeros((0, frames), np.float32)
    if excerpts.controls is not None:
        envelope = CONTROLS.envelope_of(audio[300 : 300 + sound.length])
        told = excerpts.controls.signal(frames, first, label=sound.label, envelope=envelope)
    inside = [0 <= t < excerpts.lengths[number] for t in range(first, first + frames)]
    return codes[begin:end], levels[begin - 1 : end - 1].astype(np.float32), told, inside


@given(
    encoding=ENCODINGS,
    tail=st.sampled_from([0, 50]),
    rows=st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(-80, 400), st.integers(1, 100)), min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    ),
    length=st.integers(1, 250),
)
@settings(deadline=None, max_examples=60)
def test_every_piece_is_a_part_of_the_sound_encoded_whole(
    encoding: Encoding, tail: int, rows: list[list[tuple[int, int, int]]], length: int
) -> None:
    width = max(length, *(sum(frames for _, _, frames in row) for row in rows))
    pieces = []
    for number, row in enumerate(rows):
        column = 0
        for sound, first, frames in row:
            pieces.append((number, column, sound, first, frames))
            column += frames
        if column < width:
            pieces.append((number, column, 0, -80, width - column))
    context = width - length
    excerpts = Excerpts(noise(1000), SOUNDS, encoding, CONTROLS, tail)
    x, codes, counts = excerpts.read(Pieces(*map(np.array, zip(*pieces, strict=True))), len(rows), length, context)
    assert (x.shape, x.dtype) == ((len(rows), 5, width), torch.float32)
    assert codes.shape == counts.shape == (len(rows), length)
    assert (codes.dtype, counts.dtype) == (torch.int64, torch.bool)
    for number, column, sound, first, frames in pieces:
        wanted, before, told, inside = alone(excerpts, sound, first, frames)
        end, skipped = column + frames, max(context - column, 0)
        np.testing.assert_allclose(x[number, 0, column:end], before, atol=1e-6)
        np.testing.assert_array_equal(x[number, 1:, column:end], told)
        if skipped < frames:
            here = slice(column + skipped - context, end - context)
            np.testing.assert_array_equal(codes[number, here], wanted[skipped:])
            np.testing.assert_array_equal(counts[number, here], inside[skipped:])


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
    one = [
        excerpts.streams(batch * world, 16, seed).chunk(step),
        excerpts.windows(batch * world, 16, 5, seed).batch(step),
    ]
    streams, windows = excerpts.streams(batch, 16, seed), excerpts.windows(batch, 16, 5, seed)
    shares = [
        [streams.chunk(step, rank, world) for rank in range(world)],
        [windows.batch(step, rank, world) for rank in range(world)],
    ]
    for whole, parts in zip(one, shares, strict=True):
        for field, pieces in zip(whole, zip(*parts, strict=True), strict=True):
            assert torch.equal(torch.cat(pieces), field)


def test_epochs_differ_and_seeds_differ() -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    streams = excerpts.streams(2, 16)
    steps = streams.steps_per_epoch()
    assert len({tuple(streams.chunk(epoch * steps).codes[:, 0].tolist()) for epoch in range(10)}) > 3
    assert len({tuple(excerpts.streams(2, 16, seed).chunk(0).codes[:, 0].tolist()) for seed in range(10)}) > 3
    windows = excerpts.windows(1, 1000, 0)  # all sounds in one
    assert len({tuple(windows.pieces(epoch).sound.tolist()) for epoch in range(10)}) > 5
    assert len({tuple(excerpts.windows(1, 1000, 0, seed).pieces(0).sound.tolist()) for seed in range(10)}) > 5


def test_there_may_be_a_row_for_every_chunk_and_no_more() -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD, tail=10)
    for chunk in (1, 50, 1000):
        most = excerpts.most_rows(chunk)
        streams = excerpts.streams(most, chunk)
        assert streams.steps_per_epoch() == 1
        assert read([streams.chunk(0)]) == all_of(SOUNDS) + Counter({SILENCE: 10 * len(SOUNDS)})
        with pytest.raises(DataError, match=f"have {most} chunks"):
            excerpts.streams(most + 1, chunk)


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────────────────


def epoch_of(windows: Windows, epoch: int) -> list[Excerpt]:
    """All windows of an epoch, one to a batch."""
    return [windows.batch(number) for number in range(windows.before(epoch), windows.before(epoch + 1))]


@given(
    length=st.sampled_from([5, 16, 50, 64, 500]),
    context=st.sampled_from([0, 3, 40, 700]),
    tail=st.sampled_from([0, 20]),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=25)
def test_every_sample_is_predicted_once_an_epoch_the_first_and_the_last_too(
    length: int, context: int, tail: int, seed: int
) -> None:
    windows = Excerpts(RAMP, SOUNDS, TOLD, tail=tail).windows(1, length, context, seed)
    for epoch in range(2):
        heard = epoch_of(windows, epoch)
        assert read(heard) == all_of(SOUNDS) + Counter({SILENCE: tail * len(SOUNDS)} if tail else {})
        assert all(bool(part.counts.any()) for part in heard)
    assert windows.before(1) == windows.count <= sum(-(-(sound.length + tail) // length) for sound in SOUNDS)
    computed = sum(part.x.shape[-1] for part in epoch_of(windows, 0))
    assert windows.share == (sum(LENGTHS) + tail * len(SOUNDS)) / computed


@given(
    encoding=ENCODINGS,
    length=st.sampled_from([16, 50, 500]),
    context=st.sampled_from([0, 1, 40, 250]),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=12)
def test_whatever_a_sample_is_predicted_from_is_its_own_sound_and_silence(
    encoding: Encoding, length: int, context: int, seed: int
) -> None:
    layout = Excerpts(RAMP, SOUNDS, TOLD).windows(4, length, context, seed)  # its codes say which sample comes where
    excerpts = Excerpts(noise(1000), SOUNDS, encoding, CONTROLS)
    windows = excerpts.windows(4, length, context, seed)
    whole = [alone(excerpts, number, -context, context + sound.length) for number, sound in enumerate(SOUNDS)]
    for step in range(2):
        told, (x, codes, counts) = layout.batch(step), windows.batch(step)
        assert torch.equal(told.counts, counts)
        for row, column in counts.nonzero().tolist():
            place = int(told.codes[row, column]) - 1
            number = int(np.searchsorted(STARTS, place, side="right")) - 1
            sample = place - STARTS[number]
            wanted, before, controls, _ = whole[number]
            assert codes[row, column] == wanted[context + sample]
            heard = x[row, :, column : column + context + 1].numpy()
            assert np.abs(heard[0] - before[sample : sample + context + 1]).max() < 1e-6
            assert (heard[1:] == controls[:, sample : sample + context + 1]).all()


def all_alone(net: SampleWaveNet, excerpts: Excerpts) -> dict[int, Tensor]:
    """What a network says of each sample of the track, each sound heard by itself from its own first silence."""
    said = {}
    for number, sound in enumerate(SOUNDS):
        _, before, controls, _ = alone(excerpts, number, 0, sound.length)
        x = torch.from_numpy(np.concatenate([before[np.newaxis], controls])).double()[np.newaxis]
        y, _ = net(x, net.state_of_silence(x[:, 1:, 0]))
        said |= {sound.start + time: y[0, :, time] for time in range(sound.length)}
    return said


@pytest.mark.parametrize("gated", [False, True])
@torch.no_grad()
def test_a_network_says_in_windows_what_it_says_of_the_sounds_alone(gated: bool) -> None:
    torch.manual_seed(0)
    shape = SampleWaveNetConfig(channels=4, layers=8, cycle=4, head_size=3, levels=256, controls=4, gated=gated)
    net = SampleWaveNet(shape).double()
    context = net.receptive_field - 1
    excerpts = Excerpts(noise(1000), SOUNDS, Encoding("mu-law", 0.9, 0.5), CONTROLS)
    layout = Excerpts(RAMP, SOUNDS, TOLD)
    wanted = all_alone(net, excerpts)
    windows, told_apart = excerpts.windows(3, 100, context), layout.windows(3, 100, context)
    parts = [(windows.batch(step), told_apart.batch(step)) for step in range(3)]
    parts += zip(excerpts.once(3, 100, context), layout.once(3, 100, context), strict=True)
    for (x, _, counts), told in parts:
        y = net.valid(x.double())
        alike = torch.stack([wanted[code - 1] for code in told.codes[counts].tolist()])
        assert float((y.transpose(1, 2)[counts] - alike).abs().max()) < 1e-12


def test_a_batch_goes_on_from_one_epoch_into_the_next() -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD)
    windows, single = excerpts.windows(5, 50, 20), excerpts.windows(1, 50, 20)
    for step in (40, *range(2 * windows.count // 5)):  # any step may be asked for first
        rows = zip(*(single.batch(5 * step + row) for row in range(5)), strict=True)
        for part, wanted in zip(windows.batch(step), rows, strict=True):
            assert torch.equal(part, torch.cat(wanted))
    assert windows.batch(0).x.shape == (5, 1, 70)
    huge = excerpts.windows(100, 50, 20).batch(0)  # more than three epochs at once
    assert read([huge]) == read([single.batch(number) for number in range(100)])


def test_a_long_recording_is_cut_elsewhere_in_every_epoch_and_hears_what_was_before() -> None:
    excerpts = Excerpts(RAMP, [Sound(Path("a.wav"), None, 0, 990)], TOLD)
    windows = excerpts.windows(1, 100, 30)
    assert windows.count == 10
    shifts, begins = set(), []
    for number in range(1000):
        x, codes, counts = windows.batch(number)
        assert windows.before(number // 10) == number // 10 * 10
        shifts.add(int(windows.pieces(number).first[0] + 30) % 100)
        first = int(codes[0][counts[0]][0])
        begins.append(first)
        heard = np.maximum(np.arange(first - 31, first), 0)  # nothing was before the first
        levels = TOLD.quantizer.levels_of(np.where(heard == 0, SILENCE, heard))
        at = int(counts[0].nonzero()[0])
        np.testing.assert_array_equal(x[0, 0, at : at + 31], levels)
    assert shifts == {0, *range(90, 100)}
    turns = [tuple(np.argsort(begins[epoch * 10 : epoch * 10 + 10])) for epoch in range(100)]
    assert len(set(turns)) > 95


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
@pytest.mark.parametrize("tail", [0, 20])
def test_once_is_every_sample_once_in_order(batch: int, length: int, context: int, tail: int) -> None:
    excerpts = Excerpts(RAMP, SOUNDS, TOLD, tail=tail)
    parts = list(excerpts.once(batch, length, context))
    assert all(len(part.x) <= batch for part in parts)
    told = [code for part in parts for code in part.codes[part.counts].tolist()]
    assert told == [code for s in SOUNDS for code in [*range(s.start + 1, s.start + s.length + 1), *[SILENCE] * tail]]


def test_once_short_sounds_share_a_window() -> None:
    (only,) = Excerpts(RAMP, SOUNDS, TOLD).once(8, sum(LENGTHS) + 5 * 40, 40)
    assert only.codes.shape == (1, sum(LENGTHS) + 5 * 40)
    assert int(only.counts.sum()) == sum(LENGTHS)


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

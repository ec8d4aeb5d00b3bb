"""Frames as a network hears them: what was before, what counts, where a sound is over; and codes and characters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.instruments import kick_808
from wavewright.audio.stretch import varispeed
from wavewright.data.character import Character
from wavewright.data.controls import since_onset
from wavewright.data.frame_controls import AGE_CHANNELS, BAR_BUMPS, Beat, FrameControls
from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import frame_kind
from wavewright.data.frame_scaling import Scaling
from wavewright.data.frames import Cutting, Frames, count_of
from wavewright.data.residual_kmeans import decoded, encoded, residual_codebooks
from wavewright.errors import DataError

RATE, HOP = 8000, 64


def frames_of(name: str = "mdct", components: int = 0, padded: int = 0, heard: int = 2) -> Frames:
    sounds = [kick_808(0.05 + 0.03 * number, RATE, hz=60 + 9 * number, seed=number) for number in range(5)]
    kind = frame_kind(name, HOP, RATE, lap=0.5)
    gain = Gain.smooth(0.4, HOP, RATE)
    told = np.concatenate([kind.analyse(sound) / gain.of(kind.analyse(sound))[:, None] for sound in sounds])
    cutting = Cutting(kind, gain, Scaling.of(told, components), heard)
    controls = [FrameControls(np.float32([number]), age=HOP / RATE) for number in range(5)]
    return Frames(sounds, cutting, controls, padded)


@pytest.mark.parametrize("name", ["mdct", "raw", "fft"])
def test_each_frame_is_heard_behind_those_before_it(name: str) -> None:
    frames = frames_of(name)
    cutting, sound = frames.cutting, frames.sounds[3]
    whole = cutting.kind.analyse(sound)
    gains = cutting.gain.of(np.pad(whole, ((0, 1), (0, 0))))
    x, numbers = frames._read(3, 0, int(frames.lengths[3]))
    size = cutting.numbers
    assert np.abs(numbers[:-1] - cutting.scaling.numbers(whole / gains[:-1, None])).max() < 1e-4
    for t in (0, 1, 2, len(whole) - 1):
        for back in (1, 2):
            before = whole[t - back] if t >= back else np.zeros(cutting.kind.size, np.float32)
            expected = cutting.scaling.numbers(before / gains[t])
            assert np.abs(x[t, (back - 1) * size : back * size] - expected).max() < 2e-3
        assert x[t, 2 * size] == pytest.approx(cutting.gain.told(gains)[t], abs=1e-4)
    assert x[:, 2 * size + 1].tolist() == [3.0] * len(x)
    told = x[:, -AGE_CHANNELS:]
    place = since_onset(np.arange(len(x)) * HOP / RATE) * (AGE_CHANNELS - 1)
    assert np.abs(told.argmax(axis=1) - place).max() <= 0.5 + 1e-6  # the bump that is nearest is the highest
    assert np.allclose(told.max(axis=1), np.exp(-0.5 * (place - np.rint(place)) ** 2), atol=1e-6)


def test_what_is_kept_is_what_is_cut_anew() -> None:
    frames, anew = frames_of(), frames_of()
    anew._kept = None
    for number, first, count in ((0, 0, 3), (4, 2, 5), (2, 1, 4)):
        for kept, cut in zip(frames.read(number, first, count), anew.read(number, first, count), strict=True):
            assert np.abs(kept - cut).max() < 1e-5


def test_what_lies_behind_the_end_does_not_count_and_the_ending_does() -> None:
    frames = frames_of()
    numbers = np.arange(5)
    chunk = frames.cut(numbers, np.zeros(5, np.int64), 40, np.ones(5, np.bool_))
    for row, sound in enumerate(frames.sounds):
        count = count_of(frames.cutting.kind, len(sound))
        assert chunk.counts[row].tolist() == [t < count for t in range(40)]
        assert chunk.asked[row].tolist() == [t <= count for t in range(40)]
        assert chunk.over[row].nonzero().flatten().tolist() == [count]
    assert chunk.x.shape == (5, frames.channels, 40)
    assert float(chunk.x[0, :, 30:].abs().max()) == 0.0


def test_padding_makes_silence_count() -> None:
    frames = frames_of(padded=35)
    assert frames.counts.tolist() == [35] * 5
    chunk = frames.cut(np.arange(5), np.zeros(5, np.int64), 35, np.ones(5, np.bool_))
    assert bool(chunk.counts.all())


@settings(deadline=None, max_examples=40)
@given(batch=st.integers(1, 6), length=st.integers(1, 12), seed=st.integers(0, 9))
def test_an_epoch_leaves_nothing_out_and_rows_go_on(batch: int, length: int, seed: int) -> None:
    frames = STREAMED
    streams = frames.streams(batch, length, seed)
    seen: set[tuple[int, int]] = set()
    before: list[tuple[int, int]] = []
    for step in range(streams.steps_per_epoch()):
        index, number = streams._epoch(0)
        chunks = np.arange(batch) * streams.count // batch + step
        here = list(zip(index[chunks].tolist(), number[chunks].tolist(), strict=True))
        fresh = streams.batch(step).fresh.tolist()
        for row, (sound, part) in enumerate(here):
            goes_on = step > 0 and before[row] == (sound, part - 1)
            assert fresh[row] != goes_on
        seen |= set(here)
        before = here
    expected = {(s, n) for s, count in enumerate(frames.lengths.tolist()) for n in range(-(-count // length))}
    assert seen == expected


STREAMED = frames_of()


def test_too_few_chunks_are_refused() -> None:
    with pytest.raises(DataError, match="too few for 99 sequences"):
        frames_of().streams(99, 64)


def test_the_beat_comes_round() -> None:
    beat = Beat.at(120.0, hop=1000, rate=8000, first_seconds=0.25)
    signal = beat.signal(0, 17)
    assert np.allclose(signal[:2, 2], [1, 0], atol=1e-6)  # a quarter of a second in
    assert np.allclose(signal[:, 0], signal[:, 16], atol=1e-5)  # a bar of two seconds later
    assert not np.allclose(signal[2:, 0], signal[2:, 4], atol=0.1)


@given(first=st.floats(-8, 8), step=st.floats(0.01, 0.7))
@settings(deadline=None, max_examples=60)
def test_beats_follow_one_another_and_each_is_counted_from_its_beginning(first: float, step: float) -> None:
    beat = Beat(first, step)
    places = [beat.beat_of(frame) for frame in range(200)]
    for frame, ((one, at), (later, then)) in enumerate(itertools.pairwise(places)):
        assert (later, then) == (one, at + 1) or (later == one + 1 and then <= 1)
        assert abs(first + step * frame - one - step * at) <= 0.51 * step
    assert beat.beats(3, 50).tolist() == [one for one, _ in places[3:53]]


def test_each_beat_has_its_own_character_and_the_last_one_holds() -> None:
    character = np.float32([[1.0], [2.0]])
    controls = FrameControls(np.float32([7.0]), beat=Beat(first=1.75, step=0.25), character=character)
    assert controls.told(0, 7)[1].tolist() == [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert controls.told(0, 7)[0].tolist() == [7.0] * 7
    assert controls.signal(2, 3).shape == (controls.count, 3)


def test_how_far_through_itself_a_sound_is_ends_with_its_length() -> None:
    controls = FrameControls(np.zeros(0, np.float32), length=10.0)
    signal = controls.signal(0, 15)
    assert signal.shape == (controls.count, 15)
    assert signal.argmax(axis=0)[[0, 5, 10, 14]].tolist() == [0, 5, 11, 11]
    assert np.allclose(signal.sum(axis=0), 1)


def test_a_bump_is_highest_at_its_place_in_the_bar_and_comes_round() -> None:
    signal = Beat(first=0.0, step=4 / BAR_BUMPS).signal(0, 2 * BAR_BUMPS)[4:]
    assert signal.argmax(axis=0).tolist() == 2 * list(range(BAR_BUMPS))
    assert np.allclose(signal[:, :BAR_BUMPS], signal[:, :BAR_BUMPS].T, atol=1e-6)


# ── codes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_codes_are_the_nearest_vectors_stage_by_stage() -> None:
    dice = np.random.default_rng(0)
    frames = dice.standard_normal((300, 6)).astype(np.float32)
    books = residual_codebooks(frames, codebooks=3, tokens=8)
    codes = encoded(books, frames)
    for frame, code in zip(frames[:40], codes[:40], strict=True):
        left = frame.astype(np.float64)
        for book, chosen in zip(books, code, strict=True):
            distances = np.square(book - left).sum(1)
            assert distances[chosen] <= distances.min() + 1e-5
            left = left - book[chosen]
    assert np.allclose(decoded(books, codes), sum(books[q][codes[:, q]] for q in range(3)), atol=1e-6)


def test_each_codebook_leaves_less() -> None:
    frames = np.random.default_rng(1).standard_normal((500, 4)).astype(np.float32)
    books = residual_codebooks(frames, codebooks=4, tokens=16)
    codes = encoded(books, frames)
    errors = [np.square(frames - decoded(books[:q], codes[:, :q])).mean() for q in (1, 2, 3, 4)]
    assert all(later < 0.8 * earlier for earlier, later in itertools.pairwise(errors))
    assert not books[1:, 0].any()


# ── character ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_character_tells_how_sounds_differ() -> None:
    sounds = [kick_808(0.3, RATE, hz=50, ring_seconds=ring, seed=0) for ring in np.linspace(0.1, 0.5, 9)]
    character = Character.of(sounds, RATE, 2)
    found = np.stack([character.numbers_of(sound, RATE) for sound in sounds])
    steps = np.diff(found[:, 0])
    assert (steps > 0).all() or (steps < 0).all()  # one direction of change: the first number follows it
    assert found.std(0)[0] == pytest.approx(1.0, abs=0.02)


def test_a_character_with_lengths_is_of_the_whole_sound_however_long_and_tells_it() -> None:
    sounds = [kick_808(0.3, RATE, hz=hz, ring_seconds=0.2, seed=0) for hz in (40, 50, 60, 70)]
    longer = [varispeed(sound, 0.5) for sound in sounds]
    character = Character.of([*sounds, *longer], RATE, 3, lengths=True)
    for sound, twice in zip(sounds, longer, strict=True):
        one, other = (character.numbers_of(some, RATE) for some in (sound, twice))
        assert one.shape == (4,)
        assert other[-1] - one[-1] == pytest.approx(1.0, abs=0.01)  # an octave
        assert character.seconds_of(one) == pytest.approx(len(sound) / RATE, rel=1e-5)

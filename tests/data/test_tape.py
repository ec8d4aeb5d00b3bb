"""The tape against a slow walk along it, and by its laws: everything once, nobody hears a neighbour, few windows."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wavewright.data.tape import Indices, Pieces, Tape

ROOM = st.integers(1, 40)
LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def spread(pieces: Pieces, rows: int, columns: int) -> NDArray[np.int64]:
    """The sound and the sample at each place, ``(rows, columns, 2)``; every place is filled once."""
    places = np.zeros((rows, columns, 2), np.int64)
    filled = np.zeros((rows, columns), int)
    for row, column, sound, first, frames in zip(*pieces, strict=True):
        places[row, column : column + frames, 0] = sound
        places[row, column : column + frames, 1] = range(first, first + frames)
        filled[row, column : column + frames] += 1
    assert (filled == 1).all()
    assert (pieces.frames > 0).all()
    return places


def walk(lengths: Indices, order: Indices, context: int, place: int) -> tuple[int, int]:
    """The sound and the sample at a place of the tape."""
    begin = 0
    for sound in order:
        if place < begin + lengths[sound] or sound == order[-1]:
            return int(sound), place - begin
        begin += int(lengths[sound]) + context
    raise AssertionError


@given(
    LENGTHS, st.integers(0, 50), ROOM, st.randoms(use_true_random=False), st.lists(st.integers(-90, 500), min_size=1)
)
@settings(deadline=None, max_examples=60)
def test_pieces_are_what_lies_there(
    lengths: list[int], context: int, length: int, random: np.random.Generator, windows: list[int]
) -> None:
    order = list(range(len(lengths)))
    random.shuffle(order)
    sizes, turns = np.array(lengths), np.array(order)
    pieces = Tape.of(sizes, turns, context).pieces(np.array(windows), length)
    found = spread(pieces, len(windows), context + length)
    for row, window in enumerate(windows):
        for column in range(context + length):
            assert tuple(found[row, column]) == walk(sizes, turns, context, window - context + column)


@given(LENGTHS, st.integers(0, 50), ROOM, st.integers(0, 39))
@settings(deadline=None, max_examples=100)
def test_windows_hold_everything_once_and_no_sample_sees_another_sound(
    lengths: list[int], context: int, length: int, shift: int
) -> None:
    sizes = np.array(lengths)
    tape = Tape.of(sizes, np.arange(len(sizes))[::-1], context)
    windows = tape.windows(length, -min(shift, length - 1))
    places = spread(tape.pieces(windows, length), len(windows), context + length)
    heard: Counter[tuple[int, int]] = Counter()
    for row in places:
        told = 0
        for column in range(context, context + length):
            sound, sample = row[column]
            if 0 <= sample < sizes[sound]:
                heard[sound, sample] += 1
                told += 1
                seen = row[column - context : column + 1]
                assert (seen[:, 0] == sound).all()
                assert (np.diff(seen[:, 1]) == 1).all()
        assert told  # no window is there for nothing
    assert heard == Counter((sound, sample) for sound, size in enumerate(sizes) for sample in range(size))


@given(LENGTHS, st.integers(0, 50), ROOM)
@settings(deadline=None, max_examples=100)
def test_sharing_windows_never_takes_more_of_them(lengths: list[int], context: int, length: int) -> None:
    sizes = np.array(lengths)
    tape = Tape.of(sizes, np.arange(len(sizes)), context)
    windows = tape.windows(length)
    assert len(windows) <= (-(-sizes // length)).sum()  # windows of its own for each sound
    assert len(windows) <= -(-tape.ends[-1] // length)  # or edge to edge, gaps and all
    assert (np.diff(windows) >= length).all()


def test_one_sound_is_cut_edge_to_edge() -> None:
    tape = Tape.of(np.array([1000]), np.array([0]), context=70)
    assert tape.windows(300).tolist() == [0, 300, 600, 900]
    assert tape.windows(300, -200).tolist() == [-200, 100, 400, 700]
    assert [part.tolist() for part in tape.pieces(np.array([300]), 300)] == [[0], [0], [0], [230], [370]]

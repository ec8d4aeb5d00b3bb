"""Stretches at full scale that are no sound, and how long a recording needs to recover from them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data.outages import RECOVERED, outages, recovery, usable, widened, within

RATE = 8_000
PIECE = 8_000
SETTLING = 0.03


def restarted(pieces: int, seed: int = 0, settling: float = SETTLING) -> np.ndarray:
    """Noise of -14 dBFS; at the start of each piece a supply comes up: at full scale, then an exponential decay."""
    random = np.random.default_rng(seed)
    sound = 0.2 * random.standard_normal(pieces * PIECE)
    bias = 16 * np.exp(-np.arange(PIECE) / (settling * RATE))
    return np.clip(sound - np.tile(bias, pieces), -1, 1).astype(np.float32)[np.newaxis]


@given(
    runs=st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=8),
    sign=st.sampled_from([-1, 1]),
)
@settings(deadline=None, max_examples=40)
def test_outages_are_the_runs_at_full_scale_longer_than_a_bass_note(runs: list[tuple[int, int]], sign: int) -> None:
    parts, wanted, at = [], [], 0
    for quiet, loud in runs:
        parts += [np.zeros(quiet), np.full(loud, sign)]
        if loud >= 0.05 * RATE:
            wanted.append((at + quiet, at + quiet + loud))
        at += quiet + loud
    assert outages(np.concatenate(parts).astype(np.float32)[np.newaxis], RATE) == wanted


def test_ordinary_clipping_is_no_outage() -> None:
    t = np.arange(4 * RATE) / RATE
    wet = np.clip(3 * np.sin(2 * np.pi * 40 * t), -1, 1).astype(np.float32)[np.newaxis]
    assert usable(wet, RATE) is None


def test_a_recovery_is_over_where_its_power_is_hardly_the_sounds() -> None:
    wet = restarted(60)
    settled = recovery(wet, RATE, outages(wet, RATE))
    exact = SETTLING * RATE * np.log(16 / (0.2 * np.sqrt(RECOVERED)))  # where 16 exp(−n/τ) has come down so far
    assert settled == pytest.approx(exact, abs=0.02 * RATE)


def test_what_is_usable_lies_between_the_outages() -> None:
    wet = restarted(60)
    parts = usable(wet, RATE)
    assert parts is not None
    assert len(parts) == 60
    for number, (start, stop) in enumerate(parts):
        assert number * PIECE < start < stop <= (number + 1) * PIECE
        assert abs(float(wet[0, start:stop].mean())) < 0.02
    share = sum(stop - start for start, stop in parts) / wet.shape[1]
    assert 0.7 < share < 0.9


def test_a_single_outage_is_given_its_own_length_to_recover() -> None:
    wet = np.zeros((2, 4 * RATE), np.float32)
    wet[1, 1000:2000] = 1
    guard = round(0.005 * RATE)
    assert usable(wet, RATE) == [(0, 1000 - guard), (3000, 4 * RATE)]


@given(
    cuts=st.lists(st.integers(0, 500), max_size=12, unique=True),
    length=st.integers(1, 120),
    start=st.integers(0, 100),
    room=st.integers(150, 400),
)
@settings(deadline=None, max_examples=100)
def test_widened_stretches_hold_a_window_and_all_that_was_in_them(
    cuts: list[int], length: int, start: int, room: int
) -> None:
    cuts = sorted(cuts)[: len(cuts) // 2 * 2]
    stretches = list(zip(cuts[::2], cuts[1::2], strict=True))
    wide = widened(stretches, length, start, start + room)
    inside = {n for a, b in within(stretches, start, start + room) for n in range(a, b)}
    covered = {n for a, b in wide for n in range(a, b)}
    assert inside <= covered
    assert all(start <= a and b <= start + room and b - a >= length for a, b in wide)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(wide))

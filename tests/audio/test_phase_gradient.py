"""Phases from magnitudes: tones come back as tones and clicks as clicks, better than by going back and forth."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.phase_gradient import HANN, QUIET, _lowest, _no_ranks, _put, phases
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import istft, stft

N, HOP, RATE = 512, 64, 16_000


def rebuilt(x: FloatArray, known: int = 0) -> FloatArray:
    X = stft(x, N, HOP)
    found = phases(np.abs(X), HOP, known=np.angle(X[:, :known]) if known else None)
    return istft((np.abs(X) * np.exp(1j * found)).astype(np.complex64), HOP, len(x))


def missed(y: FloatArray, x: FloatArray) -> float:
    """Spectral convergence: how far the magnitudes are from those asked for."""
    wanted = np.abs(stft(x, N, HOP))
    return float(np.linalg.norm(np.abs(stft(y, N, HOP)) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("hz", [180.0, 440.0, 1234.5, 6000.0])
def test_a_steady_tone_stays_one(hz: float) -> None:
    x = np.sin(2 * np.pi * hz * np.arange(8000) / RATE).astype(np.float32)
    y = rebuilt(x)[1000:7000]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    bin_ = round(hz * len(y) / RATE)
    assert spectrum[bin_ - 4 : bin_ + 5].sum() > 0.98 * spectrum.sum()


@pytest.mark.parametrize("at", [1500, 3000, 4001])
def test_a_click_stays_in_its_place(at: int) -> None:
    x = np.zeros(6000, np.float32)
    x[at] = 1.0
    y = rebuilt(x)
    # half a millisecond, of frames of 32
    assert abs(int(np.abs(y).argmax()) - at) <= 8
    assert np.square(y[at - 16 : at + 17]).sum() > 0.9 * np.square(y).sum()


def test_a_falling_tone_comes_back() -> None:
    t = np.arange(8000) / RATE
    x = (np.sin(2 * np.pi * (200 * t + 12 * (1 - np.exp(-t / 0.04)))) * np.exp(-t / 0.15)).astype(np.float32)
    dice = np.random.default_rng(0)
    guessed = np.abs(stft(x, N, HOP)) * np.exp(2j * np.pi * dice.random((N // 2 + 1, 126)))
    assert missed(rebuilt(x), x) < 0.12
    assert missed(rebuilt(x), x) < 0.3 * missed(istft(guessed.astype(np.complex64), HOP, len(x)), x)


def test_it_goes_on_from_phases_that_are_known() -> None:
    x = np.sin(2 * np.pi * 700 * np.arange(6000) / RATE).astype(np.float32)
    y = rebuilt(x, known=20)
    # the sound itself, not one like it: its sign and place follow from the frames known
    assert np.abs(y[1400:3000] - x[1400:3000]).max() < 0.25


def test_silence_asks_for_nothing() -> None:
    assert np.isfinite(phases(np.zeros((129, 10), np.float32), 32)).all()


def spread_slowly(magnitude: FloatArray, hop: int, known: FloatArray | None) -> np.ndarray:
    """The paper's algorithm word for word, with a heap, NaN where a phase is free: an oracle for `phases`."""
    bins, frames = magnitude.shape
    size = 2 * (bins - 1)
    loud = magnitude.astype(np.float64)
    least = QUIET * loud.max()
    s, gamma = np.log(np.maximum(loud, least)), HANN * size * size
    along = np.gradient(s, axis=0) * hop * size / gamma + 2 * np.pi * hop * np.arange(bins)[:, None] / size
    across = -np.pi - np.gradient(s, axis=1) * gamma / (hop * size)
    found, done = np.full((bins, frames), np.nan), loud <= least
    first = 0 if known is None else known.shape[1]
    heap: list[tuple[float, int, int]] = []
    if known is not None:
        found[:, :first], done[:, :first] = known, True
        heap = [(-loud[m, first - 1], m, first - 1) for m in range(bins) if loud[m, first - 1] > least]
        heapq.heapify(heap)
    while True:
        if not heap:
            left = np.argwhere(~done)
            if not len(left):
                return found
            m, n = max(left.tolist(), key=lambda cell: loud[tuple(cell)])
            done[m, n], found[m, n] = True, phases(magnitude, hop)[m, n]  # a free phase: any will do
            heap = [(-loud[m, n], m, n)]
        _, m, n = heapq.heappop(heap)
        for dm, dn, slope in ((0, 1, along), (0, -1, along), (1, 0, across), (-1, 0, across)):
            there = (m + dm, n + dn)
            if 0 <= there[0] < bins and first <= there[1] < frames and not done[there]:
                found[there] = found[m, n] + (dm + dn) * 0.5 * (slope[m, n] + slope[there])
                done[there] = True
                heapq.heappush(heap, (-loud[there], *there))


@pytest.mark.parametrize("known", [0, 5])
def test_phases_are_those_of_the_algorithm_as_it_is_written(known: int) -> None:
    t = np.arange(1200) / RATE
    x = (np.sin(2 * np.pi * 900 * t * (1 + t)) * np.exp(-t / 0.02)).astype(np.float32)
    X = stft(x, 128, 32)
    told = np.angle(X[:, :known]) if known else None
    wanted = spread_slowly(np.abs(X), 32, told)
    heard = np.abs(X) > 1e-3 * np.abs(X).max()  # of the same loudness to 0.002 dB are others further down
    turned = np.exp(1j * (phases(np.abs(X), 32, known=told) - wanted))[heard]
    free = turned if known else turned * np.conj(turned[0])  # without known ones, all may turn together
    assert np.abs(free - 1).max() < 1e-3


@given(st.lists(st.integers(0, 300_000), unique=True, max_size=60), st.integers(0, 59))
@settings(deadline=None)
def test_a_set_of_ranks_gives_the_lowest_first(numbers: list[int], early: int) -> None:
    ranks, waiting, given_back = _no_ranks(300_001), list(numbers), []
    for count, number in enumerate(numbers):
        _put(ranks, number)
        if count == early:  # taken while others are still to come
            given_back.append(_lowest(ranks))
            waiting.remove(min(numbers[: count + 1]))
            assert given_back == [min(numbers[: count + 1])]
    assert [_lowest(ranks) for _ in waiting] == sorted(waiting)
    assert _lowest(ranks) == -1

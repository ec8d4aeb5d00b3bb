"""A stream of another rate: as many samples out as in, always as late, and nothing audible is added or lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.engine.player import Player
from wavewright.engine.rate_bridge import BlockResampler, RateBridge
from wavewright.nets.registry import build

RATES = [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000), (48_000, 96_000), (192_000, 44_100), (8_000, 48_000)]


class Wire:
    overflows = 0

    def reset(self) -> None:
        pass

    def process(self, block: FloatArray, out: FloatArray) -> FloatArray:
        out[:] = block
        return out


def band(samples: int, rate: int, below: float) -> np.ndarray:
    """Noise without anything above ``below`` Hz: (1, samples)."""
    white = np.random.default_rng(0).standard_normal(samples) * 0.3
    return signal.sosfiltfilt(signal.cheby2(12, 100, below, fs=rate, output="sos"), white).astype(np.float32)[None]


def in_blocks(bridge: RateBridge, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    out = np.full_like(x, np.nan)
    at = 0
    while at < x.shape[1]:
        size = min(sizes[at % len(sizes)], x.shape[1] - at)
        piece = np.empty((1, size), np.float32)
        bridge.process(np.ascontiguousarray(x[:, at : at + size]), piece)
        out[:, at : at + size] = piece
        at += size
    return out


@pytest.mark.parametrize(("outer", "inner"), RATES)
def test_there_and_back_is_a_delay(outer: int, inner: int) -> None:
    """Compared with an exact delay by a fraction of a sample, made in the spectrum."""
    x = band(16_000, outer, 0.44 * min(outer, inner))
    bridge = RateBridge(Wire(), outer, inner, 64)
    found = in_blocks(bridge, x, [64])[0]
    bins = np.fft.rfftfreq(2 * x.shape[1])
    late = np.fft.irfft(np.fft.rfft(x[0], 2 * x.shape[1]) * np.exp(-2j * np.pi * bins * bridge.delay))[: x.shape[1]]
    inside = slice(2000, 15_000)
    error = np.square(found - late)[inside].sum() / np.square(late)[inside].sum()
    assert 10 * np.log10(error) < -75


@pytest.mark.parametrize(("outer", "inner"), RATES)
def test_each_way_is_what_soxr_gives(outer: int, inner: int) -> None:
    x = band(16_000, outer, 0.44 * min(outer, inner))
    there = BlockResampler(outer, inner, x.shape[1])
    out = np.empty(there.longest, np.float32)
    count = there.process(x[0], out)
    assert count == -(-x.shape[1] * inner // outer)
    bins = np.fft.rfftfreq(2 * x.shape[1])
    late = np.fft.irfft(np.fft.rfft(x[0], 2 * x.shape[1]) * np.exp(-2j * np.pi * bins * there.delay))[: x.shape[1]]
    expected = resample(Recording(late.astype(np.float32)[None], outer), inner).samples[0]
    inside = slice(count // 8, 7 * count // 8)
    error = np.square(out[:count] - expected[:count])[inside].sum() / np.square(expected[inside]).sum()
    assert 10 * np.log10(error) < -75


@settings(deadline=None, max_examples=25)
@given(rates=st.sampled_from(RATES), sizes=st.lists(st.integers(1, 64), min_size=1, max_size=9))
def test_blocks_do_not_show(rates: tuple[int, int], sizes: list[int]) -> None:
    x = (np.random.default_rng(1).standard_normal((1, 700)) * 0.3).astype(np.float32)
    outer, inner = rates
    whole = in_blocks(RateBridge(Wire(), outer, inner, 700), x, [700])
    np.testing.assert_array_equal(in_blocks(RateBridge(Wire(), outer, inner, 64), x, sizes), whole)


def test_a_network_hears_its_own_rate() -> None:
    """In a stream of twice the rate, a network answers as it does at its own, but for the filters."""
    torch.manual_seed(3)
    net = build("a1-nano")
    x = band(6000, 48_000, 8000)
    expected = Player(net).process(x)
    twice = resample(Recording(x, 48_000), 96_000).samples
    bridge = RateBridge(Player(net), 96_000, 48_000, 64)
    found = in_blocks(bridge, twice, [64])[0]
    assert bridge.delay == 128  # samples of the stream: 64 of the network's
    found = found[::2][64:]
    expected = expected[0, : len(found)]
    inside = slice(1000, 5000)
    above = signal.sosfiltfilt(signal.butter(8, 15_000, fs=48_000, output="sos"), [found, expected])
    error = np.square(above[0] - above[1])[inside].sum() / np.square(above[1] - above[1].mean())[inside].sum()
    assert error < 1e-5


def test_reset_forgets_all_and_longer_blocks_are_refused() -> None:
    bridge = RateBridge(Wire(), 44_100, 48_000, 64)
    x = (np.random.default_rng(1).standard_normal((1, 500)) * 0.3).astype(np.float32)
    first = in_blocks(bridge, x, [64])
    bridge.reset()
    np.testing.assert_array_equal(in_blocks(bridge, x, [64]), first)
    with pytest.raises(ValueError, match="65 samples"):
        bridge.process(np.zeros((1, 65), np.float32), np.zeros((1, 65), np.float32))

"""Spectral figures against closed forms, slow loops with scipy, and the torch loss."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.losses import multi_resolution_stft
from wavewright.metrics.spectral import LogSpectralDistance, MultiResolution, lsd, lsd10, mr_stft


def noise(*shape: int, seed: int = 0, level: float = 0.3) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def slow_lsd(output: np.ndarray, target: np.ndarray, size: int, hop: int, base: float) -> float:
    """One frame after the other, as the definition reads."""
    window = scipy.signal.get_window("hann", size)
    distances = []
    for guess, truth in zip(np.atleast_2d(output), np.atleast_2d(target), strict=True):
        guess, truth = (np.pad(signal.astype(float), size // 2) for signal in (guess, truth))
        for start in range(0, truth.size - size + 1, hop):
            logs = []
            for signal in (guess, truth):
                power = np.abs(scipy.fft.rfft(signal[start : start + size] * window)) ** 2
                logs.append(np.array([math.log(max(p, 1e-8), base) for p in power]))
            distances.append(math.sqrt(np.mean((logs[1] - logs[0]) ** 2)))
    return float(np.mean(distances))


@pytest.mark.parametrize(
    ("time", "size", "hop"), [(6000, 2048, 512), (5120, 512, 128), (300, 2048, 512), (1000, 64, 64)]
)
def test_lsd_against_a_slow_loop(time: int, size: int, hop: int) -> None:
    x = noise(2, time)
    x[0, : time // 3] = 0.0  # floors count
    y = scipy.signal.lfilter([0.3, 0.5], [1.0], x).astype(np.float32)
    assert lsd(y, x, size, hop) == pytest.approx(slow_lsd(y, x, size, hop, math.e), rel=1e-9)
    assert lsd10(y, x, size, hop) == pytest.approx(slow_lsd(y, x, size, hop, 10), rel=1e-9)


@settings(deadline=None, max_examples=15)
@given(gain=st.floats(0.05, 5))
def test_lsd_of_a_scaled_copy_is_the_gain(gain: float) -> None:
    x = noise(10_000).astype(np.float64)
    assert lsd(gain * x, x) == pytest.approx(2 * abs(math.log(gain)), rel=1e-6, abs=1e-9)
    assert lsd10(gain * x, x) == pytest.approx(2 * abs(math.log10(gain)), rel=1e-6, abs=1e-9)
    assert mr_stft(gain * x, x) == pytest.approx(abs(1 - gain) + abs(math.log(gain)), rel=1e-6, abs=1e-9)


def test_lsd_takes_the_root_in_each_frame() -> None:
    x = noise(512 * 40).astype(np.float64)
    half = x.size // 2
    y = np.concatenate([x[:half], x[half:] / 10])
    # Half of the frames differ by 2·ln 10, half not at all: the mean of the roots is ln 10,
    # the root of the mean would be √2·ln 10.
    assert lsd(y, x) == pytest.approx(math.log(10), rel=0.05)


@pytest.mark.parametrize(("channels", "time"), [(1, 9000), (2, 4100), (1, 700)])
def test_mr_stft_is_the_loss_of_one_item(channels: int, time: int) -> None:
    x = noise(channels, time)
    y = 0.7 * x + noise(channels, time, seed=1, level=0.05)
    loss = multi_resolution_stft(torch.from_numpy(y).double()[None], torch.from_numpy(x).double()[None])
    assert mr_stft(y, x) == pytest.approx(loss.item(), rel=1e-9)


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, 9000), max_size=6), channels=st.integers(1, 2))
def test_blocks_give_what_the_whole_gives(cuts: list[int], channels: int) -> None:
    x = noise(channels, 9000)
    y = x + noise(channels, 9000, seed=1, level=0.02)
    distance, resolutions = LogSpectralDistance(), MultiResolution()
    edges = [0, *sorted(cuts), 9000]
    for start, stop in itertools.pairwise(edges):
        distance.add(y[:, start:stop], x[:, start:stop])
        resolutions.add(y[:, start:stop], x[:, start:stop])
        _ = distance.lsd  # looking does not disturb
    assert distance.lsd == pytest.approx(lsd(y, x), rel=1e-12)
    assert distance.lsd10 == pytest.approx(lsd10(y, x), rel=1e-12)
    assert resolutions.value == pytest.approx(mr_stft(y, x), rel=1e-12)


def test_nothing_heard_is_nan_and_a_copy_is_zero() -> None:
    assert math.isnan(LogSpectralDistance().lsd)
    assert math.isnan(MultiResolution().value)
    x = noise(3000)
    assert lsd(x, x) == 0.0
    assert mr_stft(x, x) == 0.0
    assert lsd(np.zeros(3000), np.zeros(3000)) == 0.0  # both at the floor


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(5,\).*\(6,\)"):
        lsd(np.zeros(5), np.zeros(6))
    with pytest.raises(ValueError, match="n_fft = 5"):
        lsd(np.zeros(50), np.zeros(50), n_fft=5)
    distance = LogSpectralDistance()
    distance.add(np.zeros((2, 10)), np.zeros((2, 10)))
    with pytest.raises(ValueError, match="1 channels after blocks of 2"):
        distance.add(np.zeros((1, 10)), np.zeros((1, 10)))

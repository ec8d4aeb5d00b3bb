"""The compiled player of impulse responses: equal to a convolution in double precision, whatever the blocks."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.compiled import compiled
from wavewright.engine import player as player_module
from wavewright.engine.convolution_player import SMALLEST, block_size
from wavewright.engine.fourier_kernels import Tables, backward, forward
from wavewright.engine.player import Player
from wavewright.engine.vector_code import at
from wavewright.nets.linear import Linear, LinearConfig

SHORT = 2 * SMALLEST
"""Taps up to which all are multiplied out."""


def network(taps: int, bias: float = 0.3) -> Linear:
    torch.manual_seed(taps)
    net = Linear(LinearConfig(taps, bias=True))
    with torch.no_grad():
        net.bias.fill_(bias)
    return net


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.5).astype(np.float32)


def convolved(net: Linear, x: np.ndarray) -> np.ndarray:
    taps = net.impulse_response.detach().double().numpy()
    return scipy.signal.fftconvolve(x.astype(np.float64), taps[None], axes=1)[:, : x.shape[1]] + net.bias.item()


def in_blocks(player: Player, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    ends = np.cumsum(sizes)
    return np.concatenate(
        [player.process(x[:, end - size : end]) for size, end in zip(sizes, ends, strict=True)], axis=1
    )


@compiled
def there_and_back(x, re, im, y, room, rows, columns, order, turns):
    ways = (rows, columns, at(order, 0), at(turns, 0))
    forward(at(x, 0), at(re, 0), at(im, 0), at(room, 0), *ways)
    backward(at(re, 0), at(im, 0), at(y, 0), at(room, 0), *ways)


@pytest.mark.parametrize("size", [2, 4, 8, 128, 512, 2048])
def test_transforms(size: int) -> None:
    tables = Tables.of(size)
    ways = (tables.rows, tables.columns, tables.order, tables.turns)
    x, y = noise(1, 2 * size)[0], np.zeros(2 * size, np.float32)
    re, im, room = (np.zeros(count, np.float32) for count in (size + 1, size + 1, 4 * size))
    there_and_back(x, re, im, y, room, *ways)
    np.testing.assert_allclose(re + 1j * im, np.fft.rfft(x.astype(np.float64)), rtol=0, atol=1e-6 * size)
    np.testing.assert_allclose(y / (2 * size), x, rtol=0, atol=5e-6)


@pytest.mark.parametrize("size", [0, 1, 3, 96])
def test_a_transform_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Tables.of(size)


@pytest.mark.parametrize("taps", [1, 2, 7, SHORT, SHORT + 1, 1000, 2048, 20_000])
def test_equal_to_a_convolution_at_every_block_size(taps: int) -> None:
    net = network(taps)
    assert player_module.compiled(net)
    player = Player(net, channels=2)
    x = noise(2, 30_000)
    expected = convolved(net, x)
    for size, samples in ((1, 400), (64, 6000), (333, 30_000), (30_000, 30_000)):
        player.reset()
        cuts = [min(size, samples - start) for start in range(0, samples, size)]
        np.testing.assert_allclose(
            in_blocks(player, x[:, :samples], cuts), expected[:, :samples], rtol=0, atol=1e-5, err_msg=str(size)
        )


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 500), min_size=1, max_size=12), taps=st.sampled_from([30, 700]))
def test_how_the_sound_is_cut_changes_no_bit(sizes: list[int], taps: int) -> None:
    net, x = network(taps), noise(2, sum(sizes), seed=len(sizes))
    whole = Player(net, channels=2).process(x)
    np.testing.assert_array_equal(in_blocks(Player(net, channels=2), x, sizes), whole)


def test_channels_do_not_hear_each_other() -> None:
    net, x = network(700), noise(3, 2000)
    x[1] *= 1e20
    together = Player(net, channels=3).process(x)
    alone = np.concatenate([Player(net).process(x[channel : channel + 1]) for channel in range(3)])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("taps", [30, 700])
def test_reset_forgets_all(taps: int) -> None:
    player = Player(network(taps))
    x = noise(1, 1500)
    first = player.process(x)
    player.process(noise(1, 777, seed=1))
    player.reset()
    np.testing.assert_array_equal(player.process(x), first)


@pytest.mark.parametrize("taps", [30, 700])
def test_broken_samples_play_as_zeros(taps: int) -> None:
    player = Player(network(taps), channels=2)
    x = noise(2, 2000)
    x[0, [10, 11, 500]] = np.nan, np.inf, -np.inf
    found = player.process(x)
    assert player.non_finite == 3
    player.reset()
    np.testing.assert_array_equal(found, player.process(np.where(np.isfinite(x), x, np.float32(0))))


@pytest.mark.parametrize("taps", [30, 700])
def test_a_blow_is_forgotten_with_the_last_tap(taps: int) -> None:
    net = network(taps)
    with torch.no_grad():
        net.impulse_response.mul_(100)
    player = Player(net, channels=2)
    x = noise(2, 6000)
    x[0, 40:60] = 3e38
    found = player.process(x)
    assert np.isfinite(found).all()
    assert player.overflows > 0
    size = block_size(taps)
    behind = 60 + taps + 2 * size
    calm = np.where(np.abs(x) > 1e3, np.float32(0), x)
    np.testing.assert_allclose(found[:, behind:], convolved(net, calm)[:, behind:], rtol=0, atol=1e-3)
    np.testing.assert_array_equal(found[1:], Player(net).process(x[1:]))


def test_denormal_numbers_do_no_harm() -> None:
    x = noise(1, 1000) * np.float32(1e-39)
    np.testing.assert_array_equal(Player(network(700, bias=0.0)).process(x), np.zeros_like(x))
    assert np.float32(1e-39) * np.float32(0.5) > 0  # the mode of the processor is put back


def test_processing_takes_no_memory_but_the_output() -> None:
    player, x = Player(network(2048), channels=2), noise(2, 4096)
    out = np.empty_like(x)
    player.process(x, out)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        player.process(x, out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 4096


def test_what_the_kernels_do_not_know_is_played_by_torch() -> None:
    assert not player_module.compiled(network(30).double())
    x = noise(1, 200)
    np.testing.assert_allclose(Player(network(30).double()).process(x), convolved(network(30), x), rtol=0, atol=1e-5)

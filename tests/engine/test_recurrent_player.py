"""The compiled player of LSTMs and GRUs: equal to torch, whatever the blocks; nothing broken stays."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine.player import Player, compiled
from wavewright.engine.recurrent_plan import CHUNK
from wavewright.engine.torch_player import TorchPlayer
from wavewright.formats import nam
from wavewright.nets.recurrent import GRU, LSTM, Recurrent, RecurrentConfig

KINDS = {"lstm": LSTM, "gru": GRU}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm, a vector and a half": ("lstm", {"hidden_size": 24}),
    "gru, a vector and a half": ("gru", {"hidden_size": 24}),
    "lstm, groups of every width": ("lstm", {"hidden_size": 27}),
    "lstm, groups in a loop": ("lstm", {"hidden_size": 71}),
    "gru, groups in a loop": ("gru", {"hidden_size": 71}),
    "gru, layers, skip and a start that was learned": (
        "gru", {"hidden_size": 9, "num_layers": 3, "skip": True, "skip_gain": 0.4, "learned_start": True, "prewarm": 0}
    ),
    "lstm, layers and controls": ("lstm", {"hidden_size": 6, "input_size": 3, "num_layers": 2, "skip": True}),
    "gru, many controls": ("gru", {"hidden_size": 1, "input_size": 51}),
}  # fmt: skip


def network(kind: str, seed: int = 3, **sizes: Any) -> Recurrent:
    """A network that is loud, and whose gates open and close: the errors of a quiet one would not show."""
    torch.manual_seed(seed)
    net = KINDS[kind](RecurrentConfig(**{"prewarm": 300, **sizes}))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name == "start" and net.config.learned_start:
                weight.uniform_(-1, 1)
            weight.mul_(2 if "weight" in name else 1)
    return net


def noise(rows: int, samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((rows, samples)) * 0.5).astype(np.float32)


def by_torch(net: Recurrent, x: np.ndarray, channels: int = 1) -> np.ndarray:
    out = np.empty((channels, x.shape[1]), np.float32)
    TorchPlayer(net, channels).play(x, out)
    return out


def in_blocks(player: Player, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    ends = np.cumsum(sizes)
    return np.concatenate(
        [player.process(x[:, end - size : end]) for size, end in zip(sizes, ends, strict=True)], axis=1
    )


@pytest.mark.parametrize(("kind", "sizes"), SHAPES.values(), ids=SHAPES)
def test_equal_to_torch_at_every_block_size(kind: str, sizes: dict[str, Any]) -> None:
    net = network(kind, **sizes)
    assert compiled(net)
    player = Player(net, inputs=net.in_channels)
    x = noise(net.in_channels, 700)
    expected = by_torch(net, x)
    assert np.abs(expected).std() > 1e-2
    for size, samples in ((1, 150), (64, 700), (333, 700), (700, 700)):
        player.reset()
        cuts = [min(size, samples - start) for start in range(0, samples, size)]
        np.testing.assert_allclose(
            in_blocks(player, x[:, :samples], cuts), expected[:, :samples], rtol=0, atol=1e-5, err_msg=str(size)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_close_to_double_precision(kind: str) -> None:
    """Gates far open, far closed and in between, in units that do not hear each other, or small errors would grow."""
    net = network(kind, hidden_size=24)
    with torch.no_grad():
        net.rnn.weight_hh_l0.zero_()
        net.rnn.weight_ih_l0.mul_(30)
    x = noise(1, 500)
    found = Player(net).process(x)
    np.testing.assert_allclose(found, by_torch(net.double(), x), rtol=0, atol=5e-6)


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(0, 2 * CHUNK + 5), min_size=1, max_size=12), kind=st.sampled_from(list(KINDS)))
def test_how_the_sound_is_cut_changes_no_bit(sizes: list[int], kind: str) -> None:
    net = network(kind, hidden_size=24)
    x = noise(2, sum(sizes), seed=len(sizes))
    whole = Player(net, channels=2).process(x)
    np.testing.assert_array_equal(in_blocks(Player(net, channels=2), x, sizes), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_channels_side_by_side_give_the_bits_of_each_alone(kind: str) -> None:
    net, x = network(kind, hidden_size=24), noise(3, 400)
    together = Player(net, channels=3).process(x)
    for channel in range(3):
        alone = Player(net).process(x[channel : channel + 1])
        np.testing.assert_array_equal(together[channel : channel + 1], alone)


@pytest.mark.parametrize("kind", KINDS)
def test_reset_forgets_all(kind: str) -> None:
    player = Player(network(kind, hidden_size=24))
    x = noise(1, 300)
    first = player.process(x)
    player.process(noise(1, 177, seed=1))
    player.reset()
    np.testing.assert_array_equal(player.process(x), first)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_state_is_the_one_that_was_learned(kind: str) -> None:
    net = network(kind, hidden_size=24, learned_start=True, prewarm=0)
    x = noise(1, 40)
    with torch.no_grad():
        expected, _ = net(torch.from_numpy(x[None]))
        net.start.zero_()
        without, _ = net(torch.from_numpy(x[None]))
        assert (expected - without).abs().max() > 1e-2
    net = network(kind, hidden_size=24, learned_start=True, prewarm=0)
    np.testing.assert_allclose(Player(net).process(x), expected[0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_broken_samples_play_as_zeros(kind: str) -> None:
    player = Player(network(kind, hidden_size=24), channels=2)
    x = noise(2, 300)
    x[0, [10, 11, 200]] = np.nan, np.inf, -np.inf
    found = player.process(x)
    assert player.non_finite == 3
    player.reset()
    np.testing.assert_array_equal(found, player.process(np.where(np.isfinite(x), x, np.float32(0))))


@pytest.mark.parametrize("level", [3e38, 1e30, 1e10])
@pytest.mark.parametrize("kind", KINDS)
def test_a_blow_is_taken_as_torch_takes_it(kind: str, level: float) -> None:
    net = network(kind, hidden_size=24)
    x = noise(1, 600)
    x[0, 100:110] = level
    np.testing.assert_allclose(Player(net).process(x), by_torch(net, x), rtol=0, atol=1e-5)


def test_an_overflow_starts_its_channel_afresh_and_leaves_the_other_alone() -> None:
    net = network("gru", hidden_size=24, skip=True)
    with torch.no_grad():
        net.head.bias.fill_(3e38)
    x = noise(2, 5 * CHUNK)
    alone = Player(net).process(x[1:])
    x[0, CHUNK + 3] = 3e38
    player = Player(net, channels=2)
    found = player.process(x)
    assert player.overflows == 1
    assert found[0, CHUNK + 3] == 0
    np.testing.assert_array_equal(found[1:], alone)
    np.testing.assert_array_equal(found[:1, 2 * CHUNK :], Player(net).process(x[:1, 2 * CHUNK :]))


def test_weights_that_give_no_number_are_played_as_silence() -> None:
    net = network("lstm", hidden_size=24)
    with torch.no_grad():
        net.head.weight.fill_(float("nan"))
    player = Player(net)
    np.testing.assert_array_equal(player.process(noise(1, 100)), np.zeros((1, 100), np.float32))
    assert player.overflows == 100


@pytest.mark.parametrize("kind", KINDS)
def test_denormal_numbers_do_no_harm(kind: str) -> None:
    """Without biases silence is silence; torch keeps what is below 1e-38, the player counts it as zero."""
    net = network(kind, hidden_size=24)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "bias" in name:
                weight.zero_()
    x = noise(1, 500) * np.float32(1e-39)
    np.testing.assert_array_equal(Player(net).process(x), np.zeros_like(x))
    assert np.float32(1e-39) * np.float32(0.5) > 0  # the mode of the processor is put back


def test_processing_takes_no_memory_but_the_output() -> None:
    player = Player(network("lstm", hidden_size=24), channels=3)
    x = noise(3, 4096)
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


def test_the_real_file_sounds_as_in_the_reference_player(shared: Path) -> None:
    net = nam.load(shared / "nam" / "lstm.nam").net
    assert compiled(net)
    x, _ = soundfile.read(shared / "nam" / "input.wav", dtype="float32")
    expected, _ = soundfile.read(shared / "nam" / "lstm.reference.wav")
    error = Player(net).process(x[None])[0].astype(np.float64) - expected
    assert np.sum(error**2) / np.sum(expected**2) < 1e-8


def test_what_the_kernels_do_not_know_is_played_by_torch() -> None:
    net, x = network("gru", hidden_size=5), noise(1, 200)
    assert not compiled(network("gru", hidden_size=5).double())
    np.testing.assert_array_equal(Player(net, exact=True).process(x), by_torch(net, x))

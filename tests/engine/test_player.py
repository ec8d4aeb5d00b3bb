"""The block player: its blocks do not show, its channels do not mix, and broken samples do not stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavewright.engine import player as player_module
from wavewright.engine.player import Player
from wavewright.errors import SettingsError
from wavewright.nets.contract import Network
from wavewright.nets.registry import build

SMALL = {
    "a1-nano": {},
    "a2-lite": {},
    "gated-wavenet": {"depth": 6, "channels": 4, "skip_channels": 3},
    "lstm": {"hidden_size": 5, "prewarm": 500},
    "gru": {"hidden_size": 5, "prewarm": 500},
    "linear": {"taps": 300, "bias": True},
}


def network(name: str) -> Network:
    torch.manual_seed(3)
    return build(name, **SMALL[name])


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.3).astype(np.float32)


def in_blocks(player: Player, x: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([player.process(x[:, at : at + size]) for at in range(0, x.shape[1], size)], axis=1)


@pytest.mark.parametrize("name", SMALL)
def test_block_sizes_do_not_show(name: str) -> None:
    player = Player(network(name), channels=2)
    x = noise(2, 1000)
    whole = player.process(x)
    for size, samples in ((1, 100), (64, 1000), (333, 1000)):
        player.reset()
        np.testing.assert_allclose(in_blocks(player, x[:, :samples], size), whole[:, :samples], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_each_channel_is_played_by_itself(name: str) -> None:
    net = network(name)
    x = noise(3, 300)
    together = Player(net, channels=3).process(x)
    for channel in range(3):
        np.testing.assert_allclose(
            Player(net).process(x[channel : channel + 1])[0], together[channel], rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("name", SMALL)
def test_silence_is_settled_from_the_first_sample(name: str) -> None:
    y = Player(network(name)).process(np.zeros((1, 2000), np.float32))
    np.testing.assert_allclose(y, np.full_like(y, y[0, -1]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_broken_samples_are_played_as_zeros_and_counted(name: str) -> None:
    player = Player(network(name))
    x = noise(1, 400)
    mended = x.copy()
    x[0, [10, 11, 200]] = np.nan, np.inf, -np.inf
    mended[0, [10, 11, 200]] = 0
    found = player.process(x)
    assert player.non_finite == 3
    player.reset()
    np.testing.assert_array_equal(found, player.process(mended))
    assert player.non_finite == 3


def test_an_overflow_is_contained() -> None:
    net = network("a2-lite")
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(50)
    player = Player(net)
    x = noise(1, 64)
    expected = player.process(x)
    x_huge = np.full((1, 64), 3e38, np.float32)
    assert np.isfinite(expected).all()
    assert np.isfinite(player.process(x_huge)).all()
    assert player.overflows > 0
    np.testing.assert_array_equal(player.process(x), expected)


def test_a_long_block_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(network("a1-nano"))
    x = noise(1, 1000)
    whole = player.process(x)
    player.reset()
    monkeypatch.setattr(player_module, "LONGEST", 300)
    np.testing.assert_allclose(player.process(x), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_the_output_may_go_where_it_is_wanted(name: str) -> None:
    player, x = Player(network(name), channels=2), noise(2, 300)
    expected = player.process(x)
    player.reset()
    out = np.full_like(x, np.nan)
    assert player.process(x, out) is out
    np.testing.assert_array_equal(out, expected)
    for wrong in (np.empty((2, 299), np.float32), np.empty((2, 300)), np.empty((2, 600), np.float32)[:, ::2]):
        with pytest.raises(SettingsError, match="out of shape"):
            player.process(x, wrong)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_an_empty_block_is_an_empty_block(name: str, exact: bool) -> None:
    player, x = Player(network(name), channels=2, exact=exact), noise(2, 200)
    whole = player.process(x)
    player.reset()
    parts = [player.process(x[:, start:end]) for start, end in ((0, 0), (0, 90), (90, 90), (90, 200))]
    np.testing.assert_allclose(np.concatenate([*parts, player.flush()], axis=1), whole, rtol=0, atol=1e-5)


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(SettingsError, match="2 inputs and 1 outputs"):
        Player(build("lstm", input_size=2))
    with pytest.raises(SettingsError, match="channels = 0"):
        Player(build("a1-nano"), channels=0)
    with pytest.raises(SettingsError, match=r"shape \(2, 5\)"):
        Player(build("a1-nano")).process(np.zeros((2, 5), np.float32))

"""Networks side by side against each alone, permutations, blocks; and the LSTM with several channels against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavewright.engine.fused_wavenet import valid_forward
from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, SettingsError
from wavewright.jobs.emulate.conditioning import network_for
from wavewright.nets import registry
from wavewright.nets.channels import Channels, ChannelsConfig
from wavewright.nets.recurrent import LSTM, RecurrentConfig

LAYOUTS = ["each", "shared", "joint"]


def made(layout: str, name: str = "lstm", channels: int = 2, knobs: int = 0) -> registry.Network:
    torch.manual_seed(3)
    return network_for(name, channels, knobs, layout=layout).eval()


@pytest.mark.parametrize("name", ["lstm", "a1-nano"])
@pytest.mark.parametrize("shared", [False, True])
@torch.no_grad()
def test_each_channel_is_its_networks_alone(name: str, shared: bool) -> None:
    net = made("shared" if shared else "each", name, channels=3)
    assert isinstance(net, Channels)
    assert len(net.networks) == (1 if shared else 3)
    x = torch.randn(2, 3, net.receptive_field + 200)
    for channel, network in net.each():
        alone = x[:, channel : channel + 1]
        torch.testing.assert_close(net(x)[0][:, channel : channel + 1], network(alone)[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(net.valid(x)[:, channel : channel + 1], network.valid(alone), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(net.valid_by(valid_forward, x), net.valid(x), atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_channels_change_places_as_they_should() -> None:
    x = torch.randn(1, 2, 400)
    shared = made("shared")
    torch.testing.assert_close(shared(x.flip(1))[0], shared(x)[0].flip(1))
    each, other = made("each"), made("each")
    other.networks[0].load_state_dict(each.networks[1].state_dict())
    other.networks[1].load_state_dict(each.networks[0].state_dict())
    torch.testing.assert_close(other(x.flip(1))[0], each(x)[0].flip(1))
    assert float((each(x.flip(1))[0] - each(x)[0].flip(1)).abs().max()) > 1e-3


@torch.no_grad()
def test_only_a_joint_network_hears_across() -> None:
    for layout in LAYOUTS:
        for name in ("lstm", "gru", "a1-nano"):
            net = made(layout, name)
            x = torch.randn(1, 2, net.receptive_field + 50)
            other = x.clone()
            other[:, 1] = torch.randn(x.shape[-1])
            moved = float((net.valid(other)[:, 0] - net.valid(x)[:, 0]).abs().max())
            assert (moved > 1e-6) == (layout == "joint"), (layout, name)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["lstm", "a1-nano"])
@pytest.mark.parametrize("block", [1, 64, 333])
@torch.no_grad()
def test_players_give_the_same_whatever_the_blocks(layout: str, name: str, block: int) -> None:
    net = made(layout, name)
    x = (0.5 * torch.randn(2, 700)).numpy()
    state = net.settled_state(1)
    expected = net(torch.from_numpy(x)[None], state)[0][0].numpy()
    player = Player(net, 1, inputs=2, outputs=2)
    parts = [player.process(x[:, start : start + block]) for start in range(0, 700 if block > 1 else 100, block)]
    played = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(played, expected[:, : played.shape[1]], atol=2e-5)


@torch.no_grad()
def test_groups_and_knobs_in_a_player() -> None:
    for layout in ("each", "shared"):
        net = made(layout, knobs=1)
        assert (net.in_channels, net.out_channels, net.controls) == (3, 2, 1)
        x = (0.5 * torch.randn(2, 3, 300)).numpy()
        expected = net(torch.from_numpy(x), net.settled_state(2))[0].numpy()
        # silence in a player has knobs at zero, as in settled_state
        played = Player(net, 2, inputs=3, outputs=2).process(x.reshape(6, 300)).reshape(2, 2, 300)
        np.testing.assert_allclose(played, expected, atol=2e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plain_values_bring_it_back(layout: str) -> None:
    net = made(layout)
    kind, plain = registry.config_of(net)
    again = registry.from_config(kind, plain)
    again.load_state_dict(net.state_dict())
    x = torch.randn(1, 2, 50)
    torch.testing.assert_close(again(x)[0], net(x)[0])


@torch.no_grad()
def test_an_lstm_of_two_channels_against_torchs_own() -> None:
    net = LSTM(RecurrentConfig(hidden_size=6, input_size=2, output_size=2, skip=True)).eval()
    x = torch.randn(1, 2, 40)
    hidden, _ = net.rnn(x.transpose(1, 2))
    expected = (hidden @ net.head.weight.T + net.head.bias).transpose(1, 2) + x
    torch.testing.assert_close(net(x)[0], expected)


def test_what_cannot_stand_side_by_side_is_refused() -> None:
    kind, plain = registry.config_of(registry.build("lstm"))
    with pytest.raises(SettingsError, match="from 1 to 64"):
        Channels(ChannelsConfig(0, False, kind, plain))
    with pytest.raises(SettingsError, match="cannot hold"):
        Channels(ChannelsConfig(2, False, "channels", {}))
    joint_kind, joint = registry.config_of(made("joint"))
    with pytest.raises(SettingsError, match="2 channels in"):
        Channels(ChannelsConfig(2, False, joint_kind, joint))
    with pytest.raises(ModelFileError):
        registry.from_config("channels", {"channels": 2, "shared": False, "kind": "lsmt", "settings": {}})
    with pytest.raises(SettingsError, match="channels each or shared"):
        network_for("linear", 2)

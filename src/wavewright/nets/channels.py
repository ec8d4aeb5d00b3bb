"""A network for each channel, side by side, or one network that plays them all: sound in several channels.

A device that treats its channels alike is learned by one network from all of them (``shared``); one that treats them
apart, by a network for each. Neither hears one channel while it plays another: what crosses channels needs a network
with several inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State

MOST = 64

Hear = Callable[[Network, Tensor], Tensor]


@dataclass(frozen=True)
class ChannelsConfig:
    """``channels`` of sound; ``kind`` and ``settings`` of a network with one, as `registry.config_of` gives them."""

    channels: int
    shared: bool
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


class Channels(Network):
    """Networks side by side over ``(batch, channels + knobs, time)``, giving ``(batch, channels, time)``.

    Each hears its own channel, and all of the knobs. With ``shared`` there is one network, and every channel goes
    through it with a state of its own.

    Raises:
        SettingsError: no channels or too many, a network that has not one sound in and out, or is not causal.

    >>> from wavewright.nets.registry import build, config_of
    >>> kind, settings = config_of(build("lstm", hidden_size=4))
    >>> pair = Channels(ChannelsConfig(2, False, kind, settings))
    >>> pair(torch.zeros(1, 2, 10))[0].shape, len(pair.networks)
    (torch.Size([1, 2, 10]), 2)
    """

    def __init__(self, config: ChannelsConfig) -> None:
        super().__init__()
        from wavewright.nets import registry  # which knows this network, too

        if not isinstance(config.channels, int) or not 1 <= config.channels <= MOST:
            raise SettingsError([f"setting channels = {config.channels!r}: must be from 1 to {MOST}"])
        if config.kind == "channels":
            raise SettingsError(["networks side by side cannot hold networks side by side"])
        self.config = config
        count = 1 if config.shared else config.channels
        self.networks = nn.ModuleList(registry.from_config(config.kind, config.settings) for _ in range(count))
        first = self.first
        if first.in_channels - first.controls != 1 or first.out_channels != 1 or not first.causal:
            raise SettingsError([
                f"network {config.kind} has {first.in_channels - first.controls} channels in and {first.out_channels} "
                "out: side by side stand causal networks with one of each"
            ])  # fmt: skip
        self.controls = first.controls
        self.in_channels = config.channels + first.controls
        self.out_channels = config.channels

    @property
    def first(self) -> Network:
        """The first channel's network; of a shared one the only."""
        network = self.networks[0]
        assert isinstance(network, Network)
        return network

    def each(self) -> Iterator[tuple[int, Network]]:
        """Every channel's number and network."""
        for channel in range(self.config.channels):
            network = self.networks[0 if self.config.shared else channel]
            assert isinstance(network, Network)
            yield channel, network

    @property
    def receptive_field(self) -> int:
        """That of each of them: they are alike."""
        return self.first.receptive_field

    @property
    def prewarm(self) -> int:
        """Samples of silence that a player feeds first."""
        return self.first.prewarm

    @property
    def multiply_adds(self) -> int:
        """Multiplications of all channels for one sample."""
        return self.config.channels * int(getattr(self.first, "multiply_adds", 0))

    def init_state(self, batch: int) -> State:
        """The states of the first channel's network, then of the second's, and so on."""
        return tuple(part for _, network in self.each() for part in network.init_state(batch))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, channels + knobs, time) → (batch, channels, time) and the state after it."""
        state = self.init_state(x.shape[0]) if state is None else state
        size = len(state) // self.config.channels
        sounds, states = [], []
        for channel, network in self.each():
            y, after = network(self._heard(x, channel), state[channel * size : (channel + 1) * size])
            sounds.append(y)
            states += after
        return torch.cat(sounds, dim=1), tuple(states)

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, channels + knobs, time) → the samples that see a whole receptive field."""
        return self.valid_by(lambda network, heard: network.valid(heard), x)

    def valid_by(self, hear: Hear, x: Tensor) -> Tensor:
        """The same, each network's part worked out by ``hear(network, its input)``: faster kernels, say."""
        if self.config.shared:  # all channels as one batch
            heard = torch.cat([self._heard(x, channel) for channel, _ in self.each()])
            return torch.cat(torch.split(hear(self.first, heard), x.shape[0]), dim=1)
        return torch.cat([hear(network, self._heard(x, channel)) for channel, network in self.each()], dim=1)

    def _heard(self, x: Tensor, channel: int) -> Tensor:
        own = x[:, channel : channel + 1]
        return (torch.cat([own, x[:, self.config.channels :]], dim=1) if self.controls else own).contiguous()

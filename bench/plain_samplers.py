"""Sampling in plain PyTorch, one sample after the other: what `sample.py` holds the compiled samplers against.

Cells and matrix products on the state of the last sample, nothing in tables, no sample heard twice; all streams in a
batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wavewright.nets.audio_rnn import AudioRNN
from wavewright.nets.distributions import draw
from wavewright.nets.generator import Generator
from wavewright.nets.sample_rnn import SampleRNN

Step = Callable[[Tensor, Tensor], Tensor]
"""Codes and levels (batch,) of the sample before → the parameters (batch, size) of the next."""


def _units(layer: nn.GRU, x: Tensor, before: Tensor) -> Tensor:
    return torch.gru_cell(x, before, *layer.parameters())


def _heard(part: nn.Embedding | nn.Linear, code: Tensor, level: Tensor) -> Tensor:
    """What stands for a sample, (batch, size): the code's row, or the level and steps of it."""
    if isinstance(part, nn.Embedding):
        return part.weight[code]
    return torch.cat([level[:, None], torch.tanh(part(level[:, None]))], dim=1)


def audio_rnn(net: AudioRNN, streams: int) -> Step:
    """An `AudioRNN` without controls."""
    layers = list(net.each_layer())
    state = [torch.zeros(streams, layer.hidden_size) for layer in layers]

    def step(code: Tensor, level: Tensor) -> Tensor:
        d = _heard(net.dense, code, level)
        d = torch.tanh(d) if isinstance(net.dense, nn.Embedding) else d
        below = d
        for index, layer in enumerate(layers):
            state[index] = _units(layer, below, state[index])
            below = torch.cat([state[index], d], dim=1)
        return torch.as_tensor(net.output(below))

    return step


def sample_rnn(net: SampleRNN, streams: int) -> Step:
    """A `SampleRNN` without controls."""
    tiers = list(reversed(list(net.each_tier())))
    units = [[torch.zeros(streams, layer.hidden_size) for layer in tier.each_layer()] for tier in tiers]
    said = [torch.zeros(streams, tier.ratio, net.config.hidden_size) for tier in tiers]
    sound = torch.zeros(streams, net.stride)
    heard = _heard(net.embedding, torch.full((1,), net.distribution.levels // 2), torch.zeros(1))
    context = heard.expand(net.config.context, streams, -1).contiguous()
    taps = net.mix.weight.permute(2, 1, 0).flatten(0, 1)  # (context · embedding, hidden), the newest last
    position = 0

    def step(code: Tensor, level: Tensor) -> Tensor:
        nonlocal sound, context, position
        sound = torch.cat([sound[:, 1:], level[:, None]], dim=1)
        context = torch.cat([context[1:], _heard(net.embedding, code, level)[None]])
        c: Tensor | None = None
        for index, tier in enumerate(tiers):
            if position % tier.frame == 0:
                x = tier.samples(sound[:, -tier.frame :])
                x = x if c is None else x + c
                for number, layer in enumerate(tier.each_layer()):
                    x = units[index][number] = _units(layer, x, units[index][number])
                said[index] = tier.up(x).unflatten(1, (tier.ratio, -1))
            c = said[index][:, position % tier.frame // (tier.frame // tier.ratio)]
        position += 1
        z = torch.relu(context.transpose(0, 1).flatten(1) @ taps + torch.as_tensor(c))
        return torch.as_tensor(net.output(torch.relu(net.middle(z))))

    return step


def by_forward(net: Generator, streams: int) -> Step:
    """Any network without controls, by its own forward pass with a block of one sample."""
    state = net.init_state(streams)

    def step(code: Tensor, level: Tensor) -> Tensor:
        nonlocal state
        y, state = net(level.view(-1, 1, 1), state)
        return torch.as_tensor(y[:, :, 0])

    return step


class PlainSampler:
    """Codes one after the other, drawn by `wavewright.nets.distributions.draw`."""

    def __init__(self, net: Generator, streams: int) -> None:
        self.net = net
        self._code = torch.full((streams,), net.distribution.levels // 2)
        if isinstance(net, AudioRNN):
            self._step = audio_rnn(net, streams)
        else:
            self._step = sample_rnn(net, streams) if isinstance(net, SampleRNN) else by_forward(net, streams)

    @torch.no_grad()
    def draw(self, uniforms: Tensor) -> Tensor:
        """``uniforms`` (streams, time, draws) → codes (streams, time)."""
        levels, codes = self.net.distribution.levels, []
        for chance in uniforms.unbind(1):
            level = (2.0 * self._code - (levels - 1)) / (levels - 1)
            self._code = draw(self.net.distribution, self._step(self._code, level), chance)
            codes.append(self._code)
        return torch.stack(codes, dim=1)

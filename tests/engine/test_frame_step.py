"""A frame in plain arrays against the network's own pass in torch."""

from __future__ import annotations

import pytest
import torch

from wavewright.engine.frame_step import FrameStep
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_lstm import FrameLSTM
from wavewright.nets.frame_mixture import FrameMixture
from wavewright.nets.frame_tokens import FrameTokens, ResidualCodes

CONFIG = FrameLSTMConfig(features=12, numbers=6, heard=2, controls=3, hidden_size=8, mixtures=3, codebooks=2, tokens=5)


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("kind", [FrameLSTM, FrameMixture, FrameTokens])
def test_frame_by_frame_it_is_what_torch_finds(kind: type[FrameLSTM], deaf: bool) -> None:
    torch.manual_seed(0)
    net = kind(CONFIG)
    if isinstance(net, FrameMixture):
        net.straight.weight.copy_(torch.randn_like(net.straight.weight))
    if isinstance(net.distribution, ResidualCodes):
        net.distribution.books.copy_(torch.randn(2, 5, 6))
        net.distribution.weights.copy_(torch.rand(6))
    if deaf:
        net.deafen()
    x = torch.randn(4, net.in_channels, 7)
    with torch.no_grad():
        whole, (hidden, cell) = net(x)
    step = FrameStep(net)
    minds = step.start(4)
    for at in range(7):
        y, minds = step(x[..., at].numpy(), minds)
        assert torch.allclose(torch.from_numpy(y), whole[..., at], atol=1e-5)
    assert torch.allclose(torch.from_numpy(minds[0]), hidden, atol=1e-5)
    assert torch.allclose(torch.from_numpy(minds[1]), cell, atol=1e-5)

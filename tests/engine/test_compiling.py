"""Where `torch.compile` reads along it is given torch's own layers: nothing of the kernels, and no other result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from wavewright.engine import fused_wavenet
from wavewright.engine.fused_wavenet import valid_forward
from wavewright.engine.generator_training import mean_nats
from wavewright.jobs.emulate.conditioning import network_for
from wavewright.nets.registry import build


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize(("name", "knobs"), [("a1-nano", 0), ("a1-nano", 1), ("gated-wavenet", 0)])
def test_a_wavenet_is_read_whole(name: str, knobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = network_for(name, knobs=knobs)
    x = torch.randn(2, 1 + knobs, net.receptive_field - 1 + 20)
    x[:, 1:] = 0.3
    wanted = valid_forward(net, x)
    (by_kernels,) = torch.autograd.grad(wanted.square().sum(), [next(net.parameters())])
    monkeypatch.setattr(fused_wavenet, "_through", None)  # no kernel from here on
    found = torch.compile(lambda x: valid_forward(net, x), backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    (by_torch,) = torch.autograd.grad(found.square().sum(), [next(net.parameters())])
    torch.testing.assert_close(by_torch, by_kernels, atol=1e-4, rtol=1e-3)


def test_a_generators_cost_is_read_whole() -> None:
    torch.manual_seed(0)
    net = build("sample-wavenet", layers=4, cycle=4)
    x = torch.rand(2, 1, net.receptive_field - 1 + 20)
    codes, counts = torch.randint(0, 256, (2, 20)), torch.rand(2, 20) > 0.3
    found = torch.compile(lambda x: mean_nats(net, x, codes, counts), backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(found, mean_nats(net, x, codes, counts), atol=1e-4, rtol=1e-4)

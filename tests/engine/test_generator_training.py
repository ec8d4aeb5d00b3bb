"""What a training step computes for the autoregressive WaveNet against plain torch."""

from __future__ import annotations

import pytest
import torch

from wavewright.engine.generator_training import mean_nats
from wavewright.nets.registry import build
from wavewright.nets.sample_wavenet import SampleWaveNet

FORMS = {
    "softmax": {"channels": 6, "layers": 6, "cycle": 3, "head_size": 20},
    "told": {"channels": 5, "layers": 4, "cycle": 4, "kernel_size": 3, "hidden_size": 9, "controls": 2},
    "mixture": {"channels": 4, "layers": 3, "cycle": 3, "levels": 65536, "components": 3},
    "few levels": {"channels": 3, "layers": 3, "cycle": 3, "levels": 19},
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", FORMS)
def test_mean_and_gradients_are_those_of_torch(form: str, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    net = build("sample-wavenet", **FORMS[form]).to(dtype)
    assert isinstance(net, SampleWaveNet)
    codes = torch.randint(net.config.levels, (3, 1, net.receptive_field + 200))
    level = 2 * codes.to(dtype) / (net.config.levels - 1) - 1
    x = torch.cat([level, torch.rand(3, net.controls, codes.shape[-1], dtype=dtype)], dim=1)[..., :-1]
    codes = codes[:, 0, net.receptive_field :]
    counts = torch.rand(3, 200) < 0.7
    theirs = net.distribution.nats(net.valid(x), codes)[counts].mean()
    mine = mean_nats(net, x, codes, counts)
    close = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(mine, theirs, rtol=close, atol=close)
    trained = [p for p in net.parameters() if p.requires_grad]
    for one, other in zip(torch.autograd.grad(mine, trained), torch.autograd.grad(theirs, trained), strict=True):
        torch.testing.assert_close(one, other, rtol=100 * close, atol=10 * close * float(other.abs().max()) + 1e-9)


def test_nothing_that_counts_costs_nothing() -> None:
    net = build("sample-wavenet", **FORMS["softmax"])
    assert isinstance(net, SampleWaveNet)
    x = torch.zeros(1, 1, net.receptive_field + 9)
    nats = mean_nats(net, x, torch.zeros(1, 10, dtype=torch.int64), torch.zeros(1, 10, dtype=torch.bool))
    assert float(nats.detach()) == 0.0

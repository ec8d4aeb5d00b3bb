"""The impulse response against numpy's convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavewright.nets.linear import Linear, LinearConfig


@pytest.mark.parametrize("taps", [1, 2, 30])
def test_it_convolves(taps: int) -> None:
    torch.manual_seed(7)
    net = Linear(LinearConfig(taps, bias=True)).double()
    torch.nn.init.constant_(net.bias, 0.25)  # type: ignore[arg-type]
    x = torch.randn(2, 1, 200, dtype=torch.float64)
    with torch.no_grad():
        y, _ = net(x)
        state, parts = None, []
        for start in range(0, 200, 33):
            part, state = net(x[..., start : start + 33], state)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts, dim=-1), y, rtol=0, atol=1e-12)
        torch.testing.assert_close(net.valid(x), y[..., taps - 1 :], rtol=0, atol=1e-12)
    for item in range(2):
        expected = np.convolve(x[item, 0].numpy(), net.impulse_response.detach().numpy())[:200] + 0.25
        np.testing.assert_allclose(y[item, 0].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("taps", "samples"), [(256, 256), (300, 1001), (700, 1500)])
def test_long_ones_learn_by_fourier_transforms_what_they_play(taps: int, samples: int) -> None:
    """The same sound, and the same gradients, as one by one."""
    torch.manual_seed(8)
    net = Linear(LinearConfig(taps, bias=True)).double()
    x = torch.randn(3, 1, samples, dtype=torch.float64)
    gradients = []
    for y in (net.valid(x), net(x)[0][..., taps - 1 :]):
        assert y.shape == (3, 1, samples - taps + 1)
        gradients.append(torch.autograd.grad((y**3).sum(), list(net.parameters())))
    torch.testing.assert_close(net.valid(x), net(x)[0][..., taps - 1 :], rtol=0, atol=1e-10)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-9)

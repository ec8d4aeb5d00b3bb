"""What a step of training costs a WaveNet that continues sound: its layers and its softmax in the CPU's own kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from wavewright.engine.fused_wavenet import valid_forward
from wavewright.engine.softmax_head import nats_of_codes
from wavewright.nets.distributions import Softmax
from wavewright.nets.sample_wavenet import SampleWaveNet


def mean_nats(net: SampleWaveNet, x: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
    """The mean of −ln p over the codes that count, differentiable once by the weights of ``net``.

    ``x`` (batch, 1 + controls, receptive field − 1 + time); ``codes`` and ``counts`` (batch, time), the latter True
    where a code is to be learned. On a CPU a softmax over layers that `fused_wavenet` knows takes a fraction of torch's
    time; for all else, and where `torch.compile` reads along, torch does the same.

    >>> from wavewright.nets.registry import build
    >>> net = build("sample-wavenet", layers=6, cycle=6)
    >>> codes, counts = torch.zeros(2, 50, dtype=torch.int64), torch.ones(2, 50, dtype=torch.bool)
    >>> x = torch.rand(2, 1, net.receptive_field - 1 + 50)
    >>> mine, theirs = mean_nats(net, x, codes, counts), net.distribution.nats(net.valid(x), codes).mean()
    >>> bool(torch.allclose(mine, theirs, atol=1e-4))
    True
    """
    h = valid_forward(net.trunk, net.hear(x))
    shares = counts.to(h.dtype) / counts.sum().clamp(min=1)
    kinds = {(part.device.type, part.dtype) for part in (h, net.output.weight)}
    known = isinstance(net.distribution, Softmax) and kinds in ({("cpu", torch.float32)}, {("cpu", torch.float64)})
    if known and not torch.compiler.is_compiling():
        assert net.output.bias is not None
        return nats_of_codes(net.before_rectifier(h), net.output.weight[:, :, 0], net.output.bias, codes, shares)
    parameters = net.output(net.before_rectifier(h).relu())
    return (net.distribution.nats(parameters, codes) * shares).sum()

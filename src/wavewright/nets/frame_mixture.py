"""The frame LSTM with a mixture of normal distributions for a mouth: it says how sure it is, and may be in two minds.

Squared error teaches the mean of all that may come, which for sound is hum and hiss that feed upon themselves (the
rising tail). A mixture density (Bishop 1994; Graves, "Generating sequences with recurrent neural networks", 2013,
section 4) draws one of the things that may come. A linear path leads from the frames heard straight to the means: the
next frame of a steady tone is a linear function of those before it, and need not go through the LSTM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_distributions import FrameDistribution, GaussianMixture
from wavewright.nets.frame_lstm import FrameLSTM


class FrameMixture(FrameLSTM):
    """`FrameLSTM` with ``mixtures`` normals, and a linear path from the frames heard to their means.

    >>> net = FrameMixture(FrameLSTMConfig(features=16, numbers=4, heard=2, hidden_size=8, mixtures=3))
    >>> net(torch.zeros(2, 9, 10))[0].shape
    torch.Size([2, 28, 10])
    """

    def __init__(self, config: FrameLSTMConfig) -> None:
        super().__init__(config)
        self.straight = nn.Linear(config.heard * config.numbers, config.numbers, bias=False)
        nn.init.zeros_(self.straight.weight)
        with torch.no_grad():
            self.dense_out.weight *= 0.3

    def _distribution(self, config: FrameLSTMConfig) -> FrameDistribution:
        return GaussianMixture(config.numbers, max(1, config.mixtures))

    def _mouth(self, said: Tensor, heard: Tensor) -> Tensor:
        y = self.dense_out(said)
        k, d = max(1, self.config.mixtures), self.config.numbers
        means = self.straight(heard[..., : self.straight.in_features]).repeat(1, 1, k)  # (batch, frames, k · d)
        return torch.cat([y[..., :k], y[..., k : k + k * d] + means, y[..., k + k * d :]], dim=-1)

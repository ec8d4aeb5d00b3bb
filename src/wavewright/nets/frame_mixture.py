"""The frame LSTM with a mixture of normal distributions for a mouth: it says how sure it is, and may be in two minds.

Squared error teaches the mean of all that may come, which for sound is hum and hiss that feed upon themselves (the
rising tail). A mixture density (Bishop 1994; Graves, "Generating sequences with recurrent neural networks", 2013,
section 4) draws one of the things that may come. A linear path leads from the frames heard straight to the means: the
next frame of a steady tone is a linear function of those before it, and need not go through the LSTM. It is found by
least squares before training begins and then left alone, for it is made to die away by itself whatever feeds it: every
root of its recurrence lies within `RADIUS`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_distributions import FrameDistribution, GaussianMixture
from wavewright.nets.frame_lstm import FrameLSTM

QUIET = 0.05
"""Mean square of what is heard, below which a frame counts no more for being quiet."""
RIDGE = 1e-4
RADIUS = 0.95


class FrameMixture(FrameLSTM):
    """`FrameLSTM` with ``mixtures`` normals, and a linear path from the frames heard to their means.

    >>> net = FrameMixture(FrameLSTMConfig(features=16, numbers=4, heard=2, hidden_size=8, mixtures=3))
    >>> net(torch.zeros(2, 9, 10))[0].shape
    torch.Size([2, 28, 10])
    """

    def __init__(self, config: FrameLSTMConfig) -> None:
        super().__init__(config)
        self.direct = config.components or config.numbers  # levels of noise are no linear matter
        self.straight = nn.Linear(config.heard * self.direct, self.direct, bias=False)
        self.straight.weight.requires_grad_(False)
        nn.init.zeros_(self.straight.weight)
        with torch.no_grad():
            self.dense_out.weight *= 0.3

    @torch.no_grad()
    def begin_straight(self, heard: Tensor, frames: Tensor) -> None:
        """Begin with the linear path that predicts ``frames`` ``(n, numbers)`` best from what is ``heard``
        ``(n, heard · numbers)``: least squares in proportion to how loud a frame is, and as wide as it misses."""
        d, k = self.config.numbers, max(1, self.config.mixtures)
        x, y = self._direct(heard.double()), frames.double()
        weight = 1 / (QUIET + x.square().mean(1))
        squares = (x * weight[:, None]).T @ x
        # components that hardly move in the sound are not relied upon: the ridge is as wide for all in its units
        widths = self.widths.double() if len(self.widths) else torch.ones(self.direct, dtype=x.dtype)
        each = widths.repeat(self.config.heard).square()
        ridge = RIDGE * (squares.diagonal() * each).mean() / each
        path = torch.linalg.solve(squares + ridge.diag(), (x * weight[:, None]).T @ y[:, : self.direct]).T
        self.straight.weight.copy_(self._damped(path))
        missed = y.clone()
        missed[:, : self.direct] -= x @ self.straight.weight.double().T
        wide = torch.sqrt((missed.square() * weight[:, None]).sum(0) / weight.sum()).clamp(min=1e-2)
        self.dense_out.bias[k + k * d : k + 2 * k * d] = wide.log().repeat(k).float()

    def _direct(self, heard: Tensor) -> Tensor:
        """Of what is heard ``(…, heard · numbers)`` what the linear path takes ``(…, heard · direct)``."""
        frames = heard.reshape(*heard.shape[:-1], self.config.heard, self.config.numbers)
        return frames[..., : self.direct].reshape(*heard.shape[:-1], self.config.heard * self.direct)

    def _damped(self, path: Tensor) -> Tensor:
        """A path ``(direct, heard · direct)`` whose recurrence has no root beyond `RADIUS`.

        Frame t − h weighted by ρ^h moves every root by ρ.
        """
        size, count = self.direct, self.config.heard
        companion = torch.eye(size * count, dtype=path.dtype).roll(size, 0)
        companion[:size] = path
        shrink = min(1.0, RADIUS / max(1e-9, float(torch.linalg.eigvals(companion).abs().max())))
        powers = shrink ** torch.arange(1, count + 1, dtype=path.dtype)
        return path * powers.repeat_interleave(size)

    def _distribution(self, config: FrameLSTMConfig) -> FrameDistribution:
        return GaussianMixture(config.numbers, max(1, config.mixtures))

    def _mouth(self, said: Tensor, heard: Tensor) -> Tensor:
        y = self.dense_out(said)
        k, d = max(1, self.config.mixtures), self.config.numbers
        told = heard[..., : self.config.heard * d]
        straight = F.pad(self.straight(self._direct(told)), (0, d - self.direct))
        means = straight.repeat(1, 1, k)  # (batch, frames, k · d)
        return torch.cat([y[..., :k], y[..., k : k + k * d] + means, y[..., k + k * d :]], dim=-1)

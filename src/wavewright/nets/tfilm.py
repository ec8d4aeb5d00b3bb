"""Temporal feature-wise linear modulation: a recurrent network scales and shifts what a convolution found.

Birnbaum, Kuleshov, Enam, Koh and Ermon, "Temporal FiLM: Capturing Long-Range Sequence Dependencies with Feature-Wise
Modulations" (NeurIPS 2019), section 3. A convolution sees a few milliseconds; the LSTM here runs over blocks of its
output, tens of times slower, and tells each block how loud each of its channels should be. The same layer for Keras is
`wavewright.formats.keras_tfilm`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError


class TFiLM(nn.Module):
    """``(batch, channels, time)`` → the same shape, each block of ``block`` samples scaled and shifted.

        P = the largest value of each channel in each block       (blocks, channels)
        γ, β = W LSTM(P) + b                                       (blocks, channels) each
        y = γ x + β                                                the same within a block

    The paper's equations 2 to 4. γ begins near 1 and β near 0, so that a new layer lets everything through. A last
    block that is not full counts as it is.

    Args:
        channels: of the input, and the LSTM's units where ``hidden`` is not given.
        block: samples that share one scale and one shift.
        hidden: units of the LSTM.
        shift: whether there are a shift and a projection W. Without them it is the layer of the paper's published
            code: γ = LSTM(P) as it is, which lies between -1 and 1, and no β.

    Raises:
        SettingsError: sizes below 1, or ``hidden`` units that no projection brings back to ``channels``.

    >>> layer = TFiLM(channels=4, block=8)
    >>> layer(torch.randn(2, 4, 100)).shape
    torch.Size([2, 4, 100])
    """

    def __init__(self, channels: int, block: int, hidden: int | None = None, *, shift: bool = True) -> None:
        super().__init__()
        units = channels if hidden is None else hidden
        problems = size_problems(channels=channels, block=block, hidden=units)
        if not shift and units != channels:
            problems.append(f"hidden = {units} without shift: must be channels = {channels}, or absent")
        if problems:
            raise SettingsError(problems)
        self.channels, self.block, self.hidden, self.shift = channels, block, units, shift
        self.rnn = nn.LSTM(channels, units, batch_first=True)
        self.modulation = nn.Linear(units, 2 * channels) if shift else nn.Identity()
        if isinstance(self.modulation, nn.Linear):
            with torch.no_grad():
                self.modulation.weight.mul_(FIRST_WEIGHTS)
                self.modulation.bias.zero_()
                self.modulation.bias[:channels] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (batch, channels, time), modulated."""
        time = x.shape[-1]
        missing = -time % self.block
        padded = F.pad(x, (0, missing), value=float("-inf")) if missing else x
        peaks = F.max_pool1d(padded, self.block)  # (batch, channels, blocks)
        memory, _ = self.rnn(peaks.transpose(1, 2))  # (batch, blocks, hidden)
        told = self.modulation(memory).transpose(1, 2)[..., None]  # (batch, channels or twice as many, blocks, 1)
        if missing:
            told = told.expand(-1, -1, -1, self.block).flatten(-2)[..., :time]
            return self._modulated(x, told)
        blocks = x.reshape(*x.shape[:-1], -1, self.block)  # (batch, channels, blocks, block)
        return self._modulated(blocks, told).flatten(-2)

    def _modulated(self, x: Tensor, told: Tensor) -> Tensor:
        if not self.shift:
            return torch.mul(x, told)
        scale, shift = told.chunk(2, dim=1)
        return torch.addcmul(shift, x, scale)


FIRST_WEIGHTS = 0.1
"""By which the projection's first weights are smaller than a linear layer's."""


def size_problems(**sizes: int) -> list[str]:
    """What is wrong with sizes that must be at least 1, by name."""
    return [f"{name} = {value}: must be at least 1" for name, value in sizes.items() if value < 1]

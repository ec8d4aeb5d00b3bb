"""One finite impulse response: a cabinet, or the plainest twin there is."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.nets.contract import Network, State
from wavewright.nets.history import Histories
from wavewright.nets.linear_config import LinearConfig
from wavewright.nets.wavenet import valid_length
from wavewright.settings import checked

__all__ = ["Linear", "LinearConfig"]


LONG = 256
"""Taps from which training convolves by Fourier transforms: a thousand taps one by one take a hundred times as long."""


class Linear(Network):
    """Convolution with learned taps over ``(batch, 1, time)``.

    Raises:
        SettingsError: settings out of range.

    >>> net = Linear(LinearConfig(taps=2))
    >>> _ = net.impulse_response.data.copy_(torch.tensor([1.0, 0.5]))
    >>> net(torch.tensor([[[1.0, 0.0, 0.0]]]))[0].tolist()
    [[[1.0, 0.5, 0.0]]]
    """

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = checked(config)
        bound = 1.0 / math.sqrt(config.taps)
        self.impulse_response = nn.Parameter(torch.empty(config.taps).uniform_(-bound, bound))
        """The newest sample's tap first."""
        self.bias = nn.Parameter(torch.zeros(1)) if config.bias else None

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample: the length of the impulse response."""
        return self.config.taps

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes."""
        return self.config.taps

    def init_state(self, batch: int) -> State:
        """Zeros before the first sample."""
        taps = self.impulse_response
        return (torch.zeros(batch, 1, self.config.taps - 1, device=taps.device, dtype=taps.dtype),)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → the sound, as long, and the state after it."""
        histories = Histories(self.init_state(x.shape[0]) if state is None else state)
        padded = histories.before(x, self.config.taps - 1)
        return self._convolve(padded), histories.state() or self.init_state(x.shape[0])

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, 1, time) → the ``time - taps + 1`` samples that see the whole impulse response."""
        length = valid_length(self, x)
        if self.config.taps < LONG:
            return self._convolve(x)
        # a circular convolution as long as x wraps around in its first taps - 1 samples alone
        size = x.shape[-1] + x.shape[-1] % 2
        spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(self.impulse_response, size)
        y = torch.fft.irfft(spectrum, size)[..., self.config.taps - 1 :][..., :length]
        return torch.as_tensor(y if self.bias is None else y + self.bias)

    def _convolve(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.impulse_response.flip(0)[None, None], self.bias)

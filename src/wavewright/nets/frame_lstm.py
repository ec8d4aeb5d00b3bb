"""GRUV's network, as "Deep Learning and Sound ~ 02" describes it: stacked LSTMs between dense layers.

Nayebi and Vitelli, "GRUV: Algorithmic Music Generation using Recurrent Neural Networks" (2015). A dense layer, the same
at every frame, brings a frame to the size of the LSTMs; another brings what they say back to a frame. It predicts one
frame and is taught by squared error: `wavewright.nets.frame_mixture` is the same body with another mouth.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavewright.nets.contract import State
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_distributions import FrameDistribution, Point
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.settings import checked


class FrameLSTM(FrameGenerator):
    """Dense, LSTMs, dense.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = FrameLSTM(FrameLSTMConfig(features=16, numbers=16, hidden_size=8))
    >>> y, (hidden, cell) = net(torch.zeros(2, 17, 10))
    >>> y.shape, cell.shape
    (torch.Size([2, 17, 10]), torch.Size([2, 2, 8]))
    """

    def __init__(self, config: FrameLSTMConfig) -> None:
        super().__init__()
        self.config = config = checked(config)
        self.distribution = self._distribution(config)
        self.in_channels = config.heard * config.numbers + 1 + config.controls
        self.out_channels = self.distribution.size + 1
        self.dense_in = nn.Linear(self.in_channels, config.hidden_size)
        self.lstm = nn.LSTM(config.hidden_size, config.hidden_size, config.num_layers, batch_first=True)
        self.dense_out = nn.Linear(config.hidden_size, self.out_channels)
        with torch.no_grad():  # the forget gates start open (Jozefowicz, Zaremba and Sutskever 2015)
            for layer in range(config.num_layers):
                getattr(self.lstm, f"bias_ih_l{layer}")[config.hidden_size : 2 * config.hidden_size] += 1.0
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("deviation", torch.ones(config.features))
        self.register_buffer("axes", torch.zeros(config.components, config.features))
        self.register_buffer("widths", torch.ones(config.components))
        self.register_buffer("levels", torch.zeros(2, config.bands))
        self.register_buffer("lost", torch.zeros(config.features))
        self.register_buffer("characters", torch.zeros(config.sounds, config.character))
        self.register_buffer("character_mean", torch.zeros(config.profile))
        self.register_buffer("character_axes", torch.zeros(config.character, config.profile))

    @torch.no_grad()
    def deafen(self) -> None:
        """Hear nothing of the frames before: they are given no weight, and get none while they are shown as zeros."""
        self.dense_in.weight[:, : self.config.heard * self.config.numbers] = 0.0

    def _distribution(self, config: FrameLSTMConfig) -> FrameDistribution:
        return Point(config.numbers)

    def init_state(self, batch: int) -> State:
        """Hidden and cell (batch, layers, units), zero."""
        zeros = self.dense_in.weight.new_zeros(batch, self.config.num_layers, self.config.hidden_size)
        return zeros, zeros

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, in_channels, frames) → (batch, out_channels, frames) and the state after it."""
        hidden, cell = self.init_state(len(x)) if state is None else state
        heard = x.transpose(1, 2)  # (batch, frames, in_channels)
        within = torch.tanh(self.dense_in(heard))  # (batch, frames, units)
        said, last = self.lstm(within, (hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous()))
        y = self._mouth(said, heard).transpose(1, 2)
        return y, (last[0].transpose(0, 1), last[1].transpose(0, 1))

    def _mouth(self, said: Tensor, heard: Tensor) -> Tensor:
        """What the LSTMs said (batch, frames, units) as an output (batch, frames, out_channels)."""
        return torch.as_tensor(self.dense_out(said))

"""LSTM and GRU with a linear output: small twins that run one sample at a time.

After Wright, Damskägg, Juvela and Välimäki, "Real-Time Guitar Amplifier Emulation with Deep Learning" (2020): a few
dozen units, a linear layer on top, and where wanted the input added to the output, so that the cells only learn the
difference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.nets.recurrent_config import RecurrentConfig
from wavewright.nets.wavenet import valid_length
from wavewright.settings import checked

__all__ = ["GRU", "LSTM", "Recurrent", "RecurrentConfig"]


class Recurrent(Network):
    """What `LSTM` and `GRU` share; over ``(batch, input_size, time)``, giving ``(batch, output_size, time)``."""

    gates: int
    """How many gates a unit has."""
    memories: int
    """How many numbers a unit remembers."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = checked(config)
        if config.controls >= config.input_size:
            raise SettingsError(
                [f"setting controls = {config.controls}: must be below input_size = {config.input_size}"]
            )
        self.in_channels = config.input_size
        self.controls = config.controls
        self.rnn = self._cells(config)
        self.out_channels = config.output_size
        self.head = nn.Linear(config.hidden_size, config.output_size)
        start = torch.zeros(self.memories, config.num_layers, config.hidden_size)
        self.start = nn.Parameter(start, requires_grad=config.learned_start)

    def _cells(self, config: RecurrentConfig) -> nn.LSTM | nn.GRU:
        raise NotImplementedError(f"{type(self).__name__} does not say its cells")

    @property
    def receptive_field(self) -> int:
        """The warm-up in samples that training gives; a recurrent network itself remembers without limit."""
        return self.config.warm_up

    @property
    def prewarm(self) -> int:
        """Samples of silence that a player feeds before the first real one."""
        return self.config.prewarm

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes, activations not counted."""
        hidden, layers = self.config.hidden_size, self.config.num_layers
        inputs = self.config.input_size + (layers - 1) * hidden
        return self.gates * hidden * (inputs + layers * hidden) + hidden * self.config.output_size

    def init_state(self, batch: int) -> State:
        """The first state: one tensor (batch, layers, units) for each of a unit's memories."""
        return tuple(memory.expand(batch, -1, -1) for memory in self.start)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, input_size, time) → (batch, output_size, time) and the state after it."""
        state = self.init_state(x.shape[0]) if state is None else state
        layers_first = tuple(memory.transpose(0, 1).contiguous() for memory in state)  # (layers, batch, units)
        hidden, last = self.rnn(x.transpose(1, 2), layers_first if len(layers_first) > 1 else layers_first[0])
        y = self.head(hidden).transpose(1, 2)  # (batch, output_size, time)
        if self.config.skip:
            y = y + self.config.skip_gain * x[:, : self.config.output_size]
        memories = last if isinstance(last, tuple) else (last,)
        return y, tuple(memory.transpose(0, 1) for memory in memories)

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, input_size, time) → the ``time - warm_up + 1`` samples behind the warm-up.

        Nothing is learned from the warm-up itself, except the first state where that is learned.
        """
        heard = x.shape[-1] - valid_length(self, x)
        if heard == 0:
            return self(x)[0]  # type: ignore[no-any-return]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.learned_start):
            _, state = self(x[..., :heard])
        return self(x[..., heard:], state)[0]  # type: ignore[no-any-return]


class LSTM(Recurrent):
    """Long short-term memory. The forget gate starts open (bias 1: Jozefowicz, Zaremba and Sutskever 2015).

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = LSTM(RecurrentConfig(hidden_size=8))
    >>> y, (hidden, cell) = net(torch.zeros(2, 1, 100))
    >>> y.shape, cell.shape
    (torch.Size([2, 1, 100]), torch.Size([2, 1, 8]))
    """

    gates = 4
    memories = 2

    def _cells(self, config: RecurrentConfig) -> nn.LSTM:
        cells = nn.LSTM(config.input_size, config.hidden_size, config.num_layers, batch_first=True)
        for layer in range(config.num_layers):
            with torch.no_grad():
                getattr(cells, f"bias_ih_l{layer}")[config.hidden_size : 2 * config.hidden_size] += 1.0
        return cells


class GRU(Recurrent):
    """Gated recurrent units, with PyTorch's reset gate (after the recurrent product).

    Raises:
        SettingsError: settings out of range, all of them at once.
    """

    gates = 3
    memories = 1

    def _cells(self, config: RecurrentConfig) -> nn.GRU:
        return nn.GRU(config.input_size, config.hidden_size, config.num_layers, batch_first=True)

"""Plain networks for gaps in series: a linear filter across all of them, and a recurrent one that reads both ways.

Both hear, as every network of the job impute does, the series with their gaps bridged, then a mask that says what is
given, then the calendar; and both add to the bridge what they know better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.settings import problems_of, setting


@dataclass(frozen=True)
class SeriesLinearConfig:
    """Settings of the linear filter."""

    inputs: int = setting(2, "channels that it hears", low=1, high=100_000)
    outputs: int = setting(1, "series", low=1, high=100_000)
    taps: int = setting(49, "times that it sees, half of them before its own", low=1, high=100_001)


@dataclass(frozen=True)
class SeriesGRUConfig:
    """Settings of the recurrent network; ``memory`` is what a chunk gives it to remember on either side."""

    inputs: int = setting(2, "channels that it hears", low=1, high=100_000)
    outputs: int = setting(1, "series", low=1, high=100_000)
    hidden: int = setting(64, "units of each direction", low=1, high=4096)
    layers: int = setting(2, "layers", low=1, high=16)
    memory: int = setting(512, "times on either side that it is given to listen to first", low=1, high=1_000_000)


C = TypeVar("C", SeriesLinearConfig, SeriesGRUConfig)


class _Series(Network):
    causal = False

    def init_state(self, batch: int) -> State:
        """Nothing is carried from block to block."""
        return ()


class SeriesLinear(_Series):
    """One filter from every channel to every series, ``(batch, inputs, time)`` → ``(batch, outputs, time)``.

    Raises:
        SettingsError: settings out of range.
    """

    def __init__(self, config: SeriesLinearConfig) -> None:
        super().__init__()
        self.config = _checked(config)
        self.in_channels, self.out_channels = config.inputs, config.outputs
        self.filter = nn.Conv1d(config.inputs, config.outputs, config.taps | 1, padding=config.taps // 2)
        nn.init.normal_(self.filter.weight, std=1e-3)

    @property
    def lookahead(self) -> int:  # type: ignore[override]
        """Half of the filter."""
        return self.config.taps // 2

    @property
    def receptive_field(self) -> int:
        """All of the filter."""
        return self.config.taps | 1

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, inputs, time) → (batch, outputs, time), and an empty state."""
        return x[:, : self.out_channels] + self.filter(x), ()


class SeriesGRU(_Series):
    """Gated recurrent units that read forwards and backwards, ``(batch, inputs, time)`` → ``(batch, outputs, time)``.

    Raises:
        SettingsError: settings out of range.
    """

    def __init__(self, config: SeriesGRUConfig) -> None:
        super().__init__()
        self.config = _checked(config)
        self.in_channels, self.out_channels = config.inputs, config.outputs
        self.rnn = nn.GRU(config.inputs, config.hidden, config.layers, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * config.hidden, config.outputs)

    @property
    def lookahead(self) -> int:  # type: ignore[override]
        """What a chunk gives it of the times to come."""
        return self.config.memory

    @property
    def receptive_field(self) -> int:
        """What a chunk gives it on both sides; it remembers without limit."""
        return 2 * self.config.memory + 1

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, inputs, time) → (batch, outputs, time), and an empty state."""
        h, _ = self.rnn(x.transpose(1, 2))  # (batch, time, 2 hidden)
        return x[:, : self.out_channels] + self.output(h).transpose(1, 2), ()


def _checked(config: C) -> C:
    problems = problems_of(config)
    if config.outputs > config.inputs:
        problems.append(f"setting outputs = {config.outputs}: at most inputs = {config.inputs}, to which it adds")
    if problems:
        raise SettingsError(problems)
    return config

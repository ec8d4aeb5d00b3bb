"""A fully connected network from a window of dry samples to the same window of wet ones.

The baseline of "TensorFlow Signal Processing" (Joel Shapiro, 2016): half a second goes in, half a second comes out, and
nothing tells the network that time passes alike everywhere. Over windows of N samples and H hidden units:

    h = act(A x + a)          A (H, N), once for each hidden layer
    y = B h + b               B (N, H)

Without an activation it is one matrix of rank H: the linear regressor, whose width is its bottleneck; with no hidden
units at all it is a matrix (N, N). Sound is cut into windows that are worked out each by itself. So a sample may depend
on all of its window, the part that comes after it included, and on nothing beyond it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.settings import checked, setting

MOST_WEIGHTS = 1 << 30
"""Weights beyond which a network is refused: four gigabytes to play it, eight times as much to train it."""

ACTIVATIONS = ("none", "relu", "tanh")


@dataclass(frozen=True)
class WindowConfig:
    """Settings of a regressor over windows. The window stands for half a second at 48 kHz."""

    window: int = setting(24_000, "samples of a window", low=2, high=1_000_000)
    width: int = setting(1000, "hidden units of a layer; 0 for none, a single matrix", low=0, high=100_000)
    layers: int = setting(1, "hidden layers", low=1, high=8)
    activation: str = setting("none", "of the hidden units; none makes it linear", choices=ACTIVATIONS)

    @property
    def weight_count(self) -> int:
        """How many numbers the network holds."""
        sizes = self.sizes
        return sum(before * after + after for before, after in itertools.pairwise(sizes))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values there are in front of each matrix, and behind the last."""
        return (self.window, *(self.width,) * (self.layers if self.width else 0), self.window)


class WindowRegressor(Network):
    """Windows of ``(batch, 1, time)``, each through the same matrices; the last one is filled up with zeros.

    Raises:
        SettingsError: settings out of range, or weights beyond `MOST_WEIGHTS`; before any memory is taken.

    >>> net = WindowRegressor(WindowConfig(window=4, width=2))
    >>> net(torch.ones(1, 1, 10))[0].shape
    torch.Size([1, 1, 10])
    """

    causal = False

    def __init__(self, config: WindowConfig) -> None:
        super().__init__()
        self.config = checked(config)
        if config.weight_count > MOST_WEIGHTS:
            raise SettingsError(
                [
                    f"settings window = {config.window}, width = {config.width}: {config.weight_count:,} weights; at "
                    f"most {MOST_WEIGHTS:,} are allowed; choose a shorter window, or a smaller width (not 0)"
                ]
            )
        self.multiple = config.window
        self.lookahead = config.window - 1
        sizes = config.sizes
        self.matrices = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(sizes))
        nn.init.zeros_(self.matrices[-1].weight)  # type: ignore[arg-type]  # what was never heard makes no noise

    @property
    def receptive_field(self) -> int:
        """The last sample of a window may depend on its first, and the first on the last."""
        return 2 * self.config.window - 1

    @property
    def context(self) -> tuple[int, int]:
        """None: a window that begins where the network's windows begin depends on itself alone."""
        return 0, 0

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes."""
        return sum(before * after for before, after in itertools.pairwise(self.config.sizes)) // self.config.window

    def init_state(self, batch: int) -> State:
        """Nothing is remembered from one window to the next."""
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → the sound, as long; its first sample is the first of a window."""
        batch, _, time = x.shape
        windows = F.pad(x, (0, -time % self.config.window)).view(batch, -1, self.config.window)  # (batch, n, window)
        *hidden, last = self.matrices
        for matrix in hidden:
            windows = self._activate(matrix(windows))  # (batch, n, width)
        y = last(windows).reshape(batch, 1, -1)  # (batch, 1, n · window)
        return y[..., :time], ()

    def _activate(self, h: Tensor) -> Tensor:
        match self.config.activation:
            case "relu":
                return F.relu(h)
            case "tanh":
                return torch.tanh(h)
        return h

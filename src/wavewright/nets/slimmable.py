"""One device learned in two sizes at once: a WaveNet A2 full for who has the processor, and a lite one for who has not.

The two are networks of their own that hear the same windows and are judged by the same loss, whose sum is learned.
Neither takes a weight from the other; where training limits the length of the gradient, it is that of both together.
What training them together saves is a second run, and what it gives is one file in which a player may change the size
while it plays (the SlimmableContainer of the .nam format).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from wavewright.nets.contract import Network, State
from wavewright.nets.slimmable_config import UP_TO, SlimmableConfig
from wavewright.nets.wavenet import WaveNet
from wavewright.settings import checked

__all__ = ["Slimmable", "SlimmableConfig"]


class Slimmable(Network):
    """Two WaveNets over ``(batch, 1, time)``; as a network it is the full one. `sizes` has both.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = Slimmable(SlimmableConfig())
    >>> {name: sum(p.numel() for p in part.parameters()) + 1 for name, part in net.sizes.items()}
    {'lite': 1871, 'full': 12146}
    """

    def __init__(self, config: SlimmableConfig) -> None:
        super().__init__()
        self.config = checked(config)
        self.lite = WaveNet(config.size("lite"))
        self.full = WaveNet(config.size("full"))

    @property
    def sizes(self) -> Mapping[str, WaveNet]:
        """Both networks by name, smallest first."""
        return {name: part for name in UP_TO if isinstance(part := getattr(self, name), WaveNet)}

    @property
    def receptive_field(self) -> int:
        """Samples that an output of either sees: the dilations are the same."""
        return self.full.receptive_field

    @property
    def multiply_adds(self) -> int:
        """Multiplications of both for one sample."""
        return sum(part.multiply_adds for part in self.sizes.values())

    def init_state(self, batch: int) -> State:
        """The full network's."""
        return self.full.init_state(batch)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → the full network's sound, as long, and the state after it."""
        y, after = self.full(x, state)
        return y, after

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, 1, time) → the full network's samples that see a whole receptive field."""
        return self.full.valid(x)

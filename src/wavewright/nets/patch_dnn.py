"""Dense layers over a whole patch of sound: the plainest network that writes an upper band, and the one to beat.

The baseline of Kuleshov, Enam and Ermon, "Audio Super Resolution Using Neural Networks" (2017), after their code: a
narrow layer that takes the patch in, wide ones, each added to what it was given, and what comes out is added to the
sound. (Theirs normalises each batch between the layers as well: it begins with weights of 1e-7.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.settings import checked, setting

SLOPE = 0.2
NARROWER = 3
"""How many times fewer units the first layer has."""
MOST_WEIGHTS = 300_000_000


@dataclass(frozen=True)
class PatchDNNConfig:
    """Settings; weights grow with ``patch`` times ``hidden``. ``patch=8192, hidden=4096`` are the papers' own."""

    patch: int = setting(2048, "samples of a patch", low=16, high=65_536)
    hidden: int = setting(384, "units of each layer inside; the first has a third of them", low=3, high=65_536)
    layers: int = setting(4, "dense layers, the last included", low=2, high=16)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Values between the layers, the patch in and out included."""
        return (self.patch, self.hidden // NARROWER, *[self.hidden] * (self.layers - 2), self.patch)

    @property
    def weight_count(self) -> int:
        """How many weights the network has."""
        return sum((into + 1) * out for into, out in itertools.pairwise(self.sizes))


class PatchDNN(Network):
    """``(batch, 1, time)`` → the same shape, patch by patch, the first patch at the sound's start.

    Raises:
        SettingsError: settings out of range.

    >>> net = PatchDNN(PatchDNNConfig(patch=64, hidden=8))
    >>> import torch
    >>> net(torch.zeros(2, 1, 100))[0].shape
    torch.Size([2, 1, 100])
    """

    causal = False

    def __init__(self, config: PatchDNNConfig) -> None:
        super().__init__()
        self.config = checked(config)
        if config.weight_count > MOST_WEIGHTS:
            raise SettingsError(
                [
                    f"settings patch = {config.patch}, hidden = {config.hidden}, layers = {config.layers}: "
                    f"{config.weight_count:,} weights; at most {MOST_WEIGHTS:,}"
                ]
            )
        self.multiple = config.patch
        self.dense = nn.ModuleList(nn.Linear(into, out) for into, out in itertools.pairwise(config.sizes))
        nn.init.normal_(self.dense[-1].weight, std=1e-3)  # type: ignore[arg-type]
        nn.init.zeros_(self.dense[-1].bias)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        """A patch on either side: an output depends on the patch that it lies in."""
        return 2 * self.config.patch - 1

    @property
    def lookahead(self) -> int:  # type: ignore[override]
        """A patch's first sample depends on its last."""
        return self.config.patch - 1

    def init_state(self, batch: int) -> State:
        """Nothing is carried from block to block."""
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → (batch, 1, time), and an empty state."""
        batch, _, time = x.shape
        h = F.pad(x, (0, -time % self.config.patch)).view(batch, -1, self.config.patch)  # (batch, patches, patch)
        *inside, last = self.dense
        for dense in inside:
            y = F.leaky_relu(dense(h), SLOPE)
            h = h + y if h.shape == y.shape else y
        return x + last(h).reshape(batch, 1, -1)[..., :time], ()

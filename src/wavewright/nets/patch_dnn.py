"""Dense layers over a whole patch of sound: the plainest network that writes an upper band, and the one to beat.

The baseline of Kuleshov et al., "Audio Super Resolution Using Neural Networks" (2017): units for all samples of a
patch, a wide layer or two, and what comes out is added to the sound.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.nets.contract import Network, State
from wavewright.settings import checked, setting

SLOPE = 0.2


@dataclass(frozen=True)
class PatchDNNConfig:
    """Settings; weights grow with ``patch`` times ``hidden``."""

    patch: int = setting(2048, "samples of a patch", low=16, high=65_536)
    hidden: int = setting(256, "units of each layer inside", low=1, high=65_536)
    layers: int = setting(3, "dense layers, the last included", low=2, high=16)


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
        self.multiple = config.patch
        sizes = [config.patch, *[config.hidden] * (config.layers - 1), config.patch]
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        nn.init.normal_(self.dense[-1].weight, std=1e-3)  # type: ignore[arg-type]

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
        for number, dense in enumerate(self.dense):
            h = dense(h) if number == 0 else dense(F.leaky_relu(h, SLOPE))
        return x + h.reshape(batch, 1, -1)[..., :time], ()

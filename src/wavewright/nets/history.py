"""How a stack of causal convolutions remembers between blocks: each one's own last input samples."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from wavewright.nets.contract import State


class Histories:
    """Walks through a `State` in the order of the layers, handing out the old histories and keeping the new ones."""

    def __init__(self, state: Iterable[Tensor]) -> None:
        self._old = iter(state)
        self._new: list[Tensor] = []

    def before(self, stream: Tensor, length: int) -> Tensor:
        """``stream`` (batch, channels, time) with its past before it: (batch, channels, length + time)."""
        if length == 0:
            return stream
        whole = torch.cat([next(self._old), stream], dim=-1)
        # A view would keep the whole block alive for as long as the state lives.
        self._new.append(whole[..., whole.shape[-1] - length :].clone())
        return whole

    def state(self) -> State:
        """What to begin the next block with."""
        return tuple(self._new)

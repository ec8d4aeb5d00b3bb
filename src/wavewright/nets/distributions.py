"""What the outputs of a generator say about the next sample: one number a code, or a mixture of logistics."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Distribution(Protocol):
    """A family of distributions over the codes 0 … ``levels`` − 1, and the numbers that choose one of it."""

    levels: int
    """How many codes there are."""
    size: int
    """Numbers that describe one distribution: the channels of a generator's output."""
    draws: int
    """Uniform random numbers that one draw takes."""

    def nats(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """−ln p of ``codes`` ``(batch, time)`` under ``parameters`` ``(batch, size, time)``, ``(batch, time)``."""
        ...

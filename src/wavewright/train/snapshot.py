"""Weights and optimiser state at one moment, kept apart from the ones that go on changing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim

from wavewright.errors import RunError
from wavewright.train.tree import cloned


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter and persistent buffer, by name."""
    return {name: value.detach().clone() for name, value in network.state_dict().items() if isinstance(value, Tensor)}


def set_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy ``weights`` into the network, which keeps its device; names must match."""
    with torch.no_grad():
        network.load_state_dict(dict(weights))


@dataclass(frozen=True)
class Snapshot:
    """All that training has learned at ``step``."""

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Any]

    @classmethod
    def take(cls, step: int, network: nn.Module, optimizer: optim.Optimizer) -> Snapshot:
        """A copy; a few hundred microseconds for a network of a hundred tensors."""
        return cls(step, weights_of(network), cloned(optimizer.state_dict()))

    def restore(self, network: nn.Module, optimizer: optim.Optimizer) -> None:
        """Go back to it. It stays whole, for going back again.

        Raises:
            RunError: the optimiser's state is not one of ``optimizer``.
        """
        set_weights(network, self.weights)
        try:
            optimizer.load_state_dict(cloned(self.optimizer))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"the kept optimiser state does not fit this optimiser: {error}; start a new run") from error

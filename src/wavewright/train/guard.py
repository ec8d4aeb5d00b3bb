"""Watches that loss and gradient stay finite, and knows the way back when they do not.

Looking costs a wait for the GPU, so it is done every so many steps: sums that hold one NaN are NaN. Weights count as
good when every loss and gradient that made them was finite. What the guard does depends on steps alone, never on the
clock, so that a resumed run rolls back where an uninterrupted one does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim

from wavewright.train.snapshot import Snapshot


@dataclass(frozen=True)
class Look:
    """What a look at the steps since the one before found."""

    loss: float
    """Sum over the steps."""
    gradient: float
    """Sum of the gradients' norms, before clipping."""
    count: int

    @property
    def wrong(self) -> str | None:
        """What is not finite, or None."""
        if not math.isfinite(self.loss):
            return "loss"
        return None if math.isfinite(self.gradient) else "gradient"


class Guard:
    """Sums of loss and gradient norm, and the last good state."""

    def __init__(self, network: nn.Module, optimizer: optim.Optimizer, device: torch.device) -> None:
        self._network, self._optimizer = network, optimizer
        self._sums = torch.zeros(2, device=device)
        self.count = 0
        """Steps since the last look."""
        self.urgent = False
        """Whether to look at once: an optimiser has stopped half-way."""
        self.good = Snapshot.take(0, network, optimizer)
        self.last = Look(0.0, 0.0, 0)

    def add(self, loss: Tensor, gradient: Tensor) -> None:
        """Note the scalars of one step, without waiting for them."""
        self._sums += torch.stack((loss.float(), gradient.float()))
        self.count += 1

    def add_failure(self) -> None:
        """Note that the optimiser could not make its step, which is as bad as a gradient that is not finite."""
        self._sums[1] = math.nan
        self.urgent = True

    def pending(self) -> Look:
        """What has been noted since the last look, left as it is."""
        loss, gradient = self._sums.tolist()
        return Look(loss, gradient, self.count)

    def look(self, step: int) -> Look:
        """Keep the present state as good, or go back to the last good one, weights and optimiser both."""
        look = self.last = self.pending()
        self._sums.zero_()
        self.count = 0
        self.urgent = False
        if look.wrong is None:
            self.good = self.present(step)
        else:
            self.good.restore(self._network, self._optimizer)
        return look

    def present(self, step: int) -> Snapshot:
        """A copy of the state after ``step`` steps."""
        return Snapshot.take(step, self._network, self._optimizer)

    def take_up(self, now: Snapshot, good: Snapshot | None, pending: tuple[float, float, int]) -> None:
        """Put a checkpoint's state into network, optimiser and guard."""
        before = good or now
        before.restore(self._network, self._optimizer)
        self.good = self.present(before.step)  # a copy, on the network's device
        if good is not None:
            now.restore(self._network, self._optimizer)
        self._sums.copy_(torch.tensor(pending[:2]))
        self.count = pending[2]

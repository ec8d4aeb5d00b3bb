"""What the outputs of a frame generator say about the next frame: one point, or a mixture of normal distributions.

Bishop, "Mixture density networks" (1994). A frame has D numbers, scaled so that they vary by about one. A mixture of
diagonal normals says how sure it is of each number at each moment: where a sound is silent it has learned to be quiet.

Taught by likelihood alone such a network gives up on what is rare and hard: it says of a click that it knows nothing,
and is never told again what a click is like. So each number is taught in proportion to a power of its deviation
(Seitzer, Tavakoli, Antic and Martius, "On the pitfalls of heteroscedastic uncertainty estimation", 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

EVENNESS = 0.5
"""What is taught of a number counts in proportion to its deviation to twice this power: 0 is likelihood, 1 makes the
means' lessons those of squared error."""

LOWEST_LOG_DEVIATION, HIGHEST_LOG_DEVIATION = -6.0, 3.0
"""Of one number of a frame; below, the likelihood of frames that repeat exactly would have no bound."""


class FrameDistribution(Protocol):
    """A family of distributions over frames of ``numbers``."""

    @property
    def numbers(self) -> int:
        """Numbers of a frame."""

    @property
    def size(self) -> int:
        """Numbers that describe one distribution."""

    @property
    def draws(self) -> int:
        """Uniform random numbers that one draw takes."""

    def cost(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """What ``frames`` ``(batch, numbers, time)`` cost under ``parameters`` ``(batch, size, time)``, for each
        number: ``(batch, time)``."""
        ...

    def lesson(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """What training makes small ``(batch, time)``, shapes as `cost`."""
        ...

    def draw(self, parameters: Tensor, uniform: Tensor, normal: Tensor, temperature: float) -> Tensor:
        """A frame ``(batch, numbers)`` of each of ``(batch, size)``, by ``uniform`` ``(batch, draws)`` and
        ``normal`` ``(batch, numbers)``; the most ordinary one at temperature 0."""
        ...


@dataclass(frozen=True)
class Point:
    """One frame, and squared error: the mean of all that may come, which is like none of it."""

    numbers: int

    @property
    def size(self) -> int:
        """The frame itself."""
        return self.numbers

    @property
    def draws(self) -> int:
        """There is nothing to choose."""
        return 1

    def cost(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """Mean squared error of each frame."""
        return (parameters - frames).square().mean(1)

    def lesson(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """The same."""
        return self.cost(parameters, frames)

    def draw(self, parameters: Tensor, uniform: Tensor, normal: Tensor, temperature: float) -> Tensor:
        """There is nothing to choose."""
        return parameters


@dataclass(frozen=True)
class GaussianMixture:
    """``mixtures`` diagonal normals: their weights' logits, then means, then logarithms of deviations.

    >>> mixture = GaussianMixture(numbers=3, mixtures=2)
    >>> mixture.size
    14
    >>> round(mixture.cost(torch.zeros(1, 14, 1), torch.zeros(1, 3, 1)).item(), 1)  # about ½ ln 2π
    0.9
    """

    numbers: int
    mixtures: int

    @property
    def size(self) -> int:
        """A logit for each, then D means and D deviations for each."""
        return self.mixtures * (1 + 2 * self.numbers)

    @property
    def draws(self) -> int:
        """Which of the normals."""
        return 1

    def parts(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``(batch, mixtures, …)``, means and log deviations ``(batch, mixtures, numbers, …)``."""
        edges = (self.mixtures, self.mixtures * (1 + self.numbers))
        logits, means, logs = torch.tensor_split(parameters, edges, dim=1)
        shape = (len(parameters), self.mixtures, self.numbers, *parameters.shape[2:])
        # softly held between the bounds, so that gradients never vanish
        middle, reach = (
            (HIGHEST_LOG_DEVIATION + LOWEST_LOG_DEVIATION) / 2,
            (HIGHEST_LOG_DEVIATION - LOWEST_LOG_DEVIATION) / 2,
        )
        held = middle + reach * torch.tanh((logs - middle) / reach)
        return logits, means.reshape(shape), held.reshape(shape)

    def cost(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """Nats a number: −ln p / numbers."""
        logits, means, logs = self.parts(parameters)
        z = (frames[:, None] - means) * torch.exp(-logs)
        each = -0.5 * z.square().sum(2) - logs.sum(2) - 0.5 * self.numbers * math.log(2 * math.pi)
        return -torch.logsumexp(F.log_softmax(logits, 1) + each, 1) / self.numbers

    def lesson(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """As `cost`, each number weighed by its deviation to twice the power `EVENNESS`.

        Each normal is taught by its share of the frame, which is where the gradient of `cost` comes from, too.
        """
        logits, means, logs = self.parts(parameters)
        weights = F.log_softmax(logits, 1)
        each = 0.5 * ((frames[:, None] - means) * torch.exp(-logs)).square() + logs  # (batch, mixtures, numbers, time)
        shares = F.softmax(weights - each.sum(2), 1).detach()
        taught = (each * torch.exp(2 * EVENNESS * logs).detach()).sum(2) - weights
        return (shares * taught).sum(1) / self.numbers

    def missed(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """How far ``frames`` ``(batch, numbers, time)`` lie from the mean, in deviations, of the likeliest normal."""
        logits, means, logs = self.parts(parameters)
        z = (frames[:, None] - means) * torch.exp(-logs)
        likely = (F.log_softmax(logits, 1) - 0.5 * z.square().sum(2) - logs.sum(2)).argmax(1)  # (batch, time)
        return torch.take_along_dim(z, likely[:, None, None], 1).squeeze(1)

    def draw(self, parameters: Tensor, uniform: Tensor, normal: Tensor, temperature: float) -> Tensor:
        """One of the normals by its weight, then a frame of it; ``temperature`` scales logits and deviations."""
        logits, means, logs = self.parts(parameters)
        sure = temperature <= 0 or self.mixtures == 1
        chosen = logits.argmax(1) if sure else drawn(logits / temperature, uniform[:, 0])
        rows = torch.arange(len(parameters), device=parameters.device)
        return means[rows, chosen] + temperature * torch.exp(logs[rows, chosen]) * normal


def drawn(logits: Tensor, uniform: Tensor) -> Tensor:
    """One of ``(batch, choices)`` for each number ``(batch,)`` in [0, 1)."""
    rising = F.softmax(logits, 1).cumsum(1)
    return (uniform[:, None] > rising).sum(1).clamp(max=logits.shape[1] - 1)

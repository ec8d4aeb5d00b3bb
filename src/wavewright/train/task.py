"""What a job brings to the training loop: its network, its batches, its loss, its validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor

from wavewright.nets.contract import Network


class Task(Protocol):
    """One thing to learn. The loop moves network and batches to the device; a task never does."""

    network: Network
    """Freshly built from the run's seed, the same each time: a run killed before its first checkpoint starts again."""

    goal: str
    """The validation figure to minimise, such as ``"esr"``."""

    steps_per_epoch: int

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """The windows of one step, first dimension the batch, last dimension time.

        A pure function of (seed, step, rank, world): that is what makes resumption exact. The ``world`` ranks of
        batch B see together, in one step, the windows that one process of batch ``world * B`` sees.
        """
        ...

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """The scalar to minimise: the mean over ``batch``, which lies on the network's device already.

        Random choices (dropout, noise) may come from torch's global generator, which the loop seeds for each step.
        """
        ...

    def validate(self) -> dict[str, float]:
        """Figures of the network as it stands, `goal` among them. Called without gradients, in evaluation mode."""
        ...

    def preview(self, path: Path) -> None:
        """Write what the network sounds like now to ``path``, a .wav file. Called like `validate`."""
        ...


@runtime_checkable
class Framed(Protocol):
    """A task whose time points are frames: the pace is told in samples all the same."""

    hop: int
    """Samples from frame to frame."""


@runtime_checkable
class Telling(Protocol):
    """A task that has better words for how good it is than its goal's name and value."""

    def words(self, figures: Mapping[str, float]) -> str:
        """What progress tells of the figures of the best validation."""
        ...


@runtime_checkable
class Carrying(Protocol):
    """A task whose steps hand on more than weights: the state of a network trained on sequences longer than a step.

    What is carried is kept in the checkpoint, each process's own, so that a resumed run goes on with it.
    """

    def carried(self) -> dict[str, Tensor]:
        """What the next step begins with; the same names and shapes at every step."""
        ...

    def carry(self, kept: Mapping[str, Tensor]) -> None:
        """Begin the next step with ``kept``, which `carried` gave once."""
        ...

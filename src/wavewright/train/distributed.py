"""Data-parallel training under torchrun: every process on its own windows, all with the same weights, one writer.

Gradients are averaged by hand in one flat buffer after the backward pass, so that any autograd function works and a
step costs one message. Decisions that hang on the clock or on Ctrl-C are agreed upon, over the CPU, at each step.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wavewright.errors import RunError, SettingsError
from wavewright.train.run import own_rank


@dataclass(frozen=True)
class Team:
    """The processes of one run. Alone, each method does nothing but hand back."""

    rank: int
    world: int
    device: torch.device
    control: Any = field(default=None, repr=False)
    """The process group for words on the CPU, so that agreeing never waits for a GPU."""

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def agree(self, elapsed: float, word: int) -> tuple[float, int]:
        """The first process's clock and the highest word said by any, the same in every process."""
        if self.world == 1:
            return elapsed, word
        said = torch.tensor([elapsed if self.writes else 0.0, float(word)], dtype=torch.float64)
        with _told_apart():
            dist.all_reduce(said, op=dist.ReduceOp.MAX, group=self.control)
        return float(said[0]), int(said[1])

    def average(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace each gradient by its mean over the processes; the mean of ``loss`` (a scalar) is given back."""
        if self.world == 1:
            return loss
        for parameter in parameters:
            if parameter.grad is None:  # unused here, perhaps used elsewhere: all must send the same
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), loss.reshape(1).to(gradients[0].dtype)])
        with _told_apart():
            dist.all_reduce(flat)
        flat /= self.world
        pieces = torch.split(flat, [*(gradient.numel() for gradient in gradients), 1])
        torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(pieces, gradients, strict=False)])
        return pieces[-1].reshape(())

    def gather(self, tensor: Tensor) -> Tensor:
        """Every process's ``tensor``, one behind the other in a new first dimension."""
        if self.world == 1:
            return tensor[None]
        rows = [torch.empty_like(tensor) for _ in range(self.world)]
        with _told_apart():
            dist.all_gather(rows, tensor.contiguous())
        return torch.stack(rows)

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the first one's values, in place."""
        if self.world == 1:
            return
        with _told_apart(), torch.no_grad():
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world > 1:
            self.agree(0.0, 0)


@contextlib.contextmanager
def joined(device: str) -> Iterator[Team]:
    """Join the processes that torchrun started (or be alone), each on its device; leave cleanly.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        SettingsError: "cuda" without a GPU, or fewer GPUs than processes on this machine.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")) if world > 1 else None)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world == 1:
        yield Team(0, 1, chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", rank=own_rank(), world_size=world)
    try:
        control = dist.new_group(backend="gloo") if chosen.type == "cuda" else None
        yield Team(own_rank(), world, chosen, control)
    finally:
        dist.destroy_process_group()


def choose_device(device: str, local_rank: int | None = None) -> torch.device:
    """The device that a setting means here: "auto" is a GPU where there is one.

    Raises:
        SettingsError: it is not there.
    """
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SettingsError(
            [f"setting device = {device!r}: torch sees no GPU here; use cpu, or install torch for CUDA"]
        )
    index = local_rank or 0
    if index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise SettingsError([f"process {index} has no GPU: this machine has {count}; start {count} processes at most"])
    return torch.device("cuda", index)


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    """Say in a sentence when another process of the run is gone."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            "another process of this run has ended; see its message, then start all of them again with --resume"
        ) from error

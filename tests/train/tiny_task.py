"""A made-up task that trains in milliseconds: a short filter and a bend, learned from noise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from wavewright.nets.contract import Network, State
from wavewright.settings import to_mapping
from wavewright.train.progress import Standing
from wavewright.train.run import RunFolder
from wavewright.train.settings import TrainSettings


class TinyNet(Network):
    """Two short convolutions with a tanh, a dropout and a running mean: all the kinds of state a network has."""

    def __init__(self, seed: int, dropout: float = 0.1, momentum: float = 0.1) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Conv1d(1, 4, 3, padding=2)
        self.second = nn.Conv1d(4, 1, 3, padding=2)
        self.dropout = nn.Dropout(dropout)
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(1))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)

    @property
    def receptive_field(self) -> int:
        return 5

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        if self.training:
            with torch.no_grad():
                self.mean += self.momentum * (x.mean() - self.mean)
        hidden = torch.tanh(self.first(x)[..., : x.shape[-1]])
        return self.second(self.dropout(hidden))[..., : x.shape[-1]] + 0.01 * self.mean, ()


class TinyTask:
    """Batches drawn from (seed, step): ``world`` ranks share the windows of a step evenly."""

    goal = "esr"

    def __init__(
        self,
        seed: int = 0,
        *,
        batch: int = 4,
        time: int = 32,
        epoch: int = 10,
        dropout: float = 0.1,
        momentum: float = 0.1,
        poison: Iterable[int] = (),
    ) -> None:
        self.network = TinyNet(seed, dropout, momentum)
        self.seed, self.size, self.time, self.steps_per_epoch = seed, batch, time, epoch
        self.poison = frozenset(poison)  # steps whose windows are not numbers
        self.previews: list[Path] = []
        self.validations = 0

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        everyone = torch.randn(world * self.size, 1, self.time, generator=generator)
        dry = everyone[rank * self.size : (rank + 1) * self.size]
        if step in self.poison:
            dry = dry * math.nan
        return dry, _device(dry)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        dry, wet = batch
        y, _ = self.network(dry, None)
        return (y - wet).square().mean()

    def validate(self) -> dict[str, float]:
        assert not self.network.training
        assert not torch.is_grad_enabled()
        self.validations += 1
        torch.rand(7)  # a validation that draws random numbers must not disturb training
        dry = torch.randn(4, 1, 64, generator=torch.Generator().manual_seed(99))
        wet = _device(dry)
        y, _ = self.network(dry, None)
        return {"esr": float((y - wet).square().sum() / wet.square().sum()), "mse": float((y - wet).square().mean())}

    def preview(self, path: Path) -> None:
        path.write_bytes(b"RIFF")
        self.previews.append(path)


class CarryingTask(TinyTask):
    """A tiny task whose loss hangs on a running mean of all that it has heard, as a recurrent network's would."""

    def __init__(self, **others: object) -> None:
        super().__init__(**others)  # type: ignore[arg-type]
        self.memory = torch.zeros(3)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        self.memory = 0.9 * self.memory + batch[0].mean()
        return super().loss(batch) + (next(self.network.parameters()) * self.memory.sum()).mean()

    def carried(self) -> dict[str, Tensor]:
        return {"memory": self.memory}

    def carry(self, kept: Mapping[str, Tensor]) -> None:
        self.memory = kept["memory"]


def _device(dry: Tensor) -> Tensor:
    return torch.tanh(2 * dry + torch.roll(dry, 1, -1))


def settings(**overrides: object) -> TrainSettings:
    """Settings for a tiny run: checkpoint at every look, a look every fifth step."""
    values: dict[str, object] = {"device": "cpu", "check_steps": 5, "checkpoint_seconds": 0.0, "learning_rate": 0.01}
    if not {"minutes", "epochs", "steps", "until"} & overrides.keys():
        values["epochs"] = 4
    return TrainSettings(**{**values, **overrides})  # type: ignore[arg-type]


def new_run(path: Path, told: TrainSettings, **others: object) -> RunFolder:
    """A run folder for `told`."""
    return RunFolder.create(path, job="tiny", settings={"train": to_mapping(told)}, **others)  # type: ignore[arg-type]


class Telling:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[Standing] = []
        self.closed = False

    def show(self, standing: Standing) -> None:
        self.shown.append(standing)

    def say(self, text: str) -> None:
        self.said.append(text)

    def close(self) -> None:
        self.closed = True

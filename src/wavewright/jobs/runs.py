"""A run of any job, from its beginning or from where it stopped: what all of them do alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from wavewright.errors import DataError, RunError, SettingsError
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.settings import from_mapping, problems_of, to_mapping
from wavewright.train.distributed import choose_device
from wavewright.train.memory import refuse_too_large
from wavewright.train.run import RunFolder
from wavewright.train.settings import TrainSettings, budget_problems

TaskT = TypeVar("TaskT", covariant=True)


class JobSettings(Protocol):
    """The settings of a job, a frozen dataclass with those of its training among them."""

    @property
    def train(self) -> TrainSettings:
        """How it is trained."""
        ...


@dataclass(frozen=True)
class Begun(Generic[TaskT]):
    """A run that is about to train."""

    run: RunFolder
    task: TaskT


def refuse_settings(settings: JobSettings, further: Sequence[str] = ()) -> None:
    """Raise `SettingsError` with everything that is wrong in ``settings``, a device that is not there included.

    ``further`` are the problems that the job itself has found.
    """
    problems = [*problems_of(settings), *budget_problems(settings.train), *further]
    if problems:
        raise SettingsError(problems)
    choose_device(settings.train.device)


def reopened(folder: Path, job: str, settings: JobSettings, named: Sequence[Path] | None = None) -> RunFolder:
    """The run at ``folder``, its data unchanged, about to go on with ``settings``, which it keeps from now on.

    What a run from before a setting was there says nothing of, it was trained with as that setting's default has it.

    Raises:
        RunError: there is no such run, it is damaged, or belongs to another job.
        DataError: its data has changed since, or is not what was ``named`` again.
        SettingsError: settings that a resumed run may not change.
    """
    run = RunFolder.open(folder)
    if run.job != job:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {job}")
    kept = [Path(file["path"]) for file in run.info["data"]]
    if named is not None and [path.resolve() for path in named] != kept:
        raise DataError(f"run {folder} was begun with {', '.join(map(str, kept))}; resume with those, or name none")
    run.refuse_changed_data()
    run.info["settings"] = to_mapping(from_mapping(type(settings), run.settings))
    run.settle(to_mapping(settings))
    return run


def new_network(name: str, seed: int, **overrides: Any) -> Network:
    """The network called ``name``, its first weights drawn from ``seed`` alone; what is None keeps its default.

    Raises:
        SettingsError: it has no such size, or its training would not fit into memory; found before memory is taken.
    """
    told = {key: value for key, value in overrides.items() if value is not None}
    with torch.device("meta"):  # shapes without memory
        weights = sum(parameter.numel() for parameter in registry.build(name, **told).parameters())
    refuse_too_large(weights, name, "--size, --layers")
    torch.manual_seed(seed)
    return registry.build(name, **told)

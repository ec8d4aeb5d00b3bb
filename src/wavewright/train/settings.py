"""What a training run can be told, and what may be told anew when it is resumed. No torch here: `--help` reads this."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wavewright.errors import SettingsError
from wavewright.settings import checked, problems_of, setting

DEFAULT_MINUTES = 15.0
"""The budget of a run that was told none."""

OPTIMIZERS = ("soap", "adam", "adamw")
SCHEDULES = ("cosine", "constant")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")

BUDGETS = ("minutes", "epochs", "steps")

FREE_ON_RESUME = frozenset(
    {*BUDGETS, "until", "device", "threads", "checkpoint_seconds", "preview_minutes", "tensorboard"}
)
"""Settings that a resumed run may change: the budget, where it runs, and what does not touch the weights."""


@dataclass(frozen=True)
class TrainSettings:
    """How long, how fast and on what a network is trained."""

    minutes: float | None = setting(None, "budget: minutes of training, over all resumptions together", above=0)
    epochs: int | None = setting(None, "budget: passes over the training data", low=1)
    steps: int | None = setting(None, "budget: optimiser steps", low=1)
    until: float | None = setting(
        None, "stop as soon as validation reaches this figure", above=0, flags=("--until-esr", "--until-bits")
    )
    seed: int = setting(0, "what every random choice follows from", low=0, high=2**63 - 1)
    learning_rate: float = setting(0.01, "the optimiser's rate at its highest", above=0, high=10)
    optimizer: str = setting("soap", "the rule of the weight update", choices=OPTIMIZERS)
    weight_decay: float = setting(0.0, "share of each weight taken off per unit of rate", low=0, high=1)
    schedule: str = setting("cosine", "how the rate goes over the budget", choices=SCHEDULES)
    warm_up: float = setting(0.02, "share of the budget over which the rate rises", low=0, high=0.5)
    gradient_clip: float | None = setting(1.0, "largest norm of the gradient; absent for no limit", above=0)
    device: str = setting("auto", "where to compute; auto takes a GPU where there is one", choices=DEVICES)
    threads: int | None = setting(None, "CPU threads; absent leaves the choice to torch", low=1, high=1024)
    precision: str = setting("float32", "arithmetic of the forward pass", choices=PRECISIONS)
    tf32: bool = setting(True, "on a GPU, let float32 products use the tensor cores' shorter mantissa")
    compile: bool = setting(False, "compile the training step; worth it on a GPU, after a minute of waiting")
    check_steps: int = setting(20, "steps between looks at the loss, after which the weights count as good", low=1)
    checkpoint_seconds: float = setting(60.0, "seconds of training between checkpoints", low=0)
    validate_steps: int | None = setting(None, "steps between validations; absent: see validate_seconds", low=1)
    validate_seconds: float = setting(
        30.0, "seconds between validations under a budget in minutes; other budgets validate after each epoch", above=0
    )
    preview_minutes: float | None = setting(5.0, "minutes between audio previews; absent for none", above=0)
    tensorboard: bool = setting(False, "write TensorBoard events too (needs wavewright[track])")


def budget_problems(settings: TrainSettings) -> list[str]:
    """What is wrong with the budget as a whole, for a job to tell together with all other problems."""
    given = [name for name in BUDGETS if getattr(settings, name) is not None]
    if len(given) < 2:
        return []
    values = ", ".join(f"{name} = {getattr(settings, name)}" for name in given)
    return [f"settings {values}: a run has one budget; give one of {', '.join(BUDGETS)} (until goes with any)"]


def checked_training(settings: TrainSettings) -> TrainSettings:
    """Give ``settings`` back, or raise `SettingsError` with all that is wrong, the budget as a whole included."""
    problems = problems_of(settings) + budget_problems(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def has_budget(settings: TrainSettings) -> bool:
    """Whether anything says how long to train; without it a run takes `DEFAULT_MINUTES`."""
    return any(getattr(settings, name) is not None for name in (*BUDGETS, "until"))


def with_budget(
    settings: TrainSettings,
    *,
    minutes: float | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    until: float | None = None,
) -> TrainSettings:
    """The same settings under another budget, which replaces the old one as a whole.

    >>> with_budget(TrainSettings(minutes=15.0), epochs=3).minutes is None
    True
    """
    return checked(dataclasses.replace(settings, minutes=minutes, epochs=epochs, steps=steps, until=until))


def differences(stored: Mapping[str, Any], given: Mapping[str, Any], where: str = "") -> list[str]:
    """Each setting of ``given`` that a resumed run may not change but does, in words; nested tables included.

    Shape of both: what `wavewright.settings.to_mapping` gives, before or after a way through JSON.
    """
    found = []
    for name in sorted(stored.keys() | given.keys()):
        before, now = stored.get(name), given.get(name)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += differences(before, now, f"{where}{name}.")
        elif name not in FREE_ON_RESUME and _plain(before) != _plain(now):
            found.append(f"setting {where}{name} = {now!r}, but the run was begun with {before!r}")
    return found


def refuse_differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise `SettingsError` naming each of the `differences`, and the remedy."""
    found = differences(stored, given)
    if found:
        remedy = "resume with the run's own settings (only budget, device and threads may change), or start a new run"
        raise SettingsError([*found, remedy])


def _plain(value: Any) -> Any:
    """A value as JSON would bring it back: tuples become lists."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value

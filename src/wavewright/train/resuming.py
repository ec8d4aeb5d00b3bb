"""Whether a run may go on from a checkpoint, and what to say about how it does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from wavewright.errors import RunError
from wavewright.settings import to_mapping
from wavewright.train.budget import Budget, budget_of
from wavewright.train.checkpoint import Checkpoint
from wavewright.train.schedule import rate_share
from wavewright.train.settings import BUDGETS, TrainSettings, refuse_differences


def refuse_other_run(kept: Checkpoint, settings: TrainSettings, world: int, path: Path) -> None:
    """Raise where going on would not be the same training.

    Raises:
        SettingsError: settings differ that may not; each is named.
        RunError: another number of processes.
    """
    refuse_differences(kept.settings, to_mapping(settings))
    if kept.world != world:
        start = (
            f"start it with torchrun --nproc-per-node {kept.world}" if kept.world > 1 else "start it without torchrun"
        )
        raise RunError(f"run {path} was trained by {kept.world} process(es) and cannot go on with {world}; {start}")


def how_it_goes_on(kept: Checkpoint, settings: TrainSettings, budget: Budget, goal: str, path: Path) -> list[str]:
    """Sentences on where the run stands and, under another budget, how its schedule goes on."""
    now = kept.counters
    best = "" if now.best is None else f", best {goal.upper()} {now.best:.5g} at step {now.best_step}"
    said = [f"run {path} goes on after step {now.step} and {now.elapsed:.0f} s{best}"]
    asked_before: dict[str, Any] = {name: kept.settings.get(name) for name in BUDGETS}
    before = budget_of(dataclasses.replace(settings, **asked_before), budget.steps_per_epoch)
    if before != budget:
        was, goes_on = (_rate(settings, it, now.step, now.elapsed) for it in (before, budget))
        said.append(f"the budget is now {budget.words} in all (was {before.words}): the rate stands at {goes_on:.3g}")
        said[-1] += f" (was {was:.3g}) and goes on along the new budget's curve"
    if kept.counters.rate_share < 1:
        said.append(f"the rate is {kept.counters.rate_share:g} of the curve after {now.rollbacks} rollback(s)")
    return said


def _rate(settings: TrainSettings, budget: Budget, step: int, elapsed: float) -> float:
    progress = budget.progress(step, elapsed)
    return settings.learning_rate * rate_share(settings.schedule, progress, settings.warm_up)

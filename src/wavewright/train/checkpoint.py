"""Everything needed to go on as if nothing had happened, in one file that is always whole.

What a step depends on is: weights, optimiser state, the number of the step, the elapsed time (under a budget in
minutes), the guard's share of the rate and its last good state, and the best weights. Batches are a pure function of
the step, the rate one of progress, and torch's generator is seeded for each step: none of them needs keeping.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wavewright.errors import RunError
from wavewright.train import tensors as tensor_file
from wavewright.train.snapshot import Snapshot, weights_of
from wavewright.train.tree import flatten, unflatten

FORMAT = 1
REMEDY = "put back a copy of it, or begin the run anew with --force"


@dataclass
class Counters:
    """The plain numbers of a run's standing."""

    step: int = 0
    elapsed: float = 0.0
    """Seconds of training, over all resumptions."""
    best: float | None = None
    best_step: int = 0
    best_figures: dict[str, float] = dataclasses.field(default_factory=dict)
    rate_share: float = 1.0
    """Halved by the guard at each rollback."""
    rollbacks: int = 0
    validated_step: int = 0
    validated: float = 0.0
    """Elapsed seconds at the last validation."""
    pending: tuple[float, float, int] = (0.0, 0.0, 0)
    """Losses and gradient norms summed since the last look, and their number."""


@dataclass
class Checkpoint:
    """One moment of a run."""

    counters: Counters
    now: Snapshot
    good: Snapshot | None
    """Where the guard goes back to; None where that is ``now``."""
    best: dict[str, Tensor]
    settings: dict[str, Any]
    world: int
    carried: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    """What a `Carrying` task hands from step to step, the processes in the first dimension."""


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write it in one step.

    Raises:
        OutputError: the disk is full or the place cannot be written; the checkpoint before it is whole.
    """
    tensors: dict[str, Tensor] = {f"best/{name}": value for name, value in checkpoint.best.items()}
    tensors |= {f"carried/{name}": value for name, value in checkpoint.carried.items()}
    facts = {
        "kind": "checkpoint",
        "format": FORMAT,
        "counters": dataclasses.asdict(checkpoint.counters),
        "settings": checkpoint.settings,
        "world": checkpoint.world,
        "now": _flat(checkpoint.now, "now", tensors),
        "good": None if checkpoint.good is None else _flat(checkpoint.good, "good", tensors),
    }
    tensor_file.write(path, tensors, facts)


def read(path: Path, network: nn.Module) -> Checkpoint:
    """The checkpoint in ``path``, for a run of ``network``.

    Raises:
        RunError: it is missing, damaged, of another format, or of another network.
    """
    shapes = {name: tuple(value.shape) for name, value in weights_of(network).items()}
    tensors, facts = tensor_file.read(path, RunError, REMEDY, {f"now/{name}": shape for name, shape in shapes.items()})
    if facts.get("kind") != "checkpoint" or facts.get("format") != FORMAT:
        what = f"{facts.get('kind')} of format {facts.get('format')}"
        raise RunError(f"{path} is a {what}, not a checkpoint of format {FORMAT}; {REMEDY}")
    try:
        counters = Counters(**{**facts["counters"], "pending": tuple(facts["counters"]["pending"])})
        now = _unflat(facts["now"], "now", tensors, shapes)
        good = None if facts["good"] is None else _unflat(facts["good"], "good", tensors, shapes)
        best = {name: tensors[f"best/{name}"] for name in shapes} if counters.best is not None else {}
        carried = {name[8:]: value for name, value in tensors.items() if name.startswith("carried/")}
        return Checkpoint(counters, now, good, best, dict(facts["settings"]), int(facts["world"]), carried)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {type(error).__name__} in its facts; {REMEDY}") from error


def _flat(snapshot: Snapshot, section: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    tensors.update({f"{section}/{name}": value for name, value in snapshot.weights.items()})
    return {"step": snapshot.step, "optimizer": flatten(snapshot.optimizer, f"{section}-optimizer", tensors)}


def _unflat(node: Any, section: str, tensors: Mapping[str, Tensor], shapes: Mapping[str, Any]) -> Snapshot:
    weights = {name: tensors[f"{section}/{name}"] for name in shapes}
    return Snapshot(int(node["step"]), weights, unflatten(node["optimizer"], tensors))

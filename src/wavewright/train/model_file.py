"""`model.safetensors`: a run's best weights, with what is needed to build their network again. Holds no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from wavewright.errors import ModelFileError
from wavewright.train import tensors as tensor_file

FORMAT = 1
REMEDY = "train again, or name another model"


@dataclass(frozen=True)
class SavedModel:
    """What a model file holds: build with ``nets.registry.from_config(kind, config)``, then load ``weights``."""

    weights: dict[str, Tensor]
    kind: str | None
    config: dict[str, Any]
    job: str
    rate: int | None
    """Hz; None where the data is not sound."""
    step: int
    figures: dict[str, float]
    """What validation said of these weights."""


def save(
    path: Path, weights: Mapping[str, Tensor], info: Mapping[str, Any], step: int, figures: Mapping[str, float]
) -> None:
    """Write the best weights in one step; ``info`` is what the run's run.json holds.

    Raises:
        OutputError: the disk is full or the place cannot be written.
    """
    facts = {
        "kind": "model",
        "format": FORMAT,
        "network": info.get("network"),
        "job": info["job"],
        "rate": info.get("rate"),
        "step": step,
        "figures": dict(figures),
    }
    tensor_file.write(path, weights, facts)


def load(path: Path) -> SavedModel:
    """Read a model file.

    Raises:
        ModelFileError: it is missing, damaged, or not a model of ours.
    """
    weights, facts = tensor_file.read(path, ModelFileError, REMEDY)
    if facts.get("kind") != "model" or facts.get("format") != FORMAT:
        what = f"{facts.get('kind')} of format {facts.get('format')}"
        raise ModelFileError(f"{path} is a {what}, not a model of format {FORMAT}; {REMEDY}")
    try:
        network = facts["network"] or {"kind": None, "config": {}}
        kind, config = network["kind"], dict(network["config"])
        rate, figures = facts["rate"], dict(facts["figures"])
        return SavedModel(weights, kind, config, str(facts["job"]), rate, int(facts["step"]), figures)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {type(error).__name__} in its facts; {REMEDY}") from error

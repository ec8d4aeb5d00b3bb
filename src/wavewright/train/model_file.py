"""`model.safetensors`: a run's best weights, with what is needed to build their network again. Holds no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from numpy.typing import NDArray

from wavewright.errors import ModelFileError
from wavewright.train import sealed

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers")

FORMAT = 1
REMEDY = "train again, or name another model"


@dataclass(frozen=True)
class SavedModel(Generic[Numbers]):
    """What a model file holds: build with ``nets.registry.from_config(kind, config)``, then load ``weights``."""

    weights: dict[str, Numbers]
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
    from wavewright.train import tensors

    tensors.write(path, weights, facts)


def load(path: Path) -> SavedModel[Tensor]:
    """Read a model file.

    Raises:
        ModelFileError: it is missing, damaged, or not a model of ours.
    """
    from wavewright.train import tensors

    return _model(path, *tensors.read(path, ModelFileError, REMEDY))


def load_plain(path: Path) -> SavedModel[NDArray[Any]]:
    """Read a model file without torch: its weights are arrays.

    Raises:
        ModelFileError: as `load`.
    """
    return _model(path, *sealed.arrays(path, ModelFileError, REMEDY))


def _model(path: Path, weights: dict[str, Numbers], facts: dict[str, Any]) -> SavedModel[Numbers]:
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

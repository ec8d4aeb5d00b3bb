"""The table of errors of a run, as it was kept while training; see `wavewright.metrics.error_table`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from wavewright.errors import DataError
from wavewright.jobs.emulate import takes
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.jobs.emulate.training import EmulateTask
from wavewright.jobs.emulate.twin import Twin
from wavewright.jobs.trained import trained_network
from wavewright.metrics import error_table
from wavewright.settings import from_mapping
from wavewright.train.log import read_log
from wavewright.train.run import RunFolder


def rows(twin: Twin) -> list[tuple[str, dict[str, Any]]]:
    """The lines of the table: the epoch and the figures of each validation that kept them.

    A run that kept none (`EmulateSettings.table_epochs`) has one line, of the weights it ended up with.

    Raises:
        DataError: a model file, which has no recordings.
    """
    if twin.run is None:
        raise DataError(f"{twin.source} is a model file and holds no recordings: a table is made of a run folder")
    steps = int(twin.run.info["extra"].get("steps_per_epoch") or 1)
    kept = [line for line in read_log(twin.run.log) if "training_mse" in line]
    lines = [(f"epoch:{line['step'] / steps:7.4g}", line) for line in kept]
    return lines or [("best weights", _now(twin.run))]


def _now(run: RunFolder) -> dict[str, float]:
    """The line of the weights as they are."""
    settings = replace(from_mapping(EmulateSettings, run.settings), table_epochs=1)
    with torch.no_grad():
        figures = EmulateTask(trained_network(run), takes.material_of(run), settings).validate()
    return {name: figures[name] for name in error_table.COLUMNS}

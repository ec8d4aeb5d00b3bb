"""Imputing at work: a trained network fills the gaps of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.data import tables, tables_out
from wavewright.data.bridge import Bridge
from wavewright.data.series import Scale
from wavewright.data.tables import Table
from wavewright.errors import DataError, OutputError, RunError
from wavewright.jobs.impute.material import BRIDGE, Material, material_for
from wavewright.jobs.impute.settings import JOB, ImputeSettings
from wavewright.jobs.impute.training import scale_of, settings_of, table_of
from wavewright.jobs.impute.trust import WHOLE, Trust
from wavewright.jobs.trained import trained_network
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.train import model_file
from wavewright.train.run import RunFolder

SHOWN = 12
"""Series that are named where there are many."""


@dataclass(frozen=True)
class Imputer:
    """A network, the series it knows, their scale, and what bridges gaps for it.

    ``together``: it hears all its series at once, and so needs all of them. ``seconds`` from one time to the next of
    what it learned, 0 where rows were counted; ``cycles`` are those of the calendar that it hears, in seconds.
    """

    network: Network
    names: tuple[str, ...]
    scale: Scale
    settings: ImputeSettings
    bridge: Bridge | None
    run: RunFolder
    together: bool
    seconds: float
    cycles: tuple[float, ...]
    trust: Trust = WHOLE

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.run.path.resolve().name

    @property
    def own_table(self) -> Path:
        """The table that it was trained on.

        Raises:
            RunError: run.json names none.
            DataError: the table is gone, or has changed: what of it training never saw is not known any more.
        """
        path = table_of(self.run)
        self.run.refuse_changed_data()
        return path

    def read(self, path: Path) -> Table:
        """A table of the series that this network knows, in its own order, on its own grid.

        Other columns are left alone. What hears each series by itself takes other series, too.

        Raises:
            DataError: a table that cannot be read, that lacks a series, or has other steps in time.
            SettingsError: the table has not the columns that the run was told of.
        """
        told = self.settings.table
        if self.together and not told.keys:
            self._refuse_lacking(path, tables.columns_of(path))
            told = replace(told, columns=self.names)
        table = tables.read(path, told, step=self.seconds, empty=self.together)
        if not self.together:
            return table
        self._refuse_lacking(path, table.names)
        return table.only(self.names)

    def _refuse_lacking(self, path: Path, names: tuple[str, ...]) -> None:
        lacking = [name for name in self.names if name not in names]
        if lacking:
            raise DataError(
                f"table {path} lacks {_shown(lacking, 8)}: run {self.name} was trained on the series "
                f"{_shown(self.names, SHOWN)} together and needs all of them; add the column (it may be empty), or "
                "train on what this table has"
            )

    def material(self, table: Table) -> Material:
        """The table as the network hears it."""
        known = {name: place for place, name in enumerate(self.names)}
        own, kept = vars(Scale.of(table.values)), vars(self.scale)
        scale = Scale(
            **{
                part: tuple(
                    kept[part][known[name]] if name in known else own[part][place]
                    for place, name in enumerate(table.names)
                )
                for part in own
            }
        )
        settings = replace(self.settings, group="together" if self.together else "each")
        return material_for(table, settings, scale, self.cycles, self.bridge)

    def fill(self, table: Table) -> NDArray[np.float64]:
        """The values ``(series, time)`` with every gap filled; what was given is as it was, bit for bit."""
        material = self.material(table)
        guess = material.guess(self.network, table.given, self.trust)
        return np.where(table.given, table.values, material.scale.back(guess))


def open_imputer(path: Path) -> Imputer:
    """The imputer in a run folder.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    run = RunFolder.open(path)
    if run.job != JOB:
        raise RunError(f"run {path} belongs to the job {run.job}, not {JOB}; name a run of train impute")
    settings = settings_of(run)
    bridge = Bridge.load(run.path / BRIDGE) if settings.bridge == "process" else None
    network = trained_network(run)
    trust = Trust.told(model_file.load(run.model).figures)
    names = run.fact("series", lambda told: tuple(map(str, told)))
    together, cycles = run.fact("together", bool), run.fact("cycles", _numbers)
    rows, bridged = (len(names) if together else 1), 0 if bridge is None else len(bridge.process.covariance)
    if (network.in_channels, network.out_channels) != (2 * (rows + len(cycles)), rows) or bridged not in (0, rows):
        raise RunError(f"run {path}: run.json, the model and {BRIDGE} do not belong together; put back copies of them")
    seconds = run.fact("seconds", lambda told: _numbers([told])[0])
    return Imputer(network, names, scale_of(run, len(names)), settings, bridge, run, together, seconds, cycles, trust)


def describe(path: Path) -> dict[str, Any]:
    """What `wavewright info` tells of a run."""
    opened = open_imputer(path)
    saved = model_file.load(opened.run.model)
    kind, _ = registry.config_of(opened.network)
    told = opened.settings
    return {
        "name": opened.name,
        "job": JOB,
        "network": kind,
        "weights": sum(parameter.numel() for parameter in opened.network.parameters()),
        "series": _shown(opened.names, SHOWN),
        "heard": "together" if opened.together else "each by itself",
        "every": f"{opened.seconds:g} s" if opened.seconds else "row",
        "bridge": told.bridge,
        "hide": told.hide,
        "step": saved.step,
        **{name: round(value, 4) for name, value in saved.figures.items()},
        "trained_on": str(table_of(opened.run)),
    }


def _shown(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _numbers(told: Iterable[Any]) -> tuple[float, ...]:
    """Lengths of time: numbers not below 0.

    Raises:
        ValueError: others.
    """
    found = tuple(map(float, told))
    if not all(0 <= value < math.inf for value in found):
        raise ValueError(f"{found} must be numbers not below 0")
    return found


@dataclass(frozen=True)
class Filled:
    """What was done to a table: values filled, and times of its grid for which it has no row to fill."""

    output: Path
    filled: int
    absent: int
    told: tuple[str, ...]


def render(imputer: Imputer, path: Path, output: Path, *, grid: bool = False, force: bool = False) -> Filled:
    """Fill the gaps of a table into a new one, every other character as it was.

    ``grid``: a new wide .csv with a row for every time, those included for which the table has none.

    Raises:
        DataError: the table cannot be used.
        OutputError: the output is there already (without ``force``), or of another format.
    """
    atomic.refuse_existing(output, force=force)
    if output.exists() and path.exists() and output.samefile(path):
        raise OutputError(f"output {output} is the input itself; name another file")
    grid = grid or imputer.settings.table.combine != "none"
    wanted = ".csv" if grid else path.suffix.lower()
    if output.suffix.lower() != wanted:
        why = "a grid is written as text" if grid else f"as {path.name} is, so that nothing else changes"
        raise OutputError(f"output {output}: its name must end in {wanted}, {why}")
    table = imputer.read(path)
    filled = imputer.fill(table)
    tables_out.write(table, filled, output, grid=grid)
    gaps = ~table.given
    inside = int(np.count_nonzero(gaps if grid else gaps & (table.row >= 0)))
    return Filled(output, inside, int(np.count_nonzero(gaps)) - inside, table.told)

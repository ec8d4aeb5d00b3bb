"""Imputing at work: a trained network fills the gaps of a table, and is measured beside what needs no training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.data import filling, masks, tables
from wavewright.data.masks import Mask
from wavewright.data.series import DAY, Scale, calendar
from wavewright.data.tables import Table
from wavewright.errors import DataError, OutputError, RunError
from wavewright.jobs.impute import guess_of, scale_of, settings_of
from wavewright.jobs.impute_settings import JOB, ImputeSettings
from wavewright.jobs.trained import trained_network
from wavewright.nets.contract import Network
from wavewright.train import model_file
from wavewright.train.run import RunFolder

SHARES = (0.1, 0.3, 0.5)
BLOCK = 24
SEASON = 24
"""Times of a season where the table has no dates, or its grid does not divide a day."""


@dataclass(frozen=True)
class Imputer:
    """A network, the series it knows and their scale."""

    network: Network
    names: tuple[str, ...]
    scale: Scale
    settings: ImputeSettings
    run: RunFolder

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.run.path.resolve().name

    def read(self, path: Path) -> Table:
        """A table of the series that this network knows.

        Raises:
            DataError: a table that cannot be read, or of other series.
        """
        table = tables.read(path, self.settings.table)
        if table.names != self.names:
            lacking = [name for name in self.names if name not in table.names]
            new = [name for name in table.names if name not in self.names]
            what = "has another order"
            if lacking or new:
                what = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(new)} besides"
            raise DataError(
                f"table {path} {what}: run {self.name} was trained on the series {', '.join(self.names)}; give a table "
                "of those"
            )
        return table

    def fill(self, table: Table) -> NDArray[np.float64]:
        """The values ``(series, time)`` with every gap filled; what was given is as it was, bit for bit."""
        scaled = self.scale.there(table.values)
        guess = guess_of(self.network, scaled, table.given, calendar(table))
        return np.where(table.given, table.values, self.scale.back(guess))


def open_imputer(path: Path) -> Imputer:
    """The imputer in a run folder.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    run = RunFolder.open(path)
    if run.job != JOB:
        raise RunError(f"run {path} belongs to the job {run.job}, not {JOB}; name a run of train impute")
    return Imputer(trained_network(run), tuple(run.info["extra"]["series"]), scale_of(run), settings_of(run), run)


def render(imputer: Imputer, path: Path, output: Path, *, force: bool = False) -> int:
    """Fill the gaps of a table into a new one, every other character as it was; gives how many were filled.

    Raises:
        DataError: the table cannot be used.
        OutputError: the output is there already (without ``force``), or of another format.
    """
    if output.suffix.lower() != path.suffix.lower():
        raise OutputError(f"output {output}: must be a {path.suffix} as {path.name} is, so that nothing else changes")
    if output.exists() and output.samefile(path):
        raise OutputError(f"output {output} is the input itself; name another file")
    atomic.refuse_existing(output, force=force)
    table = imputer.read(path)
    filled = imputer.fill(table)
    if path.suffix.lower() in (".parquet", ".pq"):
        tables.write_parquet(table, filled, output)
    else:
        with atomic.replacing(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.writelines(tables.filled_lines(table, filled))
    return int(np.count_nonzero(~table.given & (table.row >= 0)))


@dataclass(frozen=True)
class Score:
    """Of one way to fill: root mean square and mean absolute error of the hidden values, in standard deviations."""

    rmse: float
    mae: float


def evaluate(
    imputer: Imputer, table: Table, start: int, shares: tuple[float, ...] = SHARES, seed: int = 0
) -> dict[tuple[str, float], dict[str, Score]]:
    """Figures by (shape, share hidden) and way, of given values from time ``start`` on, hidden at random.

    Every way is shown the same values: all before ``start``, and those not hidden behind it.
    """
    scaled = imputer.scale.there(table.values)
    when = calendar(table)
    found: dict[tuple[str, float], dict[str, Score]] = {}
    for number, shape in enumerate(("points", "blocks")):
        for share in shares:
            held = table.given.copy()
            held[:, :start] = False
            mask = masks.hidden(held, share, shape, np.random.default_rng([seed, number, round(1000 * share)]), BLOCK)
            shown = np.where(mask, np.nan, scaled)
            ways = {
                "model": guess_of(imputer.network, scaled, table.given & ~mask, when),
                "mean": filling.mean(shown),
                "last value": filling.last(shown),
                "linear": filling.linear(shown),
                "spline": filling.spline(shown),
                "seasonal": filling.seasonal_naive(shown, season_of(table)),
            }
            found[shape, share] = {way: _score(guess, scaled, mask) for way, guess in ways.items()}
    return found


def held_out_start(imputer: Imputer, table: Table) -> int:
    """Where the part begins that training never saw."""
    count = int(table.values.shape[1])
    return count - max(1, round(imputer.settings.held_out * count))


def season_of(table: Table) -> int:
    """Times of a day, where the grid divides one; else `SEASON`."""
    steps = DAY / table.seconds if table.seconds else 0.0
    return round(steps) if steps >= 2 and abs(steps - round(steps)) < 1e-9 else SEASON


def _score(guess: NDArray[np.float64], truth: NDArray[np.float64], mask: Mask) -> Score:
    error = (guess - truth)[mask]
    return Score(float(np.sqrt(np.square(error).mean())), float(np.abs(error).mean()))


def describe(path: Path) -> dict[str, Any]:
    """What `wavewright info` tells of a run."""
    imputer = open_imputer(path)
    saved = model_file.load(imputer.run.model)
    return {
        "name": imputer.name,
        "job": JOB,
        "network": imputer.settings.network,
        "weights": sum(parameter.numel() for parameter in imputer.network.parameters()),
        "series": ", ".join(imputer.names),
        "step": saved.step,
        **saved.figures,
        "trained_on": ", ".join(file["path"] for file in imputer.run.info["data"]),
    }

"""The page of an imputer's run: hidden values filled again, real gaps filled, errors, history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavewright.atomic import refuse_existing
from wavewright.data.masks import Mask
from wavewright.data.tables import Table
from wavewright.jobs.impute import judge as impute_judge
from wavewright.jobs.impute.imputing import Imputer, open_imputer
from wavewright.jobs.impute.judge import Trial
from wavewright.jobs.impute.material import Material
from wavewright.report.imputed import Excerpt, ImputerPage, imputer_report
from wavewright.train.log import read_log

SPAN = 240
"""Times of an excerpt."""
MOST = 8
"""Series that are drawn."""
DRAWN = ("blocks", 0.3)


def write(folder: Path, output: Path | None = None, *, title: str | None = None, force: bool = False) -> Path:
    """Write the page of the run at ``folder`` to ``output`` (its own report/index.html where None), and say where.

    Raises:
        RunError, ModelFileError: no run there, or one without a model.
        DataError: its table is gone, or has changed.
        OutputError: ``output`` exists already (without ``force``), or cannot be written.
    """
    if output is not None:
        refuse_existing(output, force=force)
    imputer = open_imputer(folder)
    table = imputer.read(imputer.own_table)
    material = imputer.material(table)
    scores: dict[str, dict[str, tuple[float, float]]] = {}
    drawn: Trial | None = None
    for trial in impute_judge.trials(imputer, table, material.held):
        found = trial.scores(material.scaled)
        scores[f"{trial.share:.0%} in {trial.shape}"] = {way: (one.rmse, one.mae) for way, one in found.items()}
        if (trial.shape, trial.share) == DRAWN:
            drawn = trial
    assert drawn is not None
    place = output if output is not None else imputer.run.report / "index.html"
    shown = ImputerPage(
        title=title or imputer.name,
        excerpts=list(_hidden(imputer, table, material, drawn)),
        gaps=list(_gaps(table, imputer.fill(table))),
        axis=_unit(table)[0],
        scores=scores,
        by_series=_by_series(imputer, table, material, drawn),
        network=imputer.settings.network,
        rows=read_log(imputer.run.log),
        about=_about(imputer, table, material),
        settings=imputer.run.settings,
        run=str(folder),
    )
    imputer_report(place, shown, force=True)
    return place


def _hidden(imputer: Imputer, table: Table, material: Material, trial: Trial) -> Iterator[Excerpt]:
    """For each series the stretch of which most was hidden."""
    back = material.scale.back
    filled, line = back(trial.guesses[imputer.settings.network]), back(trial.guesses["linear"])
    for series in _some(np.flatnonzero(trial.hidden.any(axis=1))):
        part = _busiest(trial.hidden[series])
        hidden, truth = trial.hidden[series, part], table.values[series, part]
        bordered = _bordered(hidden)
        yield Excerpt(
            table.names[series],
            _at(table, part),
            np.where(hidden, np.nan, truth),
            np.where(bordered, truth, np.nan),
            np.where(bordered, np.where(hidden, filled[series, part], truth), np.nan),
            np.where(bordered, np.where(hidden, line[series, part], truth), np.nan),
        )


def _gaps(table: Table, filled: NDArray[np.float64]) -> Iterator[Excerpt]:
    missing = ~table.given
    for series in _some(np.flatnonzero(missing.any(axis=1))):
        part = _busiest(missing[series])
        gap, values = missing[series, part], table.values[series, part]
        none = np.full(len(gap), np.nan)
        yield Excerpt(
            table.names[series], _at(table, part), values, none, np.where(_bordered(gap), filled[series, part], np.nan)
        )


def _some(series: NDArray[np.int64]) -> list[int]:
    """At most `MOST` of these, spread over all."""
    return [int(one) for one in series[:: max(1, -(-len(series) // MOST))]]


def _busiest(mask: Mask) -> slice:
    """The stretch of `SPAN` times with most of ``mask``, but not all where another has some."""
    count = len(mask)
    if count <= SPAN:
        return slice(0, count)
    inside = np.concatenate([[0], np.cumsum(mask)])
    sums = inside[SPAN:] - inside[:-SPAN]
    worth = np.where(sums > 0.7 * SPAN, 1, sums)
    begin = int(worth.argmax())
    return slice(begin, begin + SPAN)


def _bordered(mask: Mask) -> Mask:
    """``mask`` and the values next to it, so that what is drawn meets what is given."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    return wide


def _unit(table: Table) -> tuple[str, float]:
    """What times are counted in on the page, and how many seconds (or rows) that is."""
    if not table.seconds:
        return "row", 1.0
    for name, seconds in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if table.seconds * SPAN >= 2 * seconds:
            return f"{name} since the table begins", seconds
    return "seconds since the table begins", 1.0


def _at(table: Table, part: slice) -> NDArray[np.float64]:
    _, unit = _unit(table)
    return np.arange(part.start, part.stop) * (table.seconds or 1.0) / unit


def _by_series(
    imputer: Imputer, table: Table, material: Material, trial: Trial
) -> list[tuple[str, float, float, float]]:
    found = []
    for series in _some(np.flatnonzero(trial.hidden.any(axis=1))):
        scores = trial.scores(material.scaled, series)
        mae = scores[imputer.settings.network].mae
        found.append((table.names[series], mae, scores["linear"].mae, mae * material.scale.deviation[series]))
    return found


def _about(imputer: Imputer, table: Table, material: Material) -> list[str]:
    series, count = table.values.shape
    missing = float(np.isnan(table.values).mean())
    return [
        f"{series} series of {count:,} times, {missing:.1%} of the values missing,",
        f"{'heard together' if material.together else 'each heard by itself'}.",
        *(f"{line[0].upper()}{line[1:]}." for line in table.told),
    ]

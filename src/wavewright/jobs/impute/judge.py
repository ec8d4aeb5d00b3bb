"""How well gaps are filled: values hidden that were given, and every way to fill them measured on the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.data import filling, masks
from wavewright.data.dates import DAY
from wavewright.data.masks import Mask
from wavewright.data.tables import Table
from wavewright.errors import DataError
from wavewright.jobs.impute.imputing import Imputer
from wavewright.jobs.impute.material import Material

SHARES = (0.1, 0.3, 0.5)
HIDDEN = ("points", "blocks")
SIMPLE = ("mean", "last value", "linear", "spline", "seasonal")
BLOCK = 24
"""Times of a block that is hidden."""
SEASON = 24
"""Times of a season where the table has no dates, or its grid does not divide a day."""


@dataclass(frozen=True)
class Score:
    """Of one way to fill: root mean square and mean absolute error of the hidden values, in standard deviations."""

    rmse: float
    mae: float


@dataclass(frozen=True)
class Trial:
    """Some values hidden, and what each way made of them ``(series, time)``, scaled."""

    shape: str
    share: float
    hidden: Mask
    guesses: dict[str, NDArray[np.float64]]

    def scores(self, truth: NDArray[np.float64], series: int | None = None) -> dict[str, Score]:
        """Each way's errors, over all series or over one; NaN where nothing of it was hidden."""
        at = slice(None) if series is None else slice(series, series + 1)
        hidden = self.hidden[at]
        return {way: _score((guess[at] - truth[at])[hidden]) for way, guess in self.guesses.items()}


def held_out(imputer: Imputer, table: Table, *, other: bool = False) -> Mask:
    """What of ``table`` training never saw: of the run's own table the part held out, of an ``other`` one all."""
    return np.ones(table.values.shape, bool) if other else imputer.material(table).held


def trials(imputer: Imputer, table: Table, held: Mask, *, seed: int = 0) -> Iterator[Trial]:
    """Given values of what was ``held`` out, hidden in points and in blocks, and filled in every way.

    Every way is shown the same: all that is given and not hidden, the part before what was held out included.

    Raises:
        DataError: no series has two values given in what was held out.
    """
    material = imputer.material(table)
    given = table.given & held
    if given.sum(axis=1).max() < 2:
        raise DataError(
            f"table {table.path}: nothing is given in the part that training never saw, or too little to hide some of "
            "it; name another table"
        )
    for number, shape in enumerate(HIDDEN):
        for share in SHARES:
            dice = np.random.default_rng([seed, number, round(1000 * share)])
            hidden = masks.hidden(given, share, shape, dice, BLOCK)
            yield Trial(shape, share, hidden, _ways(imputer, material, table, hidden))


def _ways(imputer: Imputer, material: Material, table: Table, hidden: Mask) -> dict[str, NDArray[np.float64]]:
    shown = table.given & ~hidden
    scaled = np.where(shown, material.scaled, np.nan)
    bridged = material.bridged(material.scaled, shown)
    found = {imputer.settings.network: material.corrected(imputer.network, bridged, shown, hidden, imputer.trust)}
    if material.bridge is not None:
        found["untrained bridge"] = bridged
    plain = (
        filling.mean(scaled),
        filling.last(scaled),
        filling.linear(scaled),
        filling.spline(scaled),
        filling.seasonal_naive(scaled, season_of(table)),
    )
    return found | dict(zip(SIMPLE, plain, strict=True))


def season_of(table: Table) -> int:
    """Times of a day where the grid divides one, of a week where it is of days; else `SEASON`."""
    steps = DAY / table.seconds if table.seconds else 0.0
    if steps == 1:
        return 7
    return round(steps) if steps >= 2 and abs(steps - round(steps)) < 1e-9 else SEASON


def _score(error: NDArray[np.float64]) -> Score:
    if not error.size:
        return Score(np.nan, np.nan)
    return Score(float(np.sqrt(np.square(error).mean())), float(np.abs(error).mean()))

"""Impute on built-in series: a weather station with a failing logger, learned and made whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.jobs.impute import imputing
from wavewright.jobs.impute import judge as impute_judge
from wavewright.jobs.impute import report as impute_report
from wavewright.jobs.impute import training as impute
from wavewright.jobs.impute.settings import ImputeSettings
from wavewright.train.progress import Reporter
from wavewright.train.run import refuse_place
from wavewright.train.settings import with_budget

HOURS = 24 * 365
BEGIN = datetime(2024, 1, 1)
SETTINGS: dict[str, Any] = {}
"""Of the job, where they are not its own."""

NAMES = ("temperature", "humidity", "solar", "load", "traffic")


@dataclass(frozen=True)
class ImputeDemo:
    """What the demo leaves behind, and how good it is: mean absolute errors, 30 % hidden in blocks."""

    folder: Path
    table: Path
    run: Path
    filled: Path
    page: Path
    count: int
    mae: float
    best_simple: tuple[str, float]


def station(seed: int = 0) -> NDArray[np.float64]:
    """A year of hours of five series ``(5, time)`` that know of one another, without gaps.

    Temperature goes with the year, the day and slow weather; humidity against it; sun shines by day, and less under
    clouds; load follows temperature, working hours and weekends; traffic has two peaks on working days.
    """
    dice = np.random.default_rng(seed)
    t = np.arange(HOURS)
    hour, day = t % 24, t // 24
    working = (day % 7 < 5).astype(np.float64)

    def slow(hours: float) -> NDArray[np.float64]:
        keep = np.exp(-1 / hours)
        noise, state = dice.standard_normal(HOURS) * np.sqrt(1 - keep**2), 0.0
        out = np.empty(HOURS)
        for place, push in enumerate(noise):
            out[place] = state = keep * state + push
        return out

    weather, clouds = slow(60), 1 / (1 + np.exp(-2 * slow(18)))
    height = np.sin(2 * np.pi * (hour - 6) / 24) + 0.3 * np.sin(2 * np.pi * (day - 80) / 365)
    solar = 800 * np.clip(height, 0, None) * (1 - 0.75 * clouds)
    temperature = 11 - 9 * np.cos(2 * np.pi * (day - 20) / 365) + 3.5 * weather + 0.006 * solar
    temperature += 2.5 * np.sin(2 * np.pi * (hour - 9) / 24) + 0.2 * dice.standard_normal(HOURS)
    humidity = np.clip(78 - 1.4 * (temperature - 11) + 18 * (clouds - 0.5) + dice.standard_normal(HOURS), 15, 100)
    peaks = np.exp(-((hour - 8) ** 2) / 4) + np.exp(-((hour - 17.5) ** 2) / 6)
    traffic = 120 + 900 * peaks * (0.35 + 0.65 * working) + 25 * dice.standard_normal(HOURS)
    load = 300 + 6 * np.abs(temperature - 18) + 90 * working * (np.abs(hour - 13) < 5) + 0.05 * traffic
    load += 6 * dice.standard_normal(HOURS)
    return np.stack([temperature, humidity, solar, load, np.clip(traffic, 0, None)])


def gaps(seed: int = 0) -> NDArray[np.bool_]:
    """What the logger lost ``(5, time)``: points, hours to days of one series, now and then all of them."""
    dice = np.random.default_rng([seed, 1])
    lost = dice.random((len(NAMES), HOURS)) < 0.02
    for series in range(len(NAMES)):
        for begin in dice.integers(0, HOURS, size=25):
            lost[series, begin : begin + int(dice.integers(3, 60))] = True
    for begin in dice.integers(0, HOURS, size=6):
        lost[:, begin : begin + int(dice.integers(2, 12))] = True
    return lost


def write_table(path: Path) -> None:
    """The station's table with its gaps: some cells empty, some NA, and the times that the logger slept left out."""
    values, lost = station(), gaps()
    lines = [",".join(["date", *NAMES])]
    for place in range(HOURS):
        if lost[:, place].all():
            continue
        when = f"{BEGIN + timedelta(hours=place):%Y-%m-%d %H:%M}"
        nothing = "NA" if place % 2 else ""
        pairs = zip(values[:, place], lost[:, place], strict=True)
        cells = [nothing if gone else f"{value:.2f}" for value, gone in pairs]
        lines.append(",".join([when, *cells]))
    atomic.write_text(path, "\n".join(lines) + "\n")


def impute_demo(
    folder: Path, say: Callable[[str], None], reporter: Reporter, *, minutes: float = 1.0, force: bool = False
) -> ImputeDemo:
    """Make the table, learn it, fill it, write the page.

    Raises:
        OutputError, RunError: ``folder`` holds something already (without ``force``) or cannot be written.
    """
    run, table, output = folder / "run", folder / "station.csv", folder / "filled.csv"
    refuse_place(folder, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"1/4  a year of hours from a weather station whose logger fails now and then: {table}")
    write_table(table)

    say(f"2/4  training for {minutes:g} minutes: {run}")
    plain = ImputeSettings(**SETTINGS)
    settings = replace(plain, train=with_budget(plain.train, minutes=minutes))
    impute.learn(impute.begin(table, run, settings, reporter, force=force), settings, reporter)

    imputer = imputing.open_imputer(run)
    done = imputing.render(imputer, table, output, grid=True, force=force)
    say(f"3/4  {done.filled:,} gaps filled, a row for every hour: {output}")

    known = imputer.read(table)
    material = imputer.material(known)
    (judged,) = [
        trial.scores(material.scaled)
        for trial in impute_judge.trials(imputer, known, material.held)
        if (trial.shape, trial.share) == impute_report.DRAWN
    ]
    simple = min(impute_judge.SIMPLE, key=lambda way: judged[way].mae)
    page = impute_report.write(run, title="Weather station")
    say(f"4/4  the page, with gaps, what fills them, and errors: {page}")
    mae = judged[imputer.settings.network].mae
    return ImputeDemo(folder, table, run, output, page, done.filled, mae, (simple, judged[simple].mae))

"""``wavewright train impute``: a table of series teaches a network to fill its gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.cli.training import finish, listeners
from wavewright.errors import SettingsError
from wavewright.jobs.impute.settings import JOB, MINUTES, ImputeSettings
from wavewright.train.settings import BUDGETS, with_budget


@dataclass(frozen=True)
class Arguments:
    """Learn the series of a table, gaps and all, to fill what is missing with `wavewright render`.

    Without a budget it trains for two minutes. Ctrl-C stops it at any time; --resume goes on.
    """

    tables: Annotated[
        tuple[Path, ...],
        POSITIONAL,
        option("a .csv or .parquet table, wide or long; not needed with --resume", metavar="TABLE"),
    ]
    output: Annotated[Path, option("the run: a new folder", short="-o", metavar="RUN")]
    resume: Annotated[bool, option("go on with the run in that folder; more of a budget may be given")] = False
    force: Annotated[bool, option("begin anew where the folder holds a run already", short="-f")] = False
    settings: ImputeSettings = field(default_factory=ImputeSettings)
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    start = kept_settings(JOB, ImputeSettings, words)
    if start is None:
        start = ImputeSettings()
        if not any(value_of(words, f"--{name}") for name in (*BUDGETS, "until")) and "--recipe" not in words:
            start = replace(start, train=with_budget(start.train, minutes=MINUTES))
    arguments = parse(Arguments, "train impute", words, start)
    if len(arguments.tables) != (0 if arguments.resume else 1):
        raise SettingsError(
            ["--resume goes on with a run and its own table; leave others away"]
            if arguments.resume
            else [f"train impute wants one table; {len(arguments.tables)} were given"]
        )
    if arguments.resume and arguments.force:
        raise SettingsError(["--resume goes on with a run, --force begins anew; give one of them"])
    from wavewright.jobs.impute import training

    voice, reporter = listeners(arguments.voice)
    run, settings = arguments.output, arguments.settings
    if arguments.resume:
        outcome = training.resume(run, settings, reporter)
    else:
        begun = training.begin(arguments.tables[0], run, settings, reporter, force=arguments.force)
        outcome = training.learn(begun, settings, reporter)
    return finish(
        voice,
        JOB,
        run,
        outcome,
        lambda: (
            f"{run}: mean absolute error {outcome.best:.4f} standard deviations on hidden values of what was held out, "
            f"after {outcome.seconds / 60:.1f} minutes",
            f"next: wavewright render {run} TABLE -o FILLED.csv, wavewright evaluate {run}, wavewright report {run}",
        ),
        {"figures": outcome.figures},
    )

"""``wavewright evaluate`` for a run of train impute: errors on hidden values, beside what needs no training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.settings import setting

if TYPE_CHECKING:
    from wavewright.jobs.impute.judge import Score


@dataclass(frozen=True)
class Arguments:
    """Hide values that training never saw, fill them, and tell the errors in standard deviations of each series."""

    run: Annotated[Path, POSITIONAL, option("a run of train impute", metavar="RUN")]
    table: Annotated[
        Path | None, POSITIONAL, option("another table of the same series; its own where absent", metavar="[TABLE]")
    ] = None
    seed: int = setting(0, "of what is hidden", low=0)
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "evaluate", words)
    from wavewright.cli.bar import Bar
    from wavewright.jobs.impute import imputing
    from wavewright.jobs.impute import judge as impute_judge

    imputer = imputing.open_imputer(arguments.run)
    path = arguments.table or imputer.own_table
    known = imputer.read(path)
    held = impute_judge.held_out(imputer, known, other=arguments.table is not None)
    truth = imputer.material(known).scaled
    total = len(impute_judge.HIDDEN) * len(impute_judge.SHARES)
    found = {}
    with Bar(f"hiding and filling {path.name}", "trials", arguments.voice) as bar:
        for number, trial in enumerate(impute_judge.trials(imputer, known, held, seed=arguments.seed), start=1):
            found[trial.shape, trial.share] = trial.scores(truth)
            bar.update(number, total)
    rows = [["hidden", "way", "RMSE", "MAE"]]
    for (shape, share), ways in found.items():
        rows += [[f"{share:.0%} in {shape}", way, _written(s.rmse), _written(s.mae)] for way, s in ways.items()]
    arguments.voice.say(f"{arguments.run} on {path}, in standard deviations", *table(rows, left=(0, 1)))
    arguments.voice.result(
        {f"{shape} {share:g}": {way: _finite(s) for way, s in ways.items()} for (shape, share), ways in found.items()}
    )
    return 0


def _written(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _finite(score: Score) -> dict[str, float | None]:
    """As JSON has it; None where nothing was hidden."""
    return {name: value if math.isfinite(value) else None for name, value in asdict(score).items()}

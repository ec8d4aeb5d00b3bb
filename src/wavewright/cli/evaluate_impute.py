"""``wavewright evaluate`` for a run of train impute: errors on hidden values, beside what needs no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import POSITIONAL, option, parse


@dataclass(frozen=True)
class Arguments:
    """Hide values that training never saw, fill them, and tell the errors in standard deviations of each series."""

    run: Annotated[Path, POSITIONAL, option("a run of train impute", metavar="RUN")]
    table: Annotated[
        Path | None, POSITIONAL, option("another table of the same series; its own where absent", metavar="[TABLE]")
    ] = None
    seed: Annotated[int, option("of what is hidden")] = 0
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "evaluate", words)
    from wavewright.cli.bar import Bar
    from wavewright.jobs.impute import imputing
    from wavewright.jobs.impute import judge as impute_judge

    imputer = imputing.open_imputer(arguments.run)
    path = arguments.table or Path(imputer.run.info["data"][0]["path"])
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
        rows += [[f"{share:.0%} in {shape}", way, f"{s.rmse:.4f}", f"{s.mae:.4f}"] for way, s in ways.items()]
    arguments.voice.say(f"{arguments.run} on {path}, in standard deviations", *table(rows, left=(0, 1)))
    arguments.voice.result(
        {f"{shape} {share:g}": {way: asdict(s) for way, s in ways.items()} for (shape, share), ways in found.items()}
    )
    return 0

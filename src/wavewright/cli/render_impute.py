"""``wavewright render`` for a run of train impute: the gaps of a table filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse


@dataclass(frozen=True)
class Arguments:
    """Fill the gaps of a table; every value that was given, and all else in the file, stays as it is."""

    run: Annotated[Path, POSITIONAL, option("a run of train impute", metavar="RUN")]
    table: Annotated[Path, POSITIONAL, option("a .csv or .parquet table of the same series", metavar="TABLE")]
    output: Annotated[Path, option("the table to write", short="-o", metavar="FILLED")]
    grid: Annotated[
        bool, option("write a new wide .csv with a row for every time, those included that the table has no row for")
    ] = False
    force: Annotated[bool, option("replace a file that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "render", words)
    from wavewright.jobs.impute import imputing

    imputer = imputing.open_imputer(arguments.run)
    done = imputing.render(imputer, arguments.table, arguments.output, grid=arguments.grid, force=arguments.force)
    arguments.voice.say(f"{done.output}: {done.filled:,} values filled", *(f"note: {line}" for line in done.told))
    if done.absent:
        arguments.voice.say(f"note: {done.absent:,} values have no row to stand in; --grid writes rows for all")
    arguments.voice.result(
        {"output": str(done.output), "filled": done.filled, "absent": done.absent, "told": list(done.told)}
    )
    return 0

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
    force: Annotated[bool, option("replace a file that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "render", words)
    from wavewright.jobs import imputing

    imputer = imputing.open_imputer(arguments.run)
    filled = imputing.render(imputer, arguments.table, arguments.output, force=arguments.force)
    arguments.voice.say(f"{arguments.output}: {filled} values filled")
    arguments.voice.result({"output": str(arguments.output), "filled": filled})
    return 0

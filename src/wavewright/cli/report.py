"""``wavewright report``: the page of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse


@dataclass(frozen=True)
class Arguments:
    """Write the page of a run: players, plots, figures, history; one file, no network needed.

    For a twin: dry, wet and twin on one clock. For a generator: new sounds, each beside the nearest one learned."""

    run: Annotated[Path, POSITIONAL, option("the run folder", metavar="RUN")]
    output: Annotated[
        Path | None, option("where to write it; RUN/report/index.html where absent", short="-o", metavar="PAGE.html")
    ] = None
    force: Annotated[bool, option("replace a file named with -o that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "report", words)
    from wavewright.jobs import generate_report, twin_report
    from wavewright.train.run import job_of

    write = generate_report.write if job_of(arguments.run) == "generate" else twin_report.write
    page = write(arguments.run, arguments.output, force=arguments.force)
    arguments.voice.say(f"open {page} in a browser: sounds, plots and figures, all in that one file")
    arguments.voice.result({"report": str(page)})
    return 0

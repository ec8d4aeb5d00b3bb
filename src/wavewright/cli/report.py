"""``wavewright report``: the page of a run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.jobs.upsample.pretrained import place

WRITERS = {"generate": "generate.report", "upsample": "upsample.report", "impute": "impute.report"}
"""The file in `wavewright.jobs` that writes a job's page with its ``write``; a twin's where none is named."""


@dataclass(frozen=True)
class Arguments:
    """Write the page of a run: players, plots, figures, history; one file, no network needed.

    For a twin: dry, wet and twin on one clock. For a generator: new sounds, each beside the nearest one learned. For an
    upsampler: the band lost, put back, and as it was. For an imputer: gaps and what fills them.
    """

    run: Annotated[Path, POSITIONAL, option("the run folder", metavar="RUN")]
    output: Annotated[
        Path | None, option("where to write it; RUN/report/index.html where absent", short="-o", metavar="PAGE.html")
    ] = None
    force: Annotated[bool, option("replace a file named with -o that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "report", words)
    from wavewright.train.run import job_of

    run = place(arguments.run)
    job = job_of(run)
    writer = importlib.import_module(f"wavewright.jobs.{WRITERS.get(job or 'emulate', 'emulate.twin_report')}")
    page = writer.write(run, arguments.output, force=arguments.force)
    arguments.voice.say(f"open {page} in a browser: sounds, plots and figures, all in that one file")
    arguments.voice.result({"report": str(page)})
    return 0

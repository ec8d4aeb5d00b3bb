"""``wavewright check``: do these two recordings belong together, and are they good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse


@dataclass(frozen=True)
class Arguments:
    """Measure delay, polarity, drift and quality of a dry and a wet recording, before an hour is lost."""

    dry: Annotated[Path, POSITIONAL, option("what went into the device", metavar="DRY")]
    wet: Annotated[Path, POSITIONAL, option("what came out of it", metavar="WET")]
    resample: Annotated[bool, option("bring a wet recording of another rate to the dry one's")] = False
    track_drift: Annotated[
        Literal["auto", "on", "off"],
        option("follow a delay that wanders: where it is beyond doubt, wherever it is measured, never"),
    ] = "auto"
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "check", words)
    from wavewright.jobs.emulate import training as emulate

    report = emulate.check(
        arguments.dry, arguments.wet, allow_resample=arguments.resample, track_drift=arguments.track_drift
    )
    arguments.voice.say(*report.lines())
    arguments.voice.result(report.to_dict())
    return 0

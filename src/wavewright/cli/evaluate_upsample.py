"""``wavewright evaluate`` for a run of train upsample: how much of a lost band comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.errors import SettingsError


@dataclass(frozen=True)
class Arguments:
    """Take the upper band of full-band files away, put it back, and measure it beside what needs no network."""

    run: Annotated[Path, POSITIONAL, option("a run of train upsample", metavar="RUN")]
    sources: Annotated[tuple[Path, ...], POSITIONAL, option("full-band files or folders", metavar="[FOLDER …]")] = ()
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "evaluate", words)
    if not arguments.sources:
        raise SettingsError(["evaluate wants a folder of full-band sounds behind the run"])
    from wavewright.audio.degradation import Degradation
    from wavewright.jobs import upsample_judge
    from wavewright.jobs.upsampling import open_upsampler

    judged = upsample_judge.evaluate(open_upsampler(arguments.run), arguments.sources, Degradation())
    rows = [["way", "SNR", "LSD10"]]
    rows += [[way, f"{one.snr:.2f}", f"{one.lsd10:.3f}"] for way, one in upsample_judge.means(judged).items()]
    arguments.voice.say(*table(rows))
    return 0

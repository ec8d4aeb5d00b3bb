"""``wavewright train upsample``: full-band sounds teach a network to put missing bandwidth back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.cli.training import finish, learn_sounds, listeners, refuse_sources
from wavewright.jobs.upsample.settings import JOB, UpsampleSettings, starting_from


@dataclass(frozen=True)
class Arguments:
    """Learn from full-band sounds to put back a band that is missing, with `wavewright render` afterwards.

    Any formats and channels, any tree of folders, hours of it; the low-rate side is made while it trains. Without a
    budget it trains for a quarter of an hour. Ctrl-C stops it at any time; --resume goes on.
    """

    sources: Annotated[
        tuple[Path, ...],
        POSITIONAL,
        option(
            "full-band sound files, folders of them, or a store of `wavewright prepare`; not needed with --resume",
            metavar="FOLDER …",
        ),
    ]
    output: Annotated[Path, option("the run: a new folder", short="-o", metavar="RUN")]
    resume: Annotated[bool, option("go on with the run in that folder; more of a budget may be given")] = False
    force: Annotated[bool, option("begin anew where the folder holds a run already", short="-f")] = False
    settings: UpsampleSettings = field(default_factory=UpsampleSettings)
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    start = value_of(words, "--start-from")
    first = UpsampleSettings() if start is None else starting_from(Path(start))
    arguments = parse(Arguments, "train upsample", words, kept_settings(JOB, UpsampleSettings, words) or first)
    refuse_sources(arguments, JOB, "a folder of full-band sounds")
    from wavewright.jobs.upsample import training

    voice, reporter = listeners(arguments.voice)
    outcome, run = learn_sounds(training, arguments, voice, reporter), arguments.output
    return finish(
        voice,
        JOB,
        run,
        outcome,
        lambda: (
            f"{run}: SNR {outcome.figures['snr']:.2f} dB, LSD10 {outcome.figures['lsd10']:.3f} on held-out sounds, "
            f"after {outcome.seconds / 60:.1f} minutes",
            f"next: wavewright render {run} IN.wav -o OUT.wav, wavewright evaluate {run}, wavewright report {run}",
        ),
        {**{name: outcome.figures.get(name) for name in ("snr", "lsd10")}, "figures": outcome.figures},
    )

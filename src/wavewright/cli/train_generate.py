"""``wavewright train generate``: a folder of sounds teaches a network to make new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.cli.training import finish, learn_sounds, listeners, refuse_sources
from wavewright.jobs.generate.settings import GenerateSettings, settings_for
from wavewright.nets.names import FRAME_NAMES, GENERATOR_NAMES

UNITS = {"bits": "bits a sample", "nats": "nats a number of a frame", "mse": "mean squared error"}
"""What the goals of generators are counted in."""


@dataclass(frozen=True)
class Arguments:
    """Learn a folder of sounds, to draw new ones with `wavewright sample`.

    Any formats, rates and channels. Without a budget it trains for a quarter of an hour. Ctrl-C stops it at any time;
    --resume goes on.
    """

    sources: Annotated[
        tuple[Path, ...],
        POSITIONAL,
        option(
            "sound files, folders of them, or a store of `wavewright prepare`; not needed with --resume",
            metavar="FOLDER …",
        ),
    ]
    output: Annotated[Path, option("the run: a new folder", short="-o", metavar="RUN")]
    resume: Annotated[bool, option("go on with the run in that folder; more of a budget may be given")] = False
    force: Annotated[bool, option("begin anew where the folder holds a run already", short="-f")] = False
    settings: GenerateSettings = field(default_factory=GenerateSettings)
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    network, size = value_of(words, "--network") or "sample-wavenet", value_of(words, "--size") or ""
    known = network in {**GENERATOR_NAMES, **FRAME_NAMES}
    loops = "--on-beat" in words or value_of(words, "--beats-per-minute") is not None
    width = int(size) if size.isdecimal() else None
    start = settings_for(network, width, loops=loops) if known else GenerateSettings()
    kept = kept_settings("generate", GenerateSettings, words) or start
    arguments = parse(Arguments, "train generate", words, kept)
    refuse_sources(arguments, "generate", "a folder of sounds")
    from wavewright.jobs.generate import training

    voice, reporter = listeners(arguments.voice)
    outcome, run = learn_sounds(training, arguments, voice, reporter), arguments.output
    return finish(
        voice,
        "generate",
        run,
        outcome,
        lambda: (
            f"{run}: {outcome.best:.3f} {UNITS[outcome.goal]} on held-out sounds, "
            f"after {outcome.seconds / 60:.1f} minutes",
            f"next: wavewright sample {run} -o NEW.wav, wavewright evaluate {run}, wavewright report {run}",
        ),
        {f"best_{outcome.goal}": outcome.best},
    )

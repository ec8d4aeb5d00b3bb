"""``wavewright train generate``: a folder of sounds teaches a network to make new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.errors import SettingsError
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
    if not arguments.sources and not arguments.resume:
        raise SettingsError(["train generate wants a folder of sounds; none was given"])
    if arguments.resume and (arguments.force or arguments.sources):
        raise SettingsError(["--resume goes on with a run and its own sounds; leave --force and the folders away"])
    from wavewright.cli.bar import Bar
    from wavewright.jobs.generate import training as generate
    from wavewright.train.progress import reporter_for
    from wavewright.train.run import own_rank

    voice = arguments.voice if own_rank() == 0 else Voice(quiet=True)
    reporter = reporter_for(quiet=not voice.speaks)
    run, settings = arguments.output, arguments.settings
    if arguments.resume:
        outcome = generate.resume(run, settings, reporter)
    else:
        with Bar("preparing", "files", voice) as bar:
            begun = generate.begin(
                arguments.sources, run, settings, reporter, force=arguments.force, progress=bar.update
            )
        outcome = generate.learn(begun, settings, reporter)
    if outcome.status == "interrupted":
        voice.say(f"stopped after {outcome.step} steps; go on with: wavewright train generate -o {run} --resume")
    elif outcome.best is not None:
        voice.say(
            f"{run}: {outcome.best:.3f} {UNITS[outcome.goal]} on held-out sounds, "
            f"after {outcome.seconds / 60:.1f} minutes",
            f"next: wavewright sample {run} -o NEW.wav, wavewright evaluate {run}, wavewright report {run}",
        )
    voice.result(
        {
            "run": str(run),
            "status": outcome.status,
            f"best_{outcome.goal}": outcome.best,
            "best_step": outcome.best_step,
            "steps": outcome.step,
            "seconds": outcome.seconds,
        }
    )
    return 130 if outcome.status == "interrupted" else 0

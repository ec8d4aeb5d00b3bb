"""``wavewright train upsample``: full-band sounds teach a network to put missing bandwidth back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.errors import SettingsError
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
    if not arguments.sources and not arguments.resume:
        raise SettingsError(["train upsample wants a folder of full-band sounds; none was given"])
    if arguments.resume and (arguments.force or arguments.sources):
        raise SettingsError(["--resume goes on with a run and its own sounds; leave --force and the folders away"])
    from wavewright.cli.bar import Bar
    from wavewright.jobs.upsample import training as upsample
    from wavewright.train.progress import reporter_for
    from wavewright.train.run import own_rank

    voice = arguments.voice if own_rank() == 0 else Voice(quiet=True)
    reporter = reporter_for(quiet=not voice.speaks)
    run, settings = arguments.output, arguments.settings
    if arguments.resume:
        outcome = upsample.resume(run, settings, reporter)
    else:
        with Bar("preparing", "files", voice) as bar:
            begun = upsample.begin(
                arguments.sources, run, settings, reporter, force=arguments.force, progress=bar.update
            )
        outcome = upsample.learn(begun, settings, reporter)
    if outcome.status == "interrupted":
        voice.say(f"stopped after {outcome.step} steps; go on with: wavewright train upsample -o {run} --resume")
    elif outcome.best is not None:
        voice.say(
            f"{run}: SNR {outcome.figures['snr']:.2f} dB, LSD10 {outcome.figures['lsd10']:.3f} on held-out sounds, "
            f"after {outcome.seconds / 60:.1f} minutes",
            f"next: wavewright render {run} IN.wav -o OUT.wav, wavewright evaluate {run}, wavewright report {run}",
        )
    voice.result(
        {
            "run": str(run),
            "status": outcome.status,
            "snr": outcome.figures.get("snr"),
            "lsd10": outcome.figures.get("lsd10"),
            "figures": outcome.figures,
            "best_step": outcome.best_step,
            "steps": outcome.step,
            "seconds": outcome.seconds,
        }
    )
    return 130 if outcome.status == "interrupted" else 0

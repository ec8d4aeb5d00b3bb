"""``wavewright train emulate``: a dry and a wet recording become a digital twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.errors import SettingsError
from wavewright.jobs.emulate import pairs
from wavewright.jobs.emulate.settings import EmulateSettings, settings_for, starting_from
from wavewright.nets.names import NETWORK_NAMES


@dataclass(frozen=True)
class Arguments:
    """Learn a digital twin from what went into a device and what came out of it.

    A device with knobs: name a wet recording for each position, and --knob with the values; or a manifest of --pairs.
    Without a budget it trains for a quarter of an hour. Ctrl-C stops it at any time; --resume goes on.
    """

    recordings: Annotated[
        tuple[Path, ...],
        POSITIONAL,
        option("what went in, what came out; not needed with --resume", metavar="DRY WET …"),
    ]
    output: Annotated[Path, option("the run: a new folder", short="-o", metavar="RUN")]
    knob: Annotated[
        tuple[str, ...],
        APPENDED,
        option("a knob and where it stood for each wet recording, in their order", metavar="NAME=VALUE,VALUE,…"),
    ] = ()
    pairs: Annotated[
        Path | None,
        option("a TOML manifest of pairs and their knobs, in place of the recordings", metavar="PAIRS.toml"),
    ] = None
    resume: Annotated[bool, option("go on with the run in that folder; more of a budget may be given")] = False
    force: Annotated[bool, option("begin anew where the folder holds a run already", short="-f")] = False
    settings: EmulateSettings = field(default_factory=EmulateSettings)
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    kept = kept_settings("emulate", EmulateSettings, words) or _first_settings(words)
    arguments = parse(Arguments, "train emulate", words, kept)
    given = _capture(arguments)
    if arguments.resume and arguments.force:
        raise SettingsError(["--resume goes on with a run, --force begins anew; give one of them"])
    from wavewright.jobs.emulate import exporting
    from wavewright.jobs.emulate import training as emulate
    from wavewright.jobs.emulate.twin import open_twin
    from wavewright.train.progress import reporter_for
    from wavewright.train.run import own_rank

    # started under torchrun, the first process speaks for all
    voice = arguments.voice if own_rank() == 0 else Voice(quiet=True)
    reporter = reporter_for(quiet=not voice.speaks)
    if arguments.resume:
        recordings = None if given is None else given.files
        outcome = emulate.resume(arguments.output, arguments.settings, reporter, recordings)
    else:
        assert given is not None
        outcome = emulate.train_capture(given, arguments.output, arguments.settings, reporter, force=arguments.force)
    run = arguments.output
    if outcome.status == "interrupted":
        voice.say(f"stopped after {outcome.step} steps; go on with: wavewright train emulate -o {run} --resume")
    elif outcome.best is not None and voice.speaks:
        twin = open_twin(run)
        pairs_learned = twin.run.info["extra"].get("pairs", []) if twin.run is not None else []
        each = [
            f"  {name.removeprefix('esr ')}: ESR {value:.4f}"
            for name, value in outcome.figures.items()
            if "esr " in name
        ]
        voice.say(
            f"{run}: ESR {outcome.best:.4f} on the held-out {arguments.settings.validation_seconds:g} s"
            f"{' of every pair' if len(pairs_learned) > 1 else ''}, after {outcome.seconds / 60:.1f} minutes",
            *each,
            *_next(run, exporting.suggested(twin), bool(twin.knobs)),
        )
    voice.result(
        {
            "run": str(run),
            "status": outcome.status,
            "best_esr": outcome.best,
            "figures": outcome.figures,
            "best_step": outcome.best_step,
            "steps": outcome.step,
            "seconds": outcome.seconds,
        }
    )
    return 130 if outcome.status == "interrupted" else 0


def _next(run: Path, export: str, knobs: bool) -> list[str]:
    """What can be done with a new twin; ``export`` has the flags of a format that holds it, where there is one."""
    turned = " --knob …" if knobs else ""
    commands = [f"wavewright report {run}", f"wavewright render {run} IN.wav -o OUT.wav{turned}"]
    return [
        f"next: {', '.join(commands)}{',' if export else ''}",
        *([f"      wavewright export {run} {export}"] if export else []),
    ]


def _first_settings(words: Sequence[str]) -> EmulateSettings | None:
    """The defaults that suit the network asked for; with ``--start-from`` those of that run's, and its own settings."""
    start, network = value_of(words, "--start-from"), value_of(words, "--network")
    if start is not None:
        return starting_from(Path(start))
    return settings_for(network) if network in NETWORK_NAMES else None


def _capture(arguments: Arguments) -> pairs.Capture | None:
    """The pairs that the command line names; None where a resumed run knows its own."""
    named = [name for name, given in (("recordings", arguments.recordings), ("--knob", arguments.knob)) if given]
    if arguments.pairs is not None:
        if named:
            raise SettingsError([f"--pairs names recordings and knobs; leave {' and '.join(named)} away"])
        return pairs.read_manifest(arguments.pairs)
    return None if arguments.resume and not named else pairs.from_flags(arguments.recordings, arguments.knob)

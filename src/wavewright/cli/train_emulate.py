"""``wavewright train emulate``: a dry and a wet recording become a digital twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse, value_of
from wavewright.cli.resuming import kept_settings
from wavewright.cli.training import finish, listeners
from wavewright.errors import SettingsError
from wavewright.jobs.emulate import pairs
from wavewright.jobs.emulate.settings import EmulateSettings, settings_for, starting_from
from wavewright.nets.names import NETWORK_NAMES

if TYPE_CHECKING:
    from wavewright.train.loop import Outcome


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
    from wavewright.jobs.emulate import training

    voice, reporter = listeners(arguments.voice)
    run, settings = arguments.output, arguments.settings
    if arguments.resume:
        outcome = training.resume(run, settings, reporter, None if given is None else given.files)
    else:
        assert given is not None
        outcome = training.train_capture(given, run, settings, reporter, force=arguments.force)
    return finish(
        voice,
        "emulate",
        run,
        outcome,
        lambda: _told(run, outcome, settings.validation_seconds),
        {"best_esr": outcome.best, "figures": outcome.figures},
    )


def _told(run: Path, outcome: Outcome, seconds: float) -> list[str]:
    """What a new twin is worth on the ``seconds`` held out of every pair, and what can be done with it."""
    from wavewright.jobs.emulate import exporting
    from wavewright.jobs.emulate.twin import open_twin

    twin = open_twin(run)
    pairs_learned = twin.run.info["extra"].get("pairs", []) if twin.run is not None else []
    each = [
        f"  {name.removeprefix('esr ')}: ESR {value:.4f}" for name, value in outcome.figures.items() if "esr " in name
    ]
    return [
        f"{run}: ESR {outcome.best:.4f} on the held-out {seconds:g} s"
        f"{' of every pair' if len(pairs_learned) > 1 else ''}, after {outcome.seconds / 60:.1f} minutes",
        *each,
        *_next(run, exporting.suggested(twin), bool(twin.knobs)),
    ]


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

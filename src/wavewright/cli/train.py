"""``wavewright train JOB``: learn from recordings, go on where a run was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from wavewright.cli.console import Voice
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse, value_of
from wavewright.errors import RunError, SettingsError
from wavewright.jobs import pairs
from wavewright.jobs.generate_settings import GenerateSettings, settings_for
from wavewright.jobs.settings import EmulateSettings, starting_from
from wavewright.jobs.settings import settings_for as emulate_settings_for
from wavewright.nets.names import FRAME_NAMES, GENERATOR_NAMES, NETWORK_NAMES
from wavewright.settings import did_you_mean, from_mapping
from wavewright.train.settings import BUDGETS, with_budget

UNITS = {"bits": "bits a sample", "nats": "nats a number of a frame", "mse": "mean squared error"}
"""What the goals of generators are counted in."""

JOBS = {
    "emulate": "a dry and a wet recording become a digital twin of the device",
    "generate": "a folder of sounds becomes new sound, sample by sample or frame by frame",
}


@dataclass(frozen=True)
class EmulateArguments:
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


@dataclass(frozen=True)
class GenerateArguments:
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
    if not words or words[0] in ("-h", "--help"):
        print("usage: wavewright train JOB …   (wavewright train JOB --help tells its options)\n")
        print("\n".join(f"  {name:<10}{line}" for name, line in JOBS.items()))
        return 0 if words else 2
    if words[0] not in JOBS:
        raise SettingsError([f"unknown job {words[0]!r}: {did_you_mean(words[0], JOBS)}"])
    return {"emulate": train_emulate, "generate": train_generate}[words[0]](words[1:])


def train_emulate(words: Sequence[str]) -> int:
    """``wavewright train emulate DRY WET -o RUN``."""
    kept = _kept_settings("emulate", EmulateSettings, words) or _first_settings(words)
    arguments = parse(EmulateArguments, "train emulate", words, kept)
    given = _capture(arguments)
    if arguments.resume and arguments.force:
        raise SettingsError(["--resume goes on with a run, --force begins anew; give one of them"])
    from wavewright.jobs import emulate, exporting
    from wavewright.jobs.twin import open_twin
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
    return emulate_settings_for(network) if network in NETWORK_NAMES else None


def _capture(arguments: EmulateArguments) -> pairs.Capture | None:
    """The pairs that the command line names; None where a resumed run knows its own."""
    named = [name for name, given in (("recordings", arguments.recordings), ("--knob", arguments.knob)) if given]
    if arguments.pairs is not None:
        if named:
            raise SettingsError([f"--pairs names recordings and knobs; leave {' and '.join(named)} away"])
        return pairs.read_manifest(arguments.pairs)
    return None if arguments.resume and not named else pairs.from_flags(arguments.recordings, arguments.knob)


def train_generate(words: Sequence[str]) -> int:
    """``wavewright train generate FOLDER -o RUN``."""
    network, size = value_of(words, "--network") or "sample-wavenet", value_of(words, "--size") or ""
    known = network in {**GENERATOR_NAMES, **FRAME_NAMES}
    loops = "--on-beat" in words or value_of(words, "--beats-per-minute") is not None
    width = int(size) if size.isdecimal() else None
    start = settings_for(network, width, loops=loops) if known else GenerateSettings()
    kept = _kept_settings("generate", GenerateSettings, words) or start
    arguments = parse(GenerateArguments, "train generate", words, kept)
    if not arguments.sources and not arguments.resume:
        raise SettingsError(["train generate wants a folder of sounds; none was given"])
    if arguments.resume and (arguments.force or arguments.sources):
        raise SettingsError(["--resume goes on with a run and its own sounds; leave --force and the folders away"])
    from wavewright.cli.bar import Bar
    from wavewright.jobs import generate
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


def _kept_settings(job: str, kind: type[Any], words: Sequence[str]) -> Any:
    """With ``--resume``, the settings that the run was begun with: they are the defaults, and flags win over them."""
    folder = value_of(words, "-o", "--output")
    if "--resume" not in words or folder is None:
        return None
    from wavewright.train.run import RunFolder

    run = RunFolder.open(Path(folder))
    if run.job != job:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {job}; resume it with train {run.job}")
    kept = from_mapping(kind, run.settings)
    if any(value_of(words, f"--{name.replace('_', '-')}") for name in (*BUDGETS, "until", "until_esr", "until_bits")):
        return replace(kept, train=with_budget(kept.train))  # the budget on the command line replaces the old one
    return kept

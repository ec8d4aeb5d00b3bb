"""``wavewright demo``: the whole way on built-in sounds."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse


@dataclass(frozen=True)
class Arguments:
    """Show the whole way on built-in sounds: data, check, training, result, export, report."""

    job: Annotated[
        Literal["emulate", "generate", "kicks", "break", "upsample", "impute"],
        POSITIONAL,
        option("which job to show; kicks and break are generated frame by frame", metavar="[JOB]"),
    ] = "emulate"
    output: Annotated[Path, option("the folder that all of it goes to", short="-o", metavar="FOLDER")] = Path("demo")
    minutes: Annotated[float, option("how long to train")] = 2.0
    force: Annotated[bool, option("replace an earlier demo there", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "demo", words)
    shown = {"emulate": emulate, "generate": generate, "kicks": frames, "break": frames}
    if arguments.job in shown:
        return shown[arguments.job](arguments)
    other = importlib.import_module(f"wavewright.cli.demo_{arguments.job}")
    return int(other.show(arguments.output, arguments.minutes, arguments.force, arguments.voice))


def emulate(arguments: Arguments) -> int:
    """A circuit becomes a twin."""
    from wavewright.jobs.emulate import demo
    from wavewright.train.progress import reporter_for

    voice = arguments.voice
    done = demo.emulate_demo(
        arguments.output,
        voice.say,
        reporter_for(quiet=not voice.speaks),
        minutes=arguments.minutes,
        force=arguments.force,
    )
    voice.say(
        "",
        f"A twin of the circuit: ESR {done.esr:.4f} on what was held out, {done.unheard_esr:.4f} on the unheard riff.",
        f"Open {done.page} in a browser, or {done.model} in a player. With a device of your own:",
        "",
        "  wavewright signal training.wav                    play it through the device, record what comes out",
        "  wavewright check training.wav recorded.wav        do the two belong together?",
        "  wavewright train emulate training.wav recorded.wav -o mytwin",
        "  wavewright report mytwin",
        "  wavewright export mytwin --to nam -o mytwin.nam",
    )
    voice.result(
        {
            "folder": str(done.folder),
            "run": str(done.run),
            "esr": done.esr,
            "unheard_esr": done.unheard_esr,
            "model": str(done.model),
            "report": str(done.page),
        }
    )
    return 0


def generate(arguments: Arguments) -> int:
    """A kit of drums and strings becomes new sounds."""
    from wavewright.jobs.generate.demo import generate_demo
    from wavewright.train.progress import reporter_for

    voice = arguments.voice
    done = generate_demo(
        arguments.output,
        voice.say,
        reporter_for(quiet=not voice.speaks),
        minutes=arguments.minutes,
        force=arguments.force,
    )
    voice.say(
        "",
        f"{len(done.sounds)} new sounds in {done.folder / 'new'}, {done.bits:.2f} bits a sample on sounds held out.",
        f"Open {done.page} in a browser. With sounds of your own:",
        "",
        "  wavewright train generate FOLDER -o myrun",
        "  wavewright sample myrun -o new.wav --count 8",
        "  wavewright report myrun",
    )
    voice.result(
        {
            "folder": str(done.folder),
            "run": str(done.run),
            "bits": done.bits,
            "sounds": [str(sound) for sound in done.sounds],
            "report": str(done.page),
        }
    )
    return 0


def frames(arguments: Arguments) -> int:
    """Kicks, or a drum loop, learned frame by frame."""
    from wavewright.jobs.frames import demo as frame_demo
    from wavewright.train.progress import reporter_for

    voice = arguments.voice
    show = frame_demo.kicks_demo if arguments.job == "kicks" else frame_demo.break_demo
    done = show(
        arguments.output,
        voice.say,
        reporter_for(quiet=not voice.speaks),
        minutes=arguments.minutes,
        force=arguments.force,
    )
    voice.say(
        "",
        f"{len(done.sounds)} new sounds in {done.folder / 'new'}.",
        f"Open {done.page} in a browser. With sounds of your own:",
        "",
        "  wavewright train generate FOLDER -o myrun --network frame-mixture",
        "  wavewright sample myrun -o new.wav --count 8",
        "  wavewright evaluate myrun",
    )
    voice.result(
        {
            "folder": str(done.folder),
            "run": str(done.run),
            "nats": done.cost,
            "sounds": [str(sound) for sound in done.sounds],
            "report": str(done.page),
        }
    )
    return 0

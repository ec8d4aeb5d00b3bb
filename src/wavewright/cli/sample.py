"""``wavewright sample``: new sound from a generator."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.jobs.generate.settings import SampleSettings


@dataclass(frozen=True)
class Arguments:
    """Draw new sound from a run of `wavewright train generate`.

    Several sounds go to OUT-01.wav, OUT-02.wav …, or into OUT where that is a folder or has no suffix. A sound longer
    than a minute is written as it is made; `-o -` sends one to the standard output as a .wav stream, to be piped into a
    player.

    With `--mosaic TARGET.wav` no sound is drawn: the target is rebuilt from grains of the sounds learned, and
    `wavewright sample --mosaic --help` tells what else can be said then.
    """

    run: Annotated[Path, POSITIONAL, option("the run folder", metavar="RUN")]
    output: Annotated[
        Path, option("the file to write, a folder, or - for the standard output", short="-o", metavar="OUT")
    ]
    settings: SampleSettings = field(default_factory=SampleSettings)
    force: Annotated[bool, option("replace files that are there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    if any(word == "--mosaic" or word.startswith("--mosaic=") for word in words):
        from wavewright.cli.mosaic import main as mosaic

        return mosaic(words)
    arguments = parse(Arguments, "sample", words)
    from wavewright.cli.bar import Bar
    from wavewright.jobs.generate import drawing
    from wavewright.jobs.generate.generator import open_generator

    to_stdout = str(arguments.output) == "-"
    voice = Voice(quiet=True) if to_stdout else arguments.voice
    opened = open_generator(arguments.run)
    with Bar(f"drawing from {opened.name}", "samples", voice, opened.rate) as bar:
        if to_stdout:
            drawing.stream(opened, arguments.settings, sys.stdout.buffer)
            return 0
        done = drawing.sample(
            opened, arguments.settings, arguments.output, force=arguments.force, progress=bar.update, tell=voice.say
        )
    rows = [["file", "class", "seconds", "bits", ""]]
    for one in done.written:
        notes = [*one.drawn.faults, *([f"{one.drawn.clipped} samples clipped"] if one.drawn.clipped else [])]
        bits = f"{one.drawn.bits:.3f}" if math.isfinite(one.drawn.bits) else ""
        rows.append([str(one.path), one.drawn.label or "", f"{one.seconds:.2f}", bits, ", ".join(notes)])
    voice.say(*table(rows, left=(0, 1, 4)), f"{done.seconds:.1f} s of sound, {done.times_real_time:.1f}× real time")
    voice.result(
        {
            "rate": opened.rate,
            "seconds": done.seconds,
            "times_real_time": done.times_real_time,
            "sounds": [
                {
                    "path": str(one.path),
                    "class": one.drawn.label,
                    "seconds": one.seconds,
                    "bits": one.drawn.bits if math.isfinite(one.drawn.bits) else None,
                    "faults": list(one.drawn.faults),
                    "attempts": one.drawn.attempts,
                    "clipped": one.drawn.clipped,
                }
                for one in done.written
            ],
        }
    )
    return 0

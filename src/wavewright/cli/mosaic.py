"""``wavewright sample RUN --mosaic TARGET``: a sound rebuilt from the grains of what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.data.mosaic_settings import MosaicSettings

GENERATED = "generated"
"""What stands for a sequence of the network's own in the place of a file."""


@dataclass(frozen=True)
class Arguments:
    """Rebuild a sound from the grains of those a run has learned, or of a store's.

    Each piece of the target is replaced by the piece of the corpus that sounds most like it, and those that follow one
    another in the corpus are kept together where that serves.
    """

    run: Annotated[Path, POSITIONAL, option("the run folder, or a store of `wavewright prepare`", metavar="RUN|STORE")]
    mosaic: Annotated[
        Path,
        option(
            "the sound file to rebuild: any rate, channels, length; or the word generated, for a new sequence of "
            "frames from a network of MFCC or log-mel frames",
            metavar="TARGET",
        ),
    ]
    output: Annotated[Path, option("the file to write", short="-o", metavar="OUT")]
    seconds: Annotated[float | None, option("length of a generated sequence; absent: what the network says")] = None
    seed: Annotated[int, option("of a generated sequence")] = 0
    settings: MosaicSettings = field(default_factory=MosaicSettings)
    force: Annotated[bool, option("replace a file that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    asks = any(word in ("-h", "--help") for word in words)
    arguments = parse(Arguments, "sample", ["--help"] if asks else words)
    from wavewright.cli.bar import Bar
    from wavewright.jobs.generate import mosaic

    voice = arguments.voice
    with Bar(f"rebuilding {arguments.mosaic.name}", "samples", voice) as bar:
        if str(arguments.mosaic) == GENERATED:
            made = mosaic.generated(
                arguments.run,
                arguments.output,
                arguments.settings,
                seconds=arguments.seconds,
                seed=arguments.seed,
                force=arguments.force,
                progress=bar.update,
            )
        else:
            made = mosaic.mosaic(
                arguments.run,
                arguments.mosaic,
                arguments.output,
                arguments.settings,
                force=arguments.force,
                progress=bar.update,
                tell=voice.say,
            )
    voice.say(
        f"{made.path}: {made.seconds:.2f} s at {made.rate} Hz, {made.grains} grains out of {made.choice:,}, "
        f"{made.distance:.2f} deviations from the target; {1 - made.joins:.0%} go on where the last one ended"
        + (f"; {made.clipped} samples clipped" if made.clipped else "")
    )
    voice.result({**asdict(made), "path": str(made.path)})
    return 0

"""``wavewright render`` for a run of train upsample: missing bandwidth put back into files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.cli.rendering import clipped, render
from wavewright.errors import SettingsError

if TYPE_CHECKING:
    from wavewright.engine.render import Progress
    from wavewright.jobs.upsample.upsampling import Upsampled


@dataclass(frozen=True)
class Arguments:
    """Put missing bandwidth back into sound files: any length, rate and channels, in blocks, memory stays flat.

    What a file holds stays its own, sample for sample below the model's cutoff; only what lies above is written. A file
    that goes further up than the model expects keeps that too, and one that lacks nothing is told and left as it is.

    The output has the model's rate, or the file's own where that is higher: a 48 kHz file stays one, whatever the
    model. --output-rate asks for another, such as 44100 out of a model of 48 kHz.
    """

    model: Annotated[Path, POSITIONAL, option("a run of train upsample", metavar="RUN")]
    sources: Annotated[tuple[Path, ...], POSITIONAL, option("sound files, and folders of them", metavar="IN …")]
    output: Annotated[
        Path, option("the file to write; for several inputs, a folder that is there", short="-o", metavar="OUT")
    ]
    output_rate: Annotated[
        int | None,
        option("rate of the output; absent: the model's, or the file's own where that is higher", metavar="HZ"),
    ] = None
    edge: Annotated[
        float | None,
        option(
            "how far up the files hold sound of their own, where noise or a bad converter hides it; absent: found out",
            metavar="HZ",
        ),
    ] = None
    subtype: Annotated[
        str | None, option("sample format, such as PCM_16, PCM_24, FLOAT; where absent, float for .wav", metavar="NAME")
    ] = None
    force: Annotated[bool, option("replace files that are there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "render", words)
    if not arguments.sources:
        raise SettingsError(["render wants at least one sound file behind the run"])
    from wavewright.jobs.upsample import upsampling

    voice = arguments.voice
    opened = upsampling.open_upsampler(arguments.model)

    def play(progress: Progress) -> Sequence[Upsampled]:
        return upsampling.render(
            opened,
            arguments.sources,
            arguments.output,
            output_rate=arguments.output_rate,
            edge=arguments.edge,
            subtype=arguments.subtype,
            force=arguments.force,
            progress=progress,
        )

    def tell(one: Upsampled) -> dict[str, object]:
        what = "nothing added" if one.above is None else f"written above {one.above:,.0f} Hz"
        voice.say(
            f"{one.output}: {one.seconds:.1f} s at {one.rate} Hz, {what}, in {one.took:.1f} s, "
            f"{one.times_real_time:.0f}× real time",
            *([f"  note: {one.note}"] if one.note else []),
            *clipped(one),
        )
        return {"edge": one.edge, "above": one.above, "note": one.note or None}

    return render(voice, opened.name, opened.rate, play, tell)

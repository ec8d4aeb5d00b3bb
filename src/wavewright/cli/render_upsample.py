"""``wavewright render`` for a run of train upsample: missing bandwidth put back into files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.errors import SettingsError


@dataclass(frozen=True)
class Arguments:
    """Put missing bandwidth back into sound files, in blocks: any length, any channels, memory stays flat."""

    model: Annotated[Path, POSITIONAL, option("a run of train upsample", metavar="RUN")]
    sources: Annotated[tuple[Path, ...], POSITIONAL, option("sound files", metavar="IN …")]
    output: Annotated[
        Path, option("the file to write; for several inputs, a folder that is there", short="-o", metavar="OUT")
    ]
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
    from wavewright.cli.bar import Bar
    from wavewright.jobs import upsampling

    voice = arguments.voice
    opened = upsampling.open_upsampler(arguments.model)
    with Bar(f"rendering through {opened.name}", "samples", voice, opened.rate) as bar:
        done = upsampling.render(
            opened,
            arguments.sources,
            arguments.output,
            subtype=arguments.subtype,
            force=arguments.force,
            progress=bar.update,
            tell=voice.say,
        )
    for one in done:
        voice.say(f"{one.output}: {one.seconds:.1f} s in {one.took:.1f} s, {one.times_real_time:.0f}× real time")
    voice.result({"rendered": [{"input": str(one.source), "output": str(one.output)} for one in done]})
    return 0

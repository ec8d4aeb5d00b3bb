"""``wavewright render``: files of any length through a twin. Runs of other jobs go to files of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from wavewright.cli.console import Voice
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse
from wavewright.cli.jobs import file_for
from wavewright.cli.rendering import clipped, render
from wavewright.errors import SettingsError

if TYPE_CHECKING:
    from wavewright.engine.render import Progress, Rendered


@dataclass(frozen=True)
class Arguments:
    """Play sound files through a twin, in blocks: any length, any channels, memory stays flat.

    A run of train upsample puts bandwidth back into them, and a run of train impute fills the gaps of a table; both
    have options of their own: `wavewright render RUN --help` tells them.
    """

    model: Annotated[Path, POSITIONAL, option("a run folder or a model file", metavar="RUN|MODEL")]
    sources: Annotated[tuple[Path, ...], POSITIONAL, option("sound files", metavar="IN …")]
    output: Annotated[
        Path, option("the file to write; for several inputs, a folder that is there", short="-o", metavar="OUT")
    ]
    resample: Annotated[bool, option("convert files of another rate on the way in, and back on the way out")] = False
    subtype: Annotated[
        str | None, option("sample format, such as PCM_16, PCM_24, FLOAT; where absent, float for .wav", metavar="NAME")
    ] = None
    size: Annotated[Literal["lite", "full"] | None, option("which model of a container plays; full where absent")] = (
        None
    )
    knob: Annotated[tuple[str, ...], APPENDED, option("where a knob of the device stands", metavar="NAME=VALUE")] = ()
    automation: Annotated[
        tuple[Path, ...],
        APPENDED,
        option("knobs that move: rows of seconds and values under a head such as seconds,gain", metavar="FILE.csv"),
    ] = ()
    threads: Annotated[
        int | None, option("how many files, or channels of a file, play at the same time; all cores where absent")
    ] = None
    exact: Annotated[bool, option("activations right to the last places, not to a millionth: up to a third slower")] = (
        False
    )
    force: Annotated[bool, option("replace files that are there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    other = file_for("render", words)
    if other is not None:
        return int(other.main(words))
    arguments = parse(Arguments, "render", words)
    if not arguments.sources:
        raise SettingsError(["render wants at least one sound file behind the model"])
    if arguments.threads is not None and arguments.threads < 1:
        raise SettingsError([f"option --threads = {arguments.threads}: must be at least 1"])
    from wavewright.jobs.emulate import playing

    voice = arguments.voice
    opened = playing.open_playable(arguments.model, arguments.size)
    opened, controls = opened.at(arguments.knob, arguments.automation)

    def play(progress: Progress) -> Sequence[Rendered]:
        return playing.render(
            opened,
            arguments.sources,
            arguments.output,
            resample=arguments.resample,
            subtype=arguments.subtype,
            threads=arguments.threads,
            exact=arguments.exact,
            force=arguments.force,
            progress=progress,
            tell=voice.say,
            controls=controls,
        )

    def tell(one: Rendered) -> dict[str, object]:
        voice.say(
            f"{one.output}: {one.seconds:.1f} s in {one.took:.1f} s, {one.times_real_time:.0f}× real time",
            *clipped(one),
        )
        if one.non_finite:
            voice.say(f"  {one.non_finite} samples of the input were not finite and were played as silence")
        return {}

    return render(voice, opened.name, opened.rate, play, tell)

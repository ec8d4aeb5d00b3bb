"""``wavewright signal``: what to play through the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.data.training_signal import SignalSettings


@dataclass(frozen=True)
class Arguments:
    """Write a training signal: slices of music at many levels, sweep, noise and silence, with a click at both ends.

    Play it through the device, record what comes out at the same sample rate, and give both files to
    `wavewright check` and `wavewright train emulate`.
    """

    output: Annotated[Path, POSITIONAL, option("the sound file to write", metavar="OUT.wav")]
    source: Annotated[
        Path | None, option("a folder of your own dry recordings; built-in sounds where absent", name="from")
    ] = None
    settings: SignalSettings = field(default_factory=SignalSettings)
    voice: Voice = field(default_factory=Voice)
    force: Annotated[bool, option("replace the file if it is there", short="-f")] = False


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "signal", words)
    from wavewright.jobs import emulate

    made = emulate.write_training_signal(arguments.output, arguments.settings, arguments.source, force=arguments.force)
    arguments.voice.say(
        f"{arguments.output}: {made.recording.seconds:.0f} s at {made.recording.rate} Hz, {made.slices} slices of {made.files or 'built-in'} sounds",
        *(f"skipped {line}" for line in made.skipped),
        "next: play it through the device and record the whole of it, from before the first click to after the last,",
        f"at {made.recording.rate} Hz with peaks below full scale; then `wavewright check {arguments.output} YOUR_WET.wav`",
    )
    arguments.voice.result(
        {
            "output": str(arguments.output),
            "seconds": made.recording.seconds,
            "rate": made.recording.rate,
            "skipped": list(made.skipped),
        }
    )
    return 0

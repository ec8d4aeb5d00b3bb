"""``wavewright signal``: what to play through the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.data.signal_settings import SignalSettings


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
    from wavewright.atomic import refuse_existing
    from wavewright.audio import files
    from wavewright.data.training_signal import compose_reported

    output, settings = arguments.output, arguments.settings
    refuse_existing(output, force=arguments.force)
    recording, report = compose_reported(settings, [arguments.source] if arguments.source else [])
    wave = output.suffix.lower() == ".wav"  # 24 bits hold all of it in three quarters of what float takes
    files.write(output, recording, subtype="PCM_24" if wave else None, force=arguments.force)
    origin = f"{report.sources} of your sounds" if arguments.source else "built-in sounds"
    arguments.voice.say(
        f"{output}: {recording.seconds:.0f} s at {recording.rate} Hz, {report.slices} slices of {origin}",
        *(f"skipped {name}: {why}" for name, why in report.skipped.items()),
        "next: play it through the device and record all of it, from before the first click to after the last,",
        f"at {recording.rate} Hz and with peaks below full scale; then",
        f"  wavewright check {output} RECORDED.wav",
    )
    arguments.voice.result(
        {
            "output": str(output),
            "seconds": recording.seconds,
            "rate": recording.rate,
            "slices": report.slices,
            "skipped": report.skipped,
        }
    )
    return 0

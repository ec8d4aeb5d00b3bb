"""``wavewright export``: a model file that other players read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse

Gear = Literal["amp", "pedal", "pedal_amp", "amp_cab", "amp_pedal_cab", "preamp", "studio"]
Tone = Literal["clean", "overdrive", "crunch", "hi_gain", "fuzz"]


@dataclass(frozen=True)
class Arguments:
    """Write the twin as a file that plug-ins and pedals read, with what they show of it."""

    run: Annotated[Path, POSITIONAL, option("a run folder, or a model file", metavar="RUN")]
    output: Annotated[Path, option("the file to write", short="-o", metavar="OUT.nam")]
    to: Annotated[Literal["nam"], option("the format: Neural Amp Modeler's .nam")] = "nam"
    name: Annotated[str | None, option("what players show; the run's name where absent")] = None
    modeled_by: Annotated[str | None, option("who made the twin")] = None
    gear_make: Annotated[str | None, option("who made the device")] = None
    gear_model: Annotated[str | None, option("what the device is called")] = None
    gear_type: Annotated[Gear | None, option("what the device is")] = None
    tone_type: Annotated[Tone | None, option("what it does to the tone")] = None
    input_dbu: Annotated[float | None, option("level in dBu that is full scale at the device's input")] = None
    output_dbu: Annotated[float | None, option("level in dBu that is full scale at its output")] = None
    force: Annotated[bool, option("replace a file that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "export", words)
    from wavewright.formats.nam_metadata import NamMetadata
    from wavewright.jobs import twin

    names = ("name", "modeled_by", "gear_make", "gear_model", "gear_type", "tone_type")
    metadata = NamMetadata(
        **{name: getattr(arguments, name) for name in names},
        input_level_dbu=arguments.input_dbu,
        output_level_dbu=arguments.output_dbu,
    )
    twin.export_nam(twin.open_twin(arguments.run), arguments.output, metadata, force=arguments.force)
    size = arguments.output.stat().st_size
    arguments.voice.say(f"{arguments.output}: {size / 1000:.0f} kB; load it in any player of .nam files")
    arguments.voice.result({"output": str(arguments.output), "bytes": size})
    return 0

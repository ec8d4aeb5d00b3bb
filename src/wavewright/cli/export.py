"""``wavewright export``: a model file that other players read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from wavewright.cli.console import Voice
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse
from wavewright.settings import setting

Gear = Literal["amp", "pedal", "pedal_amp", "amp_cab", "amp_pedal_cab", "preamp", "studio"]
Tone = Literal["clean", "overdrive", "crunch", "hi_gain", "fuzz"]
Format = Literal["nam", "rtneural", "aidax", "proteus", "onnx", "pack"]


@dataclass(frozen=True)
class Arguments:
    """Write the twin as a file that plug-ins and pedals read, with what they show of it.

    docs/formats.md says which format holds which network, who reads it, and what is lost."""

    run: Annotated[Path, POSITIONAL, option("a run folder, or a model file", metavar="RUN|MODEL")]
    output: Annotated[Path, option("the file to write, or the folder of a pack", short="-o", metavar="OUT")]
    to: Annotated[
        Format | None,
        option("the format; as OUT ends where absent. pack: a folder with every format that can hold the twin"),
    ] = None
    size: Annotated[Literal["lite", "full"] | None, option("one model of a container; all where absent")] = None
    knob: Annotated[
        tuple[str, ...], APPENDED, option("where a knob stands for good; those left to turn need --to onnx or a JSON")
    ] = ()
    name: Annotated[str | None, option("what players show; the run's name where absent")] = None
    modeled_by: Annotated[str | None, option("who made the twin")] = None
    gear_make: Annotated[str | None, option("who made the device")] = None
    gear_model: Annotated[str | None, option("what the device is called")] = None
    gear_type: Annotated[Gear | None, option("what the device is")] = None
    tone_type: Annotated[Tone | None, option("what it does to the tone")] = None
    input_dbu: float | None = setting(None, "level in dBu that is full scale at the device's input", low=-60, high=60)
    output_dbu: float | None = setting(None, "level in dBu that is full scale at its output", low=-60, high=60)
    normalize: Annotated[
        float | None, option("bring the twin to this loudness in dBFS, as players measure it", metavar="DB")
    ] = None
    force: Annotated[bool, option("replace a file that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "export", words)
    from wavewright.formats.nam_metadata import NamMetadata
    from wavewright.jobs.emulate import exporting, packing, twin

    names = ("name", "modeled_by", "gear_make", "gear_model", "gear_type", "tone_type")
    metadata = NamMetadata(
        **{name: getattr(arguments, name) for name in names},
        input_level_dbu=arguments.input_dbu,
        output_level_dbu=arguments.output_dbu,
    )
    to = arguments.to or exporting.format_of(arguments.output)
    opened = twin.open_twin(arguments.run, arguments.size)
    if arguments.knob:
        opened = opened.turned(arguments.knob)
    if arguments.normalize is not None:
        opened, gain = exporting.normalized_twin(opened, arguments.normalize)
        if metadata.output_level_dbu is not None:  # the twin is so much louder, the device is not
            metadata = replace(metadata, output_level_dbu=metadata.output_level_dbu - gain)
        arguments.voice.say(f"{gain:+.1f} dB bring it to {arguments.normalize:g} dBFS")
    voice, output = arguments.voice, arguments.output
    if to == "pack":
        exporting.refuse_channels(opened, to)
        pack = packing.write(opened, output, metadata, force=arguments.force, tell=voice.say)
        voice.say(f"{output}: {', '.join(pack.files)}", *(f"no {name}: {why}" for name, why in pack.left_out.items()))
        voice.result({"output": str(output), "files": pack.files, "left_out": pack.left_out})
        return 0
    written = exporting.export_each(opened, output, to, metadata, force=arguments.force)
    sizes = [one.path.stat().st_size for one in written]
    player, notes = exporting.PLAYERS[to], list(written[0].notes)
    for one, size in zip(written, sizes, strict=True):
        voice.say(f"{one.path}: {size / 1000:.0f} kB; for {player}")
    for line in notes:
        voice.say(f"note: {line}")
    told = {"output": str(written[0].path), "to": to, "bytes": sum(sizes), "notes": notes}
    voice.result(told if len(written) == 1 else {**told, "outputs": [str(one.path) for one in written]})
    return 0

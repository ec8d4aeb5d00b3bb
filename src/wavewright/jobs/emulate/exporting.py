"""A twin as a file for other players: which formats there are, and what each says of a network that it cannot hold."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wavewright.atomic import refuse_existing
from wavewright.errors import ModelFileError, SettingsError
from wavewright.formats import aidax, nam, proteus, rtneural
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.normalized import normalized
from wavewright.jobs.emulate import twin as twins
from wavewright.jobs.emulate.twin import Twin
from wavewright.nets.channels import Channels
from wavewright.nets.contract import Network
from wavewright.nets.onnx_network import OnnxNetwork
from wavewright.nets.plain import plain_of
from wavewright.nets.scaled import scaled

FORMATS = {"nam": ".nam", "rtneural": ".json", "aidax": ".json", "proteus": ".json", "onnx": ".onnx"}
"""What `export` writes, each with what its files end with."""

PLAYERS = {
    "nam": "players of Neural Amp Modeler's .nam files",
    "rtneural": "programs that parse JSON with RTNeural",
    "aidax": "AIDA-X, and pedals that run it",
    "proteus": "GuitarML's Proteus",
    "onnx": "hosts with onnxruntime",
}


@dataclass(frozen=True)
class Exported:
    """A file that was written, and what its player will do otherwise than the twin."""

    path: Path
    to: str
    notes: Sequence[str]


def format_of(output: Path) -> str:
    """The format that a name asks for.

    Raises:
        SettingsError: its ending says nothing, or stands for several.

    >>> format_of(Path("twin.nam"))
    'nam'
    """
    suffix = output.suffix.lower()
    meant = [name for name, ending in FORMATS.items() if ending == suffix]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise SettingsError([f"{output} may be for several players: say which by --to {' or --to '.join(meant)}"])
    raise SettingsError(
        [f"{output} does not say its format: end it with .nam or .onnx, or say --to {', '.join(FORMATS)} or pack"]
    )


def export(twin: Twin, output: Path, to: str, metadata: NamMetadata | None = None, *, force: bool = False) -> Exported:
    """Write ``twin`` as a file of the format ``to``.

    Raises:
        ModelFileError: the format has no place for this network: which, why, and what to do instead.
        OutputError: the file exists already (without ``force``), or cannot be written.
    """
    network = network_of(twin)
    refuse_channels(twin, to)
    if to == "nam" and twin.knobs:
        raise ModelFileError(
            f"a twin with knobs ({', '.join(map(str, twin.knobs))}) cannot be written as .nam, which holds none; fix "
            "each by --knob NAME=VALUE, or use --to onnx"
        )
    facts = twins.facts_of(twin, metadata)
    if to == "nam":
        twins.export_nam(twin, output, facts, force=force)
    elif to == "onnx":
        _save_onnx(output, network, twin, facts, force)
    else:
        save: Callable[..., None] = {"rtneural": rtneural.save, "aidax": aidax.save, "proteus": proteus.save}[to]
        knobs = {knob.name: (knob.low, knob.high) for knob in twin.knobs}
        save(output, network, twin.rate, facts, knobs=knobs, force=force)
    return Exported(output, to, notes(network, twin.rate, to))


def normalized_twin(twin: Twin, loudness: float) -> tuple[Twin, float]:
    """The twin at this loudness in dBFS, all its sizes by the same gain, and that gain in dB.

    Where the level of full scale at the device's output is known, it moves along: what plays is that much louder, the
    device is not.

    Raises:
        ModelFileError: an ONNX file.
        SettingsError: a twin that has no loudness, or cannot be made louder.
    """
    network, gain_db = normalized(network_of(twin), loudness)
    gain = 10 ** (gain_db / 20)
    sizes = tuple((up_to, scaled(part, gain)) for up_to, part in twin.sizes)
    return replace(twin, network=network, sizes=sizes, gain_db=twin.gain_db + gain_db), gain_db


def export_each(
    twin: Twin, output: Path, to: str, metadata: NamMetadata | None = None, *, force: bool = False
) -> list[Exported]:
    """`export`; of a twin that has a network for each channel, a file for each: ``NAME-1.nam``, ``NAME-2.nam``, …

    Raises:
        ModelFileError, OutputError: see `export`.
    """
    if not isinstance(twin.network, Channels) or twin.network.config.shared:
        return [export(twin, output, to, metadata, force=force)]
    networks = [network for _, network in twin.network.each()]
    paths = [output.with_stem(f"{output.stem}-{channel}") for channel in range(1, len(networks) + 1)]
    for path in paths:
        refuse_existing(path, force=force)
    return [
        export(replace(twin, network=network), path, to, metadata, force=force)
        for path, network in zip(paths, networks, strict=True)
    ]


def refuse_channels(twin: Twin, to: str) -> None:
    """Raise `ModelFileError` where a twin plays several channels together, which no file of ``to`` holds."""
    if twin.network.out_channels > 1 and (to != "onnx" or isinstance(twin.network, Channels)):
        wants = f"{PLAYERS[to]} want one" if to in PLAYERS else "the files of a pack hold one"
        beside = isinstance(twin.network, Channels)
        instead = "--to nam, say, writes a file for each" if beside else "use --to onnx, or train with --channels each"
        raise ModelFileError(f"{twin.source} plays {twin.network.out_channels} channels, and {wants}: {instead}")


def suggested(twin: Twin) -> str:
    """The flags of `export` that suit the twin best, its knobs in the middle; empty where no file can hold it.

    >>> from wavewright.nets.registry import build
    >>> suggested(Twin(Path("run"), build("gru"), 48000, "run"))
    '--to rtneural -o TWIN.json'
    """
    if isinstance(twin.network, OnnxNetwork) or not twin.network.causal:
        return ""
    middle = {knob.name: (knob.low + knob.high) / 2 for knob in twin.knobs}
    network = twin.at(middle).network
    if isinstance(network, Channels):  # a file for each
        (_, network), *_ = network.each()
    assert not isinstance(network, OnnxNetwork)
    fixed = "".join(f"--knob {name}={value:g} " for name, value in middle.items())
    if network.out_channels == 1 and nam.holds(network):
        return f"{fixed}--to nam -o TWIN.nam"
    plain = plain_of(network, convert=True)
    if network.out_channels == 1 and plain is not None and plain.kind in ("lstm", "gru"):
        return f"{fixed}--to rtneural -o TWIN.json"
    return "--to onnx -o TWIN.onnx"


def notes(network: Network, rate: int | None, to: str) -> list[str]:
    """What the player of a format will do otherwise than the twin, a sentence each."""
    plain = plain_of(network, convert=True)
    if plain is not None and to == "proteus":
        return proteus.notes(plain, rate)
    return aidax.notes(rate) if to == "aidax" else []


def network_of(twin: Twin) -> Network:
    """The twin's network, one that can be written.

    Raises:
        ModelFileError: it came from an ONNX file.
    """
    if isinstance(twin.network, OnnxNetwork):
        raise ModelFileError(
            f"{twin.source} is an ONNX file, whose weights cannot be told apart to write another; export its run"
        )
    return twin.network


def has_onnx() -> bool:
    """Whether ONNX files can be written on this machine."""
    return importlib.util.find_spec("onnx") is not None


def _save_onnx(output: Path, network: Network, twin: Twin, facts: NamMetadata, force: bool) -> None:
    from wavewright.formats import onnx_export

    onnx_export.save(output, network, twin.rate, facts, knobs=twin.knobs, force=force)

"""A folder with all that a plug-in, a pedal or a colleague needs of a twin: every format that can hold it, how loud it
is, and a sound with what must come out of it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.music import riff
from wavewright.audio.recording import Recording
from wavewright.errors import ModelFileError, OutputError
from wavewright.formats import nam_loudness, proteus
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.jobs.emulate import exporting, pack_text
from wavewright.jobs.emulate import twin as twins
from wavewright.jobs.emulate.twin import Twin
from wavewright.nets.contract import Network
from wavewright.nets.plain import plain_of

TEST_SECONDS = 4.0
TEST_PEAK = 0.5
TEST_SEED = 71
README = "README.txt"


@dataclass(frozen=True)
class Pack:
    """What lies in a pack, and why formats are missing from it."""

    folder: Path
    files: Sequence[str]
    left_out: Mapping[str, str]


def write(
    twin: Twin,
    folder: Path,
    metadata: NamMetadata | None = None,
    *,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Pack:
    """Write the pack of ``twin`` at ``folder``, which appears whole or not at all.

    Raises:
        ModelFileError: no format can hold the network, or its rate is not known.
        OutputError: the folder exists (without ``force``) or is no pack, or cannot be written.
    """
    refuse_place(folder, force=force)
    network = exporting.network_of(twin)
    if twin.rate is None:
        raise ModelFileError(f"{twin.source} does not say its rate, which the test sounds need; export its run")
    if (network.in_channels, network.out_channels) != (1, 1):
        raise ModelFileError("a twin with knobs or several channels has no pack; fix knobs by --knob, or use --to onnx")
    if not network.causal:
        raise ModelFileError("a network that looks ahead has no pack: no format can hold it; train a causal one")
    try:
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"could not write {folder}: {error.strerror or error}; choose another place") from error
    try:
        pack = _fill(building, twin, network, twin.rate, metadata)
        building.chmod(0o755)
        _put_in_place(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    if tell is not None and not exporting.has_onnx():
        tell("note: onnx is not installed, so there is no ONNX file in the pack: pip install 'wavewright[onnx]'")
    return dataclasses.replace(pack, folder=folder)


def refuse_place(folder: Path, *, force: bool) -> None:
    """Raise `OutputError` where a pack cannot be written, or would replace anything else than a pack."""
    if folder.exists():
        if not folder.is_dir():
            raise OutputError(f"output {folder} is a file; name a folder that is not there yet")
        if not force:
            raise OutputError(f"output {folder} already exists; pass --force to replace it, or name another folder")
        foreign = {path.name for path in folder.iterdir()} - _names_in(folder)
        if foreign:
            raise OutputError(
                f"output {folder} holds {min(foreign)}, which is of no pack; move it, or name another folder"
            )
    if not folder.resolve().parent.is_dir():
        raise OutputError(f"output {folder}: the folder {folder.parent} does not exist; create it first")


def _names_in(folder: Path) -> set[str]:
    """The files that a pack says it is made of; none where there is no pack."""
    sums = folder / pack_text.SUMS
    if not sums.is_file():
        return set()
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.partition("  ")[2] for line in lines} | {pack_text.SUMS}


def _put_in_place(building: Path, folder: Path) -> None:
    """``building`` becomes ``folder``; what was there goes."""
    try:
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            folder.replace(old / "old")
            try:
                building.replace(folder)
            except BaseException:
                (old / "old").replace(folder)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
        else:
            building.replace(folder)
    except OSError as error:
        raise OutputError(f"could not write {folder}: {error.strerror or error}; choose another place") from error


def _fill(place: Path, twin: Twin, network: Network, rate: int, metadata: NamMetadata | None) -> Pack:
    facts = twins.facts_of(twin, metadata)
    if facts.loudness is None:
        measured = nam_loudness.measure(network)
        facts = dataclasses.replace(facts, loudness=measured.loudness, gain=measured.gain)
    written, left_out = _models(place, twin, network, facts)
    if not written:
        raise ModelFileError("no format can hold this network:\n" + "\n".join(left_out.values()))
    went_in = riff(TEST_SECONDS, rate, TEST_PEAK, seed=TEST_SEED)[np.newaxis]
    came_out = twins.play(network, went_in)
    for name, sound in (("input.wav", went_in), ("expected.wav", came_out)):
        files.write(place / name, Recording(sound, rate), subtype="FLOAT")
    text = pack_text.readme(facts, rate, network.latency, written, left_out, went_in, came_out)
    (place / README).write_text(text, encoding="utf-8")
    names = sorted(path.name for path in place.iterdir())
    sums = (f"{hashlib.sha256((place / name).read_bytes()).hexdigest()}  {name}" for name in names)
    (place / pack_text.SUMS).write_text("\n".join(sums) + "\n", encoding="utf-8")
    return Pack(place, [*names, pack_text.SUMS], left_out)


def _models(
    place: Path, twin: Twin, network: Network, facts: NamMetadata
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The model files: of those written the notes by name, of the others why not, by format."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", twin.name).strip("-.") or "twin"
    written: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, str] = {}
    for to, ending in exporting.FORMATS.items():
        name = f"{stem}{ending}" if ending != ".json" else f"{stem}-{to}.json"
        if to == "onnx" and not exporting.has_onnx():
            left_out[to] = "onnx is not installed; pip install 'wavewright[onnx]' and pack again"
            continue
        if to == "proteus" and not _for_proteus(network):
            left_out[to] = f"Proteus plays LSTMs of {proteus.UNITS} units that add their input, and nothing else"
            continue
        try:
            done = exporting.export(twin, place / name, to, facts)
        except ModelFileError as error:
            left_out[to] = str(error)
        else:
            written[name] = (f"for {exporting.PLAYERS[to]}", *done.notes)
    return written, left_out


def _for_proteus(network: Network) -> bool:
    plain = plain_of(network, convert=True)
    return plain is not None and plain.kind == "lstm" and plain.config.hidden_size == proteus.UNITS

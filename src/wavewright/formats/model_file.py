"""A model file of any format: recognised by what it holds, opened as a network that can be played.

Neural Amp Modeler's files name an architecture, RTNeural's and AIDA-X's list layers, Proteus keeps PyTorch's own
tables; an ONNX file is no text. What a file is called says nothing that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wavewright.errors import ModelFileError
from wavewright.formats import nam, proteus, recurrent_tables, rtneural, strict_json
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.nets.onnx_network import OnnxNetwork
from wavewright.nets.plain import PlainNetwork

SUFFIXES = (".nam", ".json", ".onnx")
"""How the files that can be opened are called."""

_ONNX_BEGINS = b"\x08"
"""The tag of an ONNX file's first entry, the version of its format; no text begins so."""


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds. Of a container, ``network`` is the largest model; all are in ``models``.

    ``rate`` in Hz is None where the file does not tell it; ``format`` is what a person calls it; ``knobs`` are the
    names of the network's controls, each with what its two ends stand for.
    """

    network: PlainNetwork | OnnxNetwork
    rate: int | None
    metadata: NamMetadata
    format: str
    models: tuple[ModelFile, ...] = ()
    knobs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    up_to: float = 1.0
    """In a container: up to which setting of a player's size control this model serves."""


def load(path: Path) -> ModelFile:
    """Read a model file of any format in ``docs/formats.md``.

    Raises:
        ModelFileError: the file is missing, damaged, of no known format, or holds what is not supported here.
    """
    if path.suffix.lower() == ".onnx" or _begins(path) == _ONNX_BEGINS:
        from wavewright.formats import onnx_import

        model = onnx_import.load(path)
        name = "ONNX" if model.kind is None else f"ONNX {model.kind}"
        return ModelFile(model.network, model.rate, model.metadata, name, knobs=model.network.knobs)
    try:
        return _recognised(strict_json.read(path))
    except ModelFileError as error:
        raise ModelFileError(f"model file {path} {error}") from error


def _begins(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1)
    except OSError:
        return b""  # told in a sentence by who reads it


def _recognised(content: dict[str, Any]) -> ModelFile:
    if "state_dict" in content or "model_data" in content:
        return _of_tables(*proteus.read(content), content, "Proteus JSON")
    if "architecture" in content:
        return _of_nam(nam.read(content))
    if "layers" in content or "in_shape" in content:
        return _of_tables(*rtneural.read(content), content, rtneural.name_of(content))
    if "weights" in content or "version" in content:
        return _of_nam(nam.read(content))  # which tells what it lacks
    raise ModelFileError(
        "is no model of a known format: a .nam has 'architecture', RTNeural and AIDA-X have 'layers', Proteus has "
        "'state_dict'; export it again"
    )


def _of_nam(model: nam.NamModel) -> ModelFile:
    name = f".nam {model.version} {model.architecture}"
    models = tuple(replace(_of_nam(part.model), up_to=part.max_value) for part in model.submodels)
    return ModelFile(model.plain, model.rate, model.metadata, name, models)


def _of_tables(
    plain: PlainNetwork, rate: int | None, metadata: NamMetadata, content: dict[str, Any], name: str
) -> ModelFile:
    knobs = recurrent_tables.read_knobs(content.get("metadata"), plain.in_channels)
    return ModelFile(plain, rate, metadata, name, knobs=knobs)

"""Neural Amp Modeler's .nam files: reading them, and writing what its players read.

Versions 0.5.0 to 0.7 are read: WaveNets (A1 and A2), LSTMs, impulse responses, and containers of these. A1 WaveNets and
LSTMs are written in schema 0.5.4, everything newer in 0.7.0.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavewright import atomic
from wavewright.errors import ModelFileError, SettingsError
from wavewright.formats import fields, nam_lstm, nam_metadata, nam_wavenet, strict_json
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.strict_json import shown
from wavewright.nets.plain import PlainNetwork, in_order, plain_of

if TYPE_CHECKING:
    from wavewright.nets.contract import Network

__all__ = ["NamMetadata", "NamModel", "Submodel", "holds", "load", "read", "save", "save_container"]

EARLIEST, LATEST = (0, 5, 0), (0, 7)
ARCHITECTURES = ("WaveNet", "LSTM", "Linear", "SlimmableContainer")
MOST_SUBMODELS = 16
HIGHEST_RATE = 1_000_000


@dataclass(frozen=True)
class NamModel:
    """What a .nam file holds. Of a container, ``plain`` is the largest model; all are in ``submodels``.

    ``rate`` in Hz is None where the file does not tell it.
    """

    plain: PlainNetwork
    rate: int | None
    metadata: NamMetadata
    version: str
    architecture: str
    submodels: tuple[Submodel, ...] = ()

    @functools.cached_property
    def net(self) -> Network:
        """The network as a torch module."""
        return self.plain.with_torch()


@dataclass(frozen=True)
class Submodel:
    """One model of a container: the one to use while the player's size control (0 to 1) is below ``max_value``."""

    max_value: float
    model: NamModel


def load(path: Path) -> NamModel:
    """Read a .nam file.

    Raises:
        ModelFileError: the file is missing, damaged, of an unknown or newer version or architecture, uses a block that
            is not supported (by its name), or its sizes and weights do not fit. Nothing in it is ever executed.
    """
    try:
        return read(strict_json.read(path))
    except ModelFileError as error:
        raise ModelFileError(f"model file {path} {error}") from error


def read(content: dict[str, Any]) -> NamModel:
    """The same of a file's plain values."""
    return _read_model(content, contained=False)


def _read_model(content: dict[str, Any], *, contained: bool) -> NamModel:
    version = _version(content)
    architecture = fields.text(content, "architecture", "top level")
    if architecture not in ARCHITECTURES:
        allowed = ", ".join(ARCHITECTURES)
        raise ModelFileError(f"has the architecture {shown(architecture)}, which is not supported; allowed: {allowed}")
    config = fields.subtable(content, "config", "top level")
    values = fields.items(content, "weights", "top level")
    rate = _rate(content)
    metadata = nam_metadata.read(content.get("metadata"))
    if architecture == "SlimmableContainer":
        if contained:
            raise ModelFileError("holds a container within a container; only models may be in one")
        submodels = _read_submodels(config, rate)
        rate = submodels[-1].model.rate if rate is None else rate
        return NamModel(submodels[-1].model.plain, rate, metadata, version, architecture, submodels)
    if architecture == "WaveNet":
        net = nam_wavenet.load(config, values)
    elif architecture == "LSTM":
        net = nam_lstm.load_lstm(config, values, rate)
    else:
        net = nam_lstm.load_linear(config, values)
    return NamModel(net, rate, metadata, version, architecture)


def _version(content: dict[str, Any]) -> str:
    version = fields.text(content, "version", "top level")
    if not re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}", version):
        raise ModelFileError(f"has the version {shown(version)}: must be three numbers such as 0.5.4")
    numbers = tuple(int(part) for part in version.split("."))
    if numbers < EARLIEST:
        raise ModelFileError(f"has version {version}, older than 0.5.0, the first that can be read; export it anew")
    if numbers[:2] > LATEST:
        raise ModelFileError(f"has version {version}, newer than 0.7, the latest that can be read; update Wavewright")
    return version


def _rate(content: dict[str, Any]) -> int | None:
    if "sample_rate" not in content:
        return None
    rate = fields.number(content, "sample_rate", "top level")
    if rate != round(rate) or not 1 <= rate <= HIGHEST_RATE:
        raise ModelFileError(f"has the sample_rate {rate:g}: must be a whole number of Hz up to {HIGHEST_RATE:,}")
    return int(rate)


def _read_submodels(config: dict[str, Any], rate: int | None) -> tuple[Submodel, ...]:
    entries = fields.items(config, "submodels", "config")
    if not 1 <= len(entries) <= MOST_SUBMODELS:
        raise ModelFileError(f"is a container of {len(entries):,} models: must hold 1 to {MOST_SUBMODELS}")
    submodels = []
    for at, entry in enumerate(entries):
        where = f"submodels[{at}]"
        table = fields.as_table(entry, where)
        highest = fields.number(table, "max_value", where)
        content = fields.subtable(table, "model", where)
        try:
            submodels.append(Submodel(highest, _read_model(content, contained=True)))
        except ModelFileError as error:
            raise ModelFileError(f"in {where} {error}") from error
    problem = _disorder([submodel.max_value for submodel in submodels])
    if problem:
        raise ModelFileError(problem)
    rates = {submodel.model.rate for submodel in submodels} | {rate}
    if len(rates - {None}) > 1:
        raise ModelFileError(f"holds models of different rates: {', '.join(f'{r} Hz' for r in rates if r)}")
    return tuple(submodels)


def _disorder(sizes: Sequence[float]) -> str | None:
    if any(after <= before for before, after in itertools.pairwise(sizes)):
        return "holds models whose max_value does not grow from each to the next"
    return None if sizes[-1] >= 1.0 else f"ends with the max_value {sizes[-1]:g}; the last model's must be 1"


def save(path: Path, net: Network, rate: int | None, metadata: NamMetadata | None = None, force: bool = False) -> None:
    """Write ``net`` as a .nam file that the reference player loads.

    Loudness and gain are measured and the date is set where ``metadata`` does not give them. ``rate`` in Hz; None
    leaves it out of the file, as unknown.

    Raises:
        ModelFileError: a network that the format cannot hold, or weights that are not finite.
        OutputError: the file exists and ``force`` is not given, or the place cannot be written.
    """
    atomic.refuse_existing(path, force=force)
    atomic.write_text(path, _text(_write_model(net, rate, metadata or NamMetadata())))


def save_container(
    path: Path,
    submodels: Sequence[tuple[float, Network]],
    rate: int | None,
    metadata: NamMetadata | None = None,
    force: bool = False,
) -> None:
    """Write several networks as one file, smallest first, each with the player's size setting up to which it serves.

    A2 is written so: ``[(0.5, lite), (1.0, full)]``. ``metadata`` goes to each model, with its own loudness and gain.

    Raises:
        SettingsError: no networks, or sizes that do not grow up to 1.
        ModelFileError, OutputError: as in `save`.
    """
    sizes = [size for size, _ in submodels]
    problem = _disorder(sizes) if sizes else "holds no models"
    if problem:
        raise SettingsError([f"the container {path} {problem}"])
    atomic.refuse_existing(path, force=force)
    own = dataclasses.replace(metadata or NamMetadata(), loudness=None, gain=None)
    models = [{"max_value": size, "model": _write_model(net, rate, own)} for size, net in submodels]
    content = {
        "version": nam_wavenet.A2_VERSION,
        "architecture": "SlimmableContainer",
        "config": {"submodels": models},
        "weights": [],
        **({} if rate is None else {"sample_rate": rate}),
    }
    atomic.write_text(path, _text(content))


def holds(net: Network) -> bool:
    """Whether ``net`` can be written as .nam."""
    try:
        _write_network(net)
    except ModelFileError:
        return False
    return True


def _write_model(net: Network, rate: int | None, metadata: NamMetadata) -> dict[str, Any]:
    version, config, weights = _write_network(net)
    if not all(map(math.isfinite, weights)):
        raise ModelFileError(
            "the network has weights that are NaN or infinite and cannot be written as .nam; retrain it"
        )
    return {
        "version": version,
        "metadata": nam_metadata.write(_completed(metadata, net)),
        "architecture": type(net).__name__,
        "config": config,
        "weights": weights,
        **({} if rate is None else {"sample_rate": rate}),
    }


def _write_network(net: Network) -> tuple[str, dict[str, Any], list[float]]:
    plain = plain_of(net, convert=True)
    if plain is not None and plain.kind == "wavenet":
        if (net.in_channels, net.out_channels) != (1, 1):
            raise ModelFileError(
                "a WaveNet with several inputs or outputs cannot be written as .nam, which has one of each"
            )
        return *nam_wavenet.write_config(plain), in_order(plain).tolist()
    if plain is not None and plain.kind == "lstm":
        return nam_lstm.VERSION, *nam_lstm.write_lstm(plain)
    if plain is not None and plain.kind == "linear":
        return nam_lstm.VERSION, *nam_lstm.write_linear(plain)
    instead = "use --to onnx, or train" if net.causal else "train"
    raise ModelFileError(
        f"a {type(net).__name__} cannot be written as .nam, which holds WaveNet, LSTM and Linear only; {instead} one "
        "of these (--network)"
    )


def _completed(metadata: NamMetadata, net: Network) -> NamMetadata:
    """``metadata`` with date, loudness and gain where they were missing."""
    if metadata.date is None:
        metadata = dataclasses.replace(metadata, date=nam_metadata.date(datetime.now()))
    if metadata.loudness is not None and metadata.gain is not None:
        return metadata
    from wavewright.formats import nam_loudness

    found = nam_loudness.measure(net)
    loudness = found.loudness if metadata.loudness is None else metadata.loudness
    gain = found.gain if metadata.gain is None else metadata.gain
    return dataclasses.replace(metadata, loudness=loudness, gain=gain)


def _text(content: dict[str, Any]) -> str:
    try:
        return json.dumps(content, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ModelFileError(
            f"the metadata cannot be written as JSON ({error}); give finite numbers and plain text"
        ) from error

"""RTNeural's JSON: layers with Keras' tables of weights. AIDA-X reads the same, and a few words more.

``{in_shape, layers: [{type, activation, shape, weights}, …]}`` (Chowdhury, "RTNeural: Fast Neural Inferencing for
Real-Time Systems", 2021). One or more LSTMs or GRUs of one size and a dense layer with one output are read and written.
Keras keeps tables the other way round than PyTorch: (inputs, gates · units). Its LSTM has the gates i, f, g, o and one
bias; its GRU has z, r, h where PyTorch has r, z, n, and a row of biases for the input and one for the hidden units.

What AIDA-X adds: ``in_skip`` 1 adds the network's input to its output, ``in_gain`` and ``out_gain`` in dB stand before
and behind all that: y = out · (in · x + net(in · x)). Gains are folded into the weights here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavewright.errors import ModelFileError
from wavewright.formats import fields, self_check
from wavewright.formats import recurrent_tables as tables
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.recurrent_tables import Knobs
from wavewright.formats.strict_json import shown
from wavewright.nets.plain import FloatArray, PlainNetwork, plain_of

if TYPE_CHECKING:
    from wavewright.nets.contract import Network

NAME = "RTNeural JSON"
MOST_LAYERS = 9
SILENT, LOUDEST = -90.0, 120.0
"""Gains in dB: at or below the first AIDA-X gives silence; beyond the second no file can be meant."""

_KERAS_GATES = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}
"""Which of PyTorch's gates stands first in Keras, second, and so on; the other way round it is the same."""


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


def name_of(content: Mapping[str, Any]) -> str:
    """Which of the two programs' files it is."""
    return "AIDA-X JSON" if {"in_skip", "in_gain", "out_gain", "input_batch"} & content.keys() else NAME


def read(content: Mapping[str, Any]) -> tuple[PlainNetwork, int | None, NamMetadata]:
    """The network, its rate in Hz where the file tells it, and what it says of itself.

    Raises:
        ModelFileError: layers that are not supported (by their name), tables of the wrong shape, weights that are no
            finite numbers, or a self-check that does not come out.
    """
    inputs = _last_size(content, "in_shape", "top level")
    kind, hidden, found = _layers(content)
    rate, prewarm, metadata = tables.read_metadata(content.get("metadata"), content)
    skip = fields.whole(_without_nulls(content), "in_skip", "top level", 0)
    if skip not in (0, 1):
        raise ModelFileError(f"has in_skip {skip}: must be 0 or 1")
    settings = tables.settings_of(
        kind, hidden_size=hidden, num_layers=len(found) - 1, input_size=inputs, skip=bool(skip), prewarm=prewarm
    )
    weights: dict[str, FloatArray] = {}
    for layer, table in enumerate(found[:-1]):
        weights |= _recurrent(table, f"layers[{layer}]", kind, inputs if layer == 0 else hidden, hidden, layer)
    weights |= _dense(found[-1], f"layers[{len(found) - 1}]", hidden)
    plain = tables.network(kind, settings, weights)
    self_check.confirm(plain, content)  # as the players do: before the gains
    return _with_gains(plain, _gain(content, "in_gain"), _gain(content, "out_gain")), rate, metadata


def _layers(content: Mapping[str, Any]) -> tuple[str, int, list[dict[str, Any]]]:
    """The kind of the recurrent layers, their units, and all layers."""
    entries = fields.items(content, "layers", "top level")
    if not 2 <= len(entries) <= MOST_LAYERS:
        raise ModelFileError(f"has {len(entries)} layers: must have an LSTM or a GRU, or up to 8, and a dense layer")
    found = [fields.as_table(entry, f"layers[{at}]") for at, entry in enumerate(entries)]
    types = [fields.text(table, "type", f"layers[{at}]") for at, table in enumerate(found)]
    kind = types[0]
    wrong = [at for at, name in enumerate(types[:-1]) if name != kind or kind not in tables.GATES]
    if wrong or types[-1] not in ("dense", "time-distributed-dense"):
        raise ModelFileError(
            f"has layers of the types {', '.join(map(shown, types))}: supported are LSTMs ('lstm') or GRUs ('gru') of "
            "one kind with a 'dense' layer behind them"
        )
    for at, (table, allowed) in enumerate(
        zip(found, [("", "tanh")] * (len(found) - 1) + [("", "linear")], strict=True)
    ):
        activation = fields.text(table, "activation", f"layers[{at}]", "")
        if activation not in allowed:
            raise ModelFileError(f"layers[{at}] has the activation {shown(activation)}, which is not supported there")
    sizes = [_last_size(table, "shape", f"layers[{at}]") for at, table in enumerate(found)]
    if len(set(sizes[:-1])) > 1:
        raise ModelFileError(f"has layers of {', '.join(map(str, sizes[:-1]))} units: all must be of one size")
    if sizes[-1] != 1:
        raise ModelFileError(f"has {sizes[-1]} outputs: must have 1")
    return kind, sizes[0], found


def _last_size(table: Mapping[str, Any], key: str, where: str) -> int:
    shape = fields.items(table, key, where)
    size = shape[-1] if shape else None
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ModelFileError(f"{where}.{key} ends with {shown(size)}: must be a whole number above 0")
    return size


def _without_nulls(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value is not None}


def _gain(content: Mapping[str, Any], key: str) -> float:
    level = fields.number(_without_nulls(content), key, "top level", 0.0)
    if not level <= LOUDEST:
        raise ModelFileError(f"has the {key} {level:g} dB: must be at most {LOUDEST:g}")
    return 10 ** (level / 20) if level > SILENT else 0.0


def _recurrent(
    table: Mapping[str, Any], where: str, kind: str, inputs: int, hidden: int, layer: int
) -> dict[str, FloatArray]:
    """A layer's weights by PyTorch's names: (gates · units, inputs) and (gates · units)."""
    gates = tables.GATES[kind]
    parts = fields.items(table, "weights", where)
    if len(parts) != 3:
        raise ModelFileError(f"{where}.weights has {len(parts)} tables: must have 3 (for inputs, hidden units, biases)")
    width = gates * hidden
    bias_shape = (width,) if kind == "lstm" else (2, width)
    heard, kept, bias = (
        fields.array(part, shape, f"{where}.weights[{at}]")
        for at, (part, shape) in enumerate(zip(parts, ((inputs, width), (hidden, width), bias_shape), strict=True))
    )
    input_bias, hidden_bias = (bias, np.zeros_like(bias)) if kind == "lstm" else (bias[0], bias[1])
    named = {"weight_ih": heard, "weight_hh": kept, "bias_ih": input_bias, "bias_hh": hidden_bias}
    return {f"rnn.{name}_l{layer}": _swap_gates(value.T, kind) for name, value in named.items()}


def _swap_gates(rows: FloatArray, kind: str) -> FloatArray:
    """The gates of ``rows`` (gates · units, …) from Keras' order to PyTorch's, or back."""
    parts = np.split(rows, tables.GATES[kind])
    return np.concatenate([parts[gate] for gate in _KERAS_GATES[kind]])


def _dense(table: Mapping[str, Any], where: str, hidden: int) -> dict[str, FloatArray]:
    parts = fields.items(table, "weights", where)
    if len(parts) not in (1, 2):
        raise ModelFileError(f"{where}.weights has {len(parts)} tables: must have 2 (weights, biases), or the first")
    weight = fields.array(parts[0], (hidden, 1), f"{where}.weights[0]")
    bias = fields.array(parts[1], (1,), f"{where}.weights[1]") if len(parts) == 2 else np.zeros(1, np.float32)
    return {"head.weight": weight.T, "head.bias": bias}


def _with_gains(plain: PlainNetwork, before: float, behind: float) -> PlainNetwork:
    """``behind · net(before · x)``; controls have no gain."""
    if before == behind == 1.0:
        return plain
    weights = dict(plain.weights)
    heard = weights["rnn.weight_ih_l0"].copy()
    heard[:, 0] *= before
    weights |= {"rnn.weight_ih_l0": heard}
    weights |= {name: (weights[name] * behind).astype(np.float32) for name in ("head.weight", "head.bias")}
    settings = dataclasses.replace(plain.config, skip_gain=plain.config.skip_gain * before * behind)
    return PlainNetwork(plain.kind, settings, weights)


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def save(
    path: Path,
    net: Network | PlainNetwork,
    rate: int | None,
    metadata: NamMetadata | None = None,
    *,
    knobs: Knobs | None = None,
    force: bool = False,
) -> None:
    """Write an LSTM or a GRU of any size as JSON that RTNeural parses.

    Raises:
        ModelFileError: another network, or one that the format cannot hold, with what to do.
        OutputError: the file exists and ``force`` is not given, or the place cannot be written.
    """
    plain = net if isinstance(net, PlainNetwork) else plain_of(net, convert=True)
    plain = tables.writable(plain, _called(net), NAME, 64)
    tables.save(path, write(plain, rate, metadata or NamMetadata(), knobs or {}), NAME, force=force)


def _called(net: object) -> str:
    return net.kind if isinstance(net, PlainNetwork) else type(net).__name__


def write(plain: PlainNetwork, rate: int | None, metadata: NamMetadata, knobs: Knobs) -> dict[str, Any]:
    """The plain values of a file.

    Raises:
        ModelFileError: an input that is added upside down, for which no gain in dB stands.
    """
    settings = plain.config
    gain = settings.skip_gain if settings.skip else 1.0
    if gain <= 0:
        raise ModelFileError(f"the network adds {gain:g} times its input, which {NAME} cannot hold; use --to onnx")
    return {
        "in_shape": [None, None, settings.input_size],
        **({"in_skip": 1} if settings.skip else {}),
        **({"in_gain": 20 * math.log10(gain)} if gain != 1.0 else {}),
        "layers": list(_write_layers(plain, gain)),
        "metadata": tables.write_metadata(metadata, rate, settings.prewarm, knobs),
    }


def _write_layers(plain: PlainNetwork, gain: float) -> Iterator[dict[str, Any]]:
    """Layers of a network that is given its sound multiplied by ``gain``."""
    settings, kind = plain.config, plain.kind
    for layer in range(settings.num_layers):
        get = {
            name: _swap_gates(plain.weights[f"rnn.{name}_l{layer}"], kind)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        heard = get["weight_ih"].T.copy()  # (inputs, gates · units)
        if layer == 0:
            heard[0] /= gain
        biases = (get["bias_ih"], get["bias_hh"])
        bias = sum(biases) if kind == "lstm" else np.stack(biases)
        weights = [heard.tolist(), get["weight_hh"].T.tolist(), np.asarray(bias).tolist()]
        yield {"type": kind, "activation": "", "shape": [None, None, settings.hidden_size], "weights": weights}
    head = [plain.weights["head.weight"].T.tolist(), plain.weights["head.bias"].tolist()]
    yield {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": head}

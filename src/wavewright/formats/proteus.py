"""Files of GuitarML's Proteus and its trainer: PyTorch's own tables, by PyTorch's own names.

``{model_data: {…sizes…}, state_dict: {rec.…, lin.…}}``. Proteus adds the input to the output whatever the file says,
and so does this reader. It plays LSTMs of 40 units with one layer, always at 44,100 Hz, from zeros, without silence
first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavewright.errors import ModelFileError
from wavewright.formats import fields
from wavewright.formats import recurrent_tables as tables
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.recurrent_tables import Knobs
from wavewright.formats.strict_json import shown
from wavewright.nets.plain import PlainNetwork, plain_of

if TYPE_CHECKING:
    from wavewright.nets.contract import Network

NAME = "Proteus JSON"
UNITS, RATE, MOST_INPUTS = 40, 44_100, 3
"""What Proteus plays."""
UNITY = 0.4
"""Where its gain knob stands when the network hears the sound as it comes: it multiplies by 2.5."""


def read(content: Mapping[str, Any]) -> tuple[PlainNetwork, int | None, NamMetadata]:
    """The network, its rate in Hz where the file tells it (Proteus' own files do not), and what it says of itself.

    Raises:
        ModelFileError: no LSTM or GRU, tables of the wrong shape, or weights that are no finite numbers.
    """
    about = fields.subtable(content, "model_data", "top level")
    state = fields.subtable(content, "state_dict", "top level")
    model = fields.text(about, "model", "model_data", "SimpleRNN")
    if model != "SimpleRNN":
        raise ModelFileError(f"holds the model {shown(model)}, which is not supported; allowed: SimpleRNN")
    unit = fields.text(about, "unit_type", "model_data")
    if unit not in ("LSTM", "GRU"):
        raise ModelFileError(f"has the unit_type {shown(unit)}, which is not supported; allowed: LSTM, GRU")
    kind = unit.lower()
    if fields.whole(about, "output_size", "model_data", 1) != 1:
        raise ModelFileError(f"has {about['output_size']} outputs: must have 1")
    rate, prewarm, metadata = tables.read_metadata(content.get("metadata"), content)
    settings = tables.settings_of(
        kind,
        hidden_size=fields.whole(about, "hidden_size", "model_data"),
        num_layers=fields.whole(about, "num_layers", "model_data", 1),
        input_size=fields.whole(about, "input_size", "model_data", 1),
        skip=True,
        prewarm=prewarm,
    )
    hidden, width = settings.hidden_size, tables.GATES[kind] * settings.hidden_size
    weights = {}
    for layer in range(settings.num_layers):
        inputs = settings.input_size if layer == 0 else hidden
        shapes = {"weight_ih": (width, inputs), "weight_hh": (width, hidden), "bias_ih": (width,), "bias_hh": (width,)}
        for name, shape in shapes.items():
            weights[f"rnn.{name}_l{layer}"] = _table(state, f"rec.{name}_l{layer}", shape)
    weights["head.weight"] = _table(state, "lin.weight", (1, hidden))
    biased = fields.flag(about, "bias_fl", "model_data", True)
    weights["head.bias"] = _table(state, "lin.bias", (1,)) if biased else np.zeros(1, np.float32)
    return tables.network(kind, settings, weights), rate, metadata


def _table(state: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> Any:
    return fields.array(fields.items(state, key, "state_dict"), shape, f"state_dict.{key}")


def save(
    path: Path,
    net: Network | PlainNetwork,
    rate: int | None,
    metadata: NamMetadata | None = None,
    *,
    knobs: Knobs | None = None,
    force: bool = False,
) -> None:
    """Write an LSTM or a GRU that adds its input as a Proteus file.

    Raises:
        ModelFileError: another network, or one that the format cannot hold, with what to do.
        OutputError: the file exists and ``force`` is not given, or the place cannot be written.
    """
    plain = net if isinstance(net, PlainNetwork) else plain_of(net, convert=True)
    name = net.kind if isinstance(net, PlainNetwork) else type(net).__name__
    plain = tables.writable(plain, name, NAME, MOST_INPUTS)
    tables.save(path, write(plain, rate, metadata or NamMetadata(), knobs or {}), NAME, force=force)


def write(plain: PlainNetwork, rate: int | None, metadata: NamMetadata, knobs: Knobs) -> dict[str, Any]:
    """The plain values of a file.

    Raises:
        ModelFileError: a network that does not add its input, or has several layers.
    """
    settings = plain.config
    if not settings.skip or settings.skip_gain != 1.0:
        raise ModelFileError(
            f"{tables.called(plain.kind)} that does not add its input as it is cannot be written as {NAME}: Proteus "
            "always adds it; train with --net skip=true, or use --to rtneural"
        )
    if settings.num_layers != 1:
        raise ModelFileError(
            f"{settings.num_layers} layers cannot be written as {NAME}, which plays one; train with one layer"
        )
    state = {
        f"{'lin' if name.startswith('head') else 'rec'}.{name.split('.')[1]}": value.tolist()
        for name, value in plain.weights.items()
        if name != "start"
    }
    about = {
        "model": "SimpleRNN",
        "input_size": settings.input_size,
        "skip": 1,
        "output_size": 1,
        "unit_type": plain.kind.upper(),
        "num_layers": 1,
        "hidden_size": settings.hidden_size,
        "bias_fl": True,
    }
    return {
        "model_data": about,
        "state_dict": state,
        "metadata": tables.write_metadata(metadata, rate, settings.prewarm, knobs),
    }


def notes(plain: PlainNetwork, rate: int | None) -> list[str]:
    """What the player will not do as the twin does."""
    found = [f"at {UNITY:g} its gain knob leaves the sound as it is; it stands at 0.5 to begin with, 1.9 dB above"]
    if plain.kind != "lstm" or plain.config.hidden_size != UNITS:
        found.append(
            f"Proteus itself lists LSTMs of {UNITS} units alone, and will not show this {plain.kind.upper()} of "
            f"{plain.config.hidden_size}: other readers of its files will"
        )
    if rate not in (None, RATE):
        found.append(
            f"Proteus plays at {RATE:,} Hz and does not know that the twin was made at {rate:,}: it will sound of "
            f"another colour; train on recordings at {RATE:,} Hz"
        )
    return found

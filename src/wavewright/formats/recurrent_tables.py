"""What RTNeural's, AIDA-X's and Proteus' files have in common: one recurrent network that starts from zeros."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wavewright import atomic
from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, SettingsError
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.strict_json import shown
from wavewright.nets.plain import FloatArray, PlainNetwork
from wavewright.nets.recurrent_config import RecurrentConfig
from wavewright.settings import checked

HIGHEST_RATE = 1_000_000
LONGEST_PREWARM = 1_000_000
GATES = {"lstm": 4, "gru": 3}
MEMORIES = {"lstm": 2, "gru": 1}
_FORGOTTEN = 1e-6
"""How far apart two outputs may be that count as the same, of a signal at full scale."""


def settings_of(kind: str, **values: Any) -> RecurrentConfig:
    """Settings as a file declares them.

    Raises:
        ModelFileError: sizes out of all proportion.
    """
    try:
        return checked(RecurrentConfig(**values, controls=max(0, values["input_size"] - 1)))
    except SettingsError as error:
        raise ModelFileError(f"describes no usable {kind.upper()}: {'; '.join(error.problems)}") from error


def network(kind: str, settings: RecurrentConfig, weights: Mapping[str, FloatArray]) -> PlainNetwork:
    """A network that starts from zeros."""
    start = np.zeros((MEMORIES[kind], settings.num_layers, settings.hidden_size), np.float32)
    contiguous = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    return PlainNetwork(kind, settings, {**contiguous, "start": start})


def writable(plain: PlainNetwork | None, name: str, what: str, most_inputs: int) -> PlainNetwork:
    """``plain`` once the format called ``what`` can hold it; ``name`` is what else it is called.

    Raises:
        ModelFileError: it is no LSTM or GRU, has weights that are not finite, or a first state that is still heard
            after the silence that players feed.
    """
    if plain is None or plain.kind not in GATES:
        other = "use --to nam, or " if plain is not None and plain.kind in ("wavenet", "linear") else ""
        raise ModelFileError(
            f"a {name} cannot be written as {what}, which holds an LSTM or a GRU; {other}train --network lstm"
        )
    if not all(np.isfinite(value).all() for value in plain.weights.values()):
        raise ModelFileError(f"the network has weights that are NaN or infinite and cannot be written as {what}")
    if plain.config.input_size > most_inputs:
        raise ModelFileError(
            f"{called(plain.kind)} with {plain.config.input_size} inputs cannot be written as {what}, which takes "
            f"{most_inputs} at most: the sound and {most_inputs - 1} knobs; train it with fewer knobs"
        )
    if plain.weights["start"].any():
        _refuse_start(plain, what)
    return plain


def called(kind: str) -> str:
    """The kind of a network, with its article."""
    return f"{'an' if kind == 'lstm' else 'a'} {kind.upper()}"


def from_zeros(plain: PlainNetwork, prewarm: int) -> PlainNetwork:
    """``plain`` with a first state of zeros that hears ``prewarm`` samples of silence first."""
    settings = dataclasses.replace(plain.config, prewarm=prewarm, learned_start=False)
    return PlainNetwork(plain.kind, settings, {**plain.weights, "start": np.zeros_like(plain.weights["start"])})


def _refuse_start(plain: PlainNetwork, what: str) -> None:
    inputs = plain.config.input_size
    burst = np.zeros((inputs, 256), np.float32)
    burst[0, 128] = 0.5
    outputs = [Player(each, inputs=inputs).process(burst) for each in (plain, from_zeros(plain, plain.prewarm))]
    if np.abs(outputs[0] - outputs[1]).max() > _FORGOTTEN * max(1.0, float(np.abs(outputs[0]).max())):
        raise ModelFileError(
            f"the network's learned first state is still heard after {plain.prewarm} samples of silence, and {what} "
            "starts from zeros; use --to nam, or train without learned_start"
        )


Knobs = Mapping[str, tuple[float, float]]
"""What knobs are called, each with what its two ends stand for."""


def read_knobs(table: Any, inputs: int) -> Knobs:
    """The knobs of a network with so many inputs, as we wrote them; those of others' files have AIDA-X's own names."""
    own = table.get("wavewright") if isinstance(table, dict) else None
    told = own.get("knobs") if isinstance(own, dict) else None
    if isinstance(told, dict) and len(told) == inputs - 1 and all(map(_is_range, told.values())):
        return {name: (float(low), float(high)) for name, (low, high) in told.items()}
    return {f"param{at}": (0.0, 1.0) for at in range(1, inputs)}


def _is_range(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(type(end) in (int, float) and abs(end) < 1e9 for end in value) and value[0] != value[1]


def read_metadata(table: Any, content: Mapping[str, Any]) -> tuple[int | None, int, NamMetadata]:
    """Rate in Hz where the file tells it, samples of silence before the first, and who made it of what.

    Raises:
        ModelFileError: a rate or a silence that is no whole number in reach.
    """
    table = table if isinstance(table, dict) else {}
    told = table.get("samplerate", content.get("samplerate"))
    rate = _whole(told, "samplerate", HIGHEST_RATE) if told is not None else None
    own = table.get("wavewright")
    prewarm = own.get("prewarm") if isinstance(own, dict) else None
    if prewarm is None:
        prewarm = (rate or 48_000) // 2
    texts = {ours: table[theirs] for theirs, ours in _TEXTS.items() if _plain_text(table.get(theirs))}
    return rate, _whole(prewarm, "wavewright.prewarm", LONGEST_PREWARM, lowest=0), NamMetadata(**texts)


_TEXTS = {"name": "name", "author": "modeled_by", "based": "gear_model"}
_WORDS = {"name": "name", "author": "modeled_by", "type": "gear_type", "style": "tone_type", "make": "gear_make"}


def _plain_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _whole(value: object, name: str, highest: int, lowest: int = 1) -> int:
    """``value`` as a whole number; AIDA-X's own models have their rate in quotation marks."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,12}", value) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number != round(number):
        raise ModelFileError(f"has the {name} {shown(value)}: must be a whole number")
    if not lowest <= number <= highest:
        raise ModelFileError(f"has the {name} {number:g}: must be {lowest} to {highest:,}")
    return int(number)


def write_metadata(metadata: NamMetadata, rate: int | None, prewarm: int, knobs: Knobs) -> dict[str, Any]:
    """The same as plain values, under the names that AIDA-X gives them."""
    words = {theirs: getattr(metadata, ours) for theirs, ours in _WORDS.items()}
    device = " ".join(word for word in (metadata.gear_make, metadata.gear_model) if word)
    esr = (metadata.training or {}).get("validation_esr")
    levels = {name: getattr(metadata, name) for name in ("loudness", "input_level_dbu", "output_level_dbu")}
    told = {**words, "based": device or None, "samplerate": rate, "esr": esr, **levels}
    return {
        **{name: value for name, value in told.items() if value is not None},
        "source": "Wavewright",
        "wavewright": {
            "prewarm": prewarm,
            **({"knobs": {name: list(ends) for name, ends in knobs.items()}} if knobs else {}),
        },
    }


def save(path: Path, content: Mapping[str, Any], what: str, *, force: bool) -> None:
    """Write plain values as JSON in one step.

    Raises:
        ModelFileError: metadata that JSON cannot hold.
        OutputError: the file exists and ``force`` is not given, or the place cannot be written.
    """
    atomic.refuse_existing(path, force=force)
    try:
        text = json.dumps(content, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ModelFileError(
            f"the metadata cannot be written as {what} ({error}); give finite numbers and plain text"
        ) from error
    atomic.write_text(path, text)

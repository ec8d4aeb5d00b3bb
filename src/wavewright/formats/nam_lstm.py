"""LSTMs and impulse responses of .nam files, and the order of their weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import ModelFileError, SettingsError
from wavewright.formats import fields
from wavewright.formats.fields import Table
from wavewright.nets import plain
from wavewright.nets.linear_config import LinearConfig
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.recurrent_config import RecurrentConfig
from wavewright.settings import checked

VERSION = "0.5.4"


def load_lstm(config: Table, values: list[Any], rate: int | None) -> PlainNetwork:
    """The LSTM that ``config`` and the flat weights describe.

    For each layer the file holds [W_ih | W_hh] row by row, the summed bias, the first hidden state and cell; after
    all layers the head's weights and bias. The reference player lets it hear half a second of silence first, a single
    sample where the rate is unknown.

    Raises:
        ModelFileError: sizes out of all proportion, or weights that are too few, too many or no numbers.
    """
    inputs, hidden, layers = (
        fields.whole(config, key, "config") for key in ("input_size", "hidden_size", "num_layers")
    )
    if inputs != 1:
        raise ModelFileError(f"config.input_size is {inputs}: only LSTMs with 1 input are supported")
    prewarm = rate // 2 if rate is not None and rate >= 2 else 1
    settings = RecurrentConfig(hidden_size=hidden, num_layers=layers, learned_start=True, prewarm=prewarm)
    first, further = 4 * hidden * (inputs + hidden + 1), 4 * hidden * (2 * hidden + 1)
    expected = first + (layers - 1) * further + layers * 2 * hidden + hidden + 1
    flat = fields.weights(values, expected, f"an LSTM of {layers} × {hidden} units")
    try:
        checked(settings)
    except SettingsError as error:
        raise ModelFileError(f"describes no usable LSTM: {'; '.join(error.problems)}") from error
    return PlainNetwork("lstm", settings, _take(settings, flat))


def _take(settings: RecurrentConfig, flat: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The weights by torch's names."""
    hidden = settings.hidden_size
    weights: dict[str, NDArray[np.float32]] = {}
    start = np.zeros((2, settings.num_layers, hidden), np.float32)
    at = 0

    def take(*shape: int) -> NDArray[np.float32]:
        nonlocal at
        count = int(np.prod(shape))
        at += count
        return flat[at - count : at].reshape(shape)

    for layer in range(settings.num_layers):
        inputs = settings.input_size if layer == 0 else hidden
        both = take(4 * hidden, inputs + hidden)
        weights[f"rnn.weight_ih_l{layer}"] = np.ascontiguousarray(both[:, :inputs])
        weights[f"rnn.weight_hh_l{layer}"] = np.ascontiguousarray(both[:, inputs:])
        weights[f"rnn.bias_ih_l{layer}"] = take(4 * hidden)
        weights[f"rnn.bias_hh_l{layer}"] = np.zeros(4 * hidden, np.float32)
        start[:, layer] = take(2, hidden)
    return {**weights, "head.weight": take(1, hidden), "head.bias": take(1), "start": start}


def write_lstm(net: PlainNetwork) -> tuple[dict[str, Any], list[float]]:
    """The configuration and flat weights of ``net``.

    Raises:
        ModelFileError: an LSTM that adds its input to its output, or has several inputs; the format has neither.
    """
    settings: RecurrentConfig = net.config
    if settings.skip:
        raise ModelFileError(
            "an LSTM with skip (input added to the output) cannot be written as .nam; use --to aidax or rtneural, or "
            "train without skip"
        )
    if settings.input_size != 1:
        raise ModelFileError(f"an LSTM with {settings.input_size} inputs cannot be written as .nam, which has one")
    parts = []
    for layer in range(settings.num_layers):
        get = {name: net.weights[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        parts.append(np.concatenate([get["weight_ih"], get["weight_hh"]], axis=1))
        parts += [get["bias_ih"] + get["bias_hh"], net.weights["start"][:, layer]]
    parts += [net.weights["head.weight"], net.weights["head.bias"]]
    config = {
        "input_size": settings.input_size,
        "hidden_size": settings.hidden_size,
        "num_layers": settings.num_layers,
    }
    return config, np.concatenate([part.ravel() for part in parts]).tolist()


def load_linear(config: Table, values: list[Any]) -> PlainNetwork:
    """The impulse response that ``config`` and the flat weights describe, the newest sample's tap first.

    Raises:
        ModelFileError: a length out of all proportion, or weights that are too few, too many or no numbers.
    """
    taps = fields.whole(config, "receptive_field", "config")
    bias = fields.flag(config, "bias", "config", False)
    flat = fields.weights(values, taps + bias, f"an impulse response of {taps} samples")
    try:
        settings = checked(LinearConfig(taps, bias))
    except SettingsError as error:
        raise ModelFileError(f"describes no usable impulse response: {'; '.join(error.problems)}") from error
    return plain.from_order("linear", settings, flat)


def write_linear(net: PlainNetwork) -> tuple[dict[str, Any], list[float]]:
    """The configuration and flat weights of ``net``."""
    return {"receptive_field": net.config.taps, "bias": net.config.bias}, plain.in_order(net).tolist()

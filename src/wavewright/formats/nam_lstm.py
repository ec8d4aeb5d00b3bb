"""LSTMs and impulse responses of .nam files, and the order of their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wavewright.errors import ModelFileError, SettingsError
from wavewright.formats import fields
from wavewright.formats.fields import Table
from wavewright.nets.linear import Linear, LinearConfig
from wavewright.nets.recurrent import LSTM, RecurrentConfig

VERSION = "0.5.4"


def load_lstm(config: Table, values: list[Any], rate: int | None) -> LSTM:
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
    flat = torch.from_numpy(fields.weights(values, expected, f"an LSTM of {layers} × {hidden} units"))
    try:
        net = LSTM(settings)
    except SettingsError as error:
        raise ModelFileError(f"describes no usable LSTM: {'; '.join(error.problems)}") from error
    _fill(net, flat)
    return net


def _fill(net: LSTM, flat: Tensor) -> None:
    hidden = net.config.hidden_size
    at = 0

    def take(*shape: int) -> Tensor:
        nonlocal at
        count = torch.Size(shape).numel()
        at += count
        return flat[at - count : at].reshape(shape)

    with torch.no_grad():
        for layer in range(net.config.num_layers):
            inputs = net.config.input_size if layer == 0 else hidden
            both = take(4 * hidden, inputs + hidden)
            getattr(net.rnn, f"weight_ih_l{layer}").copy_(both[:, :inputs])
            getattr(net.rnn, f"weight_hh_l{layer}").copy_(both[:, inputs:])
            getattr(net.rnn, f"bias_ih_l{layer}").copy_(take(4 * hidden))
            getattr(net.rnn, f"bias_hh_l{layer}").zero_()
            net.start[0, layer] = take(hidden)
            net.start[1, layer] = take(hidden)
        net.head.weight.copy_(take(1, hidden))
        net.head.bias.copy_(take(1))


def write_lstm(net: LSTM) -> tuple[dict[str, Any], list[float]]:
    """The configuration and flat weights of ``net``.

    Raises:
        ModelFileError: an LSTM that adds its input to its output, or has several inputs; the format has neither.
    """
    if net.config.skip:
        raise ModelFileError(
            "an LSTM with skip (input added to the output) cannot be written as .nam; train without skip"
        )
    if net.config.input_size != 1:
        raise ModelFileError(f"an LSTM with {net.config.input_size} inputs cannot be written as .nam, which has one")
    parts: list[Tensor] = []
    for layer in range(net.config.num_layers):
        get = {name: getattr(net.rnn, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        parts.append(torch.cat([get["weight_ih"], get["weight_hh"]], dim=1))
        parts.append(get["bias_ih"] + get["bias_hh"])
        parts += [net.start[0, layer], net.start[1, layer]]
    parts += [net.head.weight, net.head.bias]
    flat = torch.cat([part.detach().to("cpu", torch.float32).reshape(-1) for part in parts])
    config = {
        "input_size": net.config.input_size,
        "hidden_size": net.config.hidden_size,
        "num_layers": net.config.num_layers,
    }
    return config, flat.tolist()


def load_linear(config: Table, values: list[Any]) -> Linear:
    """The impulse response that ``config`` and the flat weights describe, the newest sample's tap first.

    Raises:
        ModelFileError: a length out of all proportion, or weights that are too few, too many or no numbers.
    """
    taps = fields.whole(config, "receptive_field", "config")
    bias = fields.flag(config, "bias", "config", False)
    flat = torch.from_numpy(fields.weights(values, taps + bias, f"an impulse response of {taps} samples"))
    try:
        net = Linear(LinearConfig(taps, bias))
    except SettingsError as error:
        raise ModelFileError(f"describes no usable impulse response: {'; '.join(error.problems)}") from error
    with torch.no_grad():
        net.impulse_response.copy_(flat[:taps])
        if net.bias is not None:
            net.bias.copy_(flat[taps:])
    return net


def write_linear(net: Linear) -> tuple[dict[str, Any], list[float]]:
    """The configuration and flat weights of ``net``."""
    flat = net.impulse_response.detach().tolist() + (net.bias.detach().tolist() if net.bias is not None else [])
    return {"receptive_field": net.config.taps, "bias": net.config.bias}, flat

"""Another reader of recurrent JSON files, from the formats' description alone: plain numpy, sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Step = Callable[[Array], Array]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def array(value: Any) -> Array:
    return np.array(value, np.float32).astype(np.float64)


def keras_lstm(weights: list[Any], units: int) -> Step:
    kernel, recurrent, bias = map(array, weights)
    h, c = np.zeros(units), np.zeros(units)

    def step(x: Array) -> Array:
        nonlocal h, c
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return h

    return step


def keras_gru(weights: list[Any], units: int) -> Step:
    kernel, recurrent, biases = map(array, weights)
    h = np.zeros(units)

    def step(x: Array) -> Array:
        nonlocal h
        xz, xr, xh = np.split(x @ kernel + biases[0], 3)
        hz, hr, hh = np.split(h @ recurrent + biases[1], 3)
        z = sigmoid(xz + hz)
        h = (1 - z) * np.tanh(xh + sigmoid(xr + hr) * hh) + z * h
        return h

    return step


def play_rtneural(content: dict[str, Any], x: Array, silence: int = 0, *, gains: bool = True) -> Array:
    """``x`` (time,) through a file of RTNeural or AIDA-X, ``silence`` samples of it first; knobs at 0."""
    *recurrent, dense = content["layers"]
    make = {"lstm": keras_lstm, "gru": keras_gru}
    steps = [make[layer["type"]](layer["weights"], layer["shape"][-1]) for layer in recurrent]
    weight, bias = array(dense["weights"][0]), array(dense["weights"][1])
    before, behind = (10 ** (content.get(key, 0.0) / 20) if gains else 1.0 for key in ("in_gain", "out_gain"))
    out = []
    for sample in np.concatenate([np.zeros(silence), x]):
        heard = h = np.array([sample * before] + [0.0] * (content["in_shape"][-1] - 1))
        for step in steps:
            h = step(h)
        y = (h @ weight + bias)[0] + (heard[0] if content.get("in_skip") else 0.0)
        out.append(y * behind)
    return np.array(out[silence:])


def play_proteus(content: dict[str, Any], x: Array, silence: int = 0) -> Array:
    """``x`` (time,) through a Proteus file with one layer, whose equations are PyTorch's; the input is added always."""
    state = {key: array(value) for key, value in content["state_dict"].items()}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    wi, wh, bi, bh = (state[f"rec.{name}_l0"] for name in names)
    units = wh.shape[1]
    h, c = np.zeros(units), np.zeros(units)
    out = []
    for sample in np.concatenate([np.zeros(silence), x]):
        heard = np.zeros(wi.shape[1])
        heard[0] = sample
        if content["model_data"]["unit_type"] == "LSTM":
            i, f, g, o = np.split(wi @ heard + bi + wh @ h + bh, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            xr, xz, xn = np.split(wi @ heard + bi, 3)
            hr, hz, hn = np.split(wh @ h + bh, 3)
            z = sigmoid(xz + hz)
            h = (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h
        out.append((state["lin.weight"] @ h + state["lin.bias"])[0] + sample)
    return np.array(out[silence:])

"""Networks as plain numbers: the names, shapes and sizes are torch's own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from wavewright.errors import ModelFileError
from wavewright.nets import plain, registry

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "a1-nano": ("a1-nano", {}),
    "a2-lite": ("a2-lite", {}),
    "gated-wavenet": ("gated-wavenet", {"depth": 4, "blocks": 2, "kernel_size": 3, "skip_channels": 5}),
    "lstm": ("lstm", {"hidden_size": 5, "num_layers": 2, "input_size": 3, "prewarm": 77}),
    "gru": ("gru", {"hidden_size": 5, "num_layers": 3}),
    "linear": ("linear", {"taps": 7, "bias": True}),
    "linear without bias": ("linear", {"taps": 7}),
}


def network(name: str) -> Any:
    torch.manual_seed(1)
    kind, changes = NETS[name]
    return registry.build(kind, **changes)


@pytest.mark.parametrize("name", NETS)
def test_there_and_back(name: str) -> None:
    net = network(name)
    numbers = plain.plain_of(net)
    assert numbers is not None
    assert (numbers.in_channels, numbers.out_channels) == (net.in_channels, net.out_channels)
    assert numbers.prewarm == net.prewarm
    x = torch.randn(1, net.in_channels, 50)
    with torch.no_grad():
        assert torch.equal(numbers.with_torch()(x)[0], net(x)[0])


@pytest.mark.parametrize("name", NETS)
def test_as_a_run_keeps_it(name: str) -> None:
    net = network(name)
    kind, values = registry.config_of(net)
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    numbers = plain.from_names(kind, values, weights, "model.safetensors")
    assert numbers.config == net.config
    for key in weights:
        changed = {**weights, key: np.zeros((3, 1), np.float32)}
        with pytest.raises(ModelFileError, match="does not fit the network"):
            plain.from_names(kind, values, changed, "model.safetensors")
        with pytest.raises(ModelFileError, match=rf"model\.safetensors does not fit.*{key}"):
            plain.from_names(kind, values, {k: v for k, v in weights.items() if k != key}, "model.safetensors")
    with pytest.raises(ModelFileError, match="not usable"):
        plain.from_names(kind, {**values, "no_such": 1}, weights, "model.safetensors")


@pytest.mark.parametrize("name", NETS)
def test_in_one_row(name: str) -> None:
    net = network(name)
    numbers = plain.plain_of(net)
    assert numbers is not None
    order = [key for key, _ in plain._KINDS[numbers.kind].shapes(net.config)]
    flat = np.concatenate([numbers.weights[key].ravel() for key in order])
    again = plain.from_order(numbers.kind, net.config, flat)
    for key, value in numbers.weights.items():
        np.testing.assert_array_equal(again.weights[key], value)
    with pytest.raises(ValueError, match="weights for a"):
        plain.from_order(numbers.kind, net.config, flat[:-1])


def test_settings_out_of_range_are_refused() -> None:
    for kind, values in (
        ("lstm", {"hidden_size": 0}),
        ("linear", {"taps": -1}),
        ("gated-wavenet", {"depth": 99}),
        ("wavenet", {"arrays": []}),
    ):
        with pytest.raises(ModelFileError, match=f"the settings of the {kind} are not usable"):
            plain.from_names(kind, values, {}, "model.safetensors")


def test_only_single_precision_in_cpu_memory_is_plain() -> None:
    assert plain.plain_of(network("lstm").double()) is None
    assert plain.plain_of(registry.build("sample-rnn")) is None


def test_numbers_need_no_torch() -> None:
    code = "import sys, wavewright.nets.plain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

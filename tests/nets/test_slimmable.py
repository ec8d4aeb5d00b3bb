"""Two sizes of a network side by side: each is what it would be alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavewright.errors import ModelFileError
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.registry import build, config_of
from wavewright.nets.slimmable import Slimmable
from wavewright.nets.slimmable_config import plain_size
from wavewright.nets.wavenet_config import PRESETS


def made() -> Slimmable:
    torch.manual_seed(4)
    net = build("a2", full_channels=2, lite_channels=1)
    assert isinstance(net, Slimmable)
    return net


def test_it_plays_as_its_full_size() -> None:
    net, x = made(), torch.randn(2, 1, 6500)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[0], net.full(x)[0], rtol=0, atol=0)
        torch.testing.assert_close(net.valid(x), net.full.valid(x), rtol=0, atol=0)
    assert list(net.sizes) == ["lite", "full"]


def test_the_sizes_are_those_of_the_format() -> None:
    net = build("a2")
    assert isinstance(net, Slimmable)
    assert net.full.config == PRESETS["a2-full"]
    assert net.lite.config == PRESETS["a2-lite"]


@pytest.mark.parametrize("size", ["lite", "full"])
def test_a_size_comes_out_of_what_a_run_keeps(size: str) -> None:
    net = made()
    weights = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    found = plain_size(config_of(net)[1], weights, size, "it")
    assert isinstance(found, PlainNetwork)
    x = torch.randn(1, 1, 400)
    with torch.no_grad():
        torch.testing.assert_close(found.with_torch()(x)[0], net.sizes[size](x)[0], rtol=0, atol=0)


def test_damage_is_told() -> None:
    net = made()
    weights = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    weights["lite.arrays.0.head.bias"] = np.zeros(3, np.float32)
    with pytest.raises(ModelFileError, match=r"it does not fit .*arrays.0.head.bias"):
        plain_size(config_of(net)[1], weights, "lite", "it")
    with pytest.raises(ModelFileError, match="lite_channels = 0: must be at least 1"):
        plain_size({"lite_channels": 0}, weights, "lite", "it")

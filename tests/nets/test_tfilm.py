"""TFiLM against the paper's equations written out in numpy, and its laws."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from wavewright import nets
from wavewright.errors import SettingsError
from wavewright.nets.tfilm import TFiLM

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def written_out(x: Array, layer: TFiLM) -> Array:
    """The layer over one sound ``(channels, time)``, block after block, gate after gate."""
    w = {name: value.detach().numpy() for name, value in layer.state_dict().items()}
    h, c = np.zeros(layer.hidden), np.zeros(layer.hidden)
    y = np.empty_like(x)
    for start in range(0, x.shape[1], layer.block):
        part = x[:, start : start + layer.block]
        gates = w["rnn.weight_ih_l0"] @ part.max(axis=1) + w["rnn.bias_ih_l0"]
        gates = gates + w["rnn.weight_hh_l0"] @ h + w["rnn.bias_hh_l0"]
        entering, forgetting, cell, leaving = np.split(gates, 4)
        c = sigmoid(forgetting) * c + sigmoid(entering) * np.tanh(cell)
        h = sigmoid(leaving) * np.tanh(c)
        if layer.shift:
            scale, shift = np.split(w["modulation.weight"] @ h + w["modulation.bias"], 2)
        else:
            scale, shift = h, np.zeros(layer.channels)
        y[:, start : start + layer.block] = scale[:, None] * part + shift[:, None]
    return y


@given(
    time=st.integers(1, 60),
    block=st.integers(1, 12),
    hidden=st.sampled_from([None, 2, 5]),
    seed=st.integers(0, 99),
)
@trials(deadline=None, max_examples=25)
def test_the_layer_is_the_equations(time: int, block: int, hidden: int | None, seed: int) -> None:
    torch.manual_seed(seed)
    layer = TFiLM(3, block, hidden, shift=hidden is not None).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 3, time, dtype=torch.float64)
    wanted = np.stack([written_out(one, layer) for one in x.numpy()])
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, atol=1e-10)


def test_a_new_layer_changes_little() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 256)
    with torch.no_grad():
        assert float((TFiLM(8, 32)(x) - x).abs().max() / x.abs().max()) < 0.1


def test_later_blocks_do_not_reach_back() -> None:
    torch.manual_seed(0)
    layer, x = TFiLM(4, 16), torch.randn(1, 4, 96)
    other = x.clone()
    other[..., 64:] += 1
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[..., :64], layer(other)[..., :64], rtol=0, atol=0)
        assert not torch.allclose(layer(x)[..., 64:] + 1, layer(other)[..., 64:])


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("time", [48, 41])
def test_the_gradient_is_that_of_differences(shift: bool, time: int) -> None:
    torch.manual_seed(1)
    layer = TFiLM(3, 8, shift=shift).double()
    nn.init.normal_(layer.rnn.weight_ih_l0)
    x = torch.randn(2, 3, time, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,), atol=1e-6)
    layer(x).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in layer.parameters())


def test_it_stands_in_a_network_of_ones_own() -> None:
    layer = nets.TFiLM(channels=8, block=16)
    own = nn.Sequential(nn.Conv1d(1, 8, 9, padding=4), layer, nn.Conv1d(8, 1, 1))
    assert own(torch.randn(2, 1, 100)).shape == (2, 1, 100)
    with pytest.raises(AttributeError, match="TFilm"):
        nets.TFilm  # noqa: B018


def test_the_room_opens_without_torch() -> None:
    code = "import sys, wavewright.nets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sizes_below_one_are_refused_together() -> None:
    with pytest.raises(SettingsError, match=r"channels = 0.*\n.*block = -1"):
        TFiLM(0, -1, 4)
    with pytest.raises(SettingsError, match=r"hidden = 4 without shift: must be channels = 8"):
        TFiLM(8, 2, 4, shift=False)

"""The autoregressive WaveNet against the laws of a generator, and a slow reading of its equations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.engine.fused_wavenet import valid_forward
from wavewright.errors import SettingsError
from wavewright.nets.registry import build
from wavewright.nets.sample_wavenet import SampleWaveNet, SampleWaveNetConfig

FORMS: dict[str, SampleWaveNetConfig] = {
    "plain": SampleWaveNetConfig(channels=6, layers=5, cycle=3, head_size=7),
    "told": SampleWaveNetConfig(
        channels=5, layers=4, cycle=4, kernel_size=3, hidden_size=9, controls=2, condition_units=6
    ),
    "told plainly": SampleWaveNetConfig(channels=5, layers=4, cycle=4, controls=2, condition_size=0),
    "gated": SampleWaveNetConfig(channels=4, layers=4, cycle=2, gated=True, embedding_size=1),
    "fine": SampleWaveNetConfig(channels=4, layers=3, cycle=3, levels=65536, controls=1, components=3),
}


def made(form: str) -> SampleWaveNet:
    torch.manual_seed(7)
    return SampleWaveNet(FORMS[form])


def heard(net: SampleWaveNet, batch: int, time: int, seed: int = 0) -> Tensor:
    """Levels that codes have, and controls."""
    random = torch.Generator().manual_seed(seed)
    levels = net.config.levels
    codes = torch.randint(0, levels, (batch, 1, time), generator=random)
    return torch.cat([2.0 * codes / (levels - 1) - 1.0, torch.rand(batch, net.controls, time, generator=random)], dim=1)


def silence(net: SampleWaveNet, controls: Tensor, time: int) -> Tensor:
    """``controls`` (batch, controls) held for ``time`` samples of the code nearest to nought."""
    levels = net.config.levels
    level = torch.full((len(controls), 1), 2.0 * round(levels / 2) / (levels - 1) - 1.0)
    return torch.cat([level, controls], dim=1).unsqueeze(-1).expand(-1, -1, time)


@pytest.mark.parametrize("form", FORMS)
@given(cuts=st.lists(st.integers(1, 60), max_size=4), seed=st.integers(0, 9))
@settings(max_examples=8, deadline=None)
def test_blocks_of_any_size_give_the_same(form: str, cuts: list[int], seed: int) -> None:
    net = made(form)
    x = heard(net, 2, 240, seed)
    with torch.no_grad():
        whole, _ = net(x)
        state, parts = net.init_state(2), []
        for block in torch.tensor_split(x, torch.tensor(cuts).cumsum(0).tolist(), dim=-1):
            y, state = net(block, state)
            parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_an_output_hears_its_receptive_field_and_nothing_else(form: str) -> None:
    net = made(form)
    field = net.receptive_field
    x, time = heard(net, 1, field + 30), field + 12
    with torch.no_grad():
        before = net(x)[0]
        for place, audible in ((time + 1, False), (time, True), (time - field + 1, True), (time - field, False)):
            other = x.clone()
            other[0, 0, place] = -x[0, 0, place]
            moved = bool((net(other)[0][..., time] != before[..., time]).any())
            assert moved == audible, place - time


@pytest.mark.parametrize("form", FORMS)
def test_before_the_first_sample_there_was_silence(form: str) -> None:
    net = made(form)
    x = heard(net, 2, 40)
    quiet = silence(net, torch.zeros(2, net.controls), net.receptive_field - 1)
    with torch.no_grad():
        torch.testing.assert_close(net.valid(torch.cat([quiet, x], dim=-1)), net(x)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", ["told", "told plainly", "fine"])
def test_the_silence_may_have_been_told_something(form: str) -> None:
    net = made(form)
    x, controls = heard(net, 2, 40), torch.rand(2, net.controls)
    quiet = silence(net, controls, net.receptive_field - 1)
    with torch.no_grad():
        found = net(x, net.state_of_silence(controls))[0]
        torch.testing.assert_close(found, net.valid(torch.cat([quiet, x], dim=-1)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_of_valid_are_those_of_forward(form: str) -> None:
    net = made(form)
    x = heard(net, 2, net.receptive_field + 20)
    trained = [p for p in net.parameters() if p.requires_grad]
    expected = torch.autograd.grad(net(x)[0][..., net.receptive_field - 1 :].square().sum(), trained)
    found = torch.autograd.grad(net.valid(x).square().sum(), trained)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()) + 1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_fused_layers_give_what_torch_gives(form: str) -> None:
    net = made(form)
    x = heard(net, 3, net.receptive_field + 300)
    trained = [p for p in net.parameters() if p.requires_grad]
    expected = net.valid(x)
    found = net.valid(x, trunk=valid_forward)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    theirs = torch.autograd.grad(expected.square().mean(), trained)
    mine = torch.autograd.grad(found.square().mean(), trained)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()) + 1e-9)


def test_equations_read_slowly() -> None:
    """One output sample by sample, straight from the module's docstring and that of the layers."""
    net = made("told").double()
    c = net.config
    x = heard(net, 1, net.receptive_field + 2).double()
    codes = torch.round((x[0, 0] + 1) * (c.levels - 1) / 2).long()
    weights = net.state_dict()
    inner = torch.tanh(weights["units.weight"][:, :, 0] @ x[0, 1:] + weights["units.bias"][:, None])
    told = weights["condition.weight"][:, :, 0] @ inner + weights["condition.bias"][:, None]
    e = torch.cat([weights["embedding.weight"][codes].T, told])  # (embedding + condition, time)
    stream = weights["trunk.arrays.0.rechannel.weight"][:, :, 0] @ e
    total = torch.zeros(c.channels, x.shape[-1], dtype=torch.float64)
    for index, dilation in enumerate(c.dilations):
        name = f"trunk.arrays.0.layers.{index}"
        z = weights[f"{name}.mixer.weight"][:, :, 0] @ e + weights[f"{name}.conv.bias"][:, None]
        for tap in range(c.kernel_size):
            back = (c.kernel_size - 1 - tap) * dilation
            z[:, back:] += weights[f"{name}.conv.weight"][:, :, tap] @ stream[:, : x.shape[-1] - back]
        a = torch.tanh(z)
        total = total + a
        stream = stream + weights[f"{name}.output.weight"][:, :, 0] @ a + weights[f"{name}.output.bias"][:, None]
    h = weights["trunk.arrays.0.head.weight"][:, :, 0] @ total + weights["trunk.arrays.0.head.bias"][:, None]
    units = weights["hidden.weight"][:, :, 0] @ h.clamp(min=0) + weights["hidden.bias"][:, None]
    y = weights["output.weight"][:, :, 0] @ units.clamp(min=0) + weights["output.bias"][:, None]
    torch.testing.assert_close(net.valid(x)[0], y[:, net.receptive_field - 1 :], rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_multiply_adds_are_the_weights_that_multiply(form: str) -> None:
    net = made(form)
    counted = sum(
        value.numel()
        for name, value in net.state_dict().items()
        if "bias" not in name and "head_scale" not in name and "embedding" not in name
    )
    assert net.multiply_adds == counted


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)channels = 0.*levels = 1"):
        build("sample-wavenet", channels=0, levels=1)
    with pytest.raises(SettingsError, match="receptive field"):
        build("sample-wavenet", layers=192, cycle=16, kernel_size=16)

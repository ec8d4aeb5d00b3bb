"""AudioRNN against its equations, the laws of its contract, and what it can learn."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.errors import SettingsError
from wavewright.nets.audio_rnn import AudioRNN, AudioRNNConfig

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "controls": {"controls": 2},
    "three layers": {"num_layers": 3, "controls": 1},
    "16 bits": {"levels": 65_536, "components": 2, "controls": 1},
}


def make(variant: str, **changes: Any) -> AudioRNN:
    """A small network in float64 with weights large enough that everything matters."""
    torch.manual_seed(6)
    sizes = {"hidden_size": 5, "dense_size": 4, "levels": 16, "warm_up": 32}
    net = AudioRNN(AudioRNNConfig(**{**sizes, **VARIANTS[variant], **changes})).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if not name.startswith("dense") or variant != "16 bits":
                parameter.normal_(std=0.6)
    return net


def sound(net: AudioRNN, batch: int, time: int) -> Tensor:
    """Levels that are codes, and controls of any size."""
    levels = net.distribution.levels
    codes = torch.randint(0, levels, (batch, 1, time)).double()
    return torch.cat([2.0 * codes / (levels - 1) - 1.0, torch.randn(batch, net.controls, time).double()], dim=1)


def by_hand(net: AudioRNN, x: Tensor) -> Tensor:
    """The equations of the file's head, a sample at a time: ``x`` (1 + controls, time) → (size, time)."""
    c = net.config
    hidden = [torch.zeros(c.hidden_size, dtype=torch.float64) for _ in range(c.num_layers)]
    outputs = []
    for t in range(x.shape[1]):
        level, controls = x[0, t], x[1:, t]
        if c.levels > 256:
            d = torch.cat([level[None], torch.tanh(net.dense.weight[:, 0] * level + net.dense.bias)])
        else:
            one_hot = torch.zeros(c.levels, dtype=torch.float64)
            one_hot[round(float((level + 1.0) / 2.0 * (c.levels - 1)))] = 1.0
            d = torch.tanh(net.dense.weight.T @ one_hot)
        heard = torch.cat([d, controls])
        for index, layer in enumerate(net.each_layer()):
            h = hidden[index]
            ri, zi, ni = (layer.weight_ih_l0 @ heard + layer.bias_ih_l0).chunk(3)
            rh, zh, nh = (layer.weight_hh_l0 @ h + layer.bias_hh_l0).chunk(3)
            z = torch.sigmoid(zi + zh)
            hidden[index] = (1.0 - z) * torch.tanh(ni + torch.sigmoid(ri + rh) * nh) + z * h
            heard = torch.cat([hidden[index], d])
        outputs.append(net.output.weight @ heard + net.output.bias)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equations_read_slowly(variant: str) -> None:
    net = make(variant)
    x = sound(net, 2, 11)
    with torch.no_grad():
        found, _ = net(x)
        for row in range(2):
            torch.testing.assert_close(found[row], by_hand(net, x[row]), rtol=1e-11, atol=1e-11)


def test_torchs_own_layers_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other devices than the CPU go through torch's layers: here both on the CPU."""
    net = make("three layers")
    x = sound(net, 2, 20)

    class Elsewhere(Tensor):
        device = torch.device("meta")

    with torch.no_grad():
        expected, _ = net(x)
        scanned = AudioRNN._layer

        def elsewhere(self: AudioRNN, index: int, layer: Any, by_level: Any, below: Tensor, before: Tensor) -> Tensor:
            return scanned(self, index, layer, by_level, below.as_subclass(Elsewhere), before).as_subclass(Tensor)

        monkeypatch.setattr(AudioRNN, "_layer", elsewhere)
        monkeypatch.setattr("wavewright.nets.audio_rnn.scan", None)
        found, _ = net(x)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("variant", VARIANTS)
def test_block_invariance(variant: str) -> None:
    net = make(variant).float()
    x = sound(net, 2, 700).float()
    with torch.no_grad():
        whole, end = net(x)
        for size in (1, 64, 333):
            state, parts = None, []
            for start in range(0, 700, size):
                y, state = net(x[..., start : start + size], state)
                parts.append(y)
            torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=0, atol=1e-5)
            assert state is not None
            for part, other in zip(state, end, strict=True):
                torch.testing.assert_close(part, other, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(time=st.integers(2, 40), data=st.data())
def test_nothing_is_heard_before_it_sounds(time: int, data: st.DataObject) -> None:
    net = make("controls")
    changed, channel = data.draw(st.integers(0, time - 1)), data.draw(st.integers(0, 2))
    x = sound(net, 1, time)
    other = x.clone()
    other[0, channel, changed] = -x[0, channel, changed] if channel == 0 else 7.0
    with torch.no_grad():
        before, after = net(x)[0], net(other)[0]
    torch.testing.assert_close(after[..., :changed], before[..., :changed], rtol=0, atol=0)
    assert bool((after[..., changed:] != before[..., changed:]).any(dim=1).all())


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_learns(variant: str) -> None:
    net = make(variant)
    x = sound(net, 3, 400)
    codes = torch.randint(0, net.distribution.levels, (3, 400))
    net.distribution.nats(net(x)[0], codes).mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).all()), name


def test_states_carry_gradients_back_to_where_they_are_cut() -> None:
    net = make("controls")
    x = sound(net, 2, 30)
    whole = net(x)[0]
    _, state = net(x[..., :20])
    later, _ = net(x[..., 20:], state)
    torch.testing.assert_close(later, whole[..., 20:], rtol=1e-12, atol=1e-12)
    parameters = list(net.parameters())
    wanted = torch.randn_like(later)
    for cut, own in zip(
        torch.autograd.grad(later, parameters, wanted, retain_graph=True),
        torch.autograd.grad(whole[..., 20:], parameters, wanted),
        strict=True,
    ):
        torch.testing.assert_close(cut, own, rtol=1e-9, atol=1e-10)


def test_counts_of_weights() -> None:
    net = AudioRNN(AudioRNNConfig())
    dense, first, second = 256 * 256, 768 * (256 + 256 + 2), 768 * (512 + 256 + 2)
    assert sum(p.numel() for p in net.parameters()) == dense + first + second + 256 * 512 + 256
    assert net.multiply_adds == 3 * 768 * 256 + 256 * 256  # 0.66 million, as the tables leave them
    assert (net.in_channels, net.out_channels, net.latency, net.stride) == (1, 256, 0, 1)
    assert AudioRNN(AudioRNNConfig(warm_up=7, controls=3)).receptive_field == 7


def test_training_begins_where_nothing_is_known() -> None:
    torch.manual_seed(1)
    net = AudioRNN(AudioRNNConfig())
    codes = torch.randint(0, 256, (4, 300))
    with torch.no_grad():
        nats = net.distribution.nats(net(torch.rand(4, 1, 300) * 2.0 - 1.0)[0], codes)
    assert float(nats.mean()) == pytest.approx(math.log(256), abs=0.05)


def test_sixteen_bits_begin_with_the_sample_before() -> None:
    """A slow sound costs fewer nats from the start than one that jumps; both are finite."""
    torch.manual_seed(1)
    net = AudioRNN(AudioRNNConfig(levels=65_536))
    level = 0.5 * torch.sin(torch.arange(2001) * 0.01).unsqueeze(0)
    codes = ((level + 1.0) * 0.5 * 65_535).round().long()
    with torch.no_grad():
        y, _ = net(level[:, None, :-1])
        slow = float(net.distribution.nats(y, codes[:, 1:]).mean())
        fast = float(net.distribution.nats(y, codes[:, torch.randperm(2000) + 1]).mean())
    assert slow < math.log(65_536) - 2.0
    assert slow + 1.0 < fast < math.inf


def test_a_tune_of_few_codes_is_learned() -> None:
    """A period that needs memory (the same code goes on in two ways) is known nearly by heart after 80 steps."""
    torch.manual_seed(2)
    net = AudioRNN(AudioRNNConfig(hidden_size=16, dense_size=8, levels=8, num_layers=2))
    tune = torch.tensor([1, 5, 1, 2, 7, 7, 7, 0]).repeat(4)
    x = (2.0 * tune[:-1] / 7.0 - 1.0).view(1, 1, -1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(80):
        loss = net.distribution.nats(net(x)[0], tune[1:].unsqueeze(0))[:, 8:].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize(
    ("settings_of", "told"),
    [
        ({"hidden_size": 0}, ["hidden_size = 0: must be at least 1"]),
        ({"levels": 1, "components": 0}, ["levels = 1", "components = 0"]),
        ({"levels": 65_537}, ["at most 65536"]),
        ({"num_layers": 9, "dense_size": 1, "controls": -1}, ["num_layers", "dense_size", "controls = -1"]),
        ({"hidden_size": 2.5}, ["hidden_size = 2.5: must be int"]),
    ],
)
def test_sizes_out_of_range_are_refused_together(settings_of: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        AudioRNN(AudioRNNConfig(**settings_of))
    assert len(caught.value.problems) == len(told)
    for part in told:
        assert part in str(caught.value)

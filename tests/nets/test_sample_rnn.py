"""SampleRNN against its equations, the laws of its contract, and what it can learn."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.errors import SettingsError
from wavewright.nets.sample_rnn import SampleRNN, SampleRNNConfig

VARIANTS: dict[str, dict[str, Any]] = {
    "two tiers": {"frame_sizes": (4,), "context": 1},
    "three tiers": {"frame_sizes": (2, 6), "context": 5, "controls": 2},
    "four tiers": {"frame_sizes": (2, 4, 12), "context": 14, "num_layers": 2, "controls": 1},
    "16 bits": {"frame_sizes": (3, 6), "context": 4, "levels": 65_536, "components": 2, "controls": 1},
}


def make(variant: str, **changes: Any) -> SampleRNN:
    """A small network in float64 with weights large enough that everything matters."""
    torch.manual_seed(6)
    sizes = {"hidden_size": 5, "embedding_size": 3, "levels": 16, "warm_up": 32}
    net = SampleRNN(SampleRNNConfig(**{**sizes, **VARIANTS[variant], **changes})).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if not name.startswith("embedding") or variant != "16 bits":
                parameter.normal_(std=0.6)
    return net


def sound(net: SampleRNN, batch: int, time: int) -> Tensor:
    """Levels that are codes, and controls of any size."""
    levels = net.distribution.levels
    codes = torch.randint(0, levels, (batch, 1, time)).double()
    return torch.cat([2.0 * codes / (levels - 1) - 1.0, torch.randn(batch, net.controls, time).double()], dim=1)


def by_hand(net: SampleRNN, x: Tensor) -> Tensor:
    """The equations of the file's head, a sample at a time: ``x`` (1 + controls, time) → (size, time)."""
    c = net.config
    tiers = list(net.each_tier())
    hidden = [[torch.zeros(c.hidden_size, dtype=torch.float64) for _ in range(c.num_layers)] for _ in tiers]
    said = [torch.zeros(0)] * len(tiers)
    past = torch.cat([torch.zeros(10_000, dtype=torch.float64), x[0]])  # silence before the first sample
    outputs = []
    for t in range(x.shape[1]):
        newest = 10_000 + t  # where in ``past`` the sample before the one predicted stands
        for k in reversed(range(len(tiers))):
            tier, size = tiers[k], c.frame_sizes[k]
            if t % size:
                continue
            heard = tier.samples.weight @ past[newest - size + 1 : newest + 1] + tier.samples.bias
            if k + 1 < len(tiers):
                heard = heard + said[k + 1][(t % c.frame_sizes[k + 1]) // size]
            elif tier.controls is not None:
                heard = heard + tier.controls.weight @ x[1:, t]
            for index, layer in enumerate(tier.each_layer()):
                h = hidden[k][index]
                ri, zi, ni = (layer.weight_ih_l0 @ heard + layer.bias_ih_l0).chunk(3)
                rh, zh, nh = (layer.weight_hh_l0 @ h + layer.bias_hh_l0).chunk(3)
                z = torch.sigmoid(zi + zh)
                heard = hidden[k][index] = (1.0 - z) * torch.tanh(ni + torch.sigmoid(ri + rh) * nh) + z * h
            said[k] = (tier.up.weight @ heard + tier.up.bias).view(tier.ratio, c.hidden_size)
        z = said[0][t % c.frame_sizes[0]].clone()
        for j in range(c.context):
            level = past[newest - j]
            if c.levels > 256:
                e = torch.cat([level[None], torch.tanh(net.embedding.weight[:, 0] * level + net.embedding.bias)])
            else:
                position = float((level + 1.0) / 2.0 * (c.levels - 1))
                e = net.embedding.weight[round(position)]  # silence lies half-way, between two codes: the even one
            z = z + net.mix.weight[:, :, c.context - 1 - j] @ e
        if net.sample_controls is not None:
            z = z + net.sample_controls.weight @ x[1:, t]
        z = torch.relu(net.middle.weight @ torch.relu(z) + net.middle.bias)
        outputs.append(net.output.weight @ z + net.output.bias)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equations_read_slowly(variant: str) -> None:
    net = make(variant)
    x = sound(net, 2, 31)
    with torch.no_grad():
        found, _ = net(x)
        for row in range(2):
            torch.testing.assert_close(found[row], by_hand(net, x[row]), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("variant", ["three tiers", "16 bits"])
def test_summed_tables_are_the_convolution(variant: str) -> None:
    """What the CPU does by tables, forwards and backwards, against the convolution that other devices run."""
    net = make(variant)
    x = sound(net, 2, 20)[:, 0]
    wanted = torch.randn(2, 20 - net.config.context + 1, 5, dtype=torch.float64)
    learned = [*net.embedding.parameters(), net.mix.weight]
    found = net._mixed(x)
    expected = net.mix(net.hear(x).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for own, convolved in zip(
        torch.autograd.grad(found, learned, wanted), torch.autograd.grad(expected, learned, wanted), strict=True
    ):
        torch.testing.assert_close(own, convolved, rtol=1e-12, atol=1e-12)


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


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8), variant=st.sampled_from(list(VARIANTS)))
def test_blocks_of_all_sizes_in_turn(sizes: list[int], variant: str) -> None:
    net = make(variant)
    x = sound(net, 1, sum(sizes))
    with torch.no_grad():
        whole, _ = net(x)
        state, start = None, 0
        for size in sizes:
            y, state = net(x[..., start : start + size], state)
            torch.testing.assert_close(y, whole[..., start : start + size], rtol=0, atol=1e-10)
            start += size


@settings(deadline=None, max_examples=30)
@given(time=st.integers(2, 40), variant=st.sampled_from(["two tiers", "three tiers", "four tiers"]), data=st.data())
def test_nothing_is_heard_before_it_sounds(time: int, variant: str, data: st.DataObject) -> None:
    net = make(variant)
    changed, channel = data.draw(st.integers(0, time - 1)), data.draw(st.integers(0, net.controls))
    x = sound(net, 1, time)
    other = x.clone()
    for level in (-0.9, 0.1, 0.7):
        other[0, channel, changed] = level if channel == 0 else 10 * level
        with torch.no_grad():
            before, after = net(x)[0], net(other)[0]
        torch.testing.assert_close(after[..., :changed], before[..., :changed], rtol=0, atol=0)


@pytest.mark.parametrize("variant", ["two tiers", "three tiers", "four tiers"])
def test_everything_is_heard_from_somewhere(variant: str) -> None:
    """Not from everywhere: rectifiers may be deaf to one sample among silence."""
    net = make(variant)
    x = sound(net, 1, 40)
    for channel in range(net.controls + 1):
        heard = 0
        for changed in range(40):
            other = x.clone()
            other[0, channel, changed] = 0.7 if channel == 0 else 7.0
            with torch.no_grad():
                heard += bool((net(other)[0] != net(x)[0]).any())
        assert heard > 20


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_learns(variant: str) -> None:
    net = make(variant)
    x = sound(net, 3, 600)
    codes = torch.randint(0, net.distribution.levels, (3, 600))
    net.distribution.nats(net(x)[0], codes).mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        touched = (parameter.grad != 0).flatten(1).any(1) if parameter.dim() > 1 else parameter.grad != 0
        assert float(touched.double().mean()) > 0.5, name  # a rectified unit may be silent throughout


def test_states_carry_gradients_back_to_where_they_are_cut() -> None:
    net = make("three tiers")
    x = sound(net, 2, 40)
    whole = net(x)[0]
    for cut in (24, 25):
        _, state = net(x[..., :cut])
        later, _ = net(x[..., cut:], state)
        parameters = list(net.parameters())
        wanted = torch.randn_like(later)
        for piecewise, own in zip(
            torch.autograd.grad(later, parameters, wanted, retain_graph=True),
            torch.autograd.grad(whole[..., cut:], parameters, wanted, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(piecewise, own, rtol=1e-9, atol=1e-10)


def test_rows_begin_a_frame_together() -> None:
    net = make("three tiers")
    _, (levels, place, *units) = net(sound(net, 2, 10))
    place[1] = 0.0
    with pytest.raises(ValueError, match="different places of a frame"):
        net(sound(net, 2, 4), (levels, place, *units))


def test_a_row_may_begin_anew_where_a_frame_begins() -> None:
    """What training does where a sequence ends: after whole frames the first state replaces a row."""
    net = make("three tiers")
    x, more = sound(net, 2, 12), sound(net, 2, 12)
    with torch.no_grad():
        _, state = net(x)
        keep = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
        mixed = tuple(keep * part + (1.0 - keep) * new for part, new in zip(state, net.init_state(2), strict=True))
        found, _ = net(more, mixed)
        torch.testing.assert_close(found[1:], net(more[1:])[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[:1], net(torch.cat([x, more], dim=2)[:1])[0][..., 12:], rtol=1e-12, atol=1e-12)


def test_counts_of_weights() -> None:
    net = SampleRNN(SampleRNNConfig(hidden_size=10, frame_sizes=(4, 16), context=3, embedding_size=6))
    layer = 30 * (10 + 10 + 2)
    tiers = (4 * 10 + 10 + layer + 4 * 10 * 11) + (16 * 10 + 10 + layer + 4 * 10 * 11)
    assert sum(p.numel() for p in net.parameters()) == tiers + 256 * 6 + 3 * 60 + 10 * 11 + 256 * 11
    fast = 4 * 10 + 60 * 10 + 4 * 10 * 10
    slow = 16 * 10 + 60 * 10 + 4 * 10 * 10
    assert net.multiply_adds == fast / 4 + slow / 16 + 10 * 10 + 10 * 256
    assert (net.in_channels, net.out_channels, net.latency, net.stride, net.past) == (1, 256, 0, 16, 15)
    for frame_sizes in ((16,), (4, 16)):
        whole = SampleRNN(SampleRNNConfig(frame_sizes=frame_sizes))
        assert sum(p.numel() for p in whole.parameters()) < 1_200_000


def test_training_begins_where_nothing_is_known() -> None:
    torch.manual_seed(1)
    net = SampleRNN(SampleRNNConfig())
    codes = torch.randint(0, 256, (4, 320))
    with torch.no_grad():
        nats = net.distribution.nats(net(torch.rand(4, 1, 320) * 2.0 - 1.0)[0], codes)
    assert float(nats.mean()) == pytest.approx(math.log(256), abs=0.05)


@pytest.mark.parametrize("variant", ["two tiers", "three tiers"])
def test_a_tune_of_few_codes_is_learned(variant: str) -> None:
    """Two rests of unlike length, both longer than the context, which alone leaves 0.46 nats open a sample."""
    torch.manual_seed(2)
    sizes: dict[str, Any] = {"hidden_size": 16, "embedding_size": 4, "levels": 4, "context": 2, "controls": 0}
    net = SampleRNN(SampleRNNConfig(**{**VARIANTS[variant], **sizes}))
    tune = torch.tensor([3] + [1] * 5 + [2] + [1] * 4 + [0]).repeat(6)  # 12 samples: whole frames of either
    x = (2.0 * tune[:-1] / 3.0 - 1.0).view(1, 1, -1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        loss = net.distribution.nats(net(x)[0], tune[1:].unsqueeze(0))[:, 24:].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize(
    ("settings_of", "told"),
    [
        ({"frame_sizes": ()}, ["frame_sizes = (): must be one to 4 whole numbers"]),
        ({"frame_sizes": (1, 4)}, ["frame_sizes = (1, 4): must be one to 4 whole numbers from 2"]),
        ({"frame_sizes": (4, 4)}, ["each must be a multiple of the one before"]),
        ({"frame_sizes": (4, 10), "hidden_size": 0}, ["each must be a multiple", "hidden_size = 0"]),
        ({"frame_sizes": (2, 4, 8, 16, 32)}, ["one to 4"]),
        ({"frame_sizes": (2.0,)}, ["whole numbers"]),
        ({"frame_sizes": 16}, ["frame_sizes = 16: must be tuple"]),
        ({"context": 0, "num_layers": 0}, ["context = 0", "num_layers = 0"]),
    ],
)
def test_settings_out_of_range_are_refused_together(settings_of: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        SampleRNN(SampleRNNConfig(**settings_of))
    assert len(caught.value.problems) == len(told)
    for part in told:
        assert part in str(caught.value)

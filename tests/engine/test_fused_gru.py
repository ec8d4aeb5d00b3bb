"""The GRU's training step against torch's own: values, gradients by everything, and the same bits each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.engine import fused_gru, gru_kernels
from wavewright.engine.fused_gru import prepare, supports, valid_forward
from wavewright.errors import SettingsError
from wavewright.jobs.emulate import training as emulate
from wavewright.nets.channels import Channels, ChannelsConfig
from wavewright.nets.recurrent import GRU, LSTM, RecurrentConfig
from wavewright.nets.registry import config_of


def build(config: RecurrentConfig, dtype: torch.dtype = torch.float64, strength: float = 1.5) -> GRU:
    torch.manual_seed(4)
    net = GRU(config)
    with torch.no_grad():
        for parameter in net.rnn.parameters():
            parameter.mul_(strength)
        if config.learned_start:
            net.start.normal_(std=0.5)
    return net.to(dtype)


def noise(net: GRU, batch: int, outputs: int) -> Tensor:
    return torch.randn(batch, net.in_channels, net.receptive_field - 1 + outputs).to(net.head.weight.dtype)


def gradients(net: GRU, y: Tensor, by: Tensor, *inputs: Tensor) -> list[Tensor]:
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    return list(torch.autograd.grad(y, [*inputs, *trained], by))


@st.composite
def configs(draw: st.DrawFn) -> RecurrentConfig:
    """Units on both sides of one, two and three vectors; channels, knobs, layers, what is added, where it begins."""
    inputs = draw(st.integers(1, 4))
    return RecurrentConfig(
        hidden_size=draw(st.integers(1, 50)),
        num_layers=draw(st.integers(1, 3)),
        input_size=inputs,
        output_size=draw(st.integers(1, inputs)),
        skip=draw(st.booleans()),
        skip_gain=draw(st.sampled_from([1.0, -0.4])),
        learned_start=draw(st.booleans()),
        warm_up=draw(st.sampled_from([1, 2, 40])),
    )


def test_gradcheck() -> None:
    net = build(RecurrentConfig(hidden_size=9, num_layers=2, input_size=2, learned_start=True, skip=True, warm_up=1))
    x = noise(net, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: valid_forward(net, x), (x, *net.parameters()))


@settings(deadline=None, max_examples=60)
@given(configs(), st.integers(1, 5), st.integers(1, 60))
def test_any_gru_gives_torchs_values_and_gradients(config: RecurrentConfig, batch: int, outputs: int) -> None:
    net = build(config)
    x = noise(net, batch, outputs).requires_grad_()
    want, got = net.valid(x), valid_forward(net, x)
    by = torch.randn_like(want)
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11)
    for mine, theirs in zip(gradients(net, got, by, x), gradients(net, want, by, x), strict=True):
        assert (mine - theirs).norm() <= 1e-10 * (1 + theirs.norm())


@settings(deadline=None, max_examples=15)
@given(configs(), st.integers(1, 5))
def test_single_precision_stays_near_double(config: RecurrentConfig, batch: int) -> None:
    exact, net = build(config, strength=1.0), build(config, torch.float32, strength=1.0)
    x = noise(net, batch, 300)
    want, got = exact.valid(x.double()), valid_forward(net, x)
    by = torch.randn_like(want)
    assert got.dtype == torch.float32
    assert (got - want).abs().max() < 1e-5
    for mine, theirs in zip(gradients(net, got, by.float()), gradients(exact, want, by), strict=True):
        assert (mine - theirs).norm() <= 1e-4 * theirs.norm()


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_same_bits_each_time_and_in_any_number_of_threads(count: int) -> None:
    net = build(RecurrentConfig(warm_up=100), torch.float32)
    x = noise(net, 7, 500).requires_grad_()
    torch.set_num_threads(count)
    first, again = ([y, *gradients(net, y, torch.ones_like(y), x)] for y in (valid_forward(net, x) for _ in range(2)))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    torch.set_num_threads(1)
    y = valid_forward(net, x)
    alone = [y, *gradients(net, y, torch.ones_like(y), x)]
    for a, b in zip(first, alone, strict=True):  # torch's products may add up in another order
        assert (a - b).norm() <= 1e-6 * b.norm()


def test_a_row_is_the_same_whatever_stands_beside_it() -> None:
    net = build(RecurrentConfig(hidden_size=13, warm_up=1, input_size=2), torch.float32)
    x = noise(net, 5, 200)
    whole = valid_forward(net, x)
    alone = torch.cat([valid_forward(net, x[index : index + 1]) for index in range(5)])
    assert (whole - alone).abs().max() < 1e-6


def test_without_gradients_pieces_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build(RecurrentConfig(num_layers=2, warm_up=150, skip=True), torch.float32)
    x = noise(net, 2, 700)
    whole = valid_forward(net, x).detach()
    monkeypatch.setattr(fused_gru, "PIECE", 64)
    with torch.no_grad():
        silent = valid_forward(net, x)
    assert not silent.requires_grad
    torch.testing.assert_close(silent, whole, rtol=0, atol=1e-6)


def test_nothing_is_learned_from_the_warm_up_but_where_it_begins() -> None:
    net = build(RecurrentConfig(hidden_size=4, warm_up=50))
    x = noise(net, 2, 20).requires_grad_()
    (by_x,) = torch.autograd.grad(valid_forward(net, x).sum(), x)
    assert not by_x[..., :49].any()
    assert by_x[..., 49:].all()


def test_the_step_is_part_of_torchs_graph() -> None:
    # a loss on both sides of the net, twice backward through one forward pass, a frozen weight
    net = build(RecurrentConfig(hidden_size=6, warm_up=1))
    net.rnn.weight_hh_l0.requires_grad_(False)
    gain = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    x = noise(net, 2, 30)
    loss = valid_forward(net, torch.sin(gain * x)).square().mean()
    first = torch.autograd.grad(loss, gain, retain_graph=True)
    assert torch.equal(*first, *torch.autograd.grad(loss, gain))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, gain)
    oracle = net.valid(torch.sin(gain * x)).square().mean()
    torch.testing.assert_close(first[0], torch.autograd.grad(oracle, gain)[0], rtol=1e-10, atol=0)


def test_bfloat16_around_it_leaves_it_exact() -> None:
    net = build(RecurrentConfig(warm_up=1), torch.float32)
    x = noise(net, 2, 100)
    plain = valid_forward(net, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(valid_forward(net, x), plain)


def test_what_is_no_number_stays_in_its_row() -> None:
    net = build(RecurrentConfig(warm_up=1), torch.float32)
    x = noise(net, 4, 30)
    x[1, :, 10] = torch.nan
    y = valid_forward(net, x)
    assert y[1, :, 10:].isnan().all()
    assert torch.isfinite(y[[0, 2, 3]]).all()
    assert torch.isfinite(y[1, :, :10]).all()


@pytest.mark.parametrize("shared", [False, True])
def test_the_job_hears_by_it_also_side_by_side(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net = build(RecurrentConfig(hidden_size=5, warm_up=20, input_size=2, controls=1))
    pair = Channels(ChannelsConfig(2, shared, *config_of(net))).double()
    x = torch.randn(2, 3, 60, dtype=torch.float64)
    expected = net.valid(x[:, 1:]), pair.valid(x)
    monkeypatch.setattr(GRU, "valid", None)
    torch.testing.assert_close(emulate.hearing(net, x[:, 1:]), expected[0], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(emulate.hearing(pair, x), expected[1], rtol=1e-11, atol=1e-11)


def test_what_has_no_kernels_goes_through_torch() -> None:
    config = RecurrentConfig(hidden_size=3, warm_up=4)
    lstm, half = LSTM(config), GRU(config).bfloat16()
    x = torch.randn(1, 1, 20)
    assert not supports(lstm)
    assert not supports(half)
    assert torch.equal(valid_forward(lstm, x), lstm.valid(x))
    with pytest.raises(SettingsError, match="4"):
        valid_forward(GRU(config), x[..., :3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_after_preparing_nothing_is_compiled(dtype: torch.dtype) -> None:
    prepare(lambda line: None, dtype)
    before = [list(kernel.signatures) for kernel in (gru_kernels.run_ahead, gru_kernels.run_back)]
    net = build(RecurrentConfig(hidden_size=40, num_layers=2, input_size=3, warm_up=5), dtype)
    valid_forward(net, noise(net, 3, 20)).sum().backward()  # type: ignore[no-untyped-call]
    assert before == [list(kernel.signatures) for kernel in (gru_kernels.run_ahead, gru_kernels.run_back)]
    assert all(str(dtype).split(".")[-1] in str(signatures) for signatures in before)

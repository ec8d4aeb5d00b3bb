"""LSTM and GRU against their equations, and the laws of their contract."""

from __future__ import annotations

import pytest
import torch

from wavewright.nets.recurrent import GRU, LSTM, Recurrent, RecurrentConfig

KINDS = {"lstm": LSTM, "gru": GRU}


def make(kind: str, **changes: object) -> Recurrent:
    torch.manual_seed(6)
    settings = {"hidden_size": 5, "num_layers": 2, "warm_up": 32, **changes}
    net = KINDS[kind](RecurrentConfig(**settings)).double()  # type: ignore[arg-type]
    torch.nn.init.normal_(net.start, std=0.3)
    return net


@pytest.mark.parametrize("kind", KINDS)
def test_block_invariance(kind: str) -> None:
    net = make(kind).float()
    x = torch.randn(2, 1, 700)
    with torch.no_grad():
        whole, _ = net(x)
        for size in (1, 64, 333):
            state, parts = None, []
            for start in range(0, 700, size):
                y, state = net(x[..., start : start + size], state)
                parts.append(y)
            torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("skip", [False, True])
def test_lstm_equations_read_slowly(skip: bool) -> None:
    net = make("lstm", num_layers=1, skip=skip, skip_gain=0.7, input_size=2)
    x = torch.randn(1, 2, 9, dtype=torch.float64)
    with torch.no_grad():
        found, (last, _) = net(x)
        h, c = net.start[0, 0], net.start[1, 0]
        for t in range(9):
            z = net.rnn.weight_ih_l0 @ x[0, :, t] + net.rnn.bias_ih_l0 + net.rnn.weight_hh_l0 @ h + net.rnn.bias_hh_l0
            i, f, g, o = z.chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            y = net.head.weight[0] @ h + net.head.bias[0] + (0.7 * x[0, 0, t] if skip else 0.0)
            torch.testing.assert_close(found[0, 0, t], y, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(last[0, 0], h)


def test_gru_equations_read_slowly() -> None:
    net = make("gru", num_layers=1)
    x = torch.randn(1, 1, 9, dtype=torch.float64)
    with torch.no_grad():
        found, _ = net(x)
        h = net.start[0, 0]
        for t in range(9):
            ri, zi, ni = (net.rnn.weight_ih_l0 @ x[0, :, t] + net.rnn.bias_ih_l0).chunk(3)
            rh, zh, nh = (net.rnn.weight_hh_l0 @ h + net.rnn.bias_hh_l0).chunk(3)
            z = torch.sigmoid(zi + zh)
            h = (1 - z) * torch.tanh(ni + torch.sigmoid(ri + rh) * nh) + z * h
            torch.testing.assert_close(
                found[0, 0, t], net.head.weight[0] @ h + net.head.bias[0], rtol=1e-12, atol=1e-12
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learned", [False, True])
def test_valid_is_what_follows_the_warm_up(kind: str, learned: bool) -> None:
    net = make(kind, learned_start=learned)
    x = torch.randn(3, 1, 50, dtype=torch.float64)
    torch.testing.assert_close(net.valid(x), net(x)[0][..., 31:], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_state_learns_only_where_that_is_wanted(kind: str) -> None:
    x = torch.randn(3, 1, 50, dtype=torch.float64)
    fixed, learned = make(kind), make(kind, learned_start=True)
    fixed.valid(x).square().sum().backward()
    learned.valid(x).square().sum().backward()
    assert fixed.start.grad is None
    assert learned.start.grad is not None
    assert bool((learned.start.grad != 0).any())
    assert fixed.head.weight.grad is not None


def test_the_forget_gate_starts_open() -> None:
    net = LSTM(RecurrentConfig(hidden_size=400))
    bias = net.rnn.bias_ih_l0.detach() + net.rnn.bias_hh_l0.detach()
    means = [float(part.mean()) for part in bias.chunk(4)]
    assert means == pytest.approx([0.0, 1.0, 0.0, 0.0], abs=0.02)


def test_truncated_back_propagation_goes_on_from_a_detached_state() -> None:
    net = make("lstm")
    x = torch.randn(2, 1, 40, dtype=torch.float64)
    whole, _ = net(x)
    _, state = net(x[..., :25])
    later, _ = net(x[..., 25:], tuple(part.detach() for part in state))
    torch.testing.assert_close(later, whole[..., 25:], rtol=1e-12, atol=1e-12)
    later.sum().backward()
    assert net.rnn.weight_hh_l1.grad is not None

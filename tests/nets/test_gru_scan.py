"""The scan of gated recurrent units against torch's own, its gradients by differences, its arithmetic in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wavewright.nets.gru_scan import scan


def inputs(time: int, batch: int, hidden: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    torch.manual_seed(3)
    shapes = [(time, batch, 3 * hidden), (batch, hidden), (3 * hidden, hidden), (hidden,)]
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def by_torch(gates: Tensor, first: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """torch's GRU, hearing the gates' inputs through an identity."""
    hidden = first.shape[1]
    gru = nn.GRU(3 * hidden, hidden).to(gates.dtype)
    biases = torch.cat([torch.zeros_like(bias), torch.zeros_like(bias), bias])
    own = dict(zip([name for name, _ in gru.named_parameters()], gru.parameters(), strict=True))
    given = [torch.eye(3 * hidden, dtype=gates.dtype), weight, torch.zeros_like(biases), biases]
    found = torch.func.functional_call(gru, dict(zip(own, given, strict=True)), (gates, first[None]))
    return torch.as_tensor(found[0])


def test_forward_and_gradients_are_torchs() -> None:
    given = inputs(40, 3, 5)
    wanted = torch.randn(40, 3, 5, dtype=torch.float64)
    found, expected = scan(*given), by_torch(*given)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for own, theirs in zip(
        torch.autograd.grad(found, given, wanted), torch.autograd.grad(expected, given, wanted), strict=True
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-10)


def test_gradients_by_differences() -> None:
    assert torch.autograd.gradcheck(scan, inputs(4, 2, 2))


@pytest.mark.parametrize("half", [False, True])
def test_without_gradients_the_same_numbers(half: bool) -> None:
    given = inputs(30, 2, 8, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        kept = scan(*given)
        with torch.no_grad():
            torch.testing.assert_close(scan(*given), kept, rtol=0, atol=0)


def test_bfloat16_products_stay_near() -> None:
    """Eight bits in each factor, none lost in what is carried over: some thousandths after a hundred samples."""
    gates, first, weight, bias = inputs(100, 4, 64, torch.float32)
    given = [gates, first, (weight / 8.0).detach().requires_grad_(), bias]
    wanted = torch.randn(100, 4, 64)
    exact = scan(*given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = scan(*given)
    assert rounded.dtype == torch.float32
    assert 0.0 < float((rounded - exact).detach().abs().max()) < 0.05
    for near, true in zip(
        torch.autograd.grad(rounded, given, wanted), torch.autograd.grad(exact, given, wanted), strict=True
    ):
        assert near.dtype == torch.float32
        assert float((near - true).norm() / true.norm()) < 0.01


def test_gates_of_bfloat16_are_taken_up() -> None:
    gates, *rest = inputs(10, 2, 4, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = scan(gates.bfloat16(), *rest)
    assert found.dtype == torch.float32
    found.sum().backward()
    assert gates.grad is not None

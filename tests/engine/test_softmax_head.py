"""The fused softmax and cross-entropy against torch's, value and gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.engine.softmax_head import BLOCK, nats_of_codes

Problem = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def problem(
    batch: int, inputs: int, time: int, levels: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Problem:
    """Inputs, weights, biases, codes, and what each sample counts: some of them nothing."""
    random = torch.Generator().manual_seed(seed)
    h = torch.randn(batch, inputs, time, generator=random, dtype=dtype) * 3
    weight = torch.randn(levels, inputs, generator=random, dtype=dtype)
    bias = torch.randn(levels, generator=random, dtype=dtype)
    codes = torch.randint(levels, (batch, time), generator=random)
    counts = (torch.rand(batch, time, generator=random, dtype=dtype) - 0.3).clamp(min=0)
    return h.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), codes, counts


def by_torch(h: Tensor, weight: Tensor, bias: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
    logits = F.conv1d(h.relu(), weight.unsqueeze(-1), bias)
    return (F.cross_entropy(logits, codes, reduction="none") * counts).sum()


@given(
    batch=st.integers(1, 3),
    inputs=st.integers(1, 40),
    time=st.integers(1, 2 * BLOCK + 5),
    levels=st.integers(2, 300),
    seed=st.integers(0, 9),
)
@settings(max_examples=20, deadline=None)
def test_value_and_gradients_are_those_of_torch(batch: int, inputs: int, time: int, levels: int, seed: int) -> None:
    given = problem(batch, inputs, time, levels, seed)
    mine, theirs = nats_of_codes(*given), by_torch(*given)
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    for one, other in zip(torch.autograd.grad(mine, given[:3]), torch.autograd.grad(theirs, given[:3]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_single_precision_stays_close_to_double() -> None:
    exact = problem(2, 64, 1000, 256)
    single = [part.detach().float().requires_grad_() for part in exact[:3]]
    theirs, mine = by_torch(*exact), nats_of_codes(single[0], single[1], single[2], exact[3], exact[4].float())
    torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=0)
    for one, other in zip(torch.autograd.grad(mine, single), torch.autograd.grad(theirs, exact[:3]), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))


def test_gradients_are_those_of_small_steps() -> None:
    h, weight, bias, codes, counts = problem(2, 3, 7, 5, seed=3)
    assert torch.autograd.gradcheck(lambda *parts: nats_of_codes(*parts, codes, counts), (h, weight, bias))


def test_certainty_neither_overflows_nor_loses_the_gradient() -> None:
    """Logits far apart: the exponential of what is certain, and of what is ruled out, stays finite."""
    h = torch.ones(1, 1, 4, requires_grad=True)
    weight = torch.tensor([[1e4], [-1e4], [0.0]], requires_grad=True)
    bias, codes = torch.zeros(3, requires_grad=True), torch.tensor([[0, 1, 2, 0]])
    nats = nats_of_codes(h, weight, bias, codes, torch.ones(1, 4))
    assert float(nats.detach()) == pytest.approx(0 + 2e4 + 1e4 + 0)
    (by_bias,) = torch.autograd.grad(nats, bias)
    torch.testing.assert_close(by_bias, torch.tensor([2.0, -1.0, -1.0]), rtol=0, atol=1e-6)


def test_what_is_no_number_is_not_hidden() -> None:
    h, weight, bias, codes, counts = problem(1, 4, 50, 8)
    broken = h.detach().clone()
    broken[0, 2, 30] = torch.nan
    assert bool(nats_of_codes(broken.requires_grad_(), weight, bias, codes, counts.fill_(1.0)).isnan())


def test_the_number_of_threads_changes_no_bit() -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            given = problem(5, 16, 500, 256, dtype=torch.float32)
            value = nats_of_codes(*given)
            found.append([value, *torch.autograd.grad(value, given[:3])])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))

"""SOAP against a slow, unstacked reading of the paper, and against what it is for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from wavewright.train import soap
from wavewright.train.soap import SOAP


class OneByOne:
    """Algorithm 3 of the paper for a single matrix, with plain loops over nothing but time."""

    def __init__(self, weight: Tensor, lr: float, b1: float, b2: float, every: int, eps: float) -> None:
        self.weight, self.lr, self.b1, self.b2, self.every, self.eps = weight, lr, b1, b2, every, eps
        self.count = -1

    def step(self, gradient: Tensor) -> None:
        self.count += 1
        if self.count == 0:
            self.m, self.v = torch.zeros_like(gradient), torch.zeros_like(gradient)
            self.left, self.right = gradient @ gradient.T, gradient.T @ gradient
            self.ql, self.qr = torch.linalg.eigh(self.left)[1], torch.linalg.eigh(self.right)[1]
            return
        turned = self.ql.T @ gradient @ self.qr
        self.m = self.b1 * self.m + (1 - self.b1) * gradient
        self.v = self.b2 * self.v + (1 - self.b2) * turned**2
        m = (self.ql.T @ self.m @ self.qr) / (1 - self.b1**self.count)
        v = self.v / (1 - self.b2**self.count)
        self.weight = self.weight - self.lr * self.ql @ (m / (v.sqrt() + self.eps)) @ self.qr.T
        self.left = self.b2 * self.left + (1 - self.b2) * gradient @ gradient.T
        self.right = self.b2 * self.right + (1 - self.b2) * gradient.T @ gradient
        if self.count % self.every == 0:
            order = torch.diagonal(self.ql.T @ self.left @ self.ql).argsort(descending=True)
            self.ql, self.v = torch.linalg.qr(self.left @ self.ql[:, order])[0], self.v[order]
            order = torch.diagonal(self.qr.T @ self.right @ self.qr).argsort(descending=True)
            self.qr, self.v = torch.linalg.qr(self.right @ self.qr[:, order])[0], self.v[:, order]


def test_follows_the_paper_for_stacked_and_single_shapes() -> None:
    torch.manual_seed(0)
    # Square: where the first gradient has less than full rank, the eigenvectors of its null space are anybody's choice.
    shapes = [(4, 2, 2), (4, 4), (3, 3), (1,), (4, 4)]
    parameters = [nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in shapes]
    settings = {"lr": 0.01, "every": 3, "eps": 1e-8}
    ours = SOAP(parameters, betas=(0.9, 0.95), **settings)
    slow = [OneByOne(p.detach().reshape(p.shape[0], -1).clone(), b1=0.9, b2=0.95, **settings) for p in parameters]
    for _ in range(20):
        for parameter, other in zip(parameters, slow, strict=True):
            parameter.grad = torch.randn_like(parameter)
            other.step(parameter.grad.reshape(other.weight.shape))
        ours.step()
    for parameter, other in zip(parameters, slow, strict=True):
        torch.testing.assert_close(parameter.detach().reshape(other.weight.shape), other.weight, rtol=1e-9, atol=1e-12)


def test_sides_too_long_for_a_preconditioner_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long on both sides it is Adam, whose first step SOAP spends looking; on one, only the other is turned."""
    monkeypatch.setattr(soap, "LONGEST_SIDE", 3)
    torch.manual_seed(1)
    free, tall = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(5, 2))
    as_adam = nn.Parameter(free.detach().clone())
    ours = SOAP([free, tall], lr=0.01, betas=(0.9, 0.95), every=2)
    adam = torch.optim.Adam([as_adam], lr=0.01, betas=(0.9, 0.95))
    for step in range(8):
        for parameter in (free, tall):
            parameter.grad = torch.randn_like(parameter)
        as_adam.grad = free.grad.clone() if free.grad is not None else None
        ours.step()
        if step:
            adam.step()
    torch.testing.assert_close(free.detach(), as_adam.detach(), rtol=1e-5, atol=1e-6)
    kept = [{name for name in state if "basis" in name} for state in ours.state.values()]
    assert kept == [set(), {"right_basis"}]


def badly_conditioned(matrix: Tensor, target: Tensor, optimizer: str, steps: int) -> float:
    weight = nn.Parameter(torch.zeros(6, 12))
    choose = {"soap": lambda: SOAP([weight], lr=0.03), "adam": lambda: torch.optim.Adam([weight], lr=0.03)}
    chosen = choose[optimizer]()
    for step in range(steps):
        for group in chosen.param_groups:
            group["lr"] = 0.03 * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen.zero_grad()
        loss = (weight @ matrix - target).square().mean()
        loss.backward()
        chosen.step()
    return loss.item()


def test_finds_what_adam_does_not_where_inputs_are_correlated() -> None:
    """Neighbouring taps see nearly the same signal: the inputs' covariance is far from diagonal."""
    torch.manual_seed(0)
    smooth = torch.randn(12, 500).cumsum(0)
    target = torch.randn(6, 12) @ smooth
    assert badly_conditioned(smooth, target, "soap", 300) < 0.05 * badly_conditioned(smooth, target, "adam", 300)


def test_a_state_brought_back_goes_on_alike() -> None:
    torch.manual_seed(0)
    gradients = torch.randn(10, 4, 3)

    def run(pause: int | None) -> Tensor:
        weight = nn.Parameter(torch.ones(4, 3))
        optimizer = SOAP([weight], every=2)
        for index, gradient in enumerate(gradients):
            if index == pause:
                kept = optimizer.state_dict()
                optimizer = SOAP([weight], every=2)
                optimizer.load_state_dict(kept)
            weight.grad = gradient
            optimizer.step()
        return weight.detach()

    assert torch.equal(run(None), run(5))


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1), (7,)])
def test_tiny_shapes_stay_finite(shape: tuple[int, ...]) -> None:
    weight = nn.Parameter(torch.ones(shape))
    optimizer = SOAP([weight])
    for _ in range(10):
        weight.grad = torch.zeros(shape)
        optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(shape))

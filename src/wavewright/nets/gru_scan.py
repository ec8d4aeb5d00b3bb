"""Gated recurrent units over time, their inputs' share of the gates already known: what makes them quick on a CPU.

With the gates' inputs gᵣ, g_z, gₙ, the recurrent weights U and σ the logistic function (Cho et al., "Learning Phrase
Representations using RNN Encoder–Decoder", 2014, with the reset gate behind the recurrent product, as in PyTorch):

    r = σ(gᵣ + Uᵣ h)          u = Uₙ h + b
    z = σ(g_z + U_z h)        n = tanh(gₙ + r u)          h ← n + z (h − n)

torch's own loop keeps a graph of some twenty nodes a sample and adds to the gradient of U at each. Here one node does
the whole time: its backward pass carries ∂h from sample to sample and nothing else; the gradient of U is one product at
the end. Under `torch.autocast` the products have factors of bfloat16, twice as fast on processors that multiply them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def scan(gates: Tensor, first: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The units at each time, ``(time, batch, hidden)``; differentiable once, by everything.

    Args:
        gates: gᵣ, g_z, gₙ beside one another, ``(time, batch, 3 · hidden)``, biases and all.
        first: the units before, ``(batch, hidden)``.
        weight: U, ``(3 · hidden, hidden)``.
        bias: b, ``(hidden,)``.

    >>> gru = torch.nn.GRU(4, 8)
    >>> x, first, (w, u, b, c) = torch.randn(20, 3, 4), torch.zeros(3, 8), gru.parameters()
    >>> found = scan(x @ w.T + b + torch.cat([c[:16], torch.zeros(8)]), first, u, c[16:])
    >>> torch.allclose(found, gru(x, first[None])[0], atol=1e-6)
    True
    """
    half = gates.dtype != torch.float64 and torch.is_autocast_enabled(gates.device.type)
    with torch.autocast(gates.device.type, enabled=False):
        exact = gates.float() if gates.dtype in (torch.bfloat16, torch.float16) else gates
        return _Scan.apply(exact, first, weight, bias, half, torch.is_grad_enabled())  # type: ignore[no-any-return, no-untyped-call]


def layer_over(layer: nn.GRU, x: Tensor, first: Tensor) -> Tensor:
    """One layer of torch's over ``x`` (time, batch, inputs) from ``first`` (batch, hidden): (time, batch, hidden).

    By `scan` on a CPU, by torch's own kernels elsewhere.
    """
    if x.device.type != "cpu":
        own = layer.batch_first
        hidden = layer(x.transpose(0, 1) if own else x, first[None].contiguous())[0]
        return torch.as_tensor(hidden.transpose(0, 1) if own else hidden)
    weight, recurrent, _, recurrent_bias = layer.parameters()
    return scan(F.linear(x, weight, always(layer)), first, recurrent, recurrent_bias[2 * layer.hidden_size :])


def always(layer: nn.GRU) -> Tensor:
    """The biases ``(3 · hidden,)`` that the gates of a layer of torch's have whatever the units are."""
    _, _, bias, recurrent_bias = layer.parameters()
    two_gates = 2 * layer.hidden_size
    return torch.cat([bias[:two_gates] + recurrent_bias[:two_gates], bias[two_gates:]])


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, first: Tensor, weight: Tensor, bias: Tensor, half: bool, keep: bool) -> Tensor:
        """As `scan`, products in bfloat16 where ``half``; ``keep`` what `backward` needs, four times the units."""
        time, batch, size = gates.shape[0], gates.shape[1], first.shape[1]
        rows = time if keep else min(time, 1)  # what nobody will look at again is overwritten
        units = gates.new_empty(time + 1, batch, size)
        reset_update = gates.new_empty(rows, batch, 2 * size)
        recalled, candidate = gates.new_empty(rows, batch, size), gates.new_empty(rows, batch, size)
        factor = weight.t().to(torch.bfloat16 if half else weight.dtype).contiguous()  # (hidden, 3 · hidden)
        rounded = units.new_empty(rows + 1, batch, size, dtype=torch.bfloat16) if half else units
        product = factor.new_empty(batch, 3 * size)
        wide = gates.new_empty(batch, 3 * size) if half else product
        units[0], rounded[0] = first, first
        for t in range(time):
            row = t if keep else 0
            torch.mm(rounded[t if keep or not half else 0], factor, out=product)
            if half:
                wide.copy_(product)
            rz, u, n = reset_update[row], recalled[row], candidate[row]
            torch.add(gates[t, :, : 2 * size], wide[:, : 2 * size], out=rz).sigmoid_()
            torch.add(wide[:, 2 * size :], bias, out=u)
            torch.addcmul(gates[t, :, 2 * size :], rz[:, :size], u, out=n)
            n.mul_(2.0).sigmoid_().mul_(2.0).sub_(1.0)  # tanh, several times as fast as by its name
            torch.lerp(n, units[t], rz[:, size:], out=units[t + 1])
            if half:
                rounded[t + 1 if keep else 0] = units[t + 1]
        if keep:
            ctx.save_for_backward(units, rounded, reset_update, recalled, candidate, weight)
        return units[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor | None, ...]:
        """From the loss by the units (time, batch, hidden) to that by ``gates``, ``first``, ``weight`` and ``bias``.

        All is written into buffers made once: a step of time allocates nothing."""
        units, rounded, reset_update, recalled, candidate, weight = ctx.saved_tensors
        time, batch, size = candidate.shape
        factor = weight.to(rounded.dtype)
        gates = units.new_empty(time, batch, 3 * size)  # ∂ by the gates' inputs
        through = rounded.new_empty(time, batch, 3 * size)  # ∂ by the recurrent products, where the third one differs
        by_bias = units.new_zeros(batch, size)
        product = factor.new_empty(batch, size)
        h, kept, gone, squared, by_u = (units.new_empty(batch, size) for _ in range(5))
        h.copy_(wanted[-1])
        for t in range(time - 1, -1, -1):
            r, z = reset_update[t, :, :size], reset_update[t, :, size:]
            n, u, by_gates = candidate[t], recalled[t], gates[t]
            by_r, by_z, by_n = by_gates[:, :size], by_gates[:, size : 2 * size], by_gates[:, 2 * size :]
            torch.mul(h, z, out=kept)
            torch.sub(h, kept, out=gone)  # ∂h (1 − z)
            torch.mul(n, n, out=squared)
            torch.addcmul(gone, gone, squared, value=-1.0, out=by_n)  # … (1 − n²)
            torch.mul(by_n, r, out=by_u)
            torch.mul(by_u, u, out=by_r)
            torch.addcmul(by_r, by_r, r, value=-1.0, out=by_r)  # ∂n u r (1 − r)
            torch.sub(units[t], n, out=squared)
            torch.mul(gone.mul_(z), squared, out=by_z)  # ∂h (h₋₁ − n) z (1 − z)
            by_bias.add_(by_u)
            through[t, :, : 2 * size] = by_gates[:, : 2 * size]
            through[t, :, 2 * size :] = by_u
            torch.mm(through[t], factor, out=product)
            if t:
                kept.add_(wanted[t - 1])
            torch.add(kept, product, out=h)
        by_weight = through.flatten(0, 1).t() @ rounded[:-1].flatten(0, 1)
        return gates, h, by_weight.to(weight.dtype), by_bias.sum(0), None, None

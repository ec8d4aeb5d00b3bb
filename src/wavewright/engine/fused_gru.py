"""Training a GRU twin on the CPU many times faster than torch, which has no kernel for its backward pass there.

`valid_forward` gives what ``net.valid`` gives, differentiable by all weights and by the input. A layer with the input
x, its weights W and b, the recurrent ones U and c, and σ the logistic function (Cho et al., "Learning Phrase
Representations using RNN Encoder–Decoder", 2014, with the reset gate behind the recurrent product, as in PyTorch):

    r = σ(Wᵣ x + bᵣ + Uᵣ h + cᵣ)          u = Uₙ h + cₙ
    z = σ(W_z x + b_z + U_z h + c_z)      n = tanh(Wₙ x + bₙ + r u)          h ← n + z (h − n)

What the inputs give is one product before, the weights' gradients are one each behind; in between, time passes in
`gru_kernels`, the rows of the batch shared out among threads, whose number changes no bit there. Memory is taken for
each call alone: some ten numbers a unit and sample.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wavewright.engine.fused_wavenet import each_in_threads
from wavewright.engine.gru_kernels import ROWS, N, R, U, Z, lanes, run_ahead, run_back
from wavewright.nets.contract import Network
from wavewright.nets.recurrent import GRU, RecurrentConfig
from wavewright.nets.wavenet import valid_length

PIECE = 4096
"""Samples that are in memory at once where nothing is learned."""


def supports(net: nn.Module) -> TypeGuard[GRU]:
    """Whether `valid_forward` has kernels for ``net`` as it is: a GRU in CPU memory, float32 or float64."""
    kinds = {(weight.device.type, weight.dtype) for weight in net.parameters()}
    return isinstance(net, GRU) and len(kinds) == 1 and kinds <= {("cpu", torch.float32), ("cpu", torch.float64)}


def valid_forward(net: Network, x: Tensor) -> Tensor:
    """``net.valid(x)``, faster: ``x`` (batch, channels, warm-up − 1 + time) → (batch, channels, time).

    Where `supports` says no, ``x`` is not of the weights' type, or `torch.compile` reads along, torch does it.
    Differentiable once.

    Raises:
        SettingsError: ``x`` is shorter than the warm-up.

    >>> from wavewright.nets.registry import build
    >>> net, x = build("gru"), torch.randn(2, 1, 1023 + 500)
    >>> bool(torch.allclose(valid_forward(net, x), net.valid(x), atol=1e-5))
    True
    """
    if torch.compiler.is_compiling() or not supports(net) or x.device.type != "cpu" or x.ndim != 3:
        return net.valid(x)
    if x.dtype != net.head.weight.dtype:
        return net.valid(x)
    heard = x.shape[-1] - valid_length(net, x)
    with torch.autocast("cpu", enabled=False):
        state = list(net.start[0][:, None].expand(-1, x.shape[0], -1))  # of each layer, (batch, units)
        if heard:
            with torch.set_grad_enabled(torch.is_grad_enabled() and net.config.learned_start):
                _, state = _played(net, x[..., :heard], state)
        return _played(net, x[..., heard:], state)[0]


def prepare(tell: Callable[[str], None], dtype: torch.dtype = torch.float32) -> None:
    """Compiles the kernels, unless they are on disk already; ``tell`` gets a line when that takes time."""
    timer = threading.Timer(1.0, tell, ["compiling the training kernels for this processor (a few seconds, once)"])
    timer.start()
    try:
        net = GRU(RecurrentConfig(hidden_size=1, warm_up=1)).to(dtype)
        valid_forward(net, torch.zeros(1, 1, 1, dtype=dtype)).sum().backward()  # type: ignore[no-untyped-call]
    finally:
        timer.cancel()


def _played(net: GRU, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """``net(x, state)``, the state a list of layers."""
    sounds = []
    for piece in [x] if torch.is_grad_enabled() else torch.split(x, PIECE, dim=-1):
        hidden, after = piece.transpose(1, 2), []
        for first, weights in zip(state, net.rnn.all_weights, strict=True):
            hidden = torch.as_tensor(_Layer.apply(hidden, first, *weights))  # type: ignore[no-untyped-call]
            after.append(hidden[:, -1])
        sounds.append(net.head(hidden).transpose(1, 2))  # (batch, output_size, time)
        state = after
    y = torch.cat(sounds, dim=-1)
    return y + net.config.skip_gain * x[:, : y.shape[1]] if net.config.skip else y, state


class _Layer(torch.autograd.Function):
    """One layer: ``x`` (batch, time, inputs) from ``first`` (batch, units) to (batch, time, units)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, first: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """``w`` (3 units, inputs), ``u`` (3 units, units), ``b`` and ``c`` (3 units,): W, U, b and c of r, z and n.

        What the kernels leave of gates and units is kept: on the way back no product is done again.
        """
        (batch, time, inputs), size = x.shape, first.shape[1]
        padded = size + -size % lanes(u.element_size())
        weight, bias = _spread(w, padded, (R, Z, N)), _spread(b, padded, (R, Z, N)) + _spread(c, padded, (R, Z, U))
        flat = x.reshape(batch * time, inputs)
        gates = torch.addmm(bias.flatten(), flat, weight.flatten(0, 1).t()).view(batch, time, 4, padded)
        units = gates.new_empty(batch, time + 1, padded)
        units[:, 0] = F.pad(first, (0, padded - size))
        packed = _packed(u.view(3, size, size).transpose(1, 2), padded).numpy()
        _by_rows(lambda rows: run_ahead(packed, gates[rows].numpy(), units[rows].numpy()), batch)
        ctx.save_for_backward(flat, u, weight, gates, units)
        return units[:, 1:, :size]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor | None, ...]:
        """From ``wanted``, the loss by the units (batch, time, units), to the loss by each argument of `forward`.

        Time runs backwards once, in the kernels; the weights' gradients are then one product each over all samples."""
        flat, u, weight, gates, units = ctx.saved_tensors
        (batch, time, _, padded), size = gates.shape, u.shape[1]
        wanted = F.pad(wanted, (0, padded - size)).contiguous()
        found, carried = torch.empty_like(gates), gates.new_zeros(batch, padded)
        packed = _packed(u.view(3, size, size), padded).numpy()
        _by_rows(
            lambda rows: run_back(packed, *(part[rows].numpy() for part in (gates, units, wanted, found, carried))),
            batch,
        )
        by_gates = found.view(batch * time, 4 * padded)
        by_x = (by_gates @ weight.flatten(0, 1)).view(batch, time, -1) if ctx.needs_input_grad[0] else None
        by_w = (by_gates.t() @ flat).view(4, padded, -1)[:, :size]
        by_u = torch.bmm(found.view(batch, time, -1).transpose(1, 2), units[:, :-1]).sum(0)
        by_u = by_u.view(4, padded, padded)[:, :size, :size]
        by_bias = by_gates.sum(0).view(4, padded)[:, :size]
        return by_x, carried[:, :size], by_w[:3].flatten(0, 1), _three(by_u), by_bias[:3].flatten(), _three(by_bias)


def _by_rows(work: Callable[[slice], None], batch: int) -> None:
    """``work`` on all rows of the batch: whole groups of `ROWS` to each thread, as evenly as may be."""
    groups = -(-batch // ROWS)
    threads = min(torch.get_num_threads(), groups)
    ends = [ROWS * (groups * (index + 1) // threads) for index in range(threads)]
    each_in_threads(work, [slice(start, min(end, batch)) for start, end in zip([0, *ends], ends, strict=False)])


def _spread(weights: Tensor, padded: int, places: tuple[int, ...]) -> Tensor:
    """(3 · units, …) → (4, padded, …), the three gates in ``places`` and zeros elsewhere."""
    size = weights.shape[0] // 3
    whole = weights.new_zeros(4, padded, *weights.shape[1:])
    whole[list(places), :size] = weights.detach().view(3, size, *weights.shape[1:])
    return whole


def _packed(weights: Tensor, padded: int) -> Tensor:
    """(3, factors, results) → (vectors of results, factors, 3, lanes)."""
    width = lanes(weights.element_size())
    whole = F.pad(weights.detach(), (0, padded - weights.shape[2]))
    return whole.reshape(3, -1, padded // width, width).permute(2, 1, 0, 3).contiguous()


def _three(gradients: Tensor) -> Tensor:
    """Those by r, z and u of (4, units, …), one below the other."""
    return torch.cat([gradients[R], gradients[Z], gradients[U]])

"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., 2024, "SOAP: Improving and Stabilizing
Shampoo using Adam", algorithm 3).

Networks of audio are small and badly conditioned: a dozen channels, twenty layers, neighbouring taps that see almost
the same signal. Their preconditioners are matrices of a few dozen rows, cheap beside the convolutions, and Adam that
looks along their eigenvectors needs a fraction of the steps.

For a weight W, as a matrix of (out, in·taps), with gradient G:
    L <- b2 L + (1 - b2) G Gᵀ          R <- b2 R + (1 - b2) Gᵀ G
    Q_L, Q_R: eigenvectors of L and R, followed by one QR step every few updates
    G' = Q_Lᵀ G Q_R                    Adam's second moment is kept of G', in the rotated basis
    W <- W - rate · Q_L (M' / sqrt(V)) Q_Rᵀ
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.nn import Parameter

LONGEST_SIDE = 1024
"""Sides of a matrix longer than this are left as they are: their preconditioners take more time than they save."""


class SOAP(torch.optim.Optimizer):
    """Adam in a slowly turning eigenbasis.

    Parameters of one shape are stacked and stepped together, so that a network of a hundred small tensors costs a
    dozen batched products. A bias of n values is a matrix of (n, 1).

    Args:
        parameters: what to train; every one must get a gradient at each step, or none of its shape.
        lr: the learning rate; about twice what suits Adam.
        betas: decay of the first moment, and of the second moment and the preconditioners.
        every: steps between two refreshes of the eigenbasis.
        eps: keeps the division finite where a direction has had no gradient.
        weight_decay: share of each weight taken off per unit of rate, apart from the gradient (as in AdamW).
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 4e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        every: int = 5,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "every": every, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update from the gradients that lie on the parameters. The very first only looks, and moves nothing."""
        for group in self.param_groups:
            for stack in _stacks(group["params"]):
                self._update(stack, group)
        return None

    def _update(self, stack: list[Parameter], group: dict[str, Any]) -> None:
        rate, (b1, b2), eps = group["lr"], group["betas"], group["eps"]
        gradient = torch.stack([_as_matrix(p.grad) for p in stack if p.grad is not None])  # (n, r, c)
        if gradient.shape[0] != len(stack):
            return
        state = self.state[stack[0]]
        if not state:
            _begin(state, gradient)
            return
        state["step"] += 1
        count = int(state["step"])
        rotated = _rotated(gradient, state)
        state["first"].lerp_(gradient, 1 - b1)
        state["second"].mul_(b2).addcmul_(rotated, rotated, value=1 - b2)
        scale = (state["second"] / (1 - b2**count)).sqrt_().add_(eps)
        move = _rotated(_rotated(state["first"], state).div_(scale), state, back=True)
        for parameter, part in zip(stack, move.unbind(), strict=True):
            if group["weight_decay"]:
                parameter.mul_(1 - rate * group["weight_decay"])
            parameter.add_(part.view_as(parameter), alpha=-rate / (1 - b1**count))
        for side, product in _sides(gradient):
            state[side].lerp_(product(), 1 - b2)
        if count % group["every"] == 0:
            _turn(state)


def _stacks(parameters: list[Parameter]) -> list[list[Parameter]]:
    """Parameters with a gradient, grouped by their shape as matrices, in their own order."""
    found: dict[torch.Size, list[Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            found.setdefault(_as_matrix(parameter).shape, []).append(parameter)
    return list(found.values())


def _as_matrix(tensor: Tensor) -> Tensor:
    return tensor.reshape(tensor.shape[0], -1) if tensor.dim() > 1 else tensor.reshape(-1, 1)


def _begin(state: dict[str, Any], gradient: Tensor) -> None:
    state["step"] = torch.zeros((), dtype=torch.int64)
    state["first"], state["second"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    for side, product in _sides(gradient):
        state[side] = product()
        # contiguous, as they come back from a checkpoint: another order in memory rounds products differently
        state[f"{side}_basis"] = torch.linalg.eigh(state[side])[1].contiguous()


def _sides(gradient: Tensor) -> list[tuple[str, Callable[[], Tensor]]]:
    """The sides of (n, r, c) matrices that are short enough for a preconditioner, and what it gathers."""
    rows, columns = gradient.shape[1:]
    left = [("left", lambda: gradient @ gradient.mT)] if rows <= LONGEST_SIDE else []
    return [*left, ("right", lambda: gradient.mT @ gradient)] if columns <= LONGEST_SIDE else left


def _rotated(x: Tensor, state: dict[str, Any], *, back: bool = False) -> Tensor:
    """Q_Lᵀ X Q_R, or ``back`` Q_L X Q_Rᵀ: always a tensor of its own. A side without a basis stays as it is."""
    left, right = state.get("left_basis"), state.get("right_basis")  # (n, r, r), (n, c, c)
    y = x.clone() if left is None and right is None else x
    if left is not None:
        y = (left if back else left.mT) @ y
    return y if right is None else y @ (right.mT if back else right)


def _turn(state: dict[str, Any]) -> None:
    """One step of orthogonal iteration brings each basis towards its preconditioner's eigenvectors.

    Columns are sorted by their estimated eigenvalues first, which is what the iteration converges to; the second
    moment, kept in this basis, is reordered with them.
    """
    for side, axis in (("left", 1), ("right", 2)):
        if side not in state:
            continue
        basis, matrix = state[f"{side}_basis"], state[side]
        values = (basis * (matrix @ basis)).sum(1)  # (n, size): Rayleigh quotients of the columns
        order = values.argsort(dim=-1, descending=True)
        basis = basis.take_along_dim(order[:, None, :], dim=2)
        state[f"{side}_basis"] = torch.linalg.qr(matrix @ basis)[0].contiguous()
        along = order[:, :, None] if axis == 1 else order[:, None, :]
        state["second"] = state["second"].take_along_dim(along, dim=axis)

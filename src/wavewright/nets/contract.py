"""What every network in the house promises.

``forward(x, state) -> (y, state)`` over ``(batch, channels, time)`` serves truncated back-propagation, block-by-block
rendering, streaming and export alike. A causal network gives the same samples whatever the block sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""What a network remembers between blocks: a flat tuple of tensors, the batch in each one's first dimension."""


class Network(nn.Module):
    """Base of every network: shapes ``(batch, in_channels, time) -> (batch, out_channels, time)``.

    A subclass sets the attributes below and implements `init_state` and `forward`.
    """

    in_channels: int = 1
    out_channels: int = 1
    controls: int = 0
    """How many of ``in_channels``, the last ones, are knobs: signals from 0 to 1 that may move with every sample."""
    causal: bool = True
    latency: int = 0
    """Samples by which the output lags the input it belongs to."""
    lookahead: int = 0
    """Where not ``causal``: samples after its own that an output can depend on; 0 where that is not known."""
    multiple: int = 1
    """Where not ``causal``: what the length of a sound, and where it begins, must be a multiple of: all strides."""

    @property
    def receptive_field(self) -> int:
        """Number of input samples, the present one included, that one output sample can depend on.

        For recurrent networks: how much warm-up training gives them before the loss looks.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say its receptive field")

    @property
    def context(self) -> tuple[int, int]:
        """Samples of input in front of a stretch of output, and behind it, that training gives the network with it.

        Where not ``causal`` the stretch begins and ends where the strides do, and so must what lies around it.
        """
        if self.causal:
            return self.receptive_field - 1, 0
        past = self.receptive_field - 1 - self.lookahead
        past, future = (side + -side % self.multiple for side in (past, self.lookahead or past))
        return past, future

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """The parts that can be kept as they are while the others learn: for each, how its weights' names begin.

        Where nothing else is said: children and parameters by their names, members of a list by name and number.
        """
        found: list[str] = []
        for key, _ in self.named_parameters():
            first, _, rest = key.partition(".")
            found += [first, f"{first}.{rest.split('.')[0]}"] if rest[:1].isdigit() else [first]
        return {name: (name,) for name in dict.fromkeys(found)}

    @property
    def prewarm(self) -> int:
        """Samples of silence that a player feeds before the first real one."""
        return self.receptive_field

    def init_state(self, batch: int) -> State:
        """The state before any input: tensors of ``batch`` rows on the network's own device and type."""
        raise NotImplementedError(f"{type(self).__name__} does not say its first state")

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One block. ``x`` is ``(batch, in_channels, time)``; ``state`` None means `init_state`."""
        raise NotImplementedError(f"{type(self).__name__} has no forward pass")

    def valid(self, x: Tensor) -> Tensor:
        """The outputs that have their whole `context` in ``x``: ``time - receptive_field + 1`` of a causal network.

        What training calls; a convolutional network overrides it to compute nothing that is thrown away.
        """
        y, _ = self(x, None)
        past, future = self.context
        return torch.as_tensor(y[..., past : y.shape[-1] - future])

    @torch.no_grad()
    def settled_state(self, batch: int) -> State:
        """The state of a network that has listened to `prewarm` samples of silence."""
        if not self.prewarm:
            return tuple(part.detach().clone() for part in self.init_state(batch))
        parameter = next(self.parameters())
        silence = torch.zeros(batch, self.in_channels, self.prewarm, device=parameter.device, dtype=parameter.dtype)
        _, state = self(silence, None)
        return tuple(part.detach() for part in state)

"""Keeps the lower band of a sound as it is, and lets a network write the upper one alone."""

from __future__ import annotations

import numpy as np
import torch
from scipy import signal
from torch import Tensor

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State

STOP_DB = 90.0
"""How far below the sound anything the network does to the kept band lies."""


class Crossover(Network):
    """``(batch, 1, time)`` → the same shape: ``x + h * (net(x) − x)``, with h a linear-phase high-pass.

    h is a Kaiser-windowed filter that passes what lies above ``edge + width`` and stops what lies below ``edge``, both
    as shares of half the rate (Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974).
    Where ``hears`` is given, such a share too, the network hears nothing above it: ``x + h * (net(l * x) − x)``.

    Raises:
        SettingsError: a causal network, or an edge and a width that do not lie within 0 to 1.
    """

    causal = False

    def __init__(self, net: Network, edge: float, width: float, hears: float | None = None) -> None:
        super().__init__()
        problems = [] if not net.causal else [f"{type(net).__name__} is causal; a crossover keeps no latency for it"]
        if min(edge, width) <= 0 or edge + width >= 1:
            problems.append(f"edge = {edge}, width = {width}: must lie within 0 to 1, as shares of half the rate")
        if hears is not None and not width < hears < 1:
            problems.append(f"hears = {hears}: must lie between the width, {width}, and 1")
        if problems:
            raise SettingsError(problems)
        self.net, self.multiple = net, net.multiple
        taps, beta = signal.kaiserord(STOP_DB, width)
        taps |= 1  # odd, so that the middle is a sample
        h = signal.firwin(taps, edge + width / 2, window=("kaiser", beta), pass_zero=False)
        self.register_buffer("taps", torch.from_numpy(np.asarray(h, np.float32)).view(1, 1, -1), persistent=False)
        self.taps: Tensor
        self.front: Tensor | None
        front = None
        if hears is not None:
            low = signal.firwin(taps, hears - width / 2, window=("kaiser", beta))
            front = torch.from_numpy(np.asarray(low, np.float32)).view(1, 1, -1)
        self.register_buffer("front", front, persistent=False)

    @property
    def reach(self) -> int:
        """Samples on either side that the filter sees."""
        return int(self.taps.shape[-1]) // 2

    @property
    def lookahead(self) -> int:  # type: ignore[override]
        """Samples after its own on which an output depends."""
        return (self.net.lookahead or self.net.receptive_field - 1) + self._filters * self.reach

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, on both sides."""
        return self.net.receptive_field + 2 * self._filters * self.reach

    @property
    def _filters(self) -> int:
        return 1 if self.front is None else 2

    def init_state(self, batch: int) -> State:
        """Nothing is carried from block to block."""
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → (batch, 1, time), and an empty state."""
        y, _ = self.net(x if self.front is None else self._through(self.front, x), None)
        return x + self._through(self.taps, y - x), ()

    def _through(self, taps: Tensor, x: Tensor) -> Tensor:
        """``x`` through a filter, by Fourier transform: it is long."""
        size = x.shape[-1] + 2 * self.reach
        size += size % 2
        spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(taps, size)
        return torch.narrow(torch.fft.irfft(spectrum, size), -1, self.reach, x.shape[-1])

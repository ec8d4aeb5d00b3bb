"""Plays a causal network block by block, whatever the block sizes, without a history of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State

LONGEST = 65_536
"""Samples that go through the network at once; longer blocks are cut, so that memory does not grow with them."""


class Player:
    """A network with one input and one output, playing ``channels`` channels side by side.

    The channels run as the batch: each has its own state. The first sample meets a network that has settled on silence.

    Raises:
        SettingsError: a network that is not causal or has more than one input or output, or no channels.

    >>> from wavewright.nets.registry import build
    >>> player = Player(build("a1-nano"), channels=2)
    >>> player.process(np.zeros((2, 64), np.float32)).shape
    (2, 64)
    """

    def __init__(self, net: Network, channels: int = 1) -> None:
        problems = []
        if not net.causal:
            problems.append(f"{type(net).__name__} is not causal and cannot be played block by block")
        if (net.in_channels, net.out_channels) != (1, 1):
            problems.append(
                f"the network has {net.in_channels} inputs and {net.out_channels} outputs; a player needs one of each"
            )
        if channels < 1:
            problems.append(f"channels = {channels}: must be at least 1")
        if problems:
            raise SettingsError(problems)
        self.net = net.eval()
        self.channels = channels
        self.latency = net.latency
        """Samples by which the output lags the input."""
        self.non_finite = 0
        """How many input samples were NaN or infinite, and were played as zeros."""
        self.overflows = 0
        """How many output samples were not finite, were given as zeros, and made the network start afresh."""
        self._state: State = ()
        self.reset()

    def reset(self) -> None:
        """Forget all that was played: the network is as if it had listened to silence."""
        settled = self.net.settled_state(1)
        self._state = tuple(part.expand(self.channels, *part.shape[1:]).contiguous() for part in settled)

    def process(self, block: FloatArray) -> FloatArray:
        """``block`` (channels, n) float32 → the output, of the same shape.

        Raises:
            SettingsError: the block is not of that shape.
        """
        block = np.asarray(block, np.float32)
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise SettingsError([f"a block of shape {block.shape}: must be (channels = {self.channels}, samples)"])
        output = np.empty_like(block, order="C")
        for start in range(0, block.shape[1], LONGEST):
            part = slice(start, start + LONGEST)
            output[:, part] = self._play(block[:, part])
        return output

    def _play(self, block: FloatArray) -> FloatArray:
        weight = next(self.net.parameters())
        x = torch.from_numpy(self._finite(block)).to(weight)
        with torch.no_grad():
            y, self._state = self.net(x[:, None], self._state)
        return self._contained(y[:, 0])

    def _finite(self, block: FloatArray) -> FloatArray:
        """The block with zeros for what is no number: one NaN would stay in a recurrent state for good."""
        finite = np.isfinite(block)
        if finite.all():
            return np.ascontiguousarray(block)
        self.non_finite += int(block.size - np.count_nonzero(finite))
        return np.where(finite, block, np.float32(0))

    def _contained(self, y: Tensor) -> FloatArray:
        """The output as numpy; where the network overflowed, zeros and a fresh state."""
        output: FloatArray = y.to("cpu", torch.float32).numpy()
        finite = np.isfinite(output)
        if finite.all():
            return output
        self.overflows += int(output.size - np.count_nonzero(finite))
        self.reset()
        return np.where(finite, output, np.float32(0))

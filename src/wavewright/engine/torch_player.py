"""Plays any causal network by torch: what serves where there are no compiled kernels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.nets.contract import Network, State


class TorchPlayer:
    """``net`` as it stands, with ``channels`` channels as its batch, each with its own state."""

    def __init__(self, net: Network, channels: int) -> None:
        self._net = net.eval()
        self._channels = channels
        self.latency = net.latency
        """Samples by which the output lags the input."""
        self.non_finite = 0
        self.overflows = 0
        self._state: State = ()
        self.reset()

    def reset(self) -> None:
        """Forget all that was played."""
        settled = self._net.settled_state(1)
        self._state = tuple(part.expand(self._channels, *part.shape[1:]).contiguous() for part in settled)

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n) through the network into ``out`` (channels · outputs, n)."""
        if not block.shape[1]:
            return  # torch's recurrent networks refuse a sound of no length
        weight = next(self._net.parameters())
        x = torch.from_numpy(self._finite(block)).to(weight)
        with torch.no_grad():
            y, self._state = self._net(x.view(self._channels, self._net.in_channels, block.shape[1]), self._state)
        out[:] = self._contained(y.reshape(out.shape))

    def _finite(self, block: FloatArray) -> FloatArray:
        """The block with zeros for what is no number: one NaN would stay in a recurrent state for good."""
        finite = np.isfinite(block)
        if finite.all():
            return block
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

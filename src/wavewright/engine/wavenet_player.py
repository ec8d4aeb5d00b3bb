"""Plays WaveNets by compiled kernels: many times faster than torch, and at any block size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine.stream_kernels import NON_FINITE, OVERFLOWS, POSITION, play
from wavewright.engine.stream_plan import supported, write_plan
from wavewright.nets.contract import Network
from wavewright.nets.wavenet import WaveNet


def serves(net: Network) -> bool:
    """Whether the kernels play ``net``: a WaveNet without gates, in CPU memory and single precision."""
    if not isinstance(net, WaveNet) or not supported(net.config):
        return False
    return all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in net.parameters())


def _aligned(shape: tuple[int, ...]) -> FloatArray:
    """Zeros that begin with a cache line."""
    size = int(np.prod(shape))
    room = np.zeros(size + 16, np.float32)
    first = -room.ctypes.data % 64 // 4
    return room[first : first + size].reshape(shape)


class WaveNetPlayer:
    """A WaveNet with the weights that it has now, playing ``channels`` channels, each with its own memory.

    All memory is taken here; `play` takes none.
    """

    def __init__(self, net: WaveNet, channels: int) -> None:
        plan = write_plan(net)
        self._counters: NDArray[np.int64] = np.zeros(3, np.int64)
        self._memory = _aligned((channels, plan.size))
        self._pasts = plan.pasts
        self._settled = np.zeros(int(plan.pasts[:, 2].sum()), np.float32)
        self._plan = (plan.table, plan.columns, plan.weights, plan.pasts, self._settled)
        self._places = np.array([plan.input, plan.output])
        self._settle(net.prewarm)

    @property
    def non_finite(self) -> int:
        """Input samples that were no numbers, and played as zeros."""
        return int(self._counters[NON_FINITE])

    @property
    def overflows(self) -> int:
        """Output samples that were no finite numbers, and given as zeros."""
        return int(self._counters[OVERFLOWS])

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels, n), contiguous float32, into ``out``, of the same shape."""
        play(*self._plan, self._memory, self._places, self._counters, block, out)

    def reset(self) -> None:
        """Forget all that was played: every row's past is what silence leaves in it, one number all along."""
        self._counters[POSITION] = 0
        number = 0
        for first, stride, rows, past in self._pasts.tolist():
            for row in range(rows):
                place = first + row * stride
                self._memory[:, place - past : place] = self._settled[number]
                number += 1

    def _settle(self, prewarm: int) -> None:
        """Learns what silence leaves, by listening to it."""
        silence = np.zeros((self._memory.shape[0], prewarm), np.float32)
        self.play(silence, np.empty_like(silence))
        position = int(self._counters[POSITION])
        places = [
            first + row * stride + position - 1
            for first, stride, rows, _ in self._pasts.tolist()
            for row in range(rows)
        ]
        self._settled[:] = self._memory[0, places]
        self._counters[:] = 0
        self.reset()

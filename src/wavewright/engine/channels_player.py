"""Plays networks side by side, each at its own engine's speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.nets.channels import Channels
from wavewright.nets.contract import Network

if TYPE_CHECKING:
    from wavewright.engine.player import Engine


class ChannelsPlayer:
    """``groups`` times all channels of ``net``; ``make`` gives the engine of one network for so many channels."""

    def __init__(self, net: Channels, groups: int, make: Callable[[Network, int], Engine]) -> None:
        self._groups, self._channels, self._knobs = groups, net.config.channels, net.controls
        if net.config.shared:
            self._engines = [(make(net.first, groups * self._channels), slice(0, self._channels))]
        else:
            self._engines = [(make(network, groups), slice(channel, channel + 1)) for channel, network in net.each()]

    @property
    def non_finite(self) -> int:
        """Input samples so far that were no numbers."""
        return sum(engine.non_finite for engine, _ in self._engines)

    @property
    def overflows(self) -> int:
        """Output samples so far that were no numbers."""
        return sum(engine.overflows for engine, _ in self._engines)

    def reset(self) -> None:
        """Forget all that was played."""
        for engine, _ in self._engines:
            engine.reset()

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (groups · (channels + knobs), n) into ``out`` (groups · channels, n)."""
        frames = block.shape[1]
        heard = block.reshape(self._groups, self._channels + self._knobs, frames)
        given = out.reshape(self._groups, self._channels, frames)
        for engine, part in self._engines:
            width = part.stop - part.start
            rows = np.empty((self._groups, width, 1 + self._knobs, frames), np.float32)
            rows[:, :, 0] = heard[:, part]
            rows[:, :, 1:] = heard[:, None, self._channels :]
            sound = np.empty((self._groups * width, frames), np.float32)
            engine.play(rows.reshape(sound.shape[0] * (1 + self._knobs), frames), sound)
            given[:, part] = sound.reshape(self._groups, width, frames)

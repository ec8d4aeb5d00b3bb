"""A player whose network has knobs: the sound comes from outside, where the knobs stand from `Controls`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.engine.automation import Controls
from wavewright.engine.player import Player

if TYPE_CHECKING:
    from wavewright.engine.player import AnyNetwork

SETTLING = 1 << 14
"""Samples of silence heard at once before the first real one."""


class DrivenPlayer:
    """Plays ``channels`` channels of sound through ``net``, the last inputs of which follow ``controls``.

    The first sample meets a network that has settled on silence with its knobs where they stand at the beginning, so
    that knobs that never move give what the network without them gives.

    Args:
        net: a causal network with as many knobs as ``controls`` has.
        channels: of sound; as many as the network takes at once, or a multiple.
        controls: where the knobs stand.
        rate: of the sound, Hz.
        tell: gets a line if kernels must be compiled.
        exact: the player's.
    """

    def __init__(
        self,
        net: AnyNetwork,
        channels: int,
        controls: Controls,
        rate: float,
        tell: Callable[[str], None] | None = None,
        *,
        exact: bool = False,
    ) -> None:
        self._controls, self._rate = controls, rate
        self._sound = net.in_channels - len(controls.tracks)
        self._groups = channels // self._sound
        self._player = Player(net, self._groups, tell, exact=exact, inputs=net.in_channels, outputs=net.out_channels)
        self.latency = self._player.latency
        self._position = 0
        for start in range(0, net.prewarm, SETTLING):
            silence = np.zeros((channels, min(SETTLING, net.prewarm - start)), np.float32)
            self._player.process(self._with(silence, still=True))

    @property
    def non_finite(self) -> int:
        """Input samples that were no numbers, and played as zeros."""
        return self._player.non_finite

    def process(self, block: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """``block`` (channels, n) → the output (channels, n), also into ``out`` where that is given."""
        y = self._player.process(self._with(block), out)
        self._position += block.shape[1]
        return y

    def flush(self) -> FloatArray:
        """The last `latency` samples of the output."""
        return self.process(np.zeros((self._groups * self._sound, self.latency), np.float32))

    def _with(self, block: FloatArray, still: bool = False) -> FloatArray:
        """The sound and the knobs, group by group: (groups · (sound + knobs), n)."""
        frames = block.shape[1]
        if still:
            knobs = np.repeat(np.array(self._controls.first, np.float32)[:, None], frames, axis=1)
        else:
            knobs = self._controls.at(self._position, frames, self._rate)
        rows = np.empty((self._groups, self._sound + len(knobs), frames), np.float32)
        rows[:, : self._sound] = block.reshape(self._groups, self._sound, frames)
        rows[:, self._sound :] = knobs
        return rows.reshape(self._groups * (self._sound + len(knobs)), frames)

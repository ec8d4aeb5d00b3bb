"""Plays a WaveNet with knobs by compiled kernels while the knobs move.

With knobs that only shift (concatenation) it is a WaveNet that hears further inputs: what its layers hear of the knobs,
worked out for each sample here. FiLM scales what the kernels add up, so it goes through torch.
"""

from __future__ import annotations

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.engine.wavenet_player import WaveNetPlayer
from wavewright.nets.knob_wavenet import KnobWaveNet
from wavewright.nets.plain import plain_of


class KnobPlayer:
    """A `KnobWaveNet` by concatenation with the weights that it has now, playing ``channels`` channels."""

    def __init__(self, net: KnobWaveNet, channels: int, exact: bool = False) -> None:
        plain = plain_of(net.heard_as_inputs(), convert=True)
        assert plain is not None
        self._net, self._channels = net, channels
        self._player = WaveNetPlayer(plain, channels, exact)

    @property
    def non_finite(self) -> int:
        """Input samples that were no numbers, and played as zeros."""
        return self._player.non_finite

    @property
    def overflows(self) -> int:
        """Output samples that were no finite numbers, and given as zeros."""
        return self._player.overflows

    def reset(self) -> None:
        """Forget all that was played."""
        self._player.reset()

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n), contiguous float32, into ``out`` (channels · outputs, n)."""
        frames, inputs = block.shape[1], self._net.in_channels
        rows, sound = block.reshape(self._channels, inputs, frames), inputs - self._net.controls
        features = self._net.features_of(rows[:, sound:].transpose(0, 2, 1)).transpose(0, 2, 1)
        heard = np.concatenate([rows[:, :sound], features], axis=1)  # (channels, sound + features, n)
        self._player.play(np.ascontiguousarray(heard.reshape(-1 if frames else 0, frames), np.float32), out)

"""Plays LSTMs and GRUs by compiled kernels, at any block size, one or two channels side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine import recurrent_kernels
from wavewright.engine.recurrent_kernels import CHANNEL, MEMORY, NON_FINITE, OVERFLOWS
from wavewright.engine.recurrent_plan import GRU, LINE, LSTM, RecurrentShape, write_shared
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.recurrent_config import RecurrentConfig

SETTLING = 4096
"""Samples of silence heard at once."""


KINDS = {"lstm": LSTM, "gru": GRU}
"""What the kernels play."""


class RecurrentPlayer:
    """An LSTM or a GRU with the weights that it has now, playing ``channels`` channels, each with its own memory.

    All memory is taken here; `play` takes none.
    """

    def __init__(self, net: PlainNetwork, channels: int) -> None:
        config: RecurrentConfig = net.config
        self._shape = RecurrentShape(
            KINDS[net.kind], config.hidden_size, config.input_size, config.num_layers, config.skip
        )
        shared = write_shared(self._shape, net.weights, config.skip_gain)
        room = np.zeros(shared.size + channels * self._shape.voice + LINE, np.float32)
        self._memory = room[-room.ctypes.data % 64 // 4 :]
        self._memory[: shared.size] = shared
        self._voices = self._memory[shared.size :][: channels * self._shape.voice].reshape(channels, -1)
        starts = range(0, channels, 2)
        self._players: NDArray[np.int64] = np.zeros((len(starts), 4), np.int64)
        self._players[:, MEMORY], self._players[:, CHANNEL] = self._memory.ctypes.data, starts
        rows = [min(2, channels - start) for start in starts]
        self._runs = [
            (recurrent_kernels.player(self._shape, count), self._players[at]) for at, count in enumerate(rows)
        ]
        self.reset()
        self._settle(net.prewarm)

    @property
    def non_finite(self) -> int:
        """Input samples that were no numbers, and played as zeros."""
        return int(self._players[:, NON_FINITE].sum())

    @property
    def overflows(self) -> int:
        """Output samples that were no finite numbers, and given as zeros."""
        return int(self._players[:, OVERFLOWS].sum())

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n), contiguous float32, into ``out`` (channels, n)."""
        for run, player in self._runs:
            run(player, block, out)

    def reset(self) -> None:
        """Forget all that was played."""
        for rest, place in self._states():
            self._voices[:, place : place + self._shape.padded] = self._memory[rest : rest + self._shape.padded]

    def _states(self) -> list[tuple[int, int]]:
        """For each layer's units and cells: where what silence leaves lies, and where in a voice they lie."""
        shape, layers = self._shape, range(self._shape.layers)
        units = [(shape.rest(layer), shape.hidden(layer)) for layer in layers]
        return [*units, *((shape.rest(layer) + shape.row, shape.cells(layer)) for layer in layers)]

    def _settle(self, prewarm: int) -> None:
        """Learns what silence leaves, by listening to it."""
        channels, inputs = self._voices.shape[0], self._shape.inputs
        for start in range(0, prewarm, SETTLING):
            silence = np.zeros((channels * inputs, min(SETTLING, prewarm - start)), np.float32)
            self.play(silence, np.empty((channels, silence.shape[1]), np.float32))
        for rest, place in self._states():
            self._memory[rest : rest + self._shape.padded] = self._voices[0, place : place + self._shape.padded]
        self._players[:, [NON_FINITE, OVERFLOWS]] = 0
        self.reset()

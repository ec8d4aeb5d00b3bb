"""One frame of a frame network worked out in plain arrays: what torch's bookkeeping costs is more than the products.

The same numbers as the network's own `forward` over a single frame, for dense layer, stacked LSTMs, dense layer, and
the linear path of a mixture, or the codes that frames are heard as.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.residual_kmeans import decoded, encoded
from wavewright.nets.frame_lstm import FrameLSTM
from wavewright.nets.frame_mixture import FrameMixture
from wavewright.nets.frame_tokens import FrameTokens, ResidualCodes

Minds = tuple[FloatArray, FloatArray]
"""Hidden and cell, each ``(sounds, layers, units)``."""


class FrameStep:
    """``(sounds, in_channels)`` → ``(sounds, out_channels)`` and the state after it."""

    def __init__(self, network: FrameLSTM) -> None:
        weights = {name: value.detach().cpu().numpy() for name, value in network.named_parameters()}
        self._config = network.config
        self._told = network.config.heard * network.config.numbers
        self._dense_in = weights["dense_in.weight"].T.copy(), weights["dense_in.bias"]
        self._dense_out = weights["dense_out.weight"].T.copy(), weights["dense_out.bias"]
        self._layers = [
            (
                np.concatenate([weights[f"lstm.weight_ih_l{at}"], weights[f"lstm.weight_hh_l{at}"]], axis=1).T.copy(),
                weights[f"lstm.bias_ih_l{at}"] + weights[f"lstm.bias_hh_l{at}"],
            )
            for at in range(network.config.num_layers)
        ]
        self._straight = weights["straight.weight"].T.copy() if isinstance(network, FrameMixture) else None
        self._direct = network.direct if isinstance(network, FrameMixture) else 0
        self._books: FloatArray | None = None
        if isinstance(network, FrameTokens) and self._dense_in[0][: self._told].any():
            assert isinstance(network.distribution, ResidualCodes)
            self._books = network.distribution.books.cpu().numpy()
            self._weights = network.distribution.weights.cpu().numpy()

    def start(self, sounds: int) -> Minds:
        """The first state."""
        zeros = np.zeros((sounds, self._config.num_layers, self._config.hidden_size), np.float32)
        return zeros, zeros

    def __call__(self, x: FloatArray, minds: Minds) -> tuple[FloatArray, Minds]:
        units = self._config.hidden_size
        hidden, cell = minds[0].copy(), minds[1].copy()
        if self._books is not None:
            frames = x[:, : self._told].reshape(-1, self._config.numbers)
            codes = encoded(self._books * self._weights, frames * self._weights)
            heard = decoded(self._books, codes).reshape(len(x), -1)
            x = np.concatenate([heard, x[:, self._told :]], axis=1)
        within = np.tanh(x @ self._dense_in[0] + self._dense_in[1])
        for at, (weight, bias) in enumerate(self._layers):
            gates = np.concatenate([within, hidden[:, at]], axis=1) @ weight + bias
            opened = _sigmoid(gates)  # input, forget, (cell), output
            new = np.tanh(gates[:, 2 * units : 3 * units])
            cell[:, at] = opened[:, units : 2 * units] * cell[:, at] + opened[:, :units] * new
            within = opened[:, 3 * units :] * np.tanh(cell[:, at])
            hidden[:, at] = within
        y = within @ self._dense_out[0] + self._dense_out[1]
        if self._straight is not None:
            self._add_straight(y, x, self._straight)
        return y, (hidden, cell)

    def _add_straight(self, y: FloatArray, x: FloatArray, straight: FloatArray) -> None:
        config, direct = self._config, self._direct
        heard = x[:, : config.heard * config.numbers].reshape(len(x), config.heard, config.numbers)
        means = heard[:, :, :direct].reshape(len(x), -1) @ straight
        count = max(1, config.mixtures)
        for at in range(count):
            first = count + at * config.numbers
            y[:, first : first + direct] += means


def _sigmoid(x: NDArray[np.float32]) -> FloatArray:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x), np.float32)

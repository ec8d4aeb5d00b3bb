"""TFiLM as a layer of Keras 3, with the numbers of `wavewright.nets.TFiLM`; whatever backend Keras runs on.

    from wavewright.formats.keras_tfilm import TFiLM

Keras is an extra, ``pip install 'wavewright[keras]'``, and is loaded when `TFiLM` is first asked for. Keras lays a
sound out as ``(batch, steps, channels)``, torch as ``(batch, channels, time)``; `to_keras` and `to_torch` carry the
weights of a layer over.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import ModelFileError, SettingsError

if TYPE_CHECKING:
    from wavewright.nets.tfilm import TFiLM as TorchTFiLM

GATES = 4
"""Of an LSTM: input, forget, cell, output, in this order in Keras and in torch."""


def __getattr__(name: str) -> Any:
    if name != "TFiLM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return layer_class()


@lru_cache(maxsize=1)
def layer_class() -> Any:
    """The class `TFiLM`.

    Raises:
        ModelFileError: Keras is not installed.
    """
    try:
        import keras
    except ImportError as error:
        raise ModelFileError("the Keras layer needs Keras 3; pip install 'wavewright[keras]' brings it") from error
    from keras import ops

    @keras.saving.register_keras_serializable(package="wavewright")
    class TFiLM(keras.layers.Layer):  # type: ignore[misc]
        """``(batch, steps, channels)`` → the same shape, each block of ``block`` steps scaled and shifted.

        `wavewright.nets.TFiLM` in Keras: what ``hidden`` and ``shift`` are is said there, and so is the source.

        Raises:
            SettingsError: sizes below 1; an input that is not of three dimensions, with its channels known.
        """

        def __init__(self, block: int, hidden: int | None = None, shift: bool = True, **others: Any) -> None:
            super().__init__(**others)
            problems = [
                f"{name} = {value}: must be at least 1"
                for name, value in (("block", block), ("hidden", hidden))
                if value is not None and value < 1
            ]
            if problems:
                raise SettingsError(problems)
            self.block, self.hidden, self.shift = block, hidden, shift

        def build(self, input_shape: tuple[int | None, ...]) -> None:
            if len(input_shape) != 3 or input_shape[2] is None:
                raise SettingsError([f"input of shape {input_shape}: must be (batch, steps, channels)"])
            channels = input_shape[2]
            units = channels if self.hidden is None else self.hidden
            if not self.shift and units != channels:
                raise SettingsError([f"hidden = {units} without shift: must be channels = {channels}, or absent"])
            self.rnn = keras.layers.LSTM(units, return_sequences=True, name="rnn")
            self.rnn.build((None, None, channels))
            if self.shift:
                self.modulation = keras.layers.Dense(
                    2 * channels,
                    kernel_initializer=keras.initializers.VarianceScaling(FIRST_VARIANCE),
                    bias_initializer=_open,
                    name="modulation",
                )
                self.modulation.build((None, None, units))
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            """``x`` (batch, steps, channels), modulated."""
            steps, channels = ops.shape(x)[1], x.shape[2]
            missing = -steps % self.block
            rest = ops.pad(x, [[0, 0], [0, missing], [0, 0]], constant_values=-np.inf)
            peaks = ops.max(ops.reshape(rest, (-1, (steps + missing) // self.block, self.block, channels)), axis=2)
            memory = self.rnn(peaks)  # (batch, blocks, hidden)
            told = self.modulation(memory) if self.shift else memory
            told = ops.repeat(told, self.block, axis=1)[:, :steps]  # (batch, steps, channels or twice as many)
            return x * told[..., :channels] + told[..., channels:] if self.shift else x * told

        def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
            return input_shape

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "block": self.block, "hidden": self.hidden, "shift": self.shift}

    def _open(shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Scales of 1, shifts of 0."""
        return ops.concatenate([ops.ones(shape[0] // 2, dtype=dtype), ops.zeros(shape[0] // 2, dtype=dtype)])

    return TFiLM


FIRST_VARIANCE = 0.01 / 3
"""Variance of the projection's first weights, times its inputs: the one of `wavewright.nets.TFiLM`."""


def to_keras(layer: TorchTFiLM) -> Any:
    """The Keras layer that does what ``layer`` does.

    Raises:
        ModelFileError: Keras is not installed.
    """
    made = layer_class()(layer.block, layer.hidden, layer.shift)
    made.build((None, None, layer.channels))
    w = {name: value.detach().cpu().numpy() for name, value in layer.state_dict().items()}
    made.rnn.set_weights([w["rnn.weight_ih_l0"].T, w["rnn.weight_hh_l0"].T, w["rnn.bias_ih_l0"] + w["rnn.bias_hh_l0"]])
    if layer.shift:
        made.modulation.set_weights([w["modulation.weight"].T, w["modulation.bias"]])
    return made


def to_torch(layer: Any) -> TorchTFiLM:
    """The torch layer that does what a Keras ``layer`` does.

    Raises:
        SettingsError: the layer was not built yet, and has no weights.
    """
    import torch

    from wavewright.nets.tfilm import TFiLM as TorchTFiLM

    if not layer.built:
        raise SettingsError([f"layer {layer.name} has no weights yet; call it, or build it, first"])
    kernel, recurrent, bias = _numbers(layer.rnn)
    made = TorchTFiLM(kernel.shape[0], layer.block, bias.shape[0] // GATES, shift=layer.shift)
    w = {
        "rnn.weight_ih_l0": kernel.T,
        "rnn.weight_hh_l0": recurrent.T,
        "rnn.bias_ih_l0": bias,
        "rnn.bias_hh_l0": np.zeros_like(bias),
    }
    if layer.shift:
        projection, offset = _numbers(layer.modulation)
        w |= {"modulation.weight": projection.T, "modulation.bias": offset}
    made.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in w.items()})
    return made


def _numbers(layer: Any) -> list[NDArray[np.float32]]:
    """The weights of a Keras layer."""
    from keras import ops

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__", DeprecationWarning)  # of Keras 3.15 on torch beside numpy 2.4
        return [ops.convert_to_numpy(value) for value in layer.weights]

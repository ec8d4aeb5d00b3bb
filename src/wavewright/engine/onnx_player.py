"""Plays ONNX files block by block through onnxruntime, the states carried from each call to the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.errors import ModelFileError
from wavewright.nets.onnx_network import LONGEST_BLOCK, OnnxNetwork


class OnnxPlayer:
    """``net`` with ``channels`` channels as its batch, each with its own state; on one thread.

    Raises:
        ModelFileError: onnxruntime is not installed, or cannot play the file.
    """

    def __init__(self, net: OnnxNetwork, channels: int) -> None:
        self._net = net
        self._channels = channels
        self._session = _session(net)
        self._outputs = ["audio_out", *(state.output for state in net.states)]
        self._feeds: dict[str, Any] = {}
        self.latency = net.latency
        """Samples by which the output lags the input."""
        self.non_finite = 0
        self.overflows = 0
        self.reset()

    def reset(self) -> None:
        """Forget all that was played."""
        self._feeds = {
            state.input: np.repeat(state.start[np.newaxis], self._channels, axis=0) for state in self._net.states
        }

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n) through the network into ``out`` (channels · outputs, n)."""
        for start in range(0, block.shape[1], LONGEST_BLOCK):
            part = slice(start, start + LONGEST_BLOCK)
            self._play(block[:, part], out[:, part])

    def _play(self, block: FloatArray, out: FloatArray) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            self.non_finite += int(block.size - np.count_nonzero(finite))
            block = np.where(finite, block, np.float32(0))
        x = np.ascontiguousarray(block).reshape(self._channels, self._net.in_channels, -1)
        try:
            sound, *after = self._session.run(self._outputs, {"audio": x, **self._feeds})
        except Exception as error:  # onnxruntime's own errors have no common base
            raise ModelFileError(f"onnxruntime stopped playing the model: {_line(error)}; export it anew") from error
        for state, value in zip(self._net.states, after, strict=True):
            self._feeds[state.input] = value
        out[:] = sound.reshape(out.shape)
        finite = np.isfinite(out)
        if not finite.all():
            self.overflows += int(out.size - np.count_nonzero(finite))
            out[~finite] = 0
            self.reset()


def _session(net: OnnxNetwork) -> Any:
    """onnxruntime with the model in it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFileError("ONNX files play through onnxruntime; pip install 'wavewright[onnx]' brings it") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a block is too short to share
    options.log_severity_level = 4  # what is wrong with a model is said by exceptions
    try:
        # without falling back, which prints
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(net.content, options, providers=providers, enable_fallback=0)
    except Exception as error:
        raise ModelFileError(f"onnxruntime cannot load the model: {_line(error)}; export it anew") from error


def _line(error: Exception) -> str:
    """What onnxruntime says, in one line."""
    return " ".join(ascii(str(error))[1:-1].replace("\\n", " ").split())[:200]

"""Changing the sample rate through soxr at its very-high-quality setting: linear phase, no delay, whole or blocks."""

from __future__ import annotations

import numpy as np
import soxr

from wavewright.audio.recording import FloatArray, Recording

QUALITY = "VHQ"


def resample(recording: Recording, rate: int) -> Recording:
    """Bring a recording to ``rate`` Hz; its length becomes frames · rate / old rate, rounded.

    Example:
        >>> resample(Recording(np.zeros((2, 44_100), np.float32), 44_100), 48_000).samples.shape
        (2, 48000)

    Raises:
        ValueError: ``rate`` is not positive.
    """
    _refuse_rate(rate)
    if rate == recording.rate:
        return recording
    interleaved = soxr.resample(np.ascontiguousarray(recording.samples.T), recording.rate, rate, quality=QUALITY)
    return Recording(np.ascontiguousarray(interleaved.T), rate)


class StreamResampler:
    """Resample blocks of any size as they come; all output together equals `resample` of the whole.

    Blocks come out shorter or longer than they went in, at times empty: the filter looks ahead.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        _refuse_rate(rate_in)
        _refuse_rate(rate_out)
        self._channels = channels
        same = rate_in == rate_out
        self._stream = None if same else soxr.ResampleStream(rate_in, rate_out, channels, "float32", quality=QUALITY)

    def push(self, block: FloatArray, last: bool = False) -> FloatArray:
        """Take ``(channels, n)``, give ``(channels, m)``; ``last=True`` flushes what the filter still holds.

        Raises:
            ValueError: the block has another number of channels.
        """
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"block of shape {block.shape}: must be ({self._channels}, n)")
        if self._stream is None:
            return block
        out = self._stream.resample_chunk(np.ascontiguousarray(block.T), last=last)
        return np.ascontiguousarray(out.reshape(-1, self._channels).T)


def _refuse_rate(rate: int) -> None:
    if rate < 1:
        raise ValueError(f"rate = {rate} Hz: must be at least 1")

"""A .wav that is heard while it is made: 16-bit samples behind a header that promises no length."""

from __future__ import annotations

import struct

import numpy as np

from wavewright.audio.recording import FloatArray

UNKNOWN = 0xFFFFFFFF
"""The length in bytes that players take for "until the stream ends"."""


def header(rate: int, channels: int = 1) -> bytes:
    """What stands in front of the samples of a stream at ``rate`` Hz: RIFF, 16-bit PCM, length unknown.

    >>> len(header(16_000))
    44
    """
    frame = 2 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * frame, frame, 16)
    return struct.pack("<4sI4s", b"RIFF", UNKNOWN, b"WAVE") + form + struct.pack("<4sI", b"data", UNKNOWN)


def pcm16(samples: FloatArray) -> bytes:
    """Samples ``(channels, time)`` as interleaved little-endian 16-bit numbers; beyond full scale clipped, not wrapped.

    >>> pcm16(np.array([[0.0, 0.5, 2.0, -2.0]], np.float32)).hex(" ", 2)
    '0000 0040 ff7f 0080'
    """
    steps = np.rint(samples.T.astype(np.float64) * 32_768).clip(-32_768, 32_767)
    return steps.astype("<i2").tobytes()

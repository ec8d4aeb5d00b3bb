"""A player at its own rate inside a stream of another: two polyphase resamplers whose counts always come out even.

A block of n samples at the card's rate becomes about n·L/M at the player's. Inputs at 0, 1, … N−1 allow the outputs
whose times lie before N: ceil(N·L/M) of them. The way back, these allow the outputs before ceil(N·L/M)·M/L ≥ N: never
fewer than N. So the few that are left over wait for the next block, none is ever missing, and the delay stays the same.

The filter is a Kaiser-windowed sinc (Crochiere & Rabiner, Multirate Digital Signal Processing, chapter 4), flat to
20 kHz of 22.05; what it lets fold back lies above that.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled
from wavewright.engine.live import Plays

TAPS = 64
"""Taps a phase where the input's rate is the lower one; as many milliseconds where it is not."""

STOP_DB = 85.0
PHASE, FILLED = range(2)


@compiled
def _resample(x, taps, past, place, up, down, out):  # type: ignore[no-untyped-def]
    """``x`` (n,) through phases ``taps`` (up, K) → how many samples were put into ``out``.

    ``past`` (K − 1 + longest n,) keeps the last K − 1 inputs at its front. ``place[PHASE]``, in 1/up of a sample, is
    where the next output lies, from the first sample of ``x`` on.
    """
    count, length = taps.shape[1], x.shape[0]
    for t in range(length):
        past[count - 1 + t] = x[t]
    written = 0
    at = place[PHASE]
    while at < length * up:
        newest = at // up
        phase = at - newest * up
        total = np.float32(0)
        for k in range(count):  # the taps lie oldest first
            total += taps[phase, k] * past[newest + k]
        out[written] = total
        written += 1
        at += down
    place[PHASE] = at - length * up
    for t in range(count - 1):
        past[t] = past[length + t]
    return written


class BlockResampler:
    """From ``rate_in`` to ``rate_out`` Hz, blocks of up to ``longest`` samples, all memory taken here.

    ``delay``: by how many input samples the output lags.
    """

    def __init__(self, rate_in: int, rate_out: int, longest: int) -> None:
        divisor = math.gcd(rate_in, rate_out)
        self._up, self._down = rate_out // divisor, rate_in // divisor
        count = 2 * math.ceil(TAPS / 2 * max(1.0, rate_in / rate_out))
        self.delay = count / 2
        self._taps = _phases(self._up, count, min(1.0, rate_out / rate_in))
        self._past = np.zeros(count - 1 + longest, np.float32)
        self._place: NDArray[np.int64] = np.zeros(1, np.int64)
        self.longest = -(-longest * self._up // self._down) + 1
        """No block comes out longer."""

    def reset(self) -> None:
        """Forget all that was heard."""
        self._past[:] = 0
        self._place[:] = 0

    def process(self, x: FloatArray, out: FloatArray) -> int:
        """``x`` (n,) into the front of ``out``; gives how many samples that are."""
        return int(_resample(x, self._taps, self._past, self._place, self._up, self._down, out))


def _phases(up: int, count: int, band: float) -> FloatArray:
    """The filter's taps, (phases, taps), each phase oldest first: ``band`` is the lower Nyquist over the input's."""
    delay = count / 2
    # phase p, tap k weighs the input that lies k − (count − 1) − p/up after the output's place; its delay is count/2
    place = np.arange(count) - (count - 1) - np.arange(up)[:, np.newaxis] / up + delay
    window = np.i0(signal.kaiser_beta(STOP_DB) * np.sqrt(np.clip(1 - (place / delay) ** 2, 0, None)))
    taps = band * np.sinc(band * place) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), np.float32)


class RateBridge:
    """``player``, which plays at ``rate`` Hz, in a stream of ``outer`` Hz: as many samples out as in, in any blocks.

    ``delay``: by how many samples of the stream the output lags what the player alone would give.
    """

    def __init__(self, player: Plays, outer: int, rate: int, block: int) -> None:
        self._player = player
        self._block = block
        self._there = BlockResampler(outer, rate, block)
        self._back = BlockResampler(rate, outer, self._there.longest)
        self.delay = self._there.delay + self._back.delay * outer / rate
        self._dry = np.zeros((1, self._there.longest), np.float32)
        self._wet = np.zeros((1, self._there.longest), np.float32)
        self._queue = np.zeros(self._back.longest + outer // rate + 3, np.float32)
        self._waiting = 0

    @property
    def overflows(self) -> int:
        """Output samples of the player so far that were no finite numbers."""
        return self._player.overflows

    def reset(self) -> None:
        """Forget all that was played."""
        for part in (self._player, self._there, self._back):
            part.reset()
        self._waiting = 0

    def process(self, block: FloatArray, out: FloatArray) -> FloatArray:
        """``block`` (1, n), n up to the block size, into ``out``, of the same shape.

        Raises:
            ValueError: the block is longer.
        """
        count = block.shape[1]
        if count > self._block:
            raise ValueError(f"a block of {count} samples: must be at most {self._block}")
        inner = self._there.process(block[0], self._dry[0])
        wet = self._wet[:, :inner]
        self._player.process(self._dry[:, :inner], wet)
        waiting = self._waiting + self._back.process(wet[0], self._queue[self._waiting :])
        out[0] = self._queue[:count]
        self._queue[: waiting - count] = self._queue[count:waiting]
        self._waiting = waiting - count
        return out

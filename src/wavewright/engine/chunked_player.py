"""Plays networks that are not causal: in chunks, each with as much sound around it as its outputs depend on.

A U-Net has no state to carry on; it wants to hear what comes after a sample as well as what came before. So it is given
chunk after chunk with context on both sides, and what it makes of the context is thrown away: where the context covers
the receptive field, nothing tells the result from that of the whole sound. Where it is cut short, each chunk goes on a
little into the next one, and the two are cross-faded.

The sound's own beginning and end are the network's own: no context is invented there. The end is known when `flush` is
called; a sound whose length the network's strides do not divide is filled up with zeros, as it would be whole.
"""

from __future__ import annotations

import numpy as np
import torch

from wavewright.audio.recording import FloatArray
from wavewright.errors import SettingsError
from wavewright.nets.contract import Network

SHORTEST = 1 << 14
"""Samples of a chunk, at least, where nothing else is asked for."""

WORTH = 4
"""A chunk is at least this many times its context, or too much would be worked out only to be thrown away."""

FADE = 512
"""Samples of a cross-fade."""


class ChunkedPlayer:
    """A network that is not causal, playing ``channels`` channels side by side.

    ``chunk`` is the samples that are worked out at once; the shorter, the smaller the `latency`, and the more is thrown
    away. ``context`` limits the context on either side, which otherwise covers the receptive field.

    Raises:
        SettingsError: a causal network, one with a latency of its own, or a chunk or a context below one sample.
    """

    def __init__(self, net: Network, channels: int, chunk: int | None = None, context: int | None = None) -> None:
        problems = []
        if net.causal:
            problems.append(f"{type(net).__name__} is causal and needs no chunks; play it block by block")
        if net.latency:
            problems.append(f"{type(net).__name__} lags by {net.latency} samples; what is played in chunks must not")
        problems += [
            f"{name} = {value}: must be at least 1"
            for name, value in (("chunk", chunk), ("context", context))
            if value is not None and value < 1
        ]
        if problems:
            raise SettingsError(problems)
        self._net = net.eval()
        self._channels, self._inputs, self._outputs = channels, net.in_channels, net.out_channels
        whole = net.receptive_field - 1
        future = net.lookahead or whole
        past = whole - net.lookahead
        short = context is not None and context < max(past, future)
        self._past, self._future = (
            self._up(side if context is None else min(side, context)) for side in (past, future)
        )
        self._fade = self._up(FADE) if short else 0
        self._chunk = self._up(max(SHORTEST, WORTH * (self._past + self._future)) if chunk is None else chunk)
        self._fade = min(self._fade, self._chunk)
        self.latency = self._chunk + self._fade + self._future - 1
        """Samples by which the output lags the input."""
        self.non_finite = 0
        self.overflows = 0
        self.reset()

    def _up(self, samples: int) -> int:
        """``samples``, rounded up to what the network's strides divide."""
        return -(-samples // self._net.multiple) * self._net.multiple

    def reset(self) -> None:
        """Forget all that was played: a new sound begins."""
        self._heard = np.zeros((self._channels * self._inputs, 0), np.float32)
        self._begun = 0  # time of the first sample of what was heard; chunks' times are all counted from the start
        self._next = 0  # time of the first sample that was not worked out yet
        self._beyond = np.zeros((self._channels * self._outputs, 0), np.float32)  # of the last chunk, to be faded out
        self._ready = [np.zeros((self._channels * self._outputs, self.latency), np.float32)]

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n) into ``out`` (channels · outputs, n)."""
        for start in range(0, block.shape[1], self._chunk):
            part = slice(start, start + self._chunk)
            self._hear(block[:, part])
            out[:, part] = self._given(out[:, part].shape[1])

    def flush(self, out: FloatArray) -> None:
        """The sound has ended: the last `latency` samples into ``out``; a new sound may begin."""
        end = self._begun + self._heard.shape[1]
        if end > self._next:
            self._work_out(end - self._next, 0, end)
        out[:] = self._given(self.latency)
        self.reset()

    def _hear(self, block: FloatArray) -> None:
        """Takes in ``block``, no longer than a chunk, and works out the chunk that has all its context now, if any."""
        finite = np.isfinite(block)
        if not finite.all():
            self.non_finite += int(block.size - np.count_nonzero(finite))
            block = np.where(finite, block, np.float32(0))
        self._heard = np.concatenate([self._heard, block], axis=1)
        end = self._next + self._chunk + self._fade + self._future
        if self._begun + self._heard.shape[1] >= end:
            self._work_out(self._chunk, self._fade, end)

    def _work_out(self, chunk: int, fade: int, end: int) -> None:
        """The next ``chunk`` samples and ``fade`` beyond, from what was heard up to time ``end``."""
        begin = max(0, self._next - self._past)
        x = self._heard[:, begin - self._begun : end - self._begun]
        filled = self._up(x.shape[1]) - x.shape[1]
        if filled:
            x = np.pad(x, ((0, 0), (0, filled)))
        y = self._through(x)[:, self._next - begin : self._next - begin + chunk + fade]
        overlap = min(self._beyond.shape[1], y.shape[1])
        if overlap:
            rising = (np.arange(1, overlap + 1, dtype=np.float32) / np.float32(overlap + 1))[None]
            y[:, :overlap] = rising * y[:, :overlap] + (1 - rising) * self._beyond[:, :overlap]
        self._ready.append(y[:, :chunk])
        self._beyond = y[:, chunk:]
        self._next += chunk
        unneeded = max(0, self._next - self._past) - self._begun
        self._heard, self._begun = self._heard[:, unneeded:], self._begun + unneeded

    def _through(self, x: FloatArray) -> FloatArray:
        """What the network makes of ``x`` (channels · inputs, time)."""
        weight = next(self._net.parameters())
        batch = torch.from_numpy(np.ascontiguousarray(x)).to(weight).view(self._channels, self._inputs, x.shape[1])
        with torch.no_grad():
            result, _ = self._net(batch, None)
        y: FloatArray = result.reshape(self._channels * self._outputs, -1).to("cpu", torch.float32).numpy().copy()
        finite = np.isfinite(y)
        if not finite.all():
            self.overflows += int(y.size - np.count_nonzero(finite))
            y[~finite] = 0
        return y

    def _given(self, count: int) -> FloatArray:
        """The next ``count`` samples of what is ready."""
        parts, missing = [], count
        while missing:
            first = self._ready.pop(0)
            if first.shape[1] > missing:
                self._ready.insert(0, first[:, missing:])
                first = first[:, :missing]
            parts.append(first)
            missing -= first.shape[1]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self._channels * self._outputs, 0), np.float32)

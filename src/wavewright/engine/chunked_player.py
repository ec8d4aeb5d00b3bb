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
    away. ``context`` limits the context on either side, which otherwise covers the receptive field. Memory is taken
    once, here, but for what the network itself takes for a chunk.

    Raises:
        SettingsError: a causal network, one with a latency of its own or a lookahead beyond its receptive field, or a
            chunk or a context below one sample.
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
        if net.lookahead >= net.receptive_field:
            problems.append(
                f"{type(net).__name__}: lookahead = {net.lookahead}: must be below its receptive field, "
                f"{net.receptive_field}"
            )
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
        rows = channels * self._inputs, channels * self._outputs
        self._heard = np.zeros((rows[0], self._past + self._chunk + self._fade + self._future), np.float32)
        self._ready = np.zeros((rows[1], self.latency + self._chunk), np.float32)
        self._beyond = np.zeros((rows[1], self._fade), np.float32)  # what the last chunk made of the next one's first
        self._rising = (np.arange(1, self._fade + 1) / (self._fade + 1)).astype(np.float32)
        self.reset()

    def _up(self, samples: int) -> int:
        """``samples``, rounded up to what the network's strides divide."""
        return -(-samples // self._net.multiple) * self._net.multiple

    def reset(self) -> None:
        """Forget all that was played: a new sound begins."""
        self._begun = self._end = 0  # times of what is in `_heard`; all times are counted from the sound's start
        self._next = 0  # time of the first sample that was not worked out yet
        self._given, self._made = 0, self.latency  # columns of `_ready` that are still to be given: first, silence
        self._ready[:, : self.latency] = 0

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n) into ``out`` (channels · outputs, n)."""
        done = 0
        while done < block.shape[1]:
            due = self._next + self._chunk + self._fade + self._future
            count = min(block.shape[1] - done, due - self._end)
            self._hear(block[:, done : done + count])
            if self._end == due:
                self._work_out(self._chunk, self._fade)
            self._give(out[:, done : done + count])
            done += count

    def flush(self, out: FloatArray) -> None:
        """The sound has ended: the last `latency` samples into ``out``; a new sound may begin."""
        if self._end > self._next:
            self._work_out(self._end - self._next, 0)
        self._give(out)
        self.reset()

    def _hear(self, block: FloatArray) -> None:
        """Lays ``block`` behind what was heard, zeros for what is no number."""
        place = self._heard[:, self._end - self._begun : self._end - self._begun + block.shape[1]]
        place[:] = block
        finite = np.isfinite(place)
        if not finite.all():
            self.non_finite += int(place.size - np.count_nonzero(finite))
            place[~finite] = 0
        self._end += block.shape[1]

    def _work_out(self, chunk: int, fade: int) -> None:
        """The next ``chunk`` samples and ``fade`` beyond, from all that was heard; what is needed no more goes."""
        heard = self._end - self._begun
        filled = self._up(heard)
        self._heard[:, heard:filled] = 0
        y = self._through(self._heard[:, :filled])[:, self._next - self._begun :][:, : chunk + fade]
        finite = np.isfinite(y)
        if not finite.all():
            self.overflows += int(chunk * y.shape[0] - np.count_nonzero(finite[:, :chunk]))
            y[~finite] = 0
        if self._next:
            overlap = min(self._fade, chunk)
            rising = self._rising[:overlap]
            y[:, :overlap] = rising * y[:, :overlap] + (1 - rising) * self._beyond[:, :overlap]
        self._beyond[:, :fade] = y[:, chunk:]
        left = self._made - self._given
        self._ready[:, :left] = self._ready[:, self._given : self._made]
        self._ready[:, left : left + chunk] = y[:, :chunk]
        self._given, self._made = 0, left + chunk
        self._next += chunk
        begun = max(0, self._next - self._past)
        kept = self._end - begun
        if begun > self._begun:
            self._heard[:, :kept] = self._heard[:, begun - self._begun : heard]
            self._begun = begun

    def _through(self, x: FloatArray) -> FloatArray:
        """What the network makes of ``x`` (channels · inputs, time), in memory of its own."""
        weight = next(self._net.parameters())
        batch = torch.from_numpy(np.ascontiguousarray(x)).to(weight).view(self._channels, self._inputs, x.shape[1])
        with torch.no_grad():
            result, _ = self._net(batch, None)
        y: FloatArray = result.reshape(self._channels * self._outputs, -1).to("cpu", torch.float32).numpy().copy()
        return y

    def _give(self, out: FloatArray) -> None:
        """The next samples of what is ready, as many as ``out`` takes."""
        out[:] = self._ready[:, self._given : self._given + out.shape[1]]
        self._given += out.shape[1]

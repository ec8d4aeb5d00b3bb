"""Sounds as a frame generator hears them: frames before, the frame to predict, and which of them count.

Frames are cut from the memory map when they are asked for. What lies behind a sound's end does not count, so that a
network of one-shots is taught the ending (`Chunk.over`) and not the silence it would learn to hum in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.data.frame_controls import FrameControls
from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import FrameKind
from wavewright.data.frame_scaling import Scaling
from wavewright.data.tape import Indices, within
from wavewright.errors import DataError

MOST_KEPT = 2**27
"""Bytes of frames that are kept once they are cut; a larger corpus is cut anew each time."""


class FrameChunk(NamedTuple):
    """What a network hears and what it is to predict, frame by frame.

    ``x`` ``(batch, channels, time)``: frames before, level, controls. ``frames`` ``(batch, numbers, time)``; ``counts``
    ``(batch, time)`` bool, False behind a sound's end. ``over`` ``(batch, time)``: 1 where the sound is over, and
    ``asked`` whether that counts. ``fresh`` ``(batch,)``: where the state must begin anew.
    """

    x: Tensor
    frames: Tensor
    counts: Tensor
    over: Tensor
    asked: Tensor
    fresh: Tensor


@dataclass(frozen=True)
class Cutting:
    """How sound becomes numbers for the network: the kind of frames, gain, scaling, and how many it hears."""

    kind: FrameKind
    gain: Gain
    scaling: Scaling
    heard: int

    @property
    def numbers(self) -> int:
        """Of a frame, for the network."""
        return self.scaling.size

    def inputs(self, before: FloatArray, gains: FloatArray) -> FloatArray:
        """What is heard at frames told against ``gains`` ``(n,)``: ``(n, heard · numbers + 1)``, of the frames
        ``before`` them ``(heard, n, features)``, the latest first."""
        told = self.scaling.numbers(before / gains[:, None])  # (heard, n, numbers)
        return np.concatenate([*told, self.gain.told(gains)[:, None]], axis=1)


def count_of(kind: FrameKind, samples: int) -> int:
    """How many frames a sound of so many samples has."""
    return -(-samples // kind.hop) + (kind.overlap > 0)


def cut(kind: FrameKind, sound: FloatArray, first: int, count: int) -> FloatArray:
    """Frames ``first`` to ``first + count`` of a sound ``(time,)``, exactly as if all of it had been analysed; those
    before its start and behind its end are of silence."""
    margin = kind.overlap
    start, stop = (first - margin) * kind.hop, (first + count + margin) * kind.hop
    part = np.asarray(sound[max(0, start) : max(0, stop)], np.float32)
    part = np.pad(part, (max(0, -start), max(0, stop - max(0, start) - len(part))))
    return kind.analyse(part)[margin : margin + count]


class Frames:
    """``sounds``, each ``(time,)``, mapped from the disk where they are long, cut into frames.

    ``controls`` tell the network of each sound. ``padded``: silence up to so many frames counts as a part of each
    sound.
    """

    def __init__(
        self, sounds: Sequence[FloatArray], cutting: Cutting, controls: Sequence[FrameControls], padded: int = 0
    ) -> None:
        self.sounds, self.cutting, self.controls = tuple(sounds), cutting, tuple(controls)
        counts = np.array([count_of(cutting.kind, len(sound)) for sound in sounds], np.int64)
        self.counts: Indices = np.maximum(counts, padded)
        self.lengths = self.counts + 1  # the moment at which a sound is over is learned, too
        self.gains = [self._gains(number) for number in range(len(sounds))]
        self._kept: dict[int, tuple[FloatArray, FloatArray]] | None = None
        self.channels = cutting.heard * cutting.numbers + 1 + (self.controls[0].count if self.controls else 0)

        if int(self.lengths.sum()) * (self.channels + cutting.numbers) * 4 <= MOST_KEPT:
            self._kept = {}

    @property
    def samples(self) -> int:
        """Frames to predict in an epoch."""
        return int(self.counts.sum())

    def most_rows(self, chunk: int) -> int:
        """How many rows can go through the sounds side by side: each needs a chunk of its own."""
        return int((-(-self.lengths // chunk)).sum())

    def _gains(self, number: int) -> FloatArray:
        """The gains of a sound's frames and of the one behind its end."""
        count = int(self.lengths[number])
        if not self.cutting.gain.adaptive:
            return np.ones(count, np.float32)
        return self.cutting.gain.of(cut(self.cutting.kind, self.sounds[number], 0, count))

    def read(self, number: int, first: int, count: int) -> tuple[FloatArray, FloatArray]:
        """Of a sound's frames from ``first`` on the inputs ``(count, channels)`` and the numbers ``(count, …)``."""
        if self._kept is None:
            return self._read(number, first, count)
        if number not in self._kept:
            self._kept[number] = self._read(number, 0, int(self.lengths[number]))
        x, numbers = self._kept[number]
        return x[first : first + count], numbers[first : first + count]

    def _read(self, number: int, first: int, count: int) -> tuple[FloatArray, FloatArray]:
        cutting, heard = self.cutting, self.cutting.heard
        frames = cut(cutting.kind, self.sounds[number], first - heard, count + heard)
        if first < heard:
            frames[: heard - first] = 0.0  # nothing was before a sound began, not even for frames that look ahead
        gains = np.ones(count, np.float32)
        known = self.gains[number][first : first + count]
        gains[: len(known)] = known
        before = np.stack([frames[heard - 1 - back : heard - 1 - back + count] for back in range(heard)])
        told = self.controls[number].signal(first, count)
        x = np.concatenate([cutting.inputs(before, gains), told.T], axis=1)
        return x, cutting.scaling.numbers(frames[heard:] / gains[:, None])

    def cut(self, sounds: Indices, first: Indices, count: int, fresh: NDArray[np.bool_]) -> FrameChunk:
        """Of each sound ``(batch,)`` the ``count`` frames from its ``first`` on."""
        batch, numbers = len(sounds), self.cutting.numbers
        x = np.zeros((batch, count, self.channels), np.float32)
        frames = np.zeros((batch, count, numbers), np.float32)
        counts, asked = np.zeros((2, batch, count), np.bool_)
        over = np.zeros((batch, count), np.float32)
        for row, (number, start) in enumerate(zip(sounds.tolist(), first.tolist(), strict=True)):
            stop = min(count, int(self.lengths[number]) - start)
            x[row, :stop], frames[row, :stop] = self.read(number, start, stop)
            counts[row, : max(0, int(self.counts[number]) - start)] = True
            asked[row, :stop] = True
            if stop > 0 and start + stop == self.lengths[number]:
                over[row, stop - 1] = 1.0
        columns = (x.transpose(0, 2, 1), frames.transpose(0, 2, 1), counts, over, asked, fresh)
        return FrameChunk(*(torch.from_numpy(np.ascontiguousarray(column)) for column in columns))

    def whole(self, batch: int, block: int) -> Iterator[FrameChunk]:
        """Every frame of every sound once, in order, up to ``batch`` sounds side by side."""
        order = np.argsort(-self.lengths, kind="stable")
        for group in np.split(order, range(batch, len(order), batch)):
            for first in range(0, int(self.lengths[group[0]]), block):
                alive = self.lengths[group] > first
                places = np.where(alive, first, self.lengths[group])
                yield self.cut(group, places, block, np.full(len(group), first == 0))

    def streams(self, batch: int, chunk: int, seed: int = 0) -> FrameStreams:
        """``batch`` rows that go on from step to step, ``chunk`` frames at a time."""
        return FrameStreams(self, batch, chunk, seed)


class FrameStreams:
    """Whole sounds in parallel rows, cut into chunks; every chunk a pure function of the step.

    As `wavewright.data.excerpts.Streams`, in frames: all sounds end to end in a new order each epoch, each beginning a
    chunk of its own, dealt out to the rows in equal stretches.
    """

    def __init__(self, frames: Frames, batch: int, chunk: int, seed: int = 0) -> None:
        self.frames, self.batch_size, self.length, self.seed = frames, batch, chunk, seed
        self._counts = -(-frames.lengths // chunk)
        self.count = frames.most_rows(chunk)
        if self.count < batch:
            raise DataError(
                f"the sounds have {self.count} chunks of {chunk} frames, too few for {batch} sequences side by side; "
                "choose a smaller batch or a shorter window, or give more sound"
            )
        self._epoch = lru_cache(maxsize=2)(self._order)

    def steps_per_epoch(self, world: int = 1) -> int:
        """Steps until every frame was heard."""
        return -(-self.count // (self.batch_size * world))

    def batch(self, step: int, rank: int = 0, world: int = 1) -> FrameChunk:
        """The next chunk of each row; process ``rank`` of ``world`` reads its share."""
        epoch, place = divmod(step, self.steps_per_epoch(world))
        index, number = self._epoch(epoch)
        rows = np.arange(rank * self.batch_size, (rank + 1) * self.batch_size)
        chunks = rows * self.count // (self.batch_size * world) + place
        fresh = (number[chunks] == 0) | (place == 0)
        return self.frames.cut(index[chunks], number[chunks] * self.length, self.length, fresh)

    def _order(self, epoch: int) -> tuple[Indices, Indices]:
        """The sound of each chunk, and its number in that sound."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self._counts))
        counts = self._counts[order]
        return np.repeat(order, counts), within(counts)

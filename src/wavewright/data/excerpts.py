"""Excerpts of a corpus as a network hears them: levels before, codes to predict, and which of those count.

The audio lies on the disk once. Whatever is asked for is read from the map when it is asked for, and encoded on the
way: a window with seconds of context costs its own length in memory and no more. Three ways through the same sounds:

- `Streams`: sounds end to end in parallel rows, a network's state carried along: truncated back-propagation.
- `Windows`: shuffled windows with their context, for networks that see so far and no further.
- `whole` and `once`: everything in order, for judging.

Every sound begins from silence, in training as in sampling. What lies before it or behind it in a window is silence
too, and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.data.controls import Controls
from wavewright.data.corpus import Sound
from wavewright.data.encoding import Encoding
from wavewright.errors import DataError

Indices = NDArray[np.int64]


class Excerpt(NamedTuple):
    """What a network hears and what it is to predict from it.

    ``x`` ``(batch, 1 + controls, context + time)``: channel 0 at t is the level of the sample before t, the others are
    the controls of t. ``codes`` ``(batch, time)`` int64. ``counts`` ``(batch, time)`` bool: False before a sound's
    start and behind its end.
    """

    x: Tensor
    codes: Tensor
    counts: Tensor


class Chunk(NamedTuple):
    """An `Excerpt` without context, and the rows ``(batch,)`` in which a network's state must begin anew."""

    x: Tensor
    codes: Tensor
    counts: Tensor
    fresh: Tensor


class Excerpts:
    """The ``sounds`` of a ``track`` ``(1, frames)`` under an ``encoding``, with ``controls`` and a ``tail``.

    The tail is how many samples of silence follow each sound and are learned as a part of it, so that one-shots end.

    Example:
        >>> from pathlib import Path
        >>> track = np.zeros((1, 100), np.float32)
        >>> sounds = [Sound(Path("a.wav"), None, start=0, length=70), Sound(Path("b.wav"), None, start=70, length=30)]
        >>> excerpts = Excerpts(track, sounds, Encoding())
        >>> excerpts.samples
        100
        >>> x, codes, counts = excerpts.windows(batch=2, length=32, context=10).batch(step=0)
        >>> x.shape, codes.shape
        (torch.Size([2, 1, 42]), torch.Size([2, 32]))

    Raises:
        DataError: there is no sound, or one that lies outside the track or has no class among those of ``controls``.
    """

    def __init__(
        self,
        track: FloatArray,
        sounds: Sequence[Sound],
        encoding: Encoding,
        controls: Controls | None = None,
        tail: int = 0,
    ) -> None:
        if not sounds:
            raise DataError("there is no sound to take excerpts from; give at least one")
        for sound in sounds:
            if sound.start < 0 or sound.length < 1 or sound.start + sound.length > track.shape[1]:
                raise DataError(
                    f"{sound.path}: samples {sound.start} to {sound.start + sound.length} lie outside the track's "
                    f"{track.shape[1]}; prepare the store anew"
                )
        if track.shape[0] != 1 or tail < 0:
            raise ValueError(f"track of shape {track.shape}, {tail=}: must be (1, frames) and at least 0")
        self.track, self.encoding, self.controls = track, encoding, controls
        self.sounds = tuple(sounds)
        self.channels = 1 + (0 if controls is None else controls.count)
        self.lengths: Indices = np.array([sound.length + tail for sound in sounds], dtype=np.int64)
        self._envelopes: list[FloatArray] = []
        if controls is not None and controls.classes:
            for label in {sound.label for sound in sounds}:
                controls.index(label)  # refuses one that it does not know
        if controls is not None and controls.envelope:
            self._envelopes = [controls.envelope_of(track[0, s.start : s.start + s.length]) for s in sounds]

    @property
    def samples(self) -> int:
        """All there is to predict."""
        return int(self.lengths.sum())

    def streams(self, batch: int, chunk: int, seed: int = 0) -> Streams:
        """``batch`` rows that go on from step to step, ``chunk`` samples at a time."""
        return Streams(self, batch, chunk, seed)

    def windows(self, batch: int, length: int, context: int, seed: int = 0) -> Windows:
        """Shuffled windows of ``length`` samples to predict behind ``context``."""
        return Windows(self, batch, length, context, seed)

    def whole(self, batch: int, block: int) -> Iterator[Chunk]:
        """Every sample of every sound exactly once, in order, ``block`` by ``block``: for networks that carry a state.

        Up to ``batch`` sounds of similar length run side by side; all rows are fresh at their first block and none
        later. Rows whose sound has ended go on with silence that does not count.
        """
        order = np.argsort(-self.lengths, kind="stable")
        for group in np.split(order, range(batch, len(order), batch)):
            for first in range(0, int(self.lengths[group[0]]), block):
                fresh = torch.full((len(group),), first == 0)
                yield Chunk(*self.cut(group, np.full(len(group), first), block), fresh)

    def once(self, batch: int, length: int, context: int) -> Iterator[Excerpt]:
        """Every sample of every sound exactly once, in windows that stand alone: for networks that see ``context``."""
        counts = -(-self.lengths // length)
        index = np.repeat(np.arange(len(counts)), counts)
        first = _within(counts) * length
        for start in range(0, len(index), batch):
            yield self.cut(index[start : start + batch], first[start : start + batch], length, context)

    def cut(self, index: Indices, first: Indices, length: int, context: int = 0) -> Excerpt:
        """Of each sound ``index`` ``(batch,)`` the ``length`` samples from ``first`` on; negative before its start."""
        begin = first - context - 2  # one sample more is heard than predicted, and pre-emphasis wants one before that
        audio = np.zeros((len(index), length + context + 2), np.float32)
        for row, (sound, place) in enumerate(zip((self.sounds[i] for i in index), begin.tolist(), strict=True)):
            low, high = max(place, 0), min(place + audio.shape[1], sound.length)
            if low < high:
                audio[row, low - place : high - place] = self.track[0, sound.start + low : sound.start + high]
        emphasised, _ = self.encoding.emphasised(audio)
        quantizer = self.encoding.quantizer
        codes = quantizer.encode(emphasised[:, 1:])  # (batch, 1 + context + length), from one before the context on

        x = np.empty((len(index), self.channels, context + length), np.float32)
        x[:, 0] = quantizer.levels_of(codes[:, :-1])
        if self.controls is not None and self.controls.count:
            for row, (i, place) in enumerate(zip(index.tolist(), first.tolist(), strict=True)):
                envelope = self._envelopes[i] if self._envelopes else None
                x[row, 1:] = self.controls.signal(
                    context + length, place - context, label=self.sounds[i].label, envelope=envelope
                )
        time = first[:, np.newaxis] + np.arange(length)
        counts = (time >= 0) & (time < self.lengths[index][:, np.newaxis])
        wanted = codes[:, context + 1 :].astype(np.int64)
        return Excerpt(torch.from_numpy(x), torch.from_numpy(wanted), torch.from_numpy(counts))


class Streams:
    """Parallel streams of whole sounds, cut into chunks; every chunk a pure function of the step.

    All sounds are laid end to end, in a new order each epoch, each beginning a chunk of its own; what its last chunk
    has beyond its end does not count. The chunks are dealt out to the rows in equal stretches. Row r of step k + 1 goes
    on where row r of step k ended; where it does not, it is fresh: at every sound's start, and at the epoch's.

    An epoch leaves nothing out, and reads fewer than ``batch`` chunks twice.

    Raises:
        DataError: there are fewer chunks than rows.
    """

    def __init__(self, excerpts: Excerpts, batch: int, chunk: int, seed: int = 0) -> None:
        if batch < 1 or chunk < 1:
            raise ValueError(f"streams of {batch=}, {chunk=}: both must be at least 1")
        self.excerpts, self.batch_size, self.length, self.seed = excerpts, batch, chunk, seed
        self._counts = -(-excerpts.lengths // chunk)
        self.count = int(self._counts.sum())
        """Chunks in an epoch."""
        self.steps_per_epoch()
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    @property
    def share(self) -> float:
        """How much of what is computed counts; shorter chunks waste less on the ends of short sounds."""
        return self.excerpts.samples / (self.count * self.length)

    def steps_per_epoch(self, world: int = 1) -> int:
        """Steps until every sound was heard.

        Raises:
            DataError: there are more streams than chunks.
        """
        streams = self.batch_size * world
        if self.count < streams:
            raise DataError(
                f"the sounds have {self.count} chunks of {self.length} samples, too few for {streams} sequences side "
                "by side; choose a smaller batch or a shorter window, or give more sound"
            )
        return -(-self.count // streams)

    def positions(self, step: int, rank: int = 0, world: int = 1) -> tuple[Indices, Indices, NDArray[np.bool_]]:
        """For each row its sound, the first sample of its chunk there, and whether it starts anew, all ``(batch,)``."""
        epoch, place = divmod(step, self.steps_per_epoch(world))
        index, within = self.epoch(epoch)
        rows = np.arange(rank * self.batch_size, (rank + 1) * self.batch_size)
        # stretches of equal steps that overlap by a chunk where the chunks cannot be dealt out evenly
        chunks = rows * self.count // (self.batch_size * world) + place
        return index[chunks], within[chunks] * self.length, (within[chunks] == 0) | (place == 0)

    def chunk(self, step: int, rank: int = 0, world: int = 1) -> Chunk:
        """The next chunk of each row; process ``rank`` of ``world`` reads its share of ``world * batch`` rows."""
        index, first, fresh = self.positions(step, rank, world)
        return Chunk(*self.excerpts.cut(index, first, self.length), torch.from_numpy(fresh))

    def _epoch(self, epoch: int) -> tuple[Indices, Indices]:
        """The sound of each chunk, and its number in that sound."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self._counts))
        counts = self._counts[order]
        return np.repeat(order, counts), _within(counts)


class Windows:
    """Shuffled windows over all sounds; every batch a pure function of the step.

    In every epoch each sound is covered by as few windows as can hold it, edge to edge, shifted by a random part of
    what they have to spare. So every sample is predicted exactly once an epoch, a sound's first as often as any other;
    what a window has beyond either end does not count. Steps walk through the endless sequence of epochs.
    """

    def __init__(self, excerpts: Excerpts, batch: int, length: int, context: int, seed: int = 0) -> None:
        if batch < 1 or length < 1 or context < 0:
            raise ValueError(f"windows of {batch=}, {length=}, {context=}: must be at least 1, 1 and 0")
        self.excerpts, self.batch_size, self.length, self.context, self.seed = excerpts, batch, length, context, seed
        self._counts = -(-excerpts.lengths // length)
        self.count = int(self._counts.sum())
        """Windows in an epoch."""
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    @property
    def share(self) -> float:
        """How much of what is computed counts; shorter windows waste less on short sounds."""
        return self.excerpts.samples / (self.count * self.length)

    def positions(self, step: int, rank: int = 0, world: int = 1) -> tuple[Indices, Indices]:
        """For each window its sound, and its first sample to predict there, ``(batch,)``; negative before the start."""
        first = (step * world + rank) * self.batch_size
        epoch, place = divmod(np.arange(first, first + self.batch_size), self.count)
        parts = []
        for number in range(int(epoch[0]), int(epoch[-1]) + 1):
            index, firsts = self.epoch(number)
            here = place[epoch == number]
            parts.append((index[here], firsts[here]))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Excerpt:
        """The windows of a step; process ``rank`` of ``world`` gets its slice of one process's larger batch."""
        index, first = self.positions(step, rank, world)
        return self.excerpts.cut(index, first, self.length, self.context)

    def _epoch(self, epoch: int) -> tuple[Indices, Indices]:
        random = np.random.default_rng([self.seed, epoch])
        shift = random.integers(0, self._counts * self.length - self.excerpts.lengths + 1)
        index = np.repeat(np.arange(len(self._counts)), self._counts)
        first = _within(self._counts) * self.length - shift[index]
        order = random.permutation(len(index))
        return index[order], first[order]


def _within(counts: Indices) -> Indices:
    """0 … n − 1 for each n of ``counts``, end to end."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)

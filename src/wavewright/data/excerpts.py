"""Excerpts of a corpus as a network hears them: levels before, codes to predict, and which of those count.

The audio lies on the disk once. Whatever is asked for is read from the map when it is asked for, and encoded on the
way: a window with seconds of context costs its own length in memory and no more. Three ways through the same sounds:

- `Streams`: sounds end to end in parallel rows, a network's state carried along: truncated back-propagation.
- `Windows`: shuffled windows of many sounds with their context, for networks that see so far and no further.
- `whole` and `once`: everything in order, for judging.

Every sound begins from silence, in training as in sampling, heard under the controls that it begins with. That silence
does not count, nor does what lies behind a sound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavewright.audio.companding import Codes
from wavewright.audio.recording import FloatArray
from wavewright.data.controls import Controls
from wavewright.data.corpus import Sound
from wavewright.data.encoding import Encoding
from wavewright.data.tape import Indices, Pieces, Tape, within
from wavewright.errors import DataError


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
                controls.channels(label)  # refuses one that it does not know
        if controls is not None and controls.envelope:
            self._envelopes = [controls.envelope_of(track[0, s.start : s.start + s.length]) for s in sounds]

    @property
    def samples(self) -> int:
        """All there is to predict."""
        return int(self.lengths.sum())

    def most_rows(self, chunk: int) -> int:
        """How many rows `streams` can have at most, over all processes: each needs a chunk of its own."""
        return int((-(-self.lengths // chunk)).sum())

    def streams(self, batch: int, chunk: int, seed: int = 0) -> Streams:
        """``batch`` rows that go on from step to step, ``chunk`` samples at a time."""
        return Streams(self, batch, chunk, seed)

    def windows(self, batch: int, length: int, context: int, seed: int = 0) -> Windows:
        """Shuffled windows of ``length`` samples behind ``context``, sounds with silence between them end to end."""
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
        """Every sample of every sound exactly once, in order, in windows that stand alone: for networks that see
        ``context``. Short sounds share a window, as in `windows`."""
        tape = Tape.of(self.lengths, np.arange(len(self.sounds)), context)
        windows = tape.windows(length)
        for start in range(0, len(windows), batch):
            group = windows[start : start + batch]
            yield self.read(tape.pieces(group, length), len(group), length, context)

    def cut(self, sound: Indices, first: Indices, length: int) -> Excerpt:
        """Of each ``sound`` ``(batch,)`` the ``length`` samples from its ``first`` on."""
        return self.read(Pieces.rows(sound, first, length), len(sound), length)

    def read(self, pieces: Pieces, rows: int, length: int, context: int = 0) -> Excerpt:
        """Encode ``pieces`` of sounds, which fill ``context + length`` columns of each row."""
        codes, places = self._encoded(pieces)
        levels = self.encoding.quantizer.levels_of(codes)
        x = np.empty((rows, self.channels, context + length), np.float32)
        wanted = np.empty((rows, length), np.int64)
        counts = np.zeros((rows, length), np.bool_)
        columns = zip(*(column.tolist() for column in pieces), places, strict=True)
        for row, column, number, first, frames, place in columns:
            end = column + frames
            x[row, 0, column:end] = levels[place - 1 : place - 1 + frames]
            if self.controls is not None and self.controls.count:
                envelope = self._envelopes[number] if self._envelopes else None
                sound = self.sounds[number]
                x[row, 1:, column:end] = self.controls.signal(
                    frames, first, label=sound.label, envelope=envelope, length=sound.length
                )
            heard = max(context - column, 0)  # how much of the piece is context, and nothing to predict
            if heard < frames:
                wanted[row, column + heard - context : end - context] = codes[place + heard : place + frames]
                low, high = max(first + heard, 0), min(first + frames, int(self.lengths[number]))
                start = column - context - first  # of the sound
                counts[row, start + low : start + max(low, high)] = True
        return Excerpt(torch.from_numpy(x), torch.from_numpy(wanted), torch.from_numpy(counts))

    def _encoded(self, pieces: Pieces) -> tuple[Codes, list[int]]:
        """Codes of all pieces, each behind the code that comes before it, and where in them each piece begins."""
        widths = pieces.frames + 2  # what is heard begins one sample earlier, and pre-emphasis wants one before that
        places = (np.cumsum(widths) - pieces.frames).tolist()
        audio = np.zeros(int(widths.sum()), np.float32)
        for number, first, frames, place in zip(
            pieces.sound.tolist(), pieces.first.tolist(), pieces.frames.tolist(), places, strict=True
        ):
            sound = self.sounds[number]
            low, high = max(first - 2, 0), min(first + frames, sound.length)
            if low < high:
                start = place - first
                audio[start + low : start + high] = self.track[0, sound.start + low : sound.start + high]
        return self.encoding.encode(audio)[0], places


class Streams:
    """Parallel streams of whole sounds, cut into chunks; every chunk a pure function of the step.

    All sounds are laid end to end, in a new order each epoch, each beginning a chunk of its own; what its last chunk
    has beyond its end does not count. The chunks are dealt out to the rows in equal stretches. Row r of step k + 1 goes
    on where row r of step k ended; where it does not, it is fresh: at every sound's start, and at the epoch's.

    An epoch leaves nothing out, and reads fewer than ``batch`` chunks twice.

    Raises:
        DataError: there are fewer chunks than rows; `Excerpts.most_rows` says how many there may be.
    """

    def __init__(self, excerpts: Excerpts, batch: int, chunk: int, seed: int = 0) -> None:
        if batch < 1 or chunk < 1:
            raise ValueError(f"streams of {batch=}, {chunk=}: both must be at least 1")
        self.excerpts, self.batch_size, self.length, self.seed = excerpts, batch, chunk, seed
        self._counts = -(-excerpts.lengths // chunk)
        self.count = excerpts.most_rows(chunk)
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
        return np.repeat(order, counts), within(counts)


class Windows:
    """Shuffled windows over all sounds; every batch a pure function of the step.

    In every epoch the sounds lie in a new random order on a `Tape`, ``context`` samples of silence between them, and
    the tape is cut into as few windows as can hold them. So every sample is predicted exactly once an epoch, from
    nothing but its own sound and the silence before it. The first window begins before the first sound, by a random
    part of what the last one has to spare behind the last sound (unless that took a window more), so that a long
    recording is cut at other places each time. Neither counts, nor do the gaps. The windows come in a random order.

    Steps walk through the endless sequence of epochs. How many windows one has hangs a little on the order of its
    sounds; to find a step, all epochs before it are laid out once, which takes microseconds for each of their windows.
    """

    def __init__(self, excerpts: Excerpts, batch: int, length: int, context: int, seed: int = 0) -> None:
        if batch < 1 or length < 1 or context < 0:
            raise ValueError(f"windows of {batch=}, {length=}, {context=}: must be at least 1, 1 and 0")
        self.excerpts, self.batch_size, self.length, self.context, self.seed = excerpts, batch, length, context, seed
        self.epoch = lru_cache(maxsize=4)(self._epoch)
        self._before = [0]  # windows before each epoch, as far as they were asked for
        self.count = self.before(1)
        """Windows in the first epoch; the others may have a few more or less."""

    @property
    def share(self) -> float:
        """How much of what is computed, context included, counts; longer windows waste less, also on short sounds."""
        return self.excerpts.samples / (self.count * (self.length + self.context))

    def before(self, epoch: int) -> int:
        """How many windows there are in all epochs before this one."""
        while len(self._before) <= epoch:
            _, windows = self.epoch(len(self._before) - 1)
            self._before.append(self._before[-1] + len(windows))
        return self._before[epoch]

    def pieces(self, step: int, rank: int = 0, world: int = 1) -> Pieces:
        """What is to be read for a step: the windows of one epoch, or of as many as the batch reaches into."""
        first = (step * world + rank) * self.batch_size
        while self._before[-1] <= first:
            self.before(len(self._before))
        epoch = bisect_right(self._before, first) - 1
        rows, parts = 0, []
        while rows < self.batch_size:
            tape, windows = self.epoch(epoch)
            place = first + rows - self.before(epoch)
            here = windows[place : place + self.batch_size - rows]
            parts.append(tape.pieces(here, self.length).below(rows))
            rows, epoch = rows + len(here), epoch + 1
        return Pieces(*map(np.concatenate, zip(*parts, strict=True)))

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Excerpt:
        """The windows of a step; process ``rank`` of ``world`` gets its slice of one process's larger batch."""
        return self.excerpts.read(self.pieces(step, rank, world), self.batch_size, self.length, self.context)

    def _epoch(self, epoch: int) -> tuple[Tape, Indices]:
        """The tape, and where its windows begin, in the order in which they come."""
        random = np.random.default_rng([self.seed, epoch])
        lengths = self.excerpts.lengths
        tape = Tape.of(lengths, random.permutation(len(lengths)), self.context)
        windows = tape.windows(self.length)
        spare = int(windows[-1]) + self.length - int(tape.ends[-1])
        shifted = tape.windows(self.length, -int(random.integers(0, spare + 1)))
        return tape, random.permutation(min(shifted, windows, key=len))

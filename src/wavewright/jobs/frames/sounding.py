"""Sound of the frames that were drawn: block after block, each sound until it is over and no further."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.data.frame_kinds import Synthesiser
from wavewright.jobs.frames.drawing import FrameBlocks, FrameDrawing

Refuse = Callable[[list[FloatArray]], list[bool]]
"""Of the frames ``(n, features)`` of each sound, whether it is not worth making sound of them."""


@dataclass(frozen=True)
class Made:
    """A new sound ``(time,)`` and the second at which the network said that it was over; None where it did not."""

    sound: FloatArray
    over: float | None


def drawn_sounds(drawing: FrameDrawing, samples: int, sounds: Sequence[tuple[int, int]]) -> list[Made]:
    """``samples`` of each (number, attempt), silent behind their ends."""
    drawn = FrameBlocks(drawing, samples, sounds)
    return _made(drawn, samples, range(len(sounds)), drawn)


def drawn_unless(
    drawing: FrameDrawing, samples: int, sounds: Sequence[tuple[int, int]], refuse: Refuse
) -> list[Made | None]:
    """The same; None for those whose frames ``refuse`` does not want, of which no sound is made."""
    drawn = FrameBlocks(drawing, samples, sounds)
    whole = np.concatenate(list(drawn), axis=1)  # (sounds, frames, features)
    refused = refuse([drawn.of_sound(row, frames) for row, frames in enumerate(whole)])
    rows = [row for row in range(len(sounds)) if not refused[row]]
    made = iter(_made(drawn, samples, rows, [whole]) if rows else [])
    return [None if no else next(made) for no in refused]


def _made(drawn: FrameBlocks, samples: int, rows: Sequence[int], blocks: Iterable[FloatArray]) -> list[Made]:
    whole = np.concatenate(list(SoundBlocks(drawn, samples, rows, blocks)), axis=1)
    step, overs = drawn.drawing.cutting.kind.hop / drawn.drawing.rate, drawn.over[list(rows)].tolist()
    return [Made(sound, None if over < 0 else over * step) for sound, over in zip(whole, overs, strict=True)]


def blocks_of(drawing: FrameDrawing, samples: int, sound: tuple[int, int]) -> Iterator[FloatArray]:
    """``samples`` of one (number, attempt), block after block, each ``(n,)``, as soon as its frames are drawn."""
    drawn = FrameBlocks(drawing, samples, [sound])
    for block in SoundBlocks(drawn, samples, [0], drawn):
        yield block[0]


class SoundBlocks:
    """Sound ``(rows, n)`` block after block, ``samples`` in all: of those ``rows`` of what was ``drawn`` whose frames
    are these ``blocks`` ``(sounds, n, features)``."""

    def __init__(self, drawn: FrameBlocks, samples: int, rows: Sequence[int], blocks: Iterable[FloatArray]) -> None:
        self.drawn, self.samples, self.rows, self.blocks = drawn, samples, list(rows), blocks
        self._kind = drawn.drawing.cutting.kind
        self._finished = np.zeros(len(rows), np.bool_)
        self._ready = [np.zeros(0, np.float32) for _ in rows]

    def __iter__(self) -> Iterator[FloatArray]:
        kind, drawn = self._kind, self.drawn
        synthesisers = [kind.synthesiser() for _ in self.rows]
        skip = max(0, drawn.only_heard - kind.overlap) * kind.hop  # samples of what was only heard
        done, at = 0, 0
        for block in self.blocks:
            at += block.shape[1]
            self._push(synthesisers, block[self.rows], at)
            lengths = np.array([len(part) for part in self._ready])
            # what is over may lie ready as a whole while the others come late by what their frames overlap
            count = int(lengths.max() if self._finished.all() else lengths[~self._finished].min())
            made = np.stack([np.pad(part[:count], (0, max(0, count - len(part)))) for part in self._ready])
            self._ready = [part[count:] for part in self._ready]
            dropped = min(skip, made.shape[1])
            skip, made = skip - dropped, made[:, dropped:][:, : self.samples - done]
            self._end(made, done)
            done += made.shape[1]
            if made.shape[1]:
                yield made
            if done >= self.samples:
                return
        yield np.zeros((len(self.rows), self.samples - done), np.float32)

    def _push(self, synthesisers: list[Synthesiser], block: FloatArray, at: int) -> None:
        """Make sound of a ``block`` ``(rows, n, features)`` that ends before frame ``at``, of each sound that is not
        over yet and of no more of its frames than are heard."""
        for row in np.flatnonzero(~self._finished).tolist():
            over, begun = int(self.drawn.over[self.rows[row]]), at - block.shape[1]
            needed = self.drawn.total if over < 0 else self.drawn.needed(over)
            count = min(block.shape[1], max(0, needed - begun))
            self._finished[row] = at >= min(needed, self.drawn.total)
            part = synthesisers[row].push(block[row, :count], last=bool(self._finished[row]))
            self._ready[row] = np.concatenate([self._ready[row], part])

    def _end(self, made: FloatArray, first: int) -> None:
        """Fade each sound out over the hop before its end, to zero behind it; in place. ``first``: where ``made``
        begins."""
        hop = self._kind.hop
        for row, number in zip(made, self.rows, strict=True):
            over = int(self.drawn.over[number])
            if over >= 0:
                places = np.arange(first, first + len(row))
                row *= np.clip((over * hop - places) / hop, 0, 1).astype(np.float32) ** 2

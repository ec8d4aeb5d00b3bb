"""Knobs while a sound is played: standing still, or moving along points in time.

Positions run from 0 to 1, as a network hears them. Between two points a knob moves along a straight line, worked out
for every sample by its number, so that neither a step nor the size of a block can be heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray


@dataclass(frozen=True)
class Track:
    """One knob: at ``seconds``, rising, it passes ``positions``; before the first and behind the last it stands still.

    >>> Track((0.0, 1.0), (0.0, 1.0)).at(0, 4, rate=4)
    array([0.  , 0.25, 0.5 , 0.75], dtype=float32)
    """

    seconds: tuple[float, ...]
    positions: tuple[float, ...]

    def at(self, start: int, frames: int, rate: float) -> FloatArray:
        """Its positions (frames,) from sample ``start`` on, at ``rate`` Hz."""
        if len(self.seconds) == 1:
            return np.full(frames, self.positions[0], np.float32)
        times = np.arange(start, start + frames) / rate
        return np.interp(times, self.seconds, self.positions).astype(np.float32)


@dataclass(frozen=True)
class Controls:
    """Every knob of a network, in its order."""

    tracks: tuple[Track, ...]

    @property
    def moves(self) -> bool:
        """Whether any knob does."""
        return any(len(set(track.positions)) > 1 for track in self.tracks)

    @property
    def first(self) -> tuple[float, ...]:
        """Where the knobs stand at the beginning."""
        return tuple(float(np.interp(0.0, track.seconds, track.positions)) for track in self.tracks)

    def at(self, start: int, frames: int, rate: float) -> FloatArray:
        """Positions (knobs, frames) from sample ``start`` on."""
        if not self.tracks:
            return np.zeros((0, frames), np.float32)
        return np.stack([track.at(start, frames, rate) for track in self.tracks])


def still(positions: Sequence[float]) -> Controls:
    """Knobs that stand still."""
    return Controls(tuple(Track((0.0,), (float(position),)) for position in positions))

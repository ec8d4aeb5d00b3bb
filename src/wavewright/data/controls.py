"""What a generator may be told beside the sound: its class, the time since its onset, how far through it we are, its
coarse envelope.

Each is one or more channels of values in [0, 1] that stay as they are for `CONTROL_BLOCK` samples, counted from the
sound's start; before it, in the silence that a network hears first, they are what they are at the start. The same
object makes them for sounds in training and for sounds yet to be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.errors import DataError
from wavewright.settings import did_you_mean

CONTROL_BLOCK = 64
"""Samples for which controls stay as they are; generators count on it."""

ONSET_SECONDS = 0.01  # time that counts as short: up to here the onset channel rises evenly, then by its logarithm
ONSET_LONGEST = 10.0  # seconds at which it reaches 1
ENVELOPE_SECONDS = 0.035  # RMS over so much: longer than a cycle of all but the lowest notes, shorter than an attack
ENVELOPE_RANGE = 60.0  # dB below full scale at which the envelope reaches 0
READ = 2**14 * CONTROL_BLOCK  # samples taken in at a time
POSITIONS = 12  # places along a sound that have a channel of their own: some two for each phoneme of a short word
BETWEEN = "/"  # between the parts of a label, as in "7/george"


@dataclass(frozen=True)
class Controls:
    """Which controls there are, at ``rate`` Hz: channels for the ``classes``, then onset, position, envelope.

    A class is a label, of several parts where it has a `BETWEEN`; each value of each part has a channel, which is 1
    where a sound has that value. The position is a channel for each of `POSITIONS` places from a sound's start to its
    end, 1 there and falling to 0 at its neighbours, then the sound's length by the measure of `since_onset`.

    Example:
        >>> controls = Controls(16_000, classes=("hat", "kick"), onset=True)
        >>> controls.names
        ('class hat', 'class kick', 'onset')
        >>> controls.signal(130, label="kick")[:, ::64].round(2)
        array([[0.  , 0.  , 0.  ],
               [1.  , 1.  , 1.  ],
               [0.  , 0.05, 0.09]], dtype=float32)
        >>> Controls(8000, classes=("1/ann", "1/bob", "2/bob")).names
        ('class 1', 'class 2', 'class ann', 'class bob')
    """

    rate: int
    classes: tuple[str, ...] = ()
    onset: bool = False
    envelope: bool = False
    position: bool = False

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """The values of each part of the labels."""
        split = [label.split(BETWEEN) for label in self.classes]
        return tuple(tuple(sorted(set(values))) for values in zip(*split, strict=True))

    @property
    def count(self) -> int:
        """How many channels there are."""
        classes = sum(len(values) for values in self.parts)
        return classes + self.onset + (POSITIONS + 1) * self.position + self.envelope

    @property
    def names(self) -> tuple[str, ...]:
        """What each channel says."""
        positions = (*(f"position {place}" for place in range(POSITIONS)), "length")
        return (
            *(f"class {name}" for values in self.parts for name in values),
            *(("onset",) if self.onset else ()),
            *(positions if self.position else ()),
            *(("envelope",) if self.envelope else ()),
        )

    def signal(
        self,
        frames: int,
        start: int = 0,
        *,
        label: str | None = None,
        envelope: FloatArray | None = None,
        length: int | None = None,
    ) -> FloatArray:
        """Controls ``(count, frames)`` of the samples from ``start`` on, counted from the sound's start.

        ``envelope`` ``(blocks,)`` has a value for each block from the sound's start, such as `envelope_of` gives;
        beyond its end there is silence. ``length`` is the whole sound's, in samples; beyond it the position stays at
        the end. ``start`` may be negative.

        Raises:
            DataError: ``label`` is none of the classes, or it or an envelope is missing where it is needed.
            ValueError: no ``length`` where positions need one.
        """
        first, last = start // CONTROL_BLOCK, (start + max(frames, 1) - 1) // CONTROL_BLOCK
        block = np.maximum(np.arange(first, last + 1), 0)
        values = np.zeros((self.count, len(block)), np.float32)
        place = sum(len(names) for names in self.parts)
        if self.classes:
            values[list(self.channels(label))] = 1
        if self.onset:
            values[place] = since_onset(block * (CONTROL_BLOCK / self.rate))
            place += 1
        if self.position:
            if not length:
                raise ValueError(f"{length=}: must be at least 1 where the position is told")
            values[place : place + POSITIONS] = positions(block * (CONTROL_BLOCK / length))
            values[place + POSITIONS] = since_onset(np.array(length / self.rate))
        if self.envelope:
            if envelope is None:
                raise DataError(
                    "an envelope is missing: this network has learned to follow one; give a sound to follow"
                )
            inside = block < len(envelope)
            values[-1, inside] = envelope[block[inside]]
        skipped = start - first * CONTROL_BLOCK
        return np.repeat(values, CONTROL_BLOCK, axis=1)[:, skipped : skipped + frames]

    def channels(self, label: str | None) -> tuple[int, ...]:
        """The channels of a class, one for each of its parts.

        Raises:
            DataError: there is none of that name.
        """
        if label is None:
            raise DataError(f"a class is missing: this network knows {', '.join(self.classes)}; name one of them")
        found, first, names = [], 0, label.split(BETWEEN)
        for name, values in zip(names, self.parts, strict=False):
            if name in values and len(names) == len(self.parts):
                found.append(first + values.index(name))
            first += len(values)
        if len(found) < len(self.parts):
            raise DataError(f"class {label!r} is unknown to this network: {did_you_mean(label, self.classes)}")
        return tuple(found)

    def matching(self, asked: str | None = None) -> tuple[str, ...]:
        """The classes that have all parts of ``asked`` (all classes where None), in an order in which every part
        changes from one to the next, as far as it can.

        Example:
            >>> controls = Controls(8000, classes=("1/ann", "1/bob", "2/ann", "2/bob"))
            >>> controls.matching(), controls.matching("2")
            (('1/ann', '2/bob', '1/bob', '2/ann'), ('2/bob', '2/ann'))
        """
        wanted = set() if asked is None else set(asked.split(BETWEEN))
        parts = self.parts

        def turn(label: str) -> tuple[int, ...]:
            places = [values.index(name) for name, values in zip(label.split(BETWEEN), parts, strict=True)]
            shifted = [(place - places[0]) % len(values) for place, values in zip(places, parts, strict=True)]
            return (*shifted[1:], places[0])

        return tuple(sorted((label for label in self.classes if wanted <= set(label.split(BETWEEN))), key=turn))

    def envelope_of(self, x: FloatArray) -> FloatArray:
        """The coarse envelope ``(blocks,)`` of a sound ``(time,)`` at this rate: `ENVELOPE_SECONDS` of RMS about each
        block, in dB, from −60 dBFS as 0 to full scale as 1. It is read in parts, and may be a memory map.

        Example:
            >>> Controls(16_000, envelope=True).envelope_of(np.full(640, 0.1, np.float32))[:3].round(3)
            array([0.667, 0.667, 0.667], dtype=float32)
        """
        parts = [_mean_squares(x[first : first + READ]) for first in range(0, len(x), READ)]
        power = np.concatenate(parts) if parts else np.zeros(0)
        reach = round(ENVELOPE_SECONDS * self.rate / CONTROL_BLOCK / 2)
        block = np.arange(len(power))
        low, high = np.maximum(block - reach, 0), np.minimum(block + reach + 1, len(power))
        total = np.concatenate([[0.0], np.cumsum(power)])
        mean = (total[high] - total[low]) / (high - low)
        decibels = 10 * np.log10(np.maximum(mean, 1e-12))
        return np.asarray(np.clip(1 + decibels / ENVELOPE_RANGE, 0, 1), np.float32)


def since_onset(seconds: NDArray[np.float64]) -> FloatArray:
    """Time since a sound's start as a number in [0, 1]: ln(1 + t / 10 ms), brought to 1 at ten seconds and kept."""
    rising = np.log1p(seconds / ONSET_SECONDS) / np.log1p(ONSET_LONGEST / ONSET_SECONDS)
    return np.asarray(np.minimum(rising, 1), np.float32)


def positions(through: NDArray[np.float64]) -> FloatArray:
    """How near ``through`` (time,), from 0 at a sound's start to 1 at its end, is to each place: (`POSITIONS`, time).

    The two places about it share 1 between them.

    Example:
        >>> positions(np.array([0.0, 0.5, 1.0]))[[0, 5, 6, 11]]
        array([[1. , 0. , 0. ],
               [0. , 0.5, 0. ],
               [0. , 0.5, 0. ],
               [0. , 0. , 1. ]], dtype=float32)
    """
    place = np.minimum(through, 1.0) * (POSITIONS - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(place - np.arange(POSITIONS)[:, np.newaxis])), np.float32)


def _mean_squares(x: FloatArray) -> NDArray[np.float64]:
    """Mean power of each block of ``x`` ``(time,)``, silence behind its end."""
    whole = np.zeros(-(-len(x) // CONTROL_BLOCK) * CONTROL_BLOCK)
    whole[: len(x)] = x
    return np.asarray(np.square(whole).reshape(-1, CONTROL_BLOCK).mean(axis=1))

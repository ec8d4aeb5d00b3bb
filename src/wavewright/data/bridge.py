"""A first guess for every gap: what the covariance says, or a straight line, as either proved right.

A normal process knows the other series and the seasons, but takes a counter or a rain gauge, zero but for bursts, for
something that it is not; there a line to the next value may be nearer. So the two are mixed, w x̂ + (1 − w) line, with a
weight for each series and each distance to the nearest value given; the weights are those with the least absolute error
on values hidden from both.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.data import filling
from wavewright.data.masks import Mask
from wavewright.data.process import Process
from wavewright.errors import RunError

Series = NDArray[np.float64]

EDGES = (2, 3, 5, 9, 17)
"""Distances at which the next class of them begins; the first is a distance of 1."""

WEIGHTS = np.linspace(0, 1, 11)
ERRORS = (0.003, 1.0)
"""Least and largest mean absolute error that a class is credited with, in standard deviations."""

FEWEST = 20
"""Hidden values of a class below which it is not asked: the process alone."""


@dataclass(frozen=True)
class Bridge:
    """A process, how much of it counts, and how far off the mixture is: ``weight``, ``error`` ``(series, classes)``."""

    process: Process
    weight: NDArray[np.float32]
    error: NDArray[np.float32]

    @classmethod
    def learn(cls, scaled: Series, given: Mask, hidden: Mask, *, alike: bool = False) -> Bridge:
        """Count a covariance of what is ``given`` of ``scaled`` ``(series, time)``, and weigh it on what is ``hidden``.

        ``alike``: one covariance and one set of weights for all series.
        """
        process = Process.learn(scaled, given, alike=alike)
        series = len(scaled)
        weight = np.ones((1 if alike else series, len(EDGES) + 1), np.float32)
        error = np.ones_like(weight)
        bridge = cls(process, weight, error)
        guess, line, near = bridge._both(scaled, given & ~hidden)
        for row in range(len(weight)):
            at = slice(None) if alike else slice(row, row + 1)
            for distance in range(weight.shape[1]):
                asked = hidden[at] & (near[at] == distance)
                if asked.sum() < FEWEST:
                    continue
                truth, one, other = scaled[at][asked], guess[at][asked], line[at][asked]
                errors = [np.abs(w * one + (1 - w) * other - truth).mean() for w in WEIGHTS]
                weight[row, distance] = WEIGHTS[int(np.argmin(errors))]
                error[row, distance] = np.clip(min(errors), *ERRORS)
        return bridge

    def fill(self, scaled: Series, shown: Mask) -> Series:
        """Series ``(series, time)`` of which only what is ``shown`` is looked at, without gaps."""
        guess, line, near = self._both(scaled, shown)
        share = _at(self.weight, near)
        return np.where(shown, scaled, share * guess + (1 - share) * line)

    def doubt(self, shown: Mask) -> NDArray[np.float32]:
        """How far off guesses are where only what is ``shown`` ``(series, time)`` is known: mean absolute errors."""
        return _at(self.error, np.digitize(distance_to(shown), EDGES)).astype(np.float32)

    def _both(self, scaled: Series, shown: Mask) -> tuple[Series, Series, NDArray[np.int64]]:
        """The process's guess, the line's, and the class of each value's distance to the nearest shown."""
        alike = len(self.process.covariance) == 1
        guess = self.process.guess(scaled[:, np.newaxis] if alike else scaled, shown[:, np.newaxis] if alike else shown)
        line = filling.linear(np.where(shown, scaled, np.nan))
        return guess.reshape(scaled.shape), line, np.digitize(distance_to(shown), EDGES)

    def save(self, path: Path) -> None:
        """Keep it in a .npz file.

        Raises:
            OutputError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.savez(content, covariance=self.process.covariance, weight=self.weight, error=self.error)
        atomic.write_bytes(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Bridge:
        """Bring it back.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
                covariance, weight, doubt = kept["covariance"], kept["weight"], kept["error"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{path} cannot be read ({error}): the run is damaged; train again") from error
        shape, classes = covariance.shape, len(EDGES) + 1
        square = len(shape) == 3 and shape[0] == shape[1] and shape[2] % 2 == 1
        if not square or weight.shape != doubt.shape or weight.shape[1:] != (classes,):
            raise RunError(f"{path} holds no covariance and its weights but {shape} and {weight.shape}; train again")
        return cls(Process(covariance.astype(np.float32)), weight.astype(np.float32), doubt.astype(np.float32))


def _at(of: NDArray[np.float32], near: NDArray[np.int64]) -> NDArray[np.float32]:
    """What ``of`` ``(series or 1, classes)`` says of each class in ``near`` ``(series, time)``."""
    return np.take_along_axis(np.broadcast_to(of, (len(near), of.shape[1])), near, axis=1)


def distance_to(shown: Mask) -> NDArray[np.int64]:
    """How far each value is from the nearest that is ``shown`` of its series; its length where nothing is.

    >>> distance_to(np.array([[True, False, False, False, True, False]])).tolist()
    [[0, 1, 2, 1, 0, 1]]
    """
    count = shown.shape[1]
    at = np.arange(count)
    before = np.maximum.accumulate(np.where(shown, at, -count), axis=1)
    behind = np.minimum.accumulate(np.where(shown, at, 2 * count)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(np.minimum(at - before, behind - at), count)

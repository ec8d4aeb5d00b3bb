"""A first guess for every gap: what the covariance says, or a straight line, as either proved right.

A normal process knows the other series and the seasons; a straight line knows nothing, and is hard to beat across a
single missing value. So the two are mixed, w x̂ + (1 − w) line, with a weight for each series, each distance to the
nearest value given, and each length of gap; the weights are those with the least error, absolute and root mean square,
on values hidden from both. Series with one long tail reach the process halfway drawn to normal ones
(`wavewright.data.tails`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavewright import atomic
from wavewright.data import filling
from wavewright.data.masks import Mask
from wavewright.data.process import Process
from wavewright.data.tails import Tails
from wavewright.errors import RunError

Series = NDArray[np.float64]
Classes = NDArray[np.int64]

NEAR = (2, 3, 5, 9, 17)
"""Distances at which the next class of them begins; the first is a distance of 1."""

LONG = (2, 4, 8, 16, 32)
"""Lengths of gaps, likewise."""

CLASSES = (len(NEAR) + 1, len(LONG) + 1)

WEIGHTS = np.linspace(1, 0, 21)
"""From the process to the line: the process where nothing tells them apart."""

ERRORS = (0.003, 1.0)
"""Least and largest mean absolute error that a class is credited with, in standard deviations."""

SQUARED_WORTH = 0.5
"""Of the root mean square error beside the mean absolute one, each as a multiple of the least there can be."""

PRIOR = 300
"""Hidden values of a class that count as much as what is known without it: by the distance, by the series."""


@dataclass(frozen=True)
class Bridge:
    """A process, how much of it counts, and how far off the mixture is: ``weight``, ``error`` ``(series, *CLASSES)``.

    One series stands for all where they are taken to be alike.
    """

    process: Process
    tails: Tails
    weight: NDArray[np.float32]
    error: NDArray[np.float32]

    @classmethod
    def learn(cls, scaled: Series, given: Mask, hidden: Sequence[Mask], *, alike: bool = False) -> Bridge:
        """Count a covariance of what is ``given`` of ``scaled`` ``(series, time)``, and weigh it.

        ``hidden``: what is hidden of it for that, once and again. ``alike``: one covariance and one set of weights for
        all series.
        """
        tails = Tails.learn(scaled, given, alike=alike)
        process = Process.learn(tails.drawn(scaled), given, alike=alike)
        rows = 1 if alike else len(scaled)
        count = np.zeros((rows, *CLASSES))
        missed = np.zeros((2, len(WEIGHTS), *count.shape))  # absolute errors and squared ones, summed
        nothing = np.zeros(count.shape, np.float32)
        bridge = cls(process, tails, nothing, nothing)
        for mask in hidden:
            guess, line, kind = bridge._both(scaled, given & ~mask)
            place = kind + np.prod(CLASSES) * np.arange(len(scaled))[:, np.newaxis] * (not alike)
            asked, size = place[mask], count.size
            count += np.bincount(asked, minlength=size).reshape(count.shape)
            truth, one, other = scaled[mask], guess[mask], line[mask]
            for number, weight in enumerate(WEIGHTS):
                error = np.abs(weight * one + (1 - weight) * other - truth)
                for kept, told in zip(missed, (error, error**2), strict=True):
                    kept[number] += np.bincount(asked, told, size).reshape(count.shape)
        mae, rmse = _leant(missed[0], count), np.sqrt(_leant(missed[1], count))
        best = (_beside_the_least(mae) + SQUARED_WORTH * _beside_the_least(rmse)).argmin(axis=0)
        error = np.take_along_axis(mae, best[np.newaxis], axis=0)[0]
        error = np.where(count.sum((1, 2), keepdims=True) > 0, error, ERRORS[1]).clip(*ERRORS)
        return replace(bridge, weight=WEIGHTS[best].astype(np.float32), error=error.astype(np.float32))

    def fill(self, scaled: Series, shown: Mask) -> Series:
        """Series ``(series, time)`` of which only what is ``shown`` is looked at, without gaps."""
        guess, line, kind = self._both(scaled, shown)
        share = _at(self.weight, kind)
        return np.where(shown, scaled, share * guess + (1 - share) * line)

    def doubt(self, shown: Mask) -> NDArray[np.float32]:
        """How far off guesses are where only what is ``shown`` ``(series, time)`` is known: mean absolute errors."""
        return _at(self.error, kinds(shown)).astype(np.float32)

    def _both(self, scaled: Series, shown: Mask) -> tuple[Series, Series, Classes]:
        """The process's guess, the line's, and the class of each value."""
        alike = len(self.process.covariance) == 1
        drawn = self.tails.drawn(scaled)
        guess = self.process.guess(drawn[:, np.newaxis] if alike else drawn, shown[:, np.newaxis] if alike else shown)
        line = filling.linear(np.where(shown, scaled, np.nan))
        return self.tails.back(guess.reshape(scaled.shape)), line, kinds(shown)

    def save(self, path: Path) -> None:
        """Keep it in a .npz file.

        Raises:
            OutputError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        parts = {"covariance": self.process.covariance, "weight": self.weight, "error": self.error}
        np.savez(content, **parts, tails=self.tails.knots)  # type: ignore[arg-type]
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
                knots = kept["tails"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{path} cannot be read ({error}): the run is damaged; train again") from error
        shape = covariance.shape
        square = len(shape) == 3 and shape[0] == shape[1] and shape[2] % 2 == 1
        if not square or not weight.shape == doubt.shape == (shape[0], *CLASSES) or knots.shape[:1] != (3,):
            raise RunError(f"{path} holds no covariance and its weights but {shape} and {weight.shape}; train again")
        process, tails = Process(covariance.astype(np.float32)), Tails(knots.astype(np.float64), alike=shape[0] == 1)
        return cls(process, tails, weight.astype(np.float32), doubt.astype(np.float32))


def _beside_the_least(error: Series) -> Series:
    """Errors ``(weights, …)`` as multiples of the least."""
    return np.asarray(error / np.maximum(error.min(axis=0), 1e-9))


def _leant(missed: Series, count: Series) -> Series:
    """Mean errors ``(weights, rows, *CLASSES)``; where few were hidden, those of more classes count too."""
    rest: Series = missed.sum((2, 3), keepdims=True) / np.maximum(count.sum((1, 2), keepdims=True), 1)
    for axes in ((-1,), ()):  # of a distance, then of a distance and a length
        total, number = (part.sum(axes, keepdims=True) if axes else part for part in (missed, count))
        rest = (total + PRIOR * rest) / (number + PRIOR)
    return rest


def _at(of: NDArray[np.float32], kind: Classes) -> NDArray[np.float32]:
    """What ``of`` ``(series or 1, *CLASSES)`` says of each class in ``kind`` ``(series, time)``."""
    return np.take_along_axis(
        np.broadcast_to(of.reshape(len(of), -1), (len(kind), int(np.prod(CLASSES)))), kind, axis=1
    )


def kinds(shown: Mask) -> Classes:
    """The class of each value ``(series, time)``: by its distance to the nearest shown, and its gap's length."""
    before, behind = sides(shown)
    near, long = np.digitize(np.minimum(before, behind), NEAR), np.digitize(before + behind - 1, LONG)
    return np.asarray(near * CLASSES[1] + long, np.int64)


def sides(shown: Mask) -> tuple[Classes, Classes]:
    """How far each value is from the one ``shown`` before it, and the one behind; its series' length where none is.

    >>> before, behind = sides(np.array([[True, False, False, False, True, False]]))
    >>> before.tolist(), behind.tolist()
    ([[0, 1, 2, 3, 0, 1]], [[0, 3, 2, 1, 0, 6]])
    """
    count = shown.shape[1]
    at = np.arange(count)
    before = np.maximum.accumulate(np.where(shown, at, -count), axis=1)
    behind = np.minimum.accumulate(np.where(shown, at, 2 * count)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(at - before, count), np.minimum(behind - at, count)

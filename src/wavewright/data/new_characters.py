"""New characters, near those of what was learned.

A new one lies between those of neighbours (Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE", 2002), where the network has
heard something alike: points of a normal distribution would mostly lie where there is no sound at all. The sounds
learned take turns, for a few new ones drawn freely would leave many of their kinds out: in an order of which any first
part is like the whole (Chen, Welling and Smola, "Super-samples from kernel herding", 2010). Which of a sound's versions
a new one begins from is left to chance. Neighbours of one of a dozen sounds are its own versions, and what lies between
these is that sound again: a new one that shall be another goes some of the way to any other sound, the further, the
more often it was not.

A loop has a character for each of its beats. A new loop is played like a version of a learned one, on the way to
another, and each of its beats is one of the beats that lie at its place in some bar of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.frame_controls import BEATS_A_BAR

Indices = NDArray[np.int64]

NEIGHBOURS = 5
MOST_HERDED = 2000
"""Sounds that are brought into such an order; the others follow in any."""
WHOLE, PARTIAL = -1, -2
"""Of `Learned.places`: a whole sound; a beat of which a part is missing, at the beginning or end of a loop."""


@dataclass(frozen=True)
class Learned:
    """What was learned, a row each: whole sounds, or the beats of loops; of each version of a sound in turn.

    ``numbers`` ``(rows, n)`` are its character, ``homes`` ``(rows,)`` the sound that it is a version of, ``versions``
    ``(rows,)`` count through all sounds, ``places`` ``(rows,)`` tell which beat of its bar it is; ``labels`` of sounds.
    """

    numbers: FloatArray
    homes: Indices
    versions: Indices
    places: Indices
    labels: tuple[str | None, ...]
    _orders: dict[tuple[bytes, int], Indices] = field(default_factory=dict, repr=False, compare=False)

    def between(
        self,
        turn: int,
        dice: np.random.Generator,
        *,
        label: str | None = None,
        seed: int = 0,
        reach: float | None = None,
    ) -> FloatArray:
        """A new character ``(n,)`` of a whole sound, on the way from the sound whose ``turn`` it is to a neighbour; of
        class ``label`` where one is asked for. With a ``reach``, and where there are several versions of a sound, it is
        on the way to one of any other sound, and no further from its own than this share of that way.

        >>> known = Learned(np.float32([[0.0], [1.0]]), np.arange(2), np.arange(2), np.full(2, WHOLE), (None, None))
        >>> bool(0 <= known.between(0, np.random.default_rng(0))[0] <= 1)
        True
        """
        if not self.numbers.size:
            return np.zeros(self.numbers.shape[1], np.float32)
        allowed = self._of(label)
        home = self._home(turn, allowed, seed)
        rows = np.flatnonzero(self.homes == home)
        one, others = int(dice.choice(rows)), allowed[allowed != home]
        away = reach is not None and len(rows) > 1 and len(others) > 0
        among = np.isin(self.homes, dice.choice(others) if away else allowed)
        other, share = self._neighbour(self.numbers, one, np.flatnonzero(among), dice)
        return self._way(one, other, share * reach if away and reach is not None else share)

    def loop(
        self,
        turn: int,
        places: Indices,
        dice: np.random.Generator,
        *,
        label: str | None = None,
        seed: int = 0,
    ) -> FloatArray:
        """The characters ``(beats, n)`` of a new loop whose beats lie at ``places`` ``(beats,)`` of their bars."""
        if not self.numbers.size:
            return np.zeros((len(places), self.numbers.shape[1]), np.float32)
        allowed = self._of(label)
        count = int(self.versions.max()) + 1
        firsts = np.searchsorted(self.versions, np.arange(count))
        whole = np.stack([part.mean(axis=0) for part in np.split(self.numbers, firsts[1:])])  # (versions, n)
        homes = self.homes[firsts]
        one = int(dice.choice(np.flatnonzero(homes == self._home(turn, allowed, seed))))
        other, share = self._neighbour(whole, one, np.flatnonzero(np.isin(homes, allowed)), dice)
        found = np.zeros((len(places), self.numbers.shape[1]), np.float32)
        for beat, place in enumerate(places.tolist()):
            mine = self._at(one, place)
            row = int(dice.choice(mine))
            theirs = self._at(other, place)
            if homes[one] == homes[other]:  # the same beat of another version
                second = row - int(firsts[one]) + int(firsts[other])
            else:
                second = int(dice.choice(theirs))
            found[beat] = self._way(row, second, share)
        return found

    def _of(self, label: str | None) -> Indices:
        """The sounds of a class; all where none is asked for."""
        return np.array([at for at, own in enumerate(self.labels) if label is None or own == label], np.int64)

    def _home(self, turn: int, allowed: Indices, seed: int) -> int:
        """The sound whose turn it is among those ``allowed``."""
        if (key := (allowed.tobytes(), seed)) not in self._orders:
            whole = np.stack([self.numbers[self.homes == home].mean(axis=0) for home in allowed[:MOST_HERDED]])
            rest = np.random.default_rng(seed).permutation(allowed[MOST_HERDED:])
            self._orders[key] = np.concatenate([allowed[herded(whole, seed)], rest])
        order = self._orders[key]
        return int(order[turn % len(order)])

    def _at(self, version: int, place: int) -> Indices:
        """The rows of a version's beats at a place of the bar; all of its whole beats, or all, where there are none."""
        rows: Indices = np.flatnonzero(self.versions == version)
        there = self.places[rows]
        for chosen in (rows[there == place], rows[there != PARTIAL]):
            if len(chosen):
                return np.asarray(chosen, np.int64)
        return rows

    @staticmethod
    def _neighbour(points: FloatArray, one: int, among: Indices, dice: np.random.Generator) -> tuple[int, float]:
        """One of the nearest of the points ``among`` which it is, and the share of the way to it."""
        share = float(dice.random())
        others = among[among != one]
        if not len(others):
            return one, share
        apart = np.square(points[others] - points[one]).sum(axis=1)
        return int(dice.choice(others[np.argsort(apart, kind="stable")[:NEIGHBOURS]])), share

    def _way(self, one: int, other: int, share: float) -> FloatArray:
        return np.asarray(self.numbers[one] + share * (self.numbers[other] - self.numbers[one]), np.float32)


def herded(points: FloatArray, seed: int = 0) -> Indices:
    """An order of the ``points`` ``(n, numbers)``, a random one first, of which any first part lies as all of them do:
    each next one is where the whole is dense and those before it are not, by a Gaussian kernel of the median width.

    >>> order = herded(np.float32([[0.0], [0.1], [0.2], [9.0], [9.1]]))
    >>> sorted((order[:2] > 2).tolist())  # one of either heap
    [False, True]
    """
    apart = np.square(points[:, None] - points[None]).sum(axis=2, dtype=np.float64)
    kernel = np.exp(-apart / max(float(np.median(apart)), 1e-12))
    wanted, count = kernel.mean(axis=1), len(points)
    found = [int(np.random.default_rng(seed).integers(count))]
    taken = kernel[found[0]].copy()
    left = np.ones(count, np.bool_)
    left[found[0]] = False
    while len(found) < count:
        gain = np.where(left, wanted - taken / (len(found) + 1), -np.inf)
        found.append(int(gain.argmax()))
        left[found[-1]] = False
        taken += kernel[found[-1]]
    return np.array(found, np.int64)


def places_of(beats: Indices) -> Indices:
    """Which beat of its bar each of these is.

    >>> places_of(np.array([-1, 0, 5])).tolist()
    [3, 0, 1]
    """
    return beats % BEATS_A_BAR

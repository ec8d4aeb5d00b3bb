"""A sound rebuilt from the grains of a corpus: what "Deep Learning and Sound ~ 02" called concatenative synthesis.

Each grain of the target has as candidates the grains of the corpus nearest to it in features; among all paths through
the candidates the cheapest is taken (Viterbi). As in unit selection (Hunt and Black, "Unit selection in a concatenative
speech synthesis system", ICASSP 1996) a path pays for how unlike its grains are to the target's, and at every join for
how unlike a grain is to the one that would have followed the last in the corpus; nothing where it is that very one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled
from wavewright.data.frame_kinds import FrameKind, frame_kind
from wavewright.data.grains import Float64Array, Indices, Pieces, joined, pieces_of, reader_of, starts_of
from wavewright.data.mosaic_settings import MosaicSettings
from wavewright.errors import DataError

QUIETEST = 1e-4
"""Peak below which a target is silence: −80 dBFS."""

_FRAME = 0.008  # seconds from frame to frame
_BANDS, _COEFFICIENTS = 40, 13
_SLOPE = 0.5  # weight of how a grain changes
_LEVEL = 0.3  # weight of a grain's level where it is to be matched by a gain
_LOUDER = 4.0  # a grain is made so much louder at most than all of them


@dataclass(frozen=True)
class Chosen:
    """A way through the corpus: for each grain of the target a grain's number, and what all of it cost."""

    grains: Indices
    distance: float
    """Mean distance from the target's grains, in standard deviations of the corpus."""
    joins: float
    """Share of the joins at which a grain does not go on where the last one ended."""


class MosaicIndex:
    """The grains of a corpus, ready to be found.

    Args:
        sounds: the corpus, each sound ``(time,)``; mapped from the disk where it is long.
        rate: of all sounds, in Hz.
        settings: how to cut and choose; the defaults where None.
        kind: frames that features are made of; MFCC where None.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
        >>> index = MosaicIndex([noise], rate=8000)
        >>> bool(np.allclose(index.rebuilt(noise[:4000])[:3000], noise[:3000], atol=1e-4))
        True

    Raises:
        DataError: no sound in which anything sounds.
    """

    def __init__(
        self,
        sounds: Sequence[FloatArray],
        rate: int,
        settings: MosaicSettings | None = None,
        kind: FrameKind | None = None,
    ) -> None:
        self.rate, self.settings, self._sounds = rate, settings or MosaicSettings(), list(sounds)
        self.kind = kind or frame_kind(
            "mfcc", 2 * max(2, round(_FRAME * rate / 2)), rate, bands=_BANDS, coefficients=_COEFFICIENTS
        )
        self.grain = max(2 * self.kind.hop, round(self.settings.grain * rate))
        parts = [self.cut(sound) for sound in self._sounds if sound.size]
        counts = [len(part.starts) for part in parts]
        if not sum(counts):
            raise DataError("the corpus has no sound to take grains from; give at least one")
        owners = [number for number, sound in enumerate(self._sounds) if sound.size]
        self.owners: Indices = np.repeat(np.array(owners, np.int64), counts)
        self.starts: Indices = np.concatenate([part.starts for part in parts])
        self.levels: Float64Array = np.concatenate([part.levels for part in parts])
        self.lengths: Indices = np.concatenate([part.ends - part.starts for part in parts])
        raw = np.concatenate([part.features for part in parts])
        self._mean = raw.mean(axis=0)
        self._deviation = np.maximum(raw.std(axis=0), 1e-3)
        self.features = self._weighted((raw - self._mean) / self._deviation)
        """What each grain sounds like, ``(grains, dimensions)``, in standard deviations."""
        last = np.cumsum(counts) - 1
        self._next = np.minimum(np.arange(len(self.starts)) + 1, len(self.starts) - 1)
        self._next[last] = last  # behind the last grain of a sound lies nothing: as good as itself again
        self._ends = np.zeros(len(self.starts), np.bool_)
        self._ends[last] = True
        self._tree = cKDTree(self.features)

    def __len__(self) -> int:
        return len(self.starts)

    def cut(self, sound: FloatArray) -> Pieces:
        """The grains of any sound ``(time,)`` at the corpus's rate."""
        starts = starts_of(sound, self.rate, self.grain, self.settings.onsets)
        return pieces_of(sound, starts, self.grain, self.kind)

    def choose(self, target: Pieces) -> Chosen:
        """The cheapest way through the corpus."""
        wanted = self._wanted(target.features)
        k = min(self.settings.candidates, len(self))
        distances, found = self._tree.query(wanted, k=np.arange(1, k + 1))
        grains = _cheapest(
            distances.astype(np.float64),
            found.astype(np.int64),
            self.features,
            self._next,
            self._ends,
            self.settings.continuity,
        )
        apart = np.sqrt(np.sum((self.features[grains] - wanted) ** 2, axis=1))
        goes_on = (grains[1:] == self._next[grains[:-1]]) & ~self._ends[grains[:-1]]
        return Chosen(grains, float(apart.mean()), float(1 - goes_on.mean()) if goes_on.size else 0.0)

    def render(self, target: Pieces, chosen: Chosen) -> Iterator[FloatArray]:
        """The mosaic, block by block, as long as the target."""
        grains = chosen.grains
        gains = np.ones(len(grains))
        if self.settings.level:
            own = np.maximum(self.levels[grains], 1e-9)
            gains = np.minimum(target.levels / own, _LOUDER * max(1.0, _rms(target.levels) / max(_rms(own), 1e-9)))
        edges = np.append(target.starts, target.length)
        sources, owners = self.starts[grains], self.owners[grains]
        yield from joined(reader_of(self._sounds), owners, sources, gains, edges, self.grain // 4)

    def rebuilt(self, sound: FloatArray) -> FloatArray:
        """``sound`` ``(time,)`` from the grains of the corpus, as long as it is.

        Raises:
            DataError: it is silent.
        """
        refuse_silent(sound, "the target")
        target = self.cut(sound)
        return np.concatenate(list(self.render(target, self.choose(target))))

    def _wanted(self, features: Float64Array) -> Float64Array:
        """The target's features in the corpus's deviations, or in its own."""
        if not self.settings.relative:
            return self._weighted((features - self._mean) / self._deviation)
        return self._weighted((features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-3))

    def _weighted(self, features: Float64Array) -> Float64Array:
        n = features.shape[1] // 2
        weights = np.concatenate([np.ones(n), np.full(n, _SLOPE)])
        if self.settings.level:
            weights[0] = _LEVEL
        return np.asarray(features * weights / np.sqrt(np.sum(weights**2)))


def _rms(levels: Float64Array) -> float:
    return float(np.sqrt(np.mean(levels**2)))


def refuse_silent(sound: FloatArray, what: str) -> None:
    """Raise `DataError` where nothing sounds in ``sound`` ``(time,)``."""
    peak = max((float(np.abs(sound[at : at + (1 << 20)]).max()) for at in range(0, sound.size, 1 << 20)), default=0.0)
    if peak < QUIETEST:
        raise DataError(f"{what} is silent (peak {peak:.2g}): there is nothing to rebuild; give a sound")


@compiled
def _cheapest(
    distances: Float64Array,
    candidates: Indices,
    features: Float64Array,
    following: Indices,
    ends: NDArray[np.bool_],
    weight: float,
) -> Indices:
    """The cheapest path ``(units,)`` through ``candidates`` ``(units, k)`` at ``distances`` from what is wanted.

    A join from a to b costs ``weight`` · (1 + |features of what follows a − features of b|), nothing where b follows a.
    """
    units, k = candidates.shape
    back = np.zeros((units, k), np.int32)
    cost = distances[0].copy()
    best = np.empty(k)
    for t in range(1, units):
        for j in range(k):
            b = candidates[t, j]
            least = np.inf
            for i in range(k):
                a = candidates[t - 1, i]
                value = cost[i]
                if ends[a] or following[a] != b:
                    apart = 0.0
                    for d in range(features.shape[1]):
                        apart += (features[following[a], d] - features[b, d]) ** 2
                    value += weight * (1.0 + np.sqrt(apart))
                if value < least:
                    least = value
                    back[t, j] = i
            best[j] = least + distances[t, j]
        for j in range(k):
            cost[j] = best[j]
    path = np.empty(units, np.int64)
    at = np.argmin(cost)
    for t in range(units - 1, -1, -1):
        path[t] = candidates[t, at]
        at = back[t, at]
    return path

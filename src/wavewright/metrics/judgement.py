"""All figures of a set of new sounds, and of three others beside it: real ones, a Gaussian's, shuffled grains.

`Judge` measures the corpus once and then any number of sets. Whatever is a distance is taken to the held-out sounds;
for the training sounds it is the mean over random sets as large as the one judged (what chance alone does to so few).
Where there are too few held-out sounds of the length of the new ones, everything is cut into shorter pieces; where
there is next to nothing (a corpus of one loop), all real sounds are what new ones are held against, `Judge.reference`
says so, and what is ordinary is the distance of a part of them from the rest.

docs/judging.md says what each figure means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.onsets import slices
from wavewright.audio.recording import FloatArray
from wavewright.metrics import brightness, corpus, corpus_floors, rhythm, tails
from wavewright.metrics.distributions import drawn_floor, parted_floor, wasserstein
from wavewright.metrics.envelope import envelopes_of
from wavewright.metrics.memorisation import Copies, Nearest
from wavewright.metrics.movement import movement

Float64Array = NDArray[np.float64]
Sounds = Sequence[FloatArray]

MEASURED = 300
"""Real sounds of a kind that the dearer figures are measured on, evenly picked."""

MOST_ORDINARY = 48
"""Held-out sounds that are searched for among those learned."""

_FEWEST = 4  # pieces of held-out sound that are enough, cut shorter where they are not
_SHORTEST = 0.5  # seconds of a piece
_DRAWS = 20
_MOST_SEARCHED = 300.0  # seconds of training sound up to which floors are searched for copies, too


@dataclass(frozen=True)
class Figures:
    """What is known of a set of sounds; NaN for what cannot be told of it."""

    mmd: float
    frechet: float
    diversity: float
    movement: float
    tail_db: float
    rising: float
    attack: float
    decay: float
    crest: float
    centroid: float
    hiss: float
    intervals: float
    copy: float
    copy_distance: float
    copies: float
    mmd_biased: float


MEANING = {
    "mmd": "kernel distance to held-out sounds, over log-mel spectra",
    "frechet": "Fréchet distance to held-out sounds, over log-mel spectra",
    "diversity": "how unlike one another, over the corpus's own: 1 is as diverse",
    "movement": "how much a sound changes while it lasts, over the corpus's own: 0 is one frame for ever",
    "tail_db": "energy of the last quarter over the strongest, dB, median",
    "rising": "share of sounds whose tail rises",
    "attack": "distance of the attack times from held-out ones, octaves",
    "decay": "distance of the decay times, octaves",
    "crest": "distance of the crests, dB",
    "centroid": "distance of the spectral centroids, octaves",
    "hiss": "distance of the energies above the corpus's own, dB",
    "intervals": "distance of the times from onset to onset, octaves",
    "copy": "best correlation of any with a training excerpt: 1 is a copy",
    "copy_distance": "least log-mel distance of any from a training excerpt, dB",
    "copies": "share nearer to a training sound than any held-out one",
    "mmd_biased": "the kernel distance, biased: never below zero, so that ratios can be taken",
}
"""What each of `Figures` says, by name."""


@dataclass(frozen=True)
class Judgement:
    """New sounds, and beside them what their figures are to be compared with."""

    new: Figures
    ordinary: Figures
    """Of training sounds, in sets of the same size; for copies, of held-out ones."""
    gaussian: Figures
    grains: Figures
    nearest: tuple[Nearest, ...]
    """Of each new sound, the training excerpt most like it."""
    held_out_nearest: tuple[Nearest, ...]
    intervals: Mapping[str, Float64Array] = field(default_factory=dict)
    """Shares of the times from onset to onset, as `wavewright.metrics.rhythm.histogram` gives them, by whose they are:
    new, real, Gaussian, grains. Empty where the corpus is not one of loops."""
    reference: str = "held-out sounds"
    """What they are held against: these, or all real sounds where too few are held out."""

    def rows(self) -> list[tuple[str, float, float, float, float, str]]:
        """``(name, new, real, Gaussian, grains, meaning)`` of every figure that is known of the new sounds."""
        found = []
        for one in fields(Figures):
            values = [getattr(figures, one.name) for figures in (self.new, self.ordinary, self.gaussian, self.grains)]
            if np.isfinite(values[0]):
                found.append((one.name, *values, MEANING[one.name]))
        return found

    def to_dict(self) -> dict[str, float]:
        """Name → value, with ``_real``, ``_gaussian`` and ``_grains`` behind the names of what stands beside it."""
        found: dict[str, float] = {}
        for name, new, real, normal, shuffled, _ in self.rows():
            found |= {name: new, f"{name}_real": real, f"{name}_gaussian": normal, f"{name}_grains": shuffled}
        return found


class Judge:
    """Measures sets of sounds against one corpus.

    Args:
        training: the sounds learned, each ``(time,)``; mapped from the disk where they are many.
        held_out: those that were not learned.
        rate: of all, in Hz.
        length: samples of the sounds to be judged, about.
        count: how many of them there will be.
    """

    def __init__(
        self, training: Sounds, held_out: Sounds, rate: int, length: int, count: int, *, seed: int = 0
    ) -> None:
        self.rate, self.seed, self._count = rate, seed, max(2, count)
        self._searched, self._held_out = training, held_out
        parted = _pieces(held_out, _piece_length(held_out, length, rate)) >= _FEWEST
        self.reference = "held-out sounds" if parted else "all real sounds"
        self.length = _piece_length(held_out if parted else [*training, *held_out], length, rate)
        """Samples of the pieces that everything is cut into where sounds are longer than this."""
        self._parted = parted
        self._training = _some(self._cut(training))
        self._real = _some(self._cut(held_out))
        if not parted:
            self._training = self._real = [*self._training, *self._real]
        self.rhythmic = rhythm.is_rhythmic(_some(training, 32), rate)
        """Whether the corpus is one of loops: then onset intervals are told, and envelopes are those of slices."""
        self._border = brightness.border_of(self._training, rate)
        self._seconds = sum(sound.size for sound in training) / rate
        self._points = corpus.embed(self._training, rate)
        self._real_points = corpus.embed(self._real, rate)
        self._widths = corpus.bandwidths(self._points)
        self._movement = movement(self._training, rate)
        self._values, self._real_values = self._measured(self._training), self._measured(self._real)

    @cached_property
    def search(self) -> Copies:
        """Finds what is like a sound among those learned."""
        return Copies(self._searched, self.rate)

    @cached_property
    def held_out_nearest(self) -> tuple[Nearest, ...]:
        """The training excerpts most like held-out sounds: what is ordinary without copying."""
        return tuple(self.search.nearest_all(_some(self._held_out, max(self._count, MOST_ORDINARY))))

    def judge(self, sounds: Sounds) -> Judgement:
        """All figures of ``sounds``, each ``(time,)``, and of as many from those who have learned nothing."""
        lengths = [sound.size for sound in sounds]
        nearest = tuple(self.search.nearest_all(sounds))
        gaussian = corpus_floors.gaussian(self._searched, self.rate, lengths, seed=self.seed)
        grains = corpus_floors.grains(self._searched, self.rate, lengths, seed=self.seed)
        rhythms = {"new": sounds, "Gaussian": gaussian, "shuffled grains": grains} if self.rhythmic else {}
        shares = {name: rhythm.histogram(rhythm.intervals_of(some, self.rate)) for name, some in rhythms.items()}
        if self.rhythmic:
            shares["real"] = rhythm.histogram(self._real_values["intervals"])
        return Judgement(
            self.figures(sounds, nearest),
            self.ordinary(),
            self.figures(gaussian, self._floor_nearest(gaussian)),
            self.figures(grains, self._floor_nearest(grains)),
            nearest,
            self.held_out_nearest,
            shares,
            self.reference,
        )

    def figures(self, sounds: Sounds, nearest: Sequence[Nearest] | None = None) -> Figures:
        """The figures of a set of sounds; ``nearest`` of each, where copies are to be told."""
        whole = list(sounds)
        cut = self._cut(whole)
        points, values = corpus.embed(cut, self.rate), self._measured(cut)
        enough = min(len(points), len(self._real_points)) >= 2
        ends = tails.tails_of(whole)
        return Figures(
            mmd=corpus.mmd(points, self._real_points, self._widths) if enough else np.nan,
            mmd_biased=corpus.mmd(points, self._real_points, self._widths, biased=True) if enough else np.nan,
            frechet=corpus.frechet(points, self._real_points) if enough else np.nan,
            diversity=corpus.spread(points) / corpus.spread(self._points) if len(self._points) > 1 else np.nan,
            movement=movement(cut, self.rate) / self._movement if self._movement > 0 else np.nan,
            tail_db=ends.level_db,
            rising=ends.rising,
            **{name: wasserstein(values[name], self._real_values[name]) for name in values},
            **self._copy_figures(nearest),
        )

    def ordinary(self) -> Figures:
        """The same of the training sounds, in random sets of as many as are judged."""
        random = np.random.default_rng(self.seed)
        pairs = [self._drawn(random) for _ in range(_DRAWS)]
        enough = min(len(one) for one in pairs[0]) >= 2
        ends = tails.tails_of(_some(self._searched))
        return Figures(
            mmd=_mean([corpus.mmd(*pair, self._widths) for pair in pairs]) if enough else np.nan,
            mmd_biased=_mean([corpus.mmd(*pair, self._widths, biased=True) for pair in pairs]) if enough else np.nan,
            frechet=_mean([corpus.frechet(*pair) for pair in pairs]) if enough else np.nan,
            diversity=1.0,
            movement=1.0,
            tail_db=ends.level_db,
            rising=ends.rising,
            **{
                name: drawn_floor(values, self._real_values[name], self._count, _DRAWS, self.seed)
                if self._parted
                else parted_floor(values, self._count, _DRAWS, self.seed)
                for name, values in self._values.items()
            },
            **self._copy_figures(self.held_out_nearest),
        )

    def _drawn(self, random: np.random.Generator) -> tuple[corpus.Points, corpus.Points]:
        """Points of as many training sounds as are judged, and of what they are held against."""
        order = random.permutation(len(self._points))
        if self._parted:
            return self._points[order[: self._count]], self._real_points
        size = min(self._count, len(order) // 2)
        return self._points[order[:size]], self._points[order[size:]]

    def _measured(self, sounds: Sounds) -> dict[str, Float64Array]:
        """The numbers whose distributions are compared, by the name of the figure."""
        events = [part for sound in sounds for part in self._events(sound)]
        outlines = envelopes_of(events, self.rate)
        centroids = np.array([brightness.centroid_of(sound, self.rate) for sound in sounds])
        hisses = np.array([brightness.hiss_of(sound, self.rate, self._border) for sound in sounds])
        return {
            "attack": outlines.attack,
            "decay": outlines.decay,
            "crest": outlines.crest_db,
            "centroid": np.log2(np.maximum(centroids[np.isfinite(centroids)], 1.0)),
            "hiss": hisses[np.isfinite(hisses)],
            "intervals": rhythm.intervals_of(sounds, self.rate) if self.rhythmic else np.zeros(0),
        }

    def _events(self, sound: FloatArray) -> list[FloatArray]:
        if not self.rhythmic:
            return [sound]
        return [sound[low:high] for low, high in slices(sound, self.rate)]

    def _cut(self, sounds: Sounds) -> list[FloatArray]:
        return corpus.pieces(sounds, self.rate, self.length / self.rate, seed=self.seed)

    def _floor_nearest(self, sounds: Sounds) -> Sequence[Nearest] | None:
        return self.search.nearest_all(sounds) if self._seconds <= _MOST_SEARCHED else None

    def _copy_figures(self, nearest: Sequence[Nearest] | None) -> dict[str, Any]:
        if not nearest:
            return {"copy": np.nan, "copy_distance": np.nan, "copies": np.nan}
        correlation = max((one.correlation for one in self.held_out_nearest), default=1.0)
        distance = min((one.distance for one in self.held_out_nearest), default=0.0)
        return {
            "copy": max(one.correlation for one in nearest),
            "copy_distance": min(one.distance for one in nearest),
            "copies": float(np.mean([one.correlation > correlation or one.distance < distance for one in nearest])),
        }


def _piece_length(sounds: Sounds, length: int, rate: int) -> int:
    """``length``, halved until `_FEWEST` pieces of it are found in ``sounds`` or it is short."""
    while length >= 2 * _SHORTEST * rate and _pieces(sounds, length) < _FEWEST:
        length //= 2
    return max(1, length)


def _pieces(sounds: Sounds, length: int) -> int:
    return sum(max(1, sound.size // length) for sound in sounds)


def _some(sounds: Sounds, most: int = MEASURED) -> list[FloatArray]:
    return list(sounds[:: max(1, -(-len(sounds) // most))])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))

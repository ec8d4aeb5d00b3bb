"""Frames as a network likes them: mean taken out, deviation divided by, and far fewer numbers where that is asked for.

Mean and deviation are kept for each feature (Nayebi and Vitelli, "GRUV", 2015). A feature that hardly moves in the
whole corpus has a deviation of next to nothing, and dividing by it would make hiss as important as the sound: all
deviations are a ``floor`` of the largest at least.

Fewer numbers are principal components (Pearson 1901) of the scaled frames, each brought to a deviation of one. What
they leave is mostly noise, and told as such: by its level in a few bands, filled with new noise on the way back
(Schulz, "Improving audio codecs by noise substitution", 1996). So a drum's click takes eight numbers, not 200.

Of levels on a logarithmic scale nothing can be filled in so, but leaving it away takes power: the mean of a noise's
levels is 2.5 dB below the level of its mean power. By how much each feature is too low is kept, and added again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

FLOOR = 1e-3
"""The least deviation over the largest where frames keep all their features."""
COMPONENT_FLOOR = 0.3
"""The same before principal components are looked for, which shall be those of the sound."""
NOISE_BANDS = 8
MOST_LOST = 3.0
"""Of a natural logarithm that one frame is taken to be off."""
QUIET = 1e-3
"""RMS of what is left, in deviations, below which it counts as nothing."""


@dataclass(frozen=True)
class Scaling:
    """``mean`` and ``deviation`` ``(features,)``; ``axes`` ``(components, features)``, orthonormal; ``widths``, the
    deviation of each component; ``levels`` ``(2, bands)``, mean and deviation of the levels of what is left; ``lost``
    ``(features,)``, where features are logarithms, the logarithm of the amplitude that goes with what is left away.

    >>> frames = np.random.default_rng(0).normal(2.0, 3.0, (1000, 4)).astype(np.float32)
    >>> scaling = Scaling.of(frames)
    >>> bool(np.abs(scaling.frames(scaling.numbers(frames)) - frames).max() < 1e-5)
    True
    """

    mean: FloatArray
    deviation: FloatArray
    axes: FloatArray
    widths: FloatArray
    levels: FloatArray
    lost: FloatArray

    @classmethod
    def of(
        cls,
        frames: FloatArray,
        components: int = 0,
        bands: int = NOISE_BANDS,
        weights: FloatArray | None = None,
        *,
        logarithmic: bool = False,
    ) -> Scaling:
        """What ``frames`` ``(count, features)`` are like; ``components`` of them, or 0 for the features themselves.

        What the components leave is told in so many ``bands``; with 0 of them it is left away. ``weights``
        ``(features,)`` say how much a feature counts among the components. ``logarithmic``: features are natural
        logarithms of amplitudes.
        """
        features = frames.shape[1]
        mean, deviation = frames.mean(axis=0, dtype=np.float64), frames.std(axis=0, dtype=np.float64)
        whole = not 0 < components < features
        deviation = np.maximum(deviation, max((FLOOR if whole else COMPONENT_FLOOR) * float(deviation.max()), 1e-9))
        if whole:
            none = np.zeros((0, features)), np.zeros(0), np.zeros((2, 0)), np.zeros(features)
            return cls(*_floats(mean, deviation, *none))
        if weights is not None:
            deviation = deviation / weights
        scaled = np.asarray((frames - mean) / deviation, np.float32)
        squares, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        axes = vectors[:, ::-1][:, :components].T
        axes = axes * np.sign(axes[np.arange(components), np.abs(axes).argmax(axis=1)])[:, None]  # one of two, always
        widths = np.sqrt(np.maximum(squares[::-1][:components], max(1e-4 * float(squares[-1]), 1e-12)))
        levels, lost = np.zeros((2, 0)), np.zeros(features)
        left = np.asarray(scaled - scaled @ axes.T @ axes, np.float32)
        if bands:
            told = _levels(left, bands)
            levels = np.stack([told.mean(axis=0), np.maximum(told.std(axis=0), 0.1)])
        elif logarithmic:
            powers = np.exp(2 * np.clip(left * deviation, -MOST_LOST, MOST_LOST))
            lost = 0.5 * np.log(powers.mean(axis=0))
        return cls(*_floats(mean, deviation, axes, widths, levels, lost))

    @property
    def size(self) -> int:
        """Numbers of a frame, for the network."""
        return len(self.mean) if self.whole else len(self.axes) + self.levels.shape[1]

    @cached_property
    def whole(self) -> bool:
        """Whether the numbers are the features themselves."""
        return not len(self.axes)

    @property
    def shares(self) -> FloatArray:
        """How much an error of one in each number counts in the frame ``(size,)``, the largest 1; of what the
        components leave as much as in the last of them."""
        sizes = self.deviation if self.whole else np.pad(self.widths, (0, self.levels.shape[1]), mode="edge")
        return np.asarray(sizes / sizes.max(), np.float32)

    def numbers(self, frames: FloatArray) -> FloatArray:
        """Frames ``(…, features)`` as numbers ``(…, size)``."""
        scaled = (frames - self.mean) / self.deviation
        if self.whole:
            return np.asarray(scaled, np.float32)
        found = scaled @ self.axes.T
        bands = self.levels.shape[1]
        if not bands:
            return np.asarray(found / self.widths, np.float32)
        left = (_levels(scaled - found @ self.axes, bands) - self.levels[0]) / self.levels[1]
        return np.concatenate([found / self.widths, left], axis=-1, dtype=np.float32)

    def frames(self, numbers: FloatArray, noise: FloatArray | None = None, *, denormalise: bool = True) -> FloatArray:
        """The way back, what was left filled with ``noise`` ``(…, features)`` of deviation one.

        Where not ``denormalise``, mean and deviation are not added back, on purpose: each feature varies as much as any
        other, all together as loud as they were.
        """
        scaled: NDArray[Any] = numbers
        if not self.whole:
            count = len(self.axes)
            scaled = (numbers[..., :count] * self.widths) @ self.axes
            if noise is not None and self.levels.shape[1]:
                left = numbers[..., count:] * self.levels[1] + self.levels[0]
                louder = np.sqrt(np.maximum(np.exp(2 * np.minimum(left, 5.0)) - QUIET**2, 0.0))
                edges = _edges(self.axes.shape[1], self.levels.shape[1])
                filled = noise * np.repeat(louder, np.diff(edges), axis=-1)
                # what is left lies across the axes
                scaled = np.asarray(scaled + filled - filled @ self.axes.T @ self.axes, np.float32)
        if denormalise:
            return np.asarray(scaled * self.deviation + self.mean + self.lost, np.float32)
        return np.asarray(scaled * np.sqrt(np.mean(np.square(self.deviation))), np.float32)


def _levels(left: NDArray[Any], bands: int) -> FloatArray:
    """Natural logarithms of the RMS of what is left ``(…, features)`` in each band, `QUIET` at least."""
    edges = _edges(left.shape[-1], min(bands, left.shape[-1]))
    squares = np.add.reduceat(np.square(left), edges[:-1], axis=-1) / np.diff(edges)
    return np.asarray(0.5 * np.log(squares + QUIET**2), np.float32)


def _edges(features: int, bands: int) -> list[int]:
    """Where the bands begin, and the end: the higher, the wider, each a feature wide at least."""
    rising = np.round(features * (np.expm1(3 * np.arange(bands + 1) / bands) / np.expm1(3))).astype(int)
    for at in range(1, bands + 1):
        rising[at] = max(rising[at], rising[at - 1] + 1)
    return [int(edge) for edge in np.minimum(rising, features - (bands - np.arange(bands + 1)))]


def _floats(*parts: object) -> list[FloatArray]:
    return [np.asarray(part, np.float32) for part in parts]

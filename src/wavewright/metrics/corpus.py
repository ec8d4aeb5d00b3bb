"""How far a set of sounds is from another set: kernel and Fréchet distance, diversity.

Each sound becomes a point: mean and standard deviation over time of its levels in mel bands, in decibels, over the
stretch that sounds (`wavewright.metrics.logmel`). Sets of points are compared by

- **MMD²**, the squared maximum mean discrepancy: Gretton et al., "A kernel two-sample test" (JMLR 2012), equation 3,
  unbiased, so that two sets of one origin are at zero on average and below it half of the time;
- **Fréchet distance** between the normal distributions of either set: Dowson and Landau, "The Fréchet distance between
  multivariate normal distributions" (1982), as in Kilgour et al., "Fréchet Audio Distance" (2019). A dozen sounds do
  not make a covariance, so both are shrunk towards a multiple of the identity: Chen et al., "Shrinkage algorithms for
  MMSE covariance estimation" (2010), equation 23.

Neither says anything without the same distance between real sounds beside it, from sets of the same sizes: `compare`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.metrics.logmel import BANDS, frame_levels, log_mel

Points = NDArray[np.float64]
"""A set of sounds, ``(sounds, dimensions)``."""

DIMENSIONS = 2 * BANDS
_SOUNDING_DB = 50.0  # below the loudest ten milliseconds; what lies before and behind is silence
_WIDTHS = (0.5, 1.0, 2.0)  # of the kernels, in median distances
_PIECES = 1000


@dataclass(frozen=True)
class Comparison:
    """Outputs against held-out sounds, and training sounds against the same: the floor.

    A floor is the mean over random training sets of as many sounds as there are outputs; ``…_high`` is what one in
    twenty of these exceeds. NaN where there are fewer than two sounds of a kind.
    """

    mmd: float
    mmd_floor: float
    mmd_high: float
    frechet: float
    frechet_floor: float
    frechet_high: float
    diversity: float
    """Mean distance between two outputs over that between two training sounds: near 0 where all are alike."""
    sounds: int
    held_out: int


def compare(
    outputs: Iterable[FloatArray],
    held_out: Iterable[FloatArray],
    training: Iterable[FloatArray],
    rate: int,
    *,
    draws: int = 20,
    seed: int = 0,
) -> Comparison:
    """Judge a set of outputs, each ``(time,)``, as all sounds here; real sounds much longer than they are cut up.

    Of very many real sounds a thousand are taken, at random. The training set is measured once, so that values of
    several sets of outputs may be compared.
    """
    made = [np.asarray(sound) for sound in outputs]
    length = float(np.median([sound.size for sound in made])) / rate if made else 1.0
    a = embed(made, rate)
    b, c = (embed(pieces(sounds, rate, length, seed=seed), rate) for sounds in (held_out, training))
    if min(len(a), len(b), len(c)) < 2:
        nan = float("nan")
        return Comparison(nan, nan, nan, nan, nan, nan, nan, len(a), len(b))
    widths = bandwidths(c)
    random = np.random.default_rng(seed)
    chosen = [c[random.choice(len(c), min(len(a), len(c)), replace=False)] for _ in range(draws)]
    mmds = [mmd(part, b, widths) for part in chosen]
    frechets = [frechet(part, b) for part in chosen]
    return Comparison(
        mmd=mmd(a, b, widths),
        mmd_floor=float(np.mean(mmds)),
        mmd_high=float(np.quantile(mmds, 0.95)),
        frechet=frechet(a, b),
        frechet_floor=float(np.mean(frechets)),
        frechet_high=float(np.quantile(frechets, 0.95)),
        diversity=spread(a) / spread(c),
        sounds=len(a),
        held_out=len(b),
    )


def embed(sounds: Iterable[FloatArray], rate: int) -> Points:
    """The points of ``sounds``, each ``(time,)``: ``(sounds, DIMENSIONS)``, means first, then deviations, in dB."""
    points = [_point(np.asarray(sound), rate) for sound in sounds]
    return np.stack(points) if points else np.zeros((0, DIMENSIONS))


def _point(sound: FloatArray, rate: int) -> NDArray[np.float64]:
    spectra = log_mel(sound, rate).astype(np.float64)  # (bands, frames)
    levels = frame_levels(sound, rate)
    sounding = np.flatnonzero(levels > levels.max(initial=-120.0) - _SOUNDING_DB)
    if sounding.size:
        spectra = spectra[:, sounding[0] : sounding[-1] + 1]
    return np.concatenate([spectra.mean(axis=1), spectra.std(axis=1)])


def pieces(
    sounds: Iterable[FloatArray], rate: int, seconds: float, *, most: int = _PIECES, seed: int = 0
) -> list[FloatArray]:
    """``sounds``, those of twice ``seconds`` or more cut into pieces of that length; ``most`` of them, at random."""
    length = max(1, round(seconds * rate))
    found = []
    for sound in sounds:
        count = sound.size // length
        found += [sound] if count < 2 else [sound[at * length : (at + 1) * length] for at in range(count)]
    if len(found) <= most:
        return found
    chosen = np.random.default_rng(seed).choice(len(found), most, replace=False)
    return [found[at] for at in np.sort(chosen)]


def bandwidths(points: Points) -> tuple[float, ...]:
    """Widths of the kernels by the median heuristic: half, once and twice the median distance between two points."""
    distances = np.sqrt(_squares(points, points)[np.triu_indices(len(points), 1)])
    median = float(np.median(distances)) if distances.size else 1.0
    return tuple(width * (median or 1.0) for width in _WIDTHS)


def mmd(a: Points, b: Points, widths: Sequence[float], *, biased: bool = False) -> float:
    """MMD² between two sets, with the mean of RBF kernels exp(−d² / 2w²) of the given ``widths``.

    ``biased`` counts each point as its own neighbour, too: never below zero, and above it by (1 / n + 1 / m) at most.

    Raises:
        ValueError: a set of fewer than two points, or points of different dimensions.
    """
    _refuse(a, b)

    def kernel(x: Points, y: Points) -> Points:
        squares = _squares(x, y)
        return np.asarray(np.mean([np.exp(-squares / (2 * width**2)) for width in widths], axis=0))

    def within(x: Points) -> float:
        k = kernel(x, x)
        return float(k.mean()) if biased else float((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())


def frechet(a: Points, b: Points) -> float:
    """|µa − µb|² + tr(A + B − 2 (A^½ B A^½)^½) with the shrunk covariances A and B of two sets of points.

    Raises:
        ValueError: as `mmd`.
    """
    _refuse(a, b)
    A, B = shrunk_covariance(a), shrunk_covariance(b)
    root = _root(A)
    overlap = float(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ B @ root), 0.0)).sum())
    apart = float(np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2))
    return apart + float(np.trace(A) + np.trace(B)) - 2 * overlap


def shrunk_covariance(points: Points) -> NDArray[np.float64]:
    """(1 − ρ) S + ρ tr(S) / p · I, with ρ by the oracle approximating formula for n points of p dimensions."""
    n, p = points.shape
    S = np.atleast_2d(np.cov(points, rowvar=False, bias=True))
    trace, squared = float(np.trace(S)), float(np.sum(S**2))
    spread_out = (n + 1 - 2 / p) * (squared - trace**2 / p)
    rho = min(1.0, ((1 - 2 / p) * squared + trace**2) / spread_out) if spread_out > 0 else 1.0
    return np.asarray((1 - rho) * S + rho * trace / p * np.eye(p))


def spread(points: Points) -> float:
    """Mean distance between two different points of a set: root mean square over the dimensions, in dB."""
    distances = np.sqrt(_squares(points, points)[np.triu_indices(len(points), 1)] / points.shape[1])
    return float(distances.mean()) if distances.size else float("nan")


def _squares(a: Points, b: Points) -> NDArray[np.float64]:
    """Squared distances ``(len(a), len(b))``."""
    centre = b.mean(axis=0)  # products of small numbers lose no digits
    a, b = a - centre, b - centre
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _refuse(a: Points, b: Points) -> None:
    if min(len(a), len(b)) < 2 or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"points {a.shape} and {b.shape}: each set needs two at least, of the same dimensions")

"""What a sound costs in bits a sample for those who have learned next to nothing: floors that a generator must beat.

Two floors, both over the codes of a `wavewright.audio.companding.Quantizer` and both honest distributions, each
sample's codes summing to one:

- **unigram**: how often each code occurs in the training sounds, one added to every count;
- **LPC**: a linear predictor of order 16 that adapts along each sound by recursive least squares (Haykin, *Adaptive
  Filter Theory*, chapter on RLS), with a mixture of logistics on its residual, integrated over each code's decision
  interval as in PixelCNN++ (Salimans et al., 2017, section 2.1).

The predictor works on the decoded samples: on the companded ones it pays 0.8 bits more for spoken digits, since a
resonance is no longer linear there. What it pays hangs on how quickly it adapts, so the forgetting factor is the best
of several on the training sounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from wavewright.audio.companding import Quantizer
from wavewright.compiled import compiled

Codes = NDArray[np.integer]
Float64Array = NDArray[np.float64]

_BLOCK = 1 << 15
_SCALES = 2.0 ** np.arange(-3, 5)  # of the logistics, in units of the running residual
_GROUPS = 8  # of samples by their running residual, each with a mixture of its own
_PASSES = 40
_MOST = 1e9  # mean of the inverse's diagonal above which nothing more is forgotten
_DOUBT = 1e-5  # the least that the even part of the mixture weighs: no code is impossible


@dataclass(frozen=True)
class LpcSettings:
    """How the predictor adapts."""

    order: int = 16
    """Samples it looks back."""
    forgetting: tuple[float, ...] = (0.98, 0.985, 0.99, 0.995, 0.998, 0.9995)
    """Weight of an error one sample older; the best on the training sounds is taken."""
    ridge: float = 1e-5
    """Energy that the least squares are started with: the smaller, the sooner the predictor leaves zero."""
    memory: float = 0.9
    """How slowly the running residual follows: its weight of the sample before."""
    samples: int = 300_000
    """Training samples that the mixture is fitted to."""


TEXTBOOK = LpcSettings(forgetting=(0.998,), ridge=1.0, memory=0.97)
"""The usual start, P = I, which quiet sounds take a second to leave: 0.7 bits a sample more for spoken digits."""


@dataclass(frozen=True)
class Floors:
    """Bits a sample on held-out sounds, and how many ``samples`` these hold."""

    unigram: float
    lpc: float
    samples: int


@dataclass(frozen=True)
class LpcFloor:
    """A predictor with its mixture, made by `fit_lpc`."""

    quantizer: Quantizer
    settings: LpcSettings
    forgetting: float
    limits: Float64Array
    """Running residuals that part the groups, ``(groups - 1,)``."""
    weights: Float64Array
    """Of the logistics and of the even part, ``(groups, logistics + 1)``."""

    def bits(self, codes: Codes) -> Float64Array:
        """Bits of each sample of one sound, ``(time,)`` → ``(time,)``; the first is predicted from silence."""
        parts = [
            self._cost(*residual, codes[at : at + _BLOCK])
            for at, residual in predictions(self.quantizer, self.settings, self.forgetting, codes)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _cost(self, predicted: Float64Array, running: Float64Array, codes: Codes) -> Float64Array:
        group = np.searchsorted(self.limits, running)
        shares = _shares(self.quantizer, predicted, running, codes)
        return np.asarray(-np.log2(np.einsum("tk,tk->t", shares, self.weights[group])))


def floors(
    training: Sequence[Codes],
    held_out: Iterable[Codes],
    quantizer: Quantizer,
    settings: LpcSettings | None = None,
) -> Floors:
    """Both floors of ``held_out`` sounds, each of codes ``(time,)``, read once and in order.

    Raises:
        ValueError: no samples to learn from or to judge by.
    """
    unigram = unigram_bits(training, quantizer.levels)
    lpc = fit_lpc(training, quantizer, settings)
    plain = adaptive = samples = 0.0
    for codes in held_out:
        plain += float(unigram[codes].sum())
        adaptive += float(lpc.bits(codes).sum())
        samples += codes.size
    if not samples:
        raise ValueError("held-out sounds without a single sample")
    return Floors(plain / samples, adaptive / samples, int(samples))


def unigram_bits(training: Iterable[Codes], levels: int) -> Float64Array:
    """What each code costs in bits, ``(levels,)``, by how often it occurs in ``training`` (one added to each count).

    >>> unigram_bits([np.array([0, 0, 0, 1])], levels=4)
    array([1., 2., 3., 3.])
    """
    counts = np.ones(levels)
    for codes in training:
        counts += np.bincount(codes, minlength=levels)
    return np.asarray(np.log2(counts.sum()) - np.log2(counts))


def fit_lpc(training: Sequence[Codes], quantizer: Quantizer, settings: LpcSettings | None = None) -> LpcFloor:
    """Choose the forgetting factor and the mixture's weights on ``training`` sounds, each of codes ``(time,)``.

    Raises:
        ValueError: no samples to learn from.
    """
    settings = settings or LpcSettings()
    excerpts = list(_excerpts(training, settings.samples))
    if not excerpts:
        raise ValueError("training sounds without a single sample")
    codes = np.concatenate(excerpts)
    best: tuple[float, LpcFloor] | None = None
    for forgetting in settings.forgetting:
        walks = [residual for one in excerpts for _, residual in predictions(quantizer, settings, forgetting, one)]
        predicted, running = (np.concatenate(values) for values in zip(*walks, strict=True))
        limits = np.quantile(running, np.arange(1, _GROUPS) / _GROUPS)
        shares = _shares(quantizer, predicted, running, codes)
        group = np.searchsorted(limits, running)
        weights = np.stack([_mixture(shares[group == at]) for at in range(_GROUPS)])
        cost = float(-np.log2(np.einsum("tk,tk->t", shares, weights[group])).mean())
        if best is None or cost < best[0]:
            best = cost, LpcFloor(quantizer, settings, forgetting, limits, weights)
    if best is None:
        raise ValueError("LpcSettings.forgetting is empty: give one factor at least")
    return best[1]


def _excerpts(training: Sequence[Codes], samples: int, seed: int = 0) -> Iterator[Codes]:
    """``samples`` samples of ``training`` in all, of sounds picked at random, no more than a fifth from one."""
    random = np.random.default_rng(seed)
    most = -(-samples // 5)
    for at in random.permutation(len(training)):
        codes = training[at]
        length = min(len(codes), most, samples)
        if length:
            start = int(random.integers(0, len(codes) - length + 1))
            yield np.asarray(codes[start : start + length])
        samples -= length
        if samples <= 0:
            return


def _mixture(shares: Float64Array) -> Float64Array:
    """Weights ``(parts,)`` under which ``shares`` ``(time, parts)`` are likeliest, by expectation-maximisation."""
    weights = np.full(shares.shape[1], 1.0 / shares.shape[1])
    for _ in range(_PASSES if len(shares) else 0):
        each = shares * weights
        weights = (each / each.sum(axis=1, keepdims=True)).mean(axis=0)
        weights[-1] = max(weights[-1], _DOUBT)
        weights /= weights.sum()
    return weights


def _shares(quantizer: Quantizer, predicted: Float64Array, running: Float64Array, codes: Codes) -> Float64Array:
    """Probability of each code ``(time,)`` under each part of the mixture, ``(time, logistics + 1)``."""
    edges = decision_edges(quantizer)
    code = codes.astype(np.int64)  # one more than the last code does not fit into its own type
    low, high = edges[code] - predicted, edges[code + 1] - predicted
    # Both edges on the falling side of the bell: 1 − σ(z) = σ(−z) keeps the digits of a far tail.
    flip = low + high > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    scale = running[:, None] * _SCALES  # (time, logistics)
    logistics = expit(high[:, None] / scale) - expit(low[:, None] / scale)
    even = np.full((len(codes), 1), 1.0 / quantizer.levels)
    return np.concatenate([logistics, even], axis=1)


@lru_cache(maxsize=4)
def decision_edges(quantizer: Quantizer) -> Float64Array:
    """Where each code begins, ``(levels + 1,)``: ``encode`` gives c from edge c up to edge c + 1, both ends infinite.

    Found by bisection between neighbouring decoded samples, so that they are the quantizer's own to the last bit.
    """
    c = np.arange(1, quantizer.levels)
    low, high = quantizer.decode(c - 1), quantizer.decode(c)  # (levels - 1,)
    for _ in range(40):
        middle = (low + high) / np.float32(2)
        above = quantizer.encode(middle) >= c
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    edges = np.concatenate([[-np.inf], high.astype(np.float64), [np.inf]])
    edges.flags.writeable = False
    return edges


def predictions(
    quantizer: Quantizer, settings: LpcSettings, forgetting: float, codes: Codes
) -> Iterator[tuple[int, tuple[Float64Array, Float64Array]]]:
    """Along one sound, block by block: ``(start, (predicted, running residual))``, both ``(time,)``.

    With P₀ = I / ridge, the taps at time t minimise Σ λ^(t−1−i) e_i² + λ^t ridge |taps|² over the samples before.
    """
    order = settings.order
    inverse, taps, past = np.eye(order) / settings.ridge, np.zeros(order), np.zeros(order)
    residual = np.zeros(1)
    least = float(np.diff(decision_edges(quantizer)[1:-1]).min()) / 2  # a residual cannot be known more finely
    for at in range(0, len(codes), _BLOCK):
        samples = quantizer.decode(codes[at : at + _BLOCK]).astype(np.float64)
        predicted, running = np.empty_like(samples), np.empty_like(samples)
        _adapt(
            samples,
            inverse,
            taps,
            past,
            residual,
            forgetting,
            settings.memory,
            order * max(_MOST, 1.0 / settings.ridge),
            predicted,
            running,
        )
        yield at, (predicted, running + least)


@compiled
def _adapt(
    samples: Float64Array,
    inverse: Float64Array,
    taps: Float64Array,
    past: Float64Array,
    residual: Float64Array,
    forgetting: float,
    memory: float,
    most: float,
    predicted: Float64Array,
    running: Float64Array,
) -> None:
    """One step of recursive least squares a sample; ``inverse`` ``(order, order)``, ``taps``, ``past`` and ``residual``
    are the state and carried on."""
    order = taps.size
    gain = np.empty(order)
    trace = 0.0
    for i in range(order):
        trace += inverse[i, i]
    for t in range(samples.size):
        guess, energy = 0.0, 0.0
        for i in range(order):
            guess += taps[i] * past[i]
            product = 0.0
            for j in range(order):
                product += inverse[i, j] * past[j]
            gain[i] = product
            energy += product * past[i]
        predicted[t] = guess
        running[t] = residual[0]
        # In silence nothing is learned, and to forget all the same would let the inverse grow without end.
        keep = forgetting if trace < most else 1.0
        if energy < 0.0:  # rounding has cost the inverse its definiteness: start it anew
            inverse[:] = 0.0
            for i in range(order):
                inverse[i, i] = 1.0
                gain[i] = inverse[i, i] * past[i]
            energy = 0.0
            for i in range(order):
                energy += gain[i] * past[i]
        error = samples[t] - guess
        share = 1.0 / (keep + energy)
        trace = 0.0
        for i in range(order):
            taps[i] += gain[i] * share * error
            for j in range(i + 1):
                value = (inverse[i, j] - gain[i] * gain[j] * share) / keep
                inverse[i, j] = value
                inverse[j, i] = value
            trace += inverse[i, i]
        for i in range(order - 1, 0, -1):
            past[i] = past[i - 1]
        past[0] = samples[t]
        residual[0] = memory * residual[0] + (1.0 - memory) * abs(error)

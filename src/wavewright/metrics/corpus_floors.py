"""New sounds from those who have learned next to nothing of a corpus: what a generator must beat.

- **gaussian**: the normal distribution with the corpus's mean and covariance, in as many principal components as hold
  `KEPT` of its variance (Jolliffe, *Principal Component Analysis*). Of whole sounds, laid on one start, where there are
  enough of them of such a length; else of windows of a tenth of a second, each drawn by itself and overlapped.
- **grains**: pieces of 50 ms of the corpus itself, laid on end in a random order (Roads, *Microsound*): its spectra to
  the letter, and nothing of its time.

Both give sounds ``(time,)``, so every figure can be computed for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

KEPT = 0.99
"""Share of the variance that the principal components hold."""
GRAIN = 0.05
"""Seconds."""

_FRAME = 0.1  # seconds of a window, where sounds are too few
_ENOUGH = 8  # sounds of which a distribution of whole ones is made
_MOST = 512  # sounds or windows that it is made of
_SAMPLES = 1 << 25  # of them all together: 128 MB


def gaussian(
    sounds: Sequence[FloatArray], rate: int, lengths: Sequence[int], *, kept: float = KEPT, seed: int = 0
) -> list[FloatArray]:
    """As many sounds as ``lengths``, in samples, from the normal distribution of ``sounds``, each ``(time,)``.

    Raises:
        ValueError: no sounds.
    """
    if not sounds:
        raise ValueError("no sounds to take a distribution from")
    random = np.random.default_rng(seed)
    longest = max(lengths, default=0)
    whole = [sound for sound in sounds if 2 * sound.size > longest]
    if len(whole) >= _ENOUGH and longest <= _SAMPLES // _ENOUGH:
        some = _some(len(whole), min(_MOST, _SAMPLES // max(longest, 1)), random)
        rows = np.stack([_fitted(whole[at], longest) for at in some])
        return [_peak_safe(row[:n]) for row, n in zip(draw(rows, len(lengths), kept, random), lengths, strict=True)]
    frame = max(4, 2 * round(_FRAME * rate / 2))
    rows = _windows(sounds, frame, _MOST, random)
    made = []
    for n in lengths:
        out = np.zeros(n + 2 * frame, np.float32)
        count = 2 * n // frame + 2
        for number, row in enumerate(draw(rows, count, kept, random)):
            out[number * frame // 2 :][:frame] += row[: out.size - number * frame // 2] * _sine(frame)
        made.append(_peak_safe(out[frame // 2 :][:n]))
    return made


def draw(rows: FloatArray, count: int, kept: float, random: np.random.Generator) -> FloatArray:
    """``(count, time)`` from the normal distribution with mean and covariance of ``rows`` ``(n, time)``, n ≥ 2, in the
    principal components that hold the share ``kept`` of the variance.

    By the Gram matrix, n × n, since there are fewer rows than samples: with D the deviations and D Dᵀ = U diag(λ) Uᵀ,
    component k is Dᵀ u_k / √λ_k with variance λ_k / (n − 1), so a draw is Σ z_k Dᵀ u_k / √(n − 1).
    """
    mean = rows.mean(axis=0)
    D = rows - mean
    n = len(rows)
    if n < 2:
        return np.repeat(rows, count, axis=0)
    values, U = np.linalg.eigh((D @ D.T).astype(np.float64))
    order = np.argsort(values)[::-1]
    values, U = np.maximum(values[order], 0), U[:, order]
    held = np.cumsum(values) / max(float(values.sum()), 1e-30)
    components = min(int(np.searchsorted(held, kept)) + 1, n)
    z = random.standard_normal((count, components))
    mixes = (z @ U[:, :components].T / np.sqrt(n - 1)).astype(np.float32)  # (count, n)
    return np.asarray(mean + mixes @ D, np.float32)


def grains(
    sounds: Sequence[FloatArray], rate: int, lengths: Sequence[int], *, seconds: float = GRAIN, seed: int = 0
) -> list[FloatArray]:
    """As many sounds as ``lengths``, in samples, of shuffled pieces of ``sounds``, each ``(time,)``.

    Sine windows that overlap by half: their squares add up to one, and so do the powers of unrelated pieces.

    Raises:
        ValueError: no sounds.
    """
    if not sounds:
        raise ValueError("no sounds to take grains from")
    random = np.random.default_rng(seed)
    size = max(4, 2 * round(seconds * rate / 2))
    made = []
    for n in lengths:
        count = 2 * n // size + 2
        out = np.zeros(n + 2 * size, np.float32)
        for number, grain in enumerate(_windows(sounds, size, count, random)):
            out[number * size // 2 :][:size] += grain * _sine(size)
        made.append(_peak_safe(out[size // 2 :][:n]))
    return made


def _windows(sounds: Sequence[FloatArray], size: int, count: int, random: np.random.Generator) -> FloatArray:
    """``(count, size)`` pieces of random sounds, the longer ones more often, each from a random sample on."""
    lengths = np.array([sound.size for sound in sounds], np.float64)
    owners = random.choice(len(sounds), count, p=lengths / lengths.sum())
    rows = np.zeros((count, size), np.float32)
    for row, owner in zip(rows, owners, strict=True):
        sound = sounds[owner]
        start = int(random.integers(0, max(1, sound.size - size + 1)))
        piece = sound[start : start + size]
        row[: piece.size] = piece
    return rows


def _some(there: int, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(random.choice(there, min(there, max(most, 2)), replace=False)).astype(np.int64)


def _fitted(sound: FloatArray, length: int) -> FloatArray:
    part = np.asarray(sound[:length], np.float32)
    return np.pad(part, (0, length - part.size))


def _sine(size: int) -> FloatArray:
    return np.asarray(np.sin(np.pi * (np.arange(size) + 0.5) / size), np.float32)


def _peak_safe(sound: FloatArray) -> FloatArray:
    """Brought down to full scale where it lies above, never up."""
    return np.asarray(sound / np.float32(max(1.0, float(np.abs(sound).max(initial=0.0)))), np.float32)

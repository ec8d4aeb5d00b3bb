"""The tempo of a loop, and the grid its beats lie on.

Tempo by the autocorrelation of the onset strength: a period is as good as the strength is like itself some beats later,
and half and a quarter of one (a comb, as in Davies and Plumbley, "Context-dependent beat tracking of musical audio",
IEEE TASLP 2007). Twice and half a tempo fit nearly as well, so octaves are told apart by how people tap: a bell over
the logarithm of the tempo about 120 beats a minute (Ellis, "Beat tracking by dynamic programming", JNMR 2007, section
3.2). A loop that is cut well holds whole beats: where such a tempo lies within a hundredth of the best and fits nearly
as well, it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from wavewright.audio.onsets import Samples, hop_of, onset_strength, onsets
from wavewright.audio.recording import FloatArray
from wavewright.errors import DataError

SLOWEST, FASTEST = 50.0, 220.0
"""Beats a minute between which a tempo is looked for."""

_USUAL = 120.0
_WIDTH = 0.8  # octaves, the deviation of the bell
_STEP = 0.002  # of the tempos that are tried, as a share
_TEETH = (0.25, 0.5, 1, 2, 3, 4, 6, 8)  # beats
_SNAP = 0.01
_AS_GOOD = 0.8
_NEAR = 0.1  # beats about a beat in which an onset tells where that lies
_LONGEST = 120.0  # seconds that are listened to


@dataclass(frozen=True)
class BeatGrid:
    """Beats in samples: the first at ``first``, one every ``period`` of them, at ``tempo`` beats a minute."""

    tempo: float
    first: float
    period: float

    def beats(self, length: int) -> Samples:
        """The samples nearest to the beats of a sound of ``length`` samples.

        >>> BeatGrid(tempo=120.0, first=100.0, period=4000.0).beats(8101)
        array([ 100, 4100, 8100])
        """
        count = max(0, int(np.ceil((length - self.first) / self.period)))
        return np.asarray(np.round(self.first + self.period * np.arange(count)), np.int64)

    def position(self, samples: NDArray[np.int64] | Samples, beats: int = 4) -> NDArray[np.float64]:
        """Where in its bar of ``beats`` each sample lies, 0 at the bar's start and below 1 throughout.

        >>> BeatGrid(tempo=120.0, first=0.0, period=4000.0).position(np.array([0, 4000, 14000, 16000]))
        array([0.   , 0.25 , 0.875, 0.   ])
        """
        return np.asarray(np.mod((samples - self.first) / (self.period * beats), 1.0))

    def frame(self, wanted: int) -> int:
        """The frame length nearest to ``wanted`` samples of which a whole number makes a beat, to half a sample.

        >>> BeatGrid(tempo=120.0, first=0.0, period=8000.0).frame(1024)
        1000
        """
        return max(1, round(self.period / max(1, round(self.period / wanted))))


def beat_grid(sound: FloatArray, rate: int, tempo: float | None = None) -> BeatGrid:
    """The beats of a sound ``(time,)``; ``tempo`` in beats a minute where it is known, estimated where not.

    Raises:
        DataError: the sound is shorter than a beat, or nothing in it tells a tempo.
        ValueError: ``tempo`` is not positive.
    """
    if tempo is not None and not 0 < tempo < np.inf:
        raise ValueError(f"tempo = {tempo}: must be positive, in beats a minute")
    tempo = tempo_of(sound, rate) if tempo is None else tempo
    period = 60 * rate / tempo
    if sound.size < period:
        raise DataError(
            f"the sound lasts {sound.size / rate:.3g} s, less than a beat at {tempo:g} beats a minute "
            f"({60 / tempo:.3g} s); give a longer loop, or its tempo"
        )
    part = sound[: round(_LONGEST * rate)]
    first = _phase(onset_strength(part, rate), period / hop_of(rate)) * hop_of(rate)
    return BeatGrid(tempo, _refined(onsets(part, rate), first, period), period)


def tempo_of(sound: FloatArray, rate: int) -> float:
    """Beats a minute of a loop ``(time,)``, between `SLOWEST` and `FASTEST`.

    Raises:
        DataError: it is too short for two beats at the fastest tempo, or nothing begins in it.
    """
    hop = hop_of(rate)
    part = sound[: round(_LONGEST * rate)]
    strength = onset_strength(part, rate)
    if sound.size < 2 * 60 * rate / FASTEST:
        raise DataError(
            f"the sound lasts {sound.size / rate:.3g} s, too short to tell a tempo; give a longer loop, or its tempo"
        )
    alike = _autocorrelation(strength - strength.mean())
    if not alike[0] > 0:
        raise DataError("nothing begins in the sound, so it has no tempo; give another, or its tempo")
    tempos = SLOWEST * (1 + _STEP) ** np.arange(np.log(FASTEST / SLOWEST) / np.log1p(_STEP))
    fit = _fit(alike, 60 * rate / hop / tempos)
    bell = np.exp(-0.5 * (np.log2(tempos / _USUAL) / _WIDTH) ** 2)
    at = int(np.argmax(fit * bell))
    best = float(tempos[at])
    beats = round(sound.size / rate * best / 60)
    whole = 60 * beats * rate / sound.size
    if beats and sound.size <= part.size and abs(whole / best - 1) < _SNAP:
        fits = float(_fit(alike, np.array([60 * rate / hop / whole]))[0])
        return whole if fits > _AS_GOOD * fit[at] else best
    return best


def _fit(alike: NDArray[np.float64], periods: NDArray[np.float64]) -> NDArray[np.float64]:
    """How well each of the ``periods`` ``(tempos,)``, in frames, fits an autocorrelation ``(lags,)``; 0 at least."""
    lags = periods[:, None] * np.array(_TEETH)  # (tempos, teeth)
    inside = lags < 0.8 * alike.size
    teeth = np.interp(lags, np.arange(alike.size), alike) * inside
    return np.asarray(np.maximum(teeth.sum(axis=1) / np.maximum(inside.sum(axis=1), 1), 0))


def _autocorrelation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ x_t x_{t+lag} / (n − lag) for lags from 0 on, over the value at lag 0; noise at the longest lags kept down."""
    n = values.size
    size = next_fast_len(2 * n, real=True)
    F = rfft(values, size)
    sums = irfft(F.real**2 + F.imag**2, size)[:n]
    mean = sums / np.maximum(n - np.arange(n), n / 4)
    return np.asarray(mean / mean[0] if mean[0] > 1e-12 else np.zeros(n))


def _phase(strength: NDArray[np.float64], period: float) -> float:
    """Where the first beat lies, in frames: the offset at which the beats together are strongest."""
    offsets = np.arange(max(1, int(np.ceil(period))))
    beats = np.arange(max(1, int(np.ceil(strength.size / period))))
    places = offsets[:, None] + beats * period  # (offsets, beats)
    return float(np.interp(places, np.arange(strength.size), strength, right=0.0).sum(axis=1).argmax())


def _refined(found: Samples, first: float, period: float) -> float:
    """``first`` moved by the median distance of the onsets near the beats, and never before the sound's start."""
    distance = (found - first + period / 2) % period - period / 2
    near = distance[np.abs(distance) < _NEAR * period]
    moved = first + (float(np.median(near)) if near.size else 0.0)
    # within a twentieth of a beat of its start a loop begins with a beat
    return 0.0 if min(moved, period - moved) < _NEAR / 2 * period else moved % period

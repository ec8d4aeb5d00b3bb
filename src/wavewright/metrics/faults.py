"""What is plainly wrong with a generated sound: silence, clipping, hiss, a loop, a needle that is stuck.

`faults_of` measures one sound; nothing in its figures is good or bad by itself, for hats are noise and drones stand
still. `Reference` holds the same figures of the corpus, and tells which of a sound's lie beyond everything there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import stft
from wavewright.metrics.logmel import frame_levels, hop_of, log_mel, window_of

SILENT_DB = -50.0
"""RMS of ten milliseconds below which they count as silent, in dBFS."""
CLIPPED = 0.999
"""Size from which on a sample counts as clipped; full scale is 1."""
SHORTEST_PERIOD = 0.25
"""Seconds of the shortest period that makes a loop; what repeats faster is a tone or a roll."""

_JUDGED = 10.0  # seconds of a corpus' sound that are measured at once
_MOST = 96  # excerpts of the corpus
_STILL_DB = 1.0  # root mean square over the bands by which a standing spectrum may change in 50 ms
_STILL_RANGE_DB = 30.0  # below the loudest band of a frame; further down hiss moves
_FLAT_BINS = 16
_WHITE = 0.61  # flatness of white noise
_HISSING = 0.45  # a corpus as flat as this is hiss itself
_JUDGED_BY = ("level_db", "active", "silent", "clipped", "noise", "loop", "still")


@dataclass(frozen=True)
class Faults:
    """The figures of one sound."""

    seconds: float
    peak_db: float
    """Level of the largest sample, dBFS."""
    level_db: float
    """RMS of the loudest ten milliseconds, dBFS."""
    silent: float
    """Share of the time that is silent."""
    clipped: float
    """Share of the samples at full scale."""
    noise: float
    """How flat the spectrum is from harmonic to harmonic: 0 for a tone, 0.6 for white hiss."""
    loop: float
    """Likeness of the sound to itself a `period` later: 1 for an exact loop, 0 where there is none."""
    period: float
    """Seconds after which it repeats, where it does."""
    still: float
    """Longest time in seconds for which the spectrum stands still while something sounds."""

    @property
    def active(self) -> float:
        """Seconds in which something sounds."""
        return (1 - self.silent) * self.seconds


def faults_of(sound: FloatArray, rate: int) -> Faults:
    """Measure a sound ``(time,)``."""
    levels = frame_levels(sound, rate)
    spectra = log_mel(sound, rate, floor_db=-100.0)
    loop, period = _loop(spectra, levels, hop_of(rate) / rate)
    peak = float(np.abs(sound).max(initial=0.0))
    return Faults(
        seconds=sound.size / rate,
        peak_db=float(20 * np.log10(max(peak, 1e-6))),
        level_db=float(levels.max(initial=-120.0)),
        silent=float(np.mean(levels < SILENT_DB)) if levels.size else 1.0,
        clipped=float(np.mean(np.abs(sound) >= CLIPPED)) if sound.size else 0.0,
        noise=_noise(sound, rate),
        loop=loop,
        period=period,
        still=_still(spectra, levels) * hop_of(rate) / rate,
    )


def _noise(sound: FloatArray, rate: int) -> float:
    """Lower quartile over the loud frames of how flat (geometric over arithmetic mean) the power is in narrow bands.

    Within a narrow band coloured hiss is nearly as flat as white one, while harmonics stand out. The lower quartile,
    for a word is noise in its consonants and hiss is noise all the time.
    """
    window = 2 * window_of(rate)  # long enough to part the harmonics of a voice
    X = stft(sound, window, window // 4)[1:]  # (bins, frames), without direct current
    power = (X.real.astype(np.float64) ** 2 + X.imag**2)[: X.shape[0] // _FLAT_BINS * _FLAT_BINS]
    total = power.sum(axis=0)
    loud = power[:, (total > 1e-3 * total.max(initial=0.0)) & (total > 0)]
    if not loud.size:
        return 0.0
    parts = loud.reshape(-1, _FLAT_BINS, loud.shape[1]) + 1e-12  # (bands, bins, frames)
    mean = parts.mean(axis=1)
    flat = np.exp(np.log(parts).mean(axis=1)) / mean
    return float(np.quantile((flat * mean).sum(axis=0) / mean.sum(axis=0), 0.25))


def _loop(spectra: FloatArray, levels: NDArray[np.float64], step: float) -> tuple[float, float]:
    """The best likeness at any lag and the lag in seconds, of the whole sound or of its second half."""
    sounding = np.flatnonzero(levels >= SILENT_DB)
    if not sounding.size:
        return 0.0, 0.0
    heard = spectra[:, sounding[0] : sounding[-1] + 1]
    best = (0.0, 0.0)
    for part in (heard, heard[:, heard.shape[1] // 2 :]):
        likeness = self_likeness(part)
        first = round(SHORTEST_PERIOD / step)
        last = part.shape[1] // 2
        if last > first:
            lag = first + int(np.argmax(likeness[first : last + 1]))
            best = max(best, (float(likeness[lag]), lag * step))
    return best


def self_likeness(spectra: FloatArray) -> NDArray[np.float64]:
    """2 Σ a b / Σ (a² + b²) between log spectra ``(bands, frames)`` and themselves ``(lags,)`` frames later."""
    frames = spectra.shape[1]
    deviation = np.maximum(spectra, spectra.max(initial=-100.0) - 50).astype(np.float64)
    deviation -= deviation.mean(axis=1, keepdims=True)
    size = next_fast_len(2 * frames, real=True)
    F = rfft(deviation, size, axis=1)
    products = irfft((F.real**2 + F.imag**2).sum(axis=0), size)[:frames]
    energy = np.concatenate([[0.0], np.cumsum((deviation**2).sum(axis=0))])
    both = energy[frames:0:-1] + energy[-1] - energy[:frames]  # of the first frames − lag, and of the last
    return np.asarray(2 * products / np.maximum(both, 1e-9))


def _still(spectra: FloatArray, levels: NDArray[np.float64]) -> int:
    """The most frames on end of which each sounds and is like the one five frames before."""
    frames = min(spectra.shape[1], levels.size)
    shown = spectra[:, :frames]
    shown = np.maximum(shown, shown.max(axis=0, initial=-100.0) - _STILL_RANGE_DB)
    change = np.sqrt(np.mean((shown[:, 5:] - shown[:, :-5]) ** 2, axis=0))
    still = (change < _STILL_DB) & (levels[5:frames] >= SILENT_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8))).reshape(-1, 2)
    return int((edges[:, 1] - edges[:, 0]).max(initial=0))


@dataclass(frozen=True)
class Limits:
    """From where on a figure of `Faults` is a fault: below the first three, above the others."""

    level_db: float
    active: float
    """Seconds of sound below which there is next to none, for sounds long enough for ``active_share``."""
    active_share: float
    """The same as a share of the time, for shorter ones."""
    clipped: float
    noise: float
    loop: float
    still: float


@dataclass(frozen=True)
class Reference:
    """What is ordinary in a corpus: the figures of its sounds."""

    sounds: tuple[Faults, ...]

    @classmethod
    def of(cls, sounds: Iterable[FloatArray], rate: int) -> Reference:
        """Measure sounds of a corpus, each ``(time,)``, long ones in excerpts; some dozens suffice."""
        return cls(tuple(faults_of(part, rate) for part in islice(_excerpts(sounds, rate), _MOST)))

    @cached_property
    def limits(self) -> Limits:
        """Beyond all that is ordinary here, and beyond what would be a fault in no corpus.

        A figure that the corpus itself carries far (hats are hiss, loops repeat) is hardly judged or not at all.
        """
        if not self.sounds:
            return Limits(SILENT_DB, 0.0, 0.0, 0.002, 0.4, 0.75, 0.5)
        of = {name: np.array([getattr(one, name) for one in self.sounds]) for name in _JUDGED_BY}
        noisy = float(np.quantile(of["noise"], 0.95))
        return Limits(
            level_db=max(float(np.quantile(of["level_db"], 0.02)) - 12, -90.0),
            active=0.3 * float(np.quantile(of["active"], 0.02)),
            active_share=0.3 * float(np.quantile(1 - of["silent"], 0.02)),
            clipped=max(0.002, 2 * float(of["clipped"].max())),
            noise=max(0.35, noisy + (_WHITE - noisy) / 3) if noisy < _HISSING else np.inf,
            loop=max(0.75, (1 + float(of["loop"].max())) / 2),
            still=max(0.5, 1.5 * float(of["still"].max())),
        )

    @cached_property
    def peak(self) -> float:
        """The largest sample of any of the sounds; 1 where there are none."""
        return max((10 ** (one.peak_db / 20) for one in self.sounds), default=1.0)

    def against(self, faults: Faults) -> tuple[str, ...]:
        """What is wrong with a sound, in single words; empty for a sound as ordinary as the corpus."""
        limits = self.limits
        least = min(limits.active, limits.active_share * faults.seconds)
        if faults.level_db < limits.level_db or faults.active < least:
            return ("silent",)  # what little there is cannot be judged
        wrong = {
            "clipped": faults.clipped > limits.clipped,
            "noise": faults.noise > limits.noise,
            "loop": faults.loop > limits.loop,
            "stuck": faults.still > limits.still,
        }
        return tuple(name for name, there in wrong.items() if there)


def _excerpts(sounds: Iterable[FloatArray], rate: int) -> Iterator[FloatArray]:
    length = round(_JUDGED * rate)
    for sound in sounds:
        yield from (sound[at : at + length] for at in range(0, max(1, sound.size - length // 2), length))

"""When the wet recording first answers, told from the linear response alone.

Two views of the response H(f), because either fails where the other serves:

- *Excess phase*: the phase of H less that of the minimum-phase system with the same magnitude (its cepstrum folded,
  Oppenheim & Schafer). Filters and most circuits are minimum-phase, so what is left is a pulse at the pure delay, sharp
  even behind a low-pass.
- *The response itself*, which shows a weak first arrival ahead of a stronger one: a microphone before a cabinet's
  resonance. It is blurred where the band is narrow.

The earlier of the two is taken: a twin can learn to wait, it cannot look ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, signal

from wavewright.data.correlate import Complex, Real, Stretches, parabola

AHEAD_SECONDS = 0.006  # how far ahead of the main pulse a weaker first arrival is looked for
SHARE = 0.05  # of the highest peak: what counts as an arrival
DEVIATIONS = 5.0
PRECURSOR_SECONDS = 0.0005  # and how far in the response itself, which is less sharp
WEAK_SECONDS = 0.00025  # what is allowed for a weak first arrival that noise would hide
TRUSTED_SNR = 4.0


@dataclass(frozen=True)
class Arrival:
    """The first arrival in samples of lag, set early, and as measured; the pulse's place and sign; how sure."""

    first: int
    measured: int
    pulse: float
    polarity: int
    uncertainty: float


def first_arrival(stretches: Stretches, rate: int) -> Arrival:
    """The first arrival along the line that ``stretches`` were taken on, to the early side."""
    excess, error = stretches.to_lags(_excess_phase_weight(stretches))
    plain, _ = stretches.to_lags(_plain_weight(stretches))
    edge = stretches.before // 4  # spans are faded in there
    pulse = edge + int(np.argmax(np.abs(excess[edge:-edge])))
    height = abs(float(excess[pulse]))
    sharp = pulse + _sub_sample(excess, pulse)
    spread = np.sqrt(ndimage.uniform_filter1d(error**2, 33))
    ahead = max(4, min(round(AHEAD_SECONDS * rate), pulse - edge - 1))
    start = max(pulse - ahead, edge)
    limit = np.maximum(DEVIATIONS * spread, 4 * SHARE * height)[start : pulse + 1]
    first = _first_above(np.abs(excess[start : pulse + 1]), np.minimum(limit, height)) + start
    early, hidden = _earlier_in_response(plain, first, ahead, min(ahead, round(PRECURSOR_SECONDS * rate)))
    slack = 1.0 / max(stretches.bandwidth(), 0.01) + 4 * float(spread[pulse]) / max(height, 1e-30)
    slack = max(slack, WEAK_SECONDS * rate * float(np.clip((hidden / SHARE - 1) / 0.2, 0.0, 1.0)))
    polarity = 1 if excess[pulse] >= 0 else -1
    # what the narrow band blurs, and noise may hide, is given to the early side
    measured = min(first, early)
    arrived = min(measured, int(np.floor(sharp + 0.5 - slack)))
    return Arrival(arrived - stretches.before, measured - stretches.before, sharp - stretches.before, polarity, slack)


def _sub_sample(excess: Real, pulse: int) -> float:
    """Where the band-limited pulse peaks between the samples, from ``pulse``."""
    half, factor = 32, 16
    if pulse < half or pulse + half > len(excess):
        return 0.0
    fine = np.abs(
        signal.resample(excess[pulse - half : pulse + half] * np.hanning(2 * half + 1)[:-1], 2 * half * factor)
    )
    near = half * factor + np.arange(-factor, factor + 1)
    top = int(near[int(np.argmax(fine[near]))])
    return (top - half * factor + parabola(fine[top - 1 : top + 2])) / factor


def _first_above(values: Real, limit: Real | float) -> int:
    above = np.flatnonzero(values >= limit)
    return int(above[0]) if len(above) else len(values) - 1


def _earlier_in_response(plain: Real, first: int, ahead: int, precursor: int) -> tuple[int, float]:
    """The first tap, up to ``precursor`` samples before ``first``, that stands out from what lies ``ahead`` of it.

    Also the share of the highest tap that an arrival must have to stand out.
    """
    peak = float(np.max(np.abs(plain[first - precursor : first + 4 * precursor])))
    before = plain[max(first - ahead - precursor, 0) : first - precursor]
    noise = float(np.sqrt(np.mean(before**2))) if len(before) else 0.0
    limit = max(SHARE * peak, DEVIATIONS * noise)
    early = first - precursor + _first_above(np.abs(plain[first - precursor : first + 1]), limit)
    return early, limit / max(peak, 1e-30)


def _plain_weight(stretches: Stretches) -> Complex:
    """Sxy / Sxx where it is known, differenced: an unknown bass would leave a slow swell ahead of the arrival."""
    snr = stretches.snr()
    floor = 1e-9 * float(stretches.dry.max()) + 1e-30
    difference = 1 - np.exp(-2j * np.pi * np.arange(len(snr)) / stretches.size)
    return np.asarray(snr**2 / (1 + snr**2) / (stretches.dry + floor) * difference, dtype=np.complex64)


def _excess_phase_weight(stretches: Stretches) -> Complex:
    mean = np.mean(stretches.cross, axis=0)
    snr = stretches.snr()
    magnitude = np.abs(mean) / (stretches.dry + 1e-12 * float(stretches.dry.max()) + 1e-30)
    log_magnitude = ndimage.uniform_filter1d(np.log(np.maximum(magnitude, 1e-12)), 5)
    phase = minimum_phase(_continued(log_magnitude, snr > 10))
    weight = np.where(snr > TRUSTED_SNR, snr / (1 + snr), 0.0) / np.maximum(np.abs(mean), 1e-30)
    return np.asarray(weight * np.exp(-1j * phase), dtype=np.complex64)


def _continued(log_magnitude: Real, trusted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Real:
    """Gaps bridged, and the slope of the last trusted octave carried on to the top, where only noise was measured."""
    known = np.flatnonzero(trusted)
    if len(known) < 20:
        return log_magnitude
    bins = np.arange(len(log_magnitude))
    top = int(np.quantile(known, 0.98))
    full = np.interp(bins, known, log_magnitude[known])
    octave = known[(known > top / 2) & (known <= top)]
    if len(octave) < 8:
        return full
    x = np.log(octave) - np.mean(np.log(octave))
    slope = min(float(np.sum(x * log_magnitude[octave]) / np.sum(x * x)), 0.0)
    level = float(np.mean(log_magnitude[octave]))
    full[top:] = level + slope * (np.log(bins[top:]) - np.mean(np.log(octave)))
    return full


def minimum_phase(log_magnitude: Real) -> Real:
    """The phase in radians of the minimum-phase system with this log magnitude (bins,), by folding its cepstrum.

    >>> import numpy as np
    >>> h = np.array([1.0, 0.5])  # its zero lies inside the unit circle: minimum-phase already
    >>> spectrum = np.fft.rfft(h, 256)
    >>> bool(np.allclose(minimum_phase(np.log(np.abs(spectrum))), np.angle(spectrum)))
    True
    """
    size = 2 * (len(log_magnitude) - 1)
    cepstrum = fft.irfft(log_magnitude, size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    return np.asarray(np.imag(fft.rfft(cepstrum)))

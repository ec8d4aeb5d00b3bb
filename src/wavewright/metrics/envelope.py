"""How a sound begins and ends: attack time, decay time and crest, and how far a set of sounds is from another in them.

The envelope is the root of the mean power in `WINDOW` seconds around each sample. With E its maximum,

- **attack**: from where the envelope last rises through E / 10 before the maximum to where it first reaches 9 E / 10:
  the usual rise time (IEEE Std 181), as used for sounds by Peeters et al., "The Timbre Toolbox" (JASA 2011);
- **decay**: from the maximum to where the envelope is last above E / 10 (−20 dB);
- **crest**: the largest sample over the RMS of what lies between the beginning of the attack and the end of the decay.

Times are compared by their logarithms, in octaves: 1 is twice as long. A time is never shorter than the window. Where
sounds are loops, their slices from onset to onset are what begins and ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from wavewright.audio.recording import FloatArray

WINDOW = 0.005
"""Seconds over which power is averaged."""
_LONGEST = 30.0  # seconds that are looked at: memory stays flat


@dataclass(frozen=True)
class Envelope:
    """The outline of one sound."""

    attack: float
    """Seconds."""
    decay: float
    """Seconds to −20 dB."""
    crest_db: float


@dataclass(frozen=True)
class Envelopes:
    """The outlines of a set of sounds, one number a sound; silent ones are left out."""

    attack: NDArray[np.float64]
    """log2 of seconds."""
    decay: NDArray[np.float64]
    """log2 of seconds."""
    crest_db: NDArray[np.float64]


def envelope_of(sound: FloatArray, rate: int) -> Envelope | None:
    """The outline of a sound ``(time,)``, of its first half minute; None where it is silent.

    >>> t = np.arange(8000) / 8000
    >>> fading = envelope_of(np.exp(-t / 0.1), rate=8000)  # to a tenth in 0.1 ln 10 seconds
    >>> round(fading.decay, 2), round(fading.attack, 3)
    (0.23, 0.005)
    """
    part = np.asarray(sound[: round(_LONGEST * rate)], np.float64)
    window = max(1, round(WINDOW * rate))
    outline = np.sqrt(np.maximum(uniform_filter1d(part**2, window, mode="constant"), 0)) if part.size else part
    top = float(outline.max(initial=0.0))
    if not top > 1e-6:
        return None
    at = int(outline.argmax())
    low = np.flatnonzero(outline[: at + 1] < 0.1 * top)
    start = int(low[-1]) + 1 if low.size else 0
    high = start + int(np.argmax(outline[start : at + 1] >= 0.9 * top))
    end = at + int(np.flatnonzero(outline[at:] >= 0.1 * top)[-1])
    heard = part[start : end + 1]
    least = window / rate
    rms = float(np.sqrt(np.mean(heard**2)))
    return Envelope(
        attack=max((high - start) / rate, least),
        decay=max((end - at) / rate, least),
        crest_db=20 * float(np.log10(max(float(np.abs(heard).max()), 1e-12) / max(rms, 1e-12))),
    )


def envelopes_of(sounds: Iterable[FloatArray], rate: int) -> Envelopes:
    """The outlines of all ``sounds``, each ``(time,)``, that are not silent."""
    found = [one for one in (envelope_of(sound, rate) for sound in sounds) if one is not None]
    return Envelopes(
        np.log2(np.array([one.attack for one in found])),
        np.log2(np.array([one.decay for one in found])),
        np.array([one.crest_db for one in found]),
    )

"""How much a sound changes while it lasts: one vowel for ever, the known failure of generators that go from frame to
frame, does not change at all.

A sound ``(time,)`` is cut into **moments** of a tenth of a second, and the levels of each in mel bands are told against
the moment's own mean level, so that growing louder is no change. A moment that lies `SOUNDING_DB` or more below the
loudest is silent and left out; bands `DEPTH_DB` below a moment's loudest one count as that far below. **Movement** is
the mean distance between two moments of the sound: root mean square over the bands, in dB.

A moment is long enough for steady noise, whose spectrum is another at every glance, to change little. What is left of
that is told of real sounds, too: the movement of new sounds says something beside the corpus's own alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.metrics.logmel import hop_of, log_mel, window_of

MOMENT = 0.1
"""Seconds."""
SOUNDING_DB = 40.0
DEPTH_DB = 50.0

_MOST = 300  # moments of a sound that are looked at, evenly picked


def movement_of(sound: FloatArray, rate: int) -> float:
    """Mean distance in dB between two moments of a sound ``(time,)``; NaN where it is shorter than two of them, 0 where
    fewer than two sound.

    >>> t = np.arange(8000) / 8000
    >>> low, high = (np.sin(2 * np.pi * hz * t).astype(np.float32) for hz in (200, 2000))
    >>> round(movement_of(low, rate=8000), 2), movement_of(np.concatenate([low, high]), rate=8000) > 5
    (0.0, True)
    """
    spectra = moments(sound, rate)
    if spectra is None:
        return float("nan")
    if len(spectra) < 2:
        return 0.0
    apart = [np.sqrt(np.square(spectra[at + 1 :] - one).mean(axis=1)) for at, one in enumerate(spectra)]
    return float(np.concatenate(apart).mean())


def moments(sound: FloatArray, rate: int) -> FloatArray | None:
    """Spectra ``(moments, bands)`` of those moments of a sound that are heard, dB about their own means; None where it
    is shorter than two moments.
    """
    hop = hop_of(rate)
    edge = -(-window_of(rate) // (2 * hop))  # glances that see beyond the sound's ends
    levels = log_mel(sound, rate, floor_db=-200.0)[:, edge : max(edge, sound.size // hop - edge + 1)]  # (bands, frames)
    length = round(MOMENT * rate / hop)
    count = levels.shape[1] // length
    if count < 2:
        return None
    powers = 10 ** (levels[:, : count * length].reshape(len(levels), count, length).astype(np.float64) / 10)
    power = powers.mean(axis=2).T  # (moments, bands)
    heard = power.sum(axis=1)
    sounding = power[(heard > 10 ** (-SOUNDING_DB / 10) * heard.max()) & (heard > 1e-10)]
    some = sounding[:: max(1, -(-len(sounding) // _MOST))]
    loudest = some.max(axis=1, keepdims=True)
    spectra = 10 * np.log10(np.maximum(some, 10 ** (-DEPTH_DB / 10) * loudest))
    return np.asarray(spectra - spectra.mean(axis=1, keepdims=True), np.float32)


def movement(sounds: Iterable[FloatArray], rate: int) -> float:
    """Mean movement in dB of all ``sounds``, each ``(time,)``, that are long enough; NaN where none is."""
    found = np.array([movement_of(sound, rate) for sound in sounds])
    found = found[np.isfinite(found)]
    return float(found.mean()) if found.size else float("nan")

"""Where something begins in a sound: spectral flux with an adaptive threshold, placed to the sample.

The flux follows Böck and Widmer, "Maximum filter vibrato suppression for onset detection" (DAFx 2013): the rise of
log-mel levels against the loudest neighbouring band a little earlier, so that a gliding tone does not rise. A peak of
it counts where it stands above the local median (Bello et al., "A tutorial on onset detection in music signals", IEEE
TSAP 2005, section V). Within the peak's window the sample is chosen where energy jumps most.

Sounds are ``(time,)``, read in blocks: memory grows by 200 numbers a second.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import mel_spectrogram
from wavewright.settings import checked, setting

Samples = NDArray[np.int64]

_HOP = 0.005  # seconds
_WINDOW = 0.024
_BANDS = 32
_LAG = 2  # frames that a rise is measured over
_RANGE_DB = 60.0  # below the sound's peak; what lies deeper rises for nobody
_BLOCK = 2000  # frames
_LOCAL = 0.15  # seconds on either side that the median looks at
_JUMP = 0.004  # seconds whose energies are compared where an onset is placed


@dataclass(frozen=True)
class OnsetSettings:
    """What counts as a beginning."""

    threshold_db: float = setting(2.5, "rise, mean over the mel bands, above the local median", above=0, high=60)
    apart: float = setting(0.05, "seconds between two beginnings at least", above=0, high=10)

    def __post_init__(self) -> None:
        checked(self)


def onsets(sound: FloatArray, rate: int, settings: OnsetSettings = OnsetSettings()) -> Samples:
    """The samples where something begins in ``sound`` ``(time,)``, rising.

    Example:
        >>> x = np.zeros(8000, np.float32)
        >>> x[[1000, 4000]] = 1
        >>> onsets(x, rate=8000)
        array([1000, 4000])
    """
    hop = hop_of(rate)
    flux = onset_strength(sound, rate)
    if not flux.size:
        return np.zeros(0, np.int64)
    reach = max(1, round(_LOCAL * rate / hop))
    above = flux - median_filter(flux, 2 * reach + 1, mode="constant")  # silence beyond both ends
    near = max(1, round(settings.apart * rate / hop / 2))
    peaks = np.flatnonzero((flux == maximum_filter1d(flux, 2 * near + 1)) & (above >= settings.threshold_db))
    peaks = peaks[(peaks == 0) | (peaks * hop < sound.size - round(_WINDOW * rate / 2))]  # an end is no beginning
    found: list[int] = []
    for peak in peaks:
        at = _placed(sound, rate, int(peak) * hop)
        if not found or at - found[-1] >= settings.apart * rate:
            found.append(at)
    return np.array(found, np.int64)


def slices(sound: FloatArray, rate: int, settings: OnsetSettings = OnsetSettings()) -> list[tuple[int, int]]:
    """Every stretch ``(start, end)`` in samples from one onset to the next, the last to the end; what comes before the
    first onset is a slice of its own. Together they are the whole sound.

    >>> x = np.zeros(8000, np.float32)
    >>> x[[1000, 4000]] = 1
    >>> slices(x, rate=8000)
    [(0, 1000), (1000, 4000), (4000, 8000)]
    """
    edges = [0, *(int(at) for at in onsets(sound, rate, settings) if at > 0), sound.size]
    return list(itertools.pairwise(edges)) if sound.size else []


def hop_of(rate: int) -> int:
    """Samples from value to value of `onset_strength`: five milliseconds."""
    return max(1, round(_HOP * rate))


def onset_strength(sound: FloatArray, rate: int) -> NDArray[np.float64]:
    """How much begins at sample k · `hop_of`, ``(1 + ceil(time / hop),)``: mean rise over the mel bands, dB."""
    hop = hop_of(rate)
    window = max(2 ** round(np.log2(_WINDOW * rate)), 2 * hop)
    peak = max((float(np.abs(sound[at : at + (1 << 20)]).max()) for at in range(0, sound.size, 1 << 20)), default=0.0)
    if not peak > 0:
        return np.zeros(1 + -(-sound.size // hop) if sound.size else 0)
    low = 10 ** (-_RANGE_DB / 10)
    margin = -(-window // hop)  # frames that hear beyond a block's edge
    before = np.full((_BANDS, _LAG), -_RANGE_DB)  # a sound comes out of silence
    parts = []
    total = 1 + -(-sound.size // hop)
    for first in range(0, total, _BLOCK):
        count = min(_BLOCK, total - first)
        start = max(0, first - margin)
        part = np.asarray(sound[start * hop : (first + count + margin) * hop]) / np.float32(peak)
        part = np.pad(part, (0, max(0, (count + first - start) * hop - part.size)))
        power = mel_spectrogram(part, rate, window, hop, _BANDS)[:, first - start : first - start + count]
        levels = 10 * np.log10(np.maximum(power.astype(np.float64) * (4 / window) ** 2, low))  # (bands, frames)
        joined = np.concatenate([before, levels], axis=1)
        rise = joined[:, _LAG:] - maximum_filter1d(joined, 3, axis=0)[:, :-_LAG]
        parts.append(np.maximum(rise, 0).mean(axis=0))
        before = joined[:, -_LAG:]
    return np.concatenate(parts)


def _placed(sound: FloatArray, rate: int, near: int) -> int:
    """The sample around ``near`` after which there is most energy for what there was before it.

    Energy of the differences from sample to sample: that of a low tone rises and falls with each of its cycles.
    """
    width = max(2, round(_JUMP * rate))
    reach = round(_WINDOW * rate)
    first, last = max(0, near - reach // 2), min(sound.size, near + reach // 2 + 1)
    part = np.asarray(sound[max(0, first - width - 1) : last + width], np.float64)
    part = np.pad(part, (max(0, width + 1 - first), max(0, last + width - sound.size)))
    total = np.concatenate([[0.0], np.cumsum(np.diff(part) ** 2)])  # starts at first − width
    energy = total[width:] - total[:-width]  # of width samples from first − width + i on
    before, after = energy[: last - first], energy[width : width + last - first]
    loud = float(energy.max(initial=0.0))
    ratio = after / (before + 1e-4 * loud + 1e-20)
    return first + int(np.flatnonzero(ratio >= (1 - 1e-9) * ratio.max())[-1]) if ratio.size else first

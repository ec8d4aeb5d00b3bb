"""Taking bandwidth away from full-band sound, in every way in which recordings lose it. No torch.

What comes down to a low rate is filtered first, well or badly, and then sampled; whatever the filter let through above
half the low rate is folded back as aliases. All of that is one transform. With X the spectrum of N samples at the full
rate, H the filter's response and N' the samples at the low rate,

    Y[k] = N'/N · Σ_m (H X)[k + m N']       sampled at the low rate, aliases and all
    Z    = Y with zeros above N'/2          back at the full rate, by band-limited interpolation

for any ratio of the rates, whole or not. Filters are those of `scipy.signal.decimate` and their common relatives. Lossy
coding (MP3, Ogg Vorbis) acts on the samples at the low rate.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal
from scipy.fft import irfft, next_fast_len, rfft

from wavewright.audio.recording import FloatArray
from wavewright.errors import SettingsError
from wavewright.settings import did_you_mean

FILTERS = ("chebyshev", "chebyshev-causal", "butterworth", "bessel", "elliptic", "brick-wall", "subsample")
CODECS = ("mp3", "ogg")
KINDS = (*FILTERS, *CODECS)
"""Every way there is; ``mix`` draws one of them for each sound."""

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MARGIN_SECONDS = 0.02
"""Silence around a piece while it is transformed, so that a filter's ringing does not come round to its other end."""


@dataclass(frozen=True)
class Degradation:
    """One way of losing bandwidth.

    ``kind`` is one of `KINDS`; ``order`` the filter's; ``cutoff`` where it begins to close, as a share of half the low
    rate; ``quality`` a codec's, 0 (small) to 1 (good). Codecs are fed through the Chebyshev filter.
    """

    kind: str = "chebyshev"
    order: int = 8
    cutoff: float = 0.8
    quality: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError([f"degradation {self.kind!r}: {did_you_mean(self.kind, KINDS)}"])

    @classmethod
    def drawn(cls, dice: np.random.Generator, kind: str = "mix") -> Degradation:
        """One of ``kind`` with an order, a cutoff and a quality at random; of any kind for ``mix``."""
        if kind == "mix":
            kind = KINDS[dice.integers(len(KINDS))]
        order = int(dice.integers(3, 11))
        return cls(kind, order, float(dice.uniform(0.75, 0.98)), float(dice.uniform(0.2, 0.9)))

    def response(self, bins: int, ratio: float) -> NDArray[np.complex128]:
        """The filter's response at ``bins`` frequencies from 0 to half the full rate, which is ``ratio`` low ones."""
        return _response(self.kind, self.order, self.cutoff, bins, ratio)


def lowered(x: FloatArray, rate: int, low_rate: int, how: Degradation) -> FloatArray:
    """``x`` ``(…, time)`` at ``rate`` Hz as it sounds at ``low_rate``: ``(…, ceil(time · low_rate / rate))``.

    Example:
        >>> x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
        >>> bool(np.allclose(lowered(x, 16_000, 4_000, Degradation("subsample")), x[::4], atol=1e-5))
        True

    Raises:
        SettingsError: ``low_rate`` is not below ``rate``.
    """
    _refuse_rates(rate, low_rate)
    time = x.shape[-1]
    low_time = -(-time * low_rate // rate)
    whole, low_whole, before, low_before = _lengths(time, rate, low_rate)
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, whole - before - time)])
    X = rfft(padded, axis=-1) * how.response(whole // 2 + 1, rate / low_rate)  # (…, N/2 + 1)
    y = irfft(_folded(X, low_whole), low_whole, axis=-1) * (low_whole / whole)
    y = np.asarray(y[..., low_before : low_before + low_time], np.float32)
    return _coded(y, low_rate, how) if how.kind in CODECS else y


def raised(y: FloatArray, low_rate: int, rate: int, time: int) -> FloatArray:
    """``y`` ``(…, low_time)`` at ``low_rate`` brought to ``rate``, ``time`` samples, by band-limited interpolation.

    Raises:
        SettingsError: ``low_rate`` is not below ``rate``.
    """
    _refuse_rates(rate, low_rate)
    whole, low_whole, before, low_before = _lengths(time, rate, low_rate)
    low_time = min(y.shape[-1], low_whole - low_before)
    padded = np.pad(y[..., :low_time], [(0, 0)] * (y.ndim - 1) + [(low_before, low_whole - low_before - low_time)])
    Y = rfft(padded, axis=-1)  # (…, N'/2 + 1)
    Y[..., -1] /= 2  # half of the top bin belongs to its mirror image, which the longer transform keeps apart
    z = irfft(Y, whole, axis=-1) * (whole / low_whole)
    return np.asarray(z[..., before : before + time], np.float32)


def degraded(x: FloatArray, rate: int, low_rate: int, how: Degradation) -> FloatArray:
    """``x`` ``(…, time)`` with its bandwidth lost, at its own rate and of its own length."""
    return raised(lowered(x, rate, low_rate, how), low_rate, rate, x.shape[-1])


def _lengths(time: int, rate: int, low_rate: int) -> tuple[int, int, int, int]:
    """N and N', both even and in the ratio of the rates, and how much silence lies in front of the sound in each."""
    common = math.gcd(rate, low_rate)
    unit, low_unit = 2 * rate // common, 2 * low_rate // common
    margin = -(-round(MARGIN_SECONDS * rate) // unit)  # in units
    units = next_fast_len(-(-time // unit) + 2 * margin, real=True)
    return units * unit, units * low_unit, margin * unit, margin * low_unit


def _folded(X: NDArray[np.complex128], low_whole: int) -> NDArray[np.complex128]:
    """The half spectrum of every (N / N')-th sample: bands of N'/2 bins, each second one mirrored, summed."""
    half = low_whole // 2
    Y = np.zeros((*X.shape[:-1], half + 1), X.dtype)
    last = X.shape[-1] - 1  # the top bin stands for both its signs; what folds onto no mirror image cannot hold it
    for band in range(-(-last // half)):
        part = X[..., band * half : min((band + 1) * half, last) + 1]
        count = part.shape[-1]
        if band % 2:
            Y[..., half - count + 1 :] += part[..., ::-1].conj()
        else:
            Y[..., :count] += part
    return Y


@lru_cache(maxsize=64)
def _response(kind: str, order: int, cutoff: float, bins: int, ratio: float) -> NDArray[np.complex128]:
    frequency = np.linspace(0, 1, bins)  # 1 is half the full rate
    edge = cutoff / ratio
    if kind == "subsample":
        return np.ones(bins, np.complex128)
    if kind == "brick-wall":
        return (frequency < 1 / ratio).astype(np.complex128)
    if kind == "butterworth":
        sections = signal.butter(order, edge, output="sos")
    elif kind == "bessel":
        sections = signal.bessel(order, edge, output="sos", norm="mag")
    elif kind == "elliptic":
        sections = signal.ellip(order, 0.05, 60, edge, output="sos")
    else:
        sections = signal.cheby1(order, 0.05, edge, output="sos")
    _, H = signal.sosfreqz(sections, np.pi * frequency)
    H = np.asarray(H, np.complex128)
    # forwards and backwards, as `scipy.signal.decimate` filters where no phase is to be lost
    return (np.abs(H) ** 2).astype(np.complex128) if kind in ("chebyshev", *CODECS) else H


def _coded(y: FloatArray, rate: int, how: Degradation) -> FloatArray:
    """``y`` ``(…, time)`` through a lossy codec and back, each channel by itself, nothing moved in time.

    MP3 knows certain rates alone; at the others Ogg Vorbis takes its place.
    """
    form, subtype = ("MP3", "MPEG_LAYER_III") if how.kind == "mp3" and rate in MP3_RATES else ("OGG", "VORBIS")
    rows = np.atleast_2d(y).reshape(-1, y.shape[-1])
    out = np.zeros_like(rows)
    for row, result in zip(rows, out, strict=True):
        level = max(1.0, float(np.abs(row).max(initial=0)))
        place = io.BytesIO()
        with soundfile.SoundFile(
            place, "w", rate, 1, subtype=subtype, format=form, compression_level=1 - how.quality
        ) as file:
            file.write(row / level)
        place.seek(0)
        decoded = soundfile.read(place, dtype="float32")[0] * level
        delay = _delay(row, decoded)
        kept = decoded[delay : delay + len(row)]
        result[: len(kept)] = kept
    return out.reshape(y.shape)


def _delay(sent: FloatArray, received: FloatArray) -> int:
    """Samples by which a codec's output lags: the peak of the correlation, 0 to 4,096."""
    reach = 4096
    size = next_fast_len(len(received) + len(sent), real=True)
    correlation = irfft(rfft(received, size) * rfft(sent, size).conj(), size)[:reach]
    return int(correlation.argmax())


def _refuse_rates(rate: int, low_rate: int) -> None:
    if not 0 < low_rate < rate:
        raise SettingsError([f"low rate = {low_rate} Hz: must be above 0 and below the full rate, {rate} Hz"])

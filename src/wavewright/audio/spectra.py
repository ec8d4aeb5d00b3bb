"""Short-time Fourier transform with an exact inverse, and the mel scale.

The transform and its least-squares inverse follow Griffin and Lim, "Signal estimation from modified short-time Fourier
transform" (1984), equation 6.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.signal import get_window

from wavewright.audio.recording import FloatArray

ComplexArray = NDArray[np.complex64]

MOST_CACHED = 1024
"""Frames of a signal, up to which what their windows add up to is kept for the next one of that length."""


def stft(x: FloatArray, n_fft: int, hop: int, window: str = "hann") -> ComplexArray:
    """Spectra ``(…, bins, frames)`` of ``x`` ``(…, time)``: n_fft // 2 + 1 bins, frame k centred on sample k · hop.

    There are 1 + ceil(time / hop) frames; beyond both ends lies silence. ``window`` is any name that
    `scipy.signal.get_window` knows, in its periodic form.

    Example:
        >>> x = np.sin(np.arange(1000) / 3).astype(np.float32)
        >>> X = stft(x, n_fft=256, hop=64)
        >>> X.shape
        (129, 17)
        >>> bool(np.abs(istft(X, hop=64, time=1000) - x).max() < 1e-6)
        True

    Raises:
        ValueError: ``n_fft`` is odd or below 2, or ``hop`` is not between 1 and n_fft / 2.
    """
    _refuse(n_fft, hop)
    time = x.shape[-1]
    frames = 1 + -(-time // hop)
    padded_time = (frames - 1) * hop + n_fft
    edges = (n_fft // 2, padded_time - time - n_fft // 2)
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [edges])
    pieces = sliding_window_view(padded, n_fft, axis=-1)[..., ::hop, :]  # (…, frames, n_fft), a view
    spectra: ComplexArray = rfft(pieces * periodic_window(window, n_fft), axis=-1)
    return spectra.swapaxes(-1, -2)


def istft(X: ComplexArray, hop: int, time: int, window: str = "hann") -> FloatArray:
    """The signal ``(…, time)`` whose `stft` is nearest to ``X`` ``(…, bins, frames)``; the very same one where there is
    such a signal.

    Raises:
        ValueError: ``time`` is not what that many frames can come from; or as `stft`.
    """
    n_fft, frames = 2 * (X.shape[-2] - 1), X.shape[-1]
    _refuse(n_fft, hop)
    if 1 + -(-time // hop) != frames:
        raise ValueError(
            f"time = {time}: {frames} frames at hop {hop} come from {(frames - 2) * hop + 1} samples or more"
        )
    w = periodic_window(window, n_fft)
    pieces = irfft(X.swapaxes(-1, -2), n_fft, axis=-1) * w  # (…, frames, n_fft)
    y = _overlap_add(pieces, hop)
    weight = window_sums(window, n_fft, hop, frames)
    inside = slice(n_fft // 2, n_fft // 2 + time)
    return np.asarray(y[..., inside] / weight[inside], dtype=np.float32)


def mel_matrix(
    rate: int, n_fft: int, bands: int, low_hz: float = 0.0, high_hz: float | None = None
) -> NDArray[np.float32]:
    """Triangles ``(bands, bins)`` that gather a spectrum into bands of the HTK mel scale, 2595 log10(1 + f / 700).

    Band centres lie evenly in mel between ``low_hz`` and ``high_hz`` (half the rate where not given); each triangle
    rises from the centre below it to 1 at its own and falls to 0 at the next.

    Raises:
        ValueError: no bands, or not 0 <= low_hz < high_hz <= rate / 2.
    """
    high_hz = rate / 2 if high_hz is None else high_hz
    if bands < 1 or not 0 <= low_hz < high_hz <= rate / 2:
        raise ValueError(f"{bands} bands from {low_hz} to {high_hz} Hz: must be at least 1, within 0 to {rate / 2} Hz")
    corners = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bands + 2))
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]  # each (bands, 1)
    f = np.arange(n_fft // 2 + 1) * rate / n_fft
    rising, falling = (f - low) / (centre - low), (high - f) / (high - centre)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def mel_spectrogram(
    x: FloatArray, rate: int, n_fft: int, hop: int, bands: int, low_hz: float = 0.0, high_hz: float | None = None
) -> FloatArray:
    """Power ``(…, bands, frames)`` of ``x`` ``(…, time)`` in the bands of `mel_matrix`, from a Hann-windowed `stft`."""
    X = stft(x, n_fft, hop)
    power = X.real**2 + X.imag**2
    return np.asarray(mel_matrix(rate, n_fft, bands, low_hz, high_hz) @ power, dtype=np.float32)


def hz_to_mel(hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel of a frequency; 1000 Hz are 1000 mel."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))


def mel_to_hz(mel: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `hz_to_mel`."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mel) / 2595.0) - 1.0))


@lru_cache(maxsize=16)
def periodic_window(name: str, n_fft: int) -> FloatArray:
    """The window ``(n_fft,)`` of that name in its periodic form; read only."""
    window = np.asarray(get_window(name, n_fft), dtype=np.float32)
    window.flags.writeable = False  # it is everybody's
    return window


def window_sums(name: str, n_fft: int, hop: int, frames: int) -> NDArray[np.float64]:
    """The squares of the windows of ``frames`` frames added up, ``((frames - 1) · hop + n_fft,)``; read only. A signal
    whose frames have been windowed twice is divided by them."""
    weigh = _weight if frames <= MOST_CACHED else _weight.__wrapped__
    return weigh(name, n_fft, hop, frames)


@lru_cache(maxsize=16)
def _weight(name: str, n_fft: int, hop: int, frames: int) -> NDArray[np.float64]:
    w = periodic_window(name, n_fft)
    weight = _overlap_add(np.broadcast_to(w * w, (frames, n_fft)), hop)
    weight.flags.writeable = False
    return weight


def _overlap_add(pieces: NDArray[np.float32], hop: int) -> NDArray[np.float64]:
    """Sum pieces ``(…, frames, n_fft)`` at every ``hop``: as many strided additions as hops fit into one piece."""
    frames, n_fft = pieces.shape[-2:]
    slots = -(-n_fft // hop)
    padded = np.pad(pieces, [(0, 0)] * (pieces.ndim - 1) + [(0, slots * hop - n_fft)])
    steps = padded.reshape(*pieces.shape[:-1], slots, hop)  # (…, frames, slots, hop)
    total = np.zeros((*pieces.shape[:-2], frames + slots - 1, hop))
    for slot in range(slots):
        total[..., slot : slot + frames, :] += steps[..., slot, :]
    return total.reshape(*pieces.shape[:-2], -1)[..., : (frames - 1) * hop + n_fft]


def _refuse(n_fft: int, hop: int) -> None:
    if n_fft < 2 or n_fft % 2:
        raise ValueError(f"n_fft = {n_fft}: must be even and at least 2")
    if not 1 <= hop <= n_fft // 2:
        raise ValueError(f"hop = {hop}: must be 1 to n_fft / 2 = {n_fft // 2}, or samples between frames would be lost")

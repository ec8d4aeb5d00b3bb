"""Series as a stationary normal process: what the gaps most likely hold, given everything else, in closed form.

All that is learned is the lag covariance C_ij(τ) = E x_i(t) x_j(t + τ), a table counted in seconds. Whatever is hidden,
the best linear guess then follows: with K the covariance of all series and times, M the mask of what is given,

    x̂ = K α      where   M (K + ν) M α = M x                 Wiener and Kolmogorov; Rasmussen and Williams, eq. 2.23

which uses neighbours in time, seasons and the other series at once, as the covariance says they are worth. K is block
Toeplitz, so that a product with it is a filter by FFT, and conjugate gradients, preconditioned by the inverse filter,
solve the system without ever writing K down (Chan and Ng, "Conjugate Gradient Methods for Toeplitz Systems", 1996).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from wavewright.data.masks import Mask

Series = NDArray[np.float64]

LAGS = 192
"""Times over which series are taken to know of one another: eight days of hours; the furthest count for little."""

NUGGET = 3e-3
"""Share of a series' variance that is taken to be noise: keeps what is all but certain from being believed blindly."""

STEPS = 300
CLOSE = 1e-3
"""Conjugate gradients end after so many steps, or when what is left of the right side is this share of it."""

CHUNK = 8192
"""Times worked out at once; beside them the lags on either side."""


@dataclass(frozen=True)
class Process:
    """The lag covariance ``(series, series, 2 lags + 1)`` of series of mean 0, float32; τ = 0 stands in the middle.

    >>> t = np.arange(2000)
    >>> wave = np.sqrt(2) * np.sin(2 * np.pi * t / 24)[np.newaxis]
    >>> shown = (t % 48 < 36)[np.newaxis]
    >>> guess = Process.learn(wave, shown).guess(wave, shown)
    >>> bool(np.abs(guess - wave).max() < 0.1)
    True
    """

    covariance: NDArray[np.float32]
    _kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def lags(self) -> int:
        """How far in time it reaches."""
        return int(self.covariance.shape[2]) // 2

    @classmethod
    def learn(cls, scaled: Series, given: Mask, lags: int = LAGS, *, alike: bool = False) -> Process:
        """Count the covariance of ``scaled`` ``(series, time)``, of the pairs of values that are both ``given``.

        ``alike``: one covariance for all, each series being taken as another example of one and the same.
        """
        count = scaled.shape[1]
        lags = min(lags, count - 1)
        length = int(next_fast_len(count + lags, real=True))
        seen = np.fft.rfft(np.where(given, scaled, 0.0), length)
        there = np.fft.rfft(given.astype(np.float64), length)
        places = np.arange(-lags, lags + 1) % length
        if alike:
            pairs = [(np.sum(np.abs(seen) ** 2, axis=0), np.sum(np.abs(there) ** 2, axis=0))]
        else:
            pairs = [
                (seen[i].conj() * seen[j], there[i].conj() * there[j])
                for i in range(len(seen))
                for j in range(len(seen))
            ]
        rows = len(seen) if not alike else 1
        found = np.stack([_ratio(np.fft.irfft(a, length), np.fft.irfft(b, length), places) for a, b in pairs])
        found *= _taper(lags) * (1 - np.abs(np.arange(-lags, lags + 1)) / count)
        return cls(found.reshape(rows, rows, -1).astype(np.float32))

    def guess(self, scaled: Series, given: Mask) -> Series:
        """The most likely values of series ``(…, series, time)`` of which only what is ``given`` is looked at."""
        count = scaled.shape[-1]
        out = np.empty(scaled.shape)
        for begin in range(0, count, CHUNK):
            end = min(count, begin + CHUNK)
            left, right = max(0, begin - 2 * self.lags), min(count, end + 2 * self.lags)
            part = self._solved(scaled[..., left:right], given[..., left:right])
            out[..., begin:end] = part[..., begin - left : end - left]
        return np.where(given, scaled, out)

    @torch.no_grad()
    def _solved(self, scaled: Series, given: Mask) -> Series:
        """The same for one chunk: preconditioned conjugate gradients, all batches side by side."""
        series, count = scaled.shape[-2:]
        mask = torch.from_numpy(given.reshape(-1, series, count)).float()
        right = torch.from_numpy(np.where(given, scaled, 0.0).reshape(-1, series, count)).float()
        length = int(next_fast_len(count + self.lags, real=True))
        filter_, inverse = self._filters(length)
        alpha, left = torch.zeros_like(right), right.clone()
        ahead = mask * _through(inverse, left, length)
        rest, whole = _dot(left, ahead), _dot(right, right)
        for _ in range(STEPS):
            product = mask * (_through(filter_, ahead, length) + NUGGET * ahead)
            stride = rest / _dot(ahead, product).clamp(min=1e-20)
            alpha += stride * ahead
            left -= stride * product
            if bool((_dot(left, left) <= CLOSE**2 * whole).all()):
                break
            better = mask * _through(inverse, left, length)
            now = _dot(left, better)
            ahead = better + now / rest.clamp(min=1e-20) * ahead
            rest = now
        guessed = _through(filter_, alpha, length)
        return guessed.double().numpy().reshape(scaled.shape)

    def _filters(self, length: int) -> tuple[Tensor, Tensor]:
        """K as a filter over ``length`` times in a ring, ``(frequency, series, series)``, and the inverse of K + ν.

        What counting with gaps or cutting the lags made negative of the spectrum is put to zero: no process has that.
        """
        if length in self._kept:
            return self._kept[length]
        series = len(self.covariance)
        ring = torch.zeros(series, series, length, dtype=torch.float64)
        ring[:, :, torch.arange(-self.lags, self.lags + 1) % length] = torch.from_numpy(self.covariance).double()
        spectrum = torch.fft.rfft(ring).permute(2, 0, 1).conj()  # (frequency, series, series)
        power, axes = torch.linalg.eigh((spectrum + spectrum.mH) / 2)
        power = power.clamp(min=0)
        pair = [((axes * gain[:, None, :]) @ axes.mH).to(torch.complex64) for gain in (power, 1 / (power + NUGGET))]
        if len(self._kept) > 1:
            self._kept.clear()
        self._kept[length] = pair[0], pair[1]
        return self._kept[length]


def _ratio(products: Series, counts: Series, places: NDArray[np.int64]) -> Series:
    """Mean product of each lag; 0 for lags at which nothing is given twice."""
    found = np.round(counts[places])
    return np.where(found > 0, products[places] / np.maximum(found, 1), 0.0)


def _taper(lags: int) -> Series:
    """Parzen's window: what few pairs were counted for, far away, counts less; its spectrum is nowhere negative."""
    share = np.abs(np.arange(-lags, lags + 1)) / (lags + 1)
    return np.where(share < 0.5, 1 - 6 * share**2 + 6 * share**3, 2 * (1 - share) ** 3)


def _through(filter_: Tensor, x: Tensor, length: int) -> Tensor:
    """``x`` (batch, series, time) through a filter (frequency, series, series)."""
    spectrum = torch.fft.rfft(x, length).permute(2, 1, 0)  # (frequency, series, batch)
    return torch.as_tensor(torch.fft.irfft((filter_ @ spectrum).permute(2, 1, 0), length)[..., : x.shape[-1]])


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.as_tensor((a * b).sum((1, 2), keepdim=True))

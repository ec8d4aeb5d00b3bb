"""Sound from magnitudes alone: the phases are found by going back and forth between spectra and samples.

Griffin and Lim, "Signal estimation from modified short-time Fourier transform" (1984), with the momentum of Perraudin,
Balazs and Søndergaard, "A fast Griffin-Lim algorithm" (2013), beginning with the phases that the magnitudes' own slopes
ask for (`wavewright.audio.phase_gradient`) instead of random ones.

Here frames are rows, a frame's bins side by side, and what lies between two transforms is one pass over memory each:
the same as `wavewright.audio.spectra.stft` and its inverse, in a third of the time.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, rfft

from wavewright.audio.phase_gradient import phases
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import periodic_window, stft, window_sums
from wavewright.compiled import compiled

MOMENTUM = 0.99


def griffin_lim(
    magnitude: FloatArray,
    hop: int,
    time: int,
    *,
    rounds: int = 8,
    seed: int = 0,
    known: FloatArray | None = None,
) -> FloatArray:
    """Samples ``(time,)`` whose `wavewright.audio.spectra.stft` has about these magnitudes ``(bins, frames)``.

    ``known`` ``(k,)`` are the first samples where they are fixed already: the rest goes on from them, so that long
    sounds can be made piece by piece. ``seed`` is of the phases of what is too quiet to ask for any.

    Example:
        >>> x = np.sin(np.arange(4000) / 5).astype(np.float32)
        >>> wanted = np.abs(stft(x, 256, 64))
        >>> y = griffin_lim(wanted, hop=64, time=4000)
        >>> bool(np.linalg.norm(np.abs(stft(y, 256, 64)) - wanted) < 0.1 * np.linalg.norm(wanted))
        True

    Raises:
        ValueError: ``time`` is not what that many frames can come from.
    """
    bins, frames = magnitude.shape
    if frames != 1 + -(-time // hop):
        raise ValueError(f"time = {time}: {frames} frames at hop {hop} come from other lengths")
    n_fft = 2 * (bins - 1)
    known = np.zeros(0, np.float32) if known is None else known
    settled = max(0, known.size // hop - n_fft // (2 * hop))  # frames that end within what is known
    heard = np.angle(stft(known, n_fft, hop)[:, :settled]) if settled else None
    turns = phases(magnitude, hop, seed=seed, known=heard).T  # (frames, bins)
    wanted = np.ascontiguousarray(magnitude.T, np.float32)
    spectra = np.empty((frames, bins), np.complex64)
    spectra.real, spectra.imag = wanted * np.cos(turns), wanted * np.sin(turns)
    window, sums = periodic_window("hann", n_fft), window_sums("hann", n_fft, hop, frames)
    y = np.empty(time, np.float32)
    pieces = np.empty((frames, n_fft), np.float32)
    before = np.zeros((frames, 2 * bins), np.float32)
    for _ in range(rounds):
        _added(irfft(spectra, n_fft, axis=1, overwrite_x=True), window, sums, hop, known, y)
        _parted(y, window, hop, pieces)
        after = rfft(pieces, axis=1)  # the nearest spectra that a sound can have
        _pushed(after.view(np.float32), before, wanted, spectra.view(np.float32))
    _added(irfft(spectra, n_fft, axis=1), window, sums, hop, known, y)
    return y


@compiled(fastmath=True)
def _added(pieces, window, sums, hop, known, y):  # type: ignore[no-untyped-def]
    """The samples ``y`` ``(time,)`` whose frames are nearest to ``pieces`` ``(frames, n_fft)``; ``known`` ones stay."""
    frames, size = pieces.shape
    whole = np.zeros((frames - 1) * hop + size, np.float32)
    for frame in range(frames):
        piece, place = pieces[frame], whole[frame * hop : frame * hop + size]
        for k in range(size):
            place[k] += piece[k] * window[k]
    half = size // 2
    for at in range(y.size):
        y[at] = whole[half + at] / sums[half + at]
    y[: known.size] = known


@compiled(fastmath=True)
def _parted(y, window, hop, pieces):  # type: ignore[no-untyped-def]
    """Windowed ``pieces`` ``(frames, n_fft)`` of ``y`` ``(time,)``, the first centred on its first sample."""
    frames, size = pieces.shape
    for frame in range(frames):
        start = frame * hop - size // 2
        low, high = max(0, -start), min(size, y.size - start)
        piece = pieces[frame]
        piece[:low] = 0.0
        piece[high:] = 0.0
        heard, weights, there = y[start + low : start + high], window[low:high], piece[low:high]
        for k in range(high - low):
            there[k] = heard[k] * weights[k]


@compiled(fastmath=True)
def _pushed(after, before, wanted, spectra):  # type: ignore[no-untyped-def]
    """Spectra of the magnitudes ``wanted`` ``(frames, bins)`` with the phases towards which ``after`` is going from
    ``before``; then ``before`` is what ``after`` was. All three ``(frames, 2 · bins)``, real and imaginary in turn."""
    frames, bins = wanted.shape
    momentum, least = np.float32(MOMENTUM), np.float32(1e-24)
    scale = np.empty(bins, np.float32)
    for frame in range(frames):
        new, old, out, sizes = after[frame], before[frame], spectra[frame], wanted[frame]
        for k in range(2 * bins):
            out[k] = new[k] + momentum * (new[k] - old[k])
            old[k] = new[k]
        for m in range(bins):
            re, im = out[2 * m], out[2 * m + 1]
            scale[m] = sizes[m] / np.sqrt(max(re * re + im * im, least))
        for m in range(bins):
            out[2 * m] *= scale[m]
            out[2 * m + 1] *= scale[m]

"""Sound from magnitudes alone: the phases are found by going back and forth between spectra and samples.

Griffin and Lim, "Signal estimation from modified short-time Fourier transform" (1984), with the momentum of Perraudin,
Balazs and Søndergaard, "A fast Griffin-Lim algorithm" (2013), beginning with the phases that the magnitudes' own slopes
ask for (`wavewright.audio.phase_gradient`) instead of random ones.
"""

from __future__ import annotations

import numpy as np

from wavewright.audio.phase_gradient import phases
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import istft, stft

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
        ValueError: as `wavewright.audio.spectra.istft`.
    """
    n_fft = 2 * (magnitude.shape[0] - 1)
    known = np.zeros(0, np.float32) if known is None else known
    settled = max(0, known.size // hop - n_fft // (2 * hop))  # frames that end within what is known
    heard = np.angle(stft(known, n_fft, hop)[:, :settled]) if settled else None
    turns = phases(magnitude, hop, seed=seed, known=heard)
    spectra = (magnitude * np.exp(1j * turns)).astype(np.complex64)
    before = np.zeros_like(spectra)
    for _ in range(rounds):
        y = _held(istft(spectra, hop, time), known)
        after = stft(y, n_fft, hop)  # the nearest spectra that a sound can have
        pushed = after + np.float32(MOMENTUM) * (after - before)
        spectra = magnitude * pushed / np.maximum(np.abs(pushed), 1e-12)
        before = after
    return _held(istft(spectra, hop, time), known)


def _held(y: FloatArray, known: FloatArray) -> FloatArray:
    y[: known.size] = known
    return y

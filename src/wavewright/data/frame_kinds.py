"""Six ways to cut sound into frames of numbers, and the way back: what a frame generator hears and says.

- `RawFrames`: the samples themselves. Lossless; what does not fit at a joint clicks, unless frames are told a little
  longer than they last and fade into one another.
- `SpectrumFrames`: each block's Fourier transform, real and imaginary parts side by side. Lossless, clicks as well.
- `MdctFrames`: the modified cosine transform. Lossless, and overlapping, so that nothing clicks.
- `LevelFrames`: the levels of all bins of a spectrum; `MelFrames`, `CepstrumFrames`: log-mel levels and their cosine
  transform (MFCC). Without phases, which `wavewright.audio.griffin_lim` finds again: nothing hisses or clicks.

Frames are ``(frames, size)`` float32. The way back goes block by block: a `Synthesiser` takes frames as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dct, idct, irfft, rfft

from wavewright.audio.griffin_lim import griffin_lim
from wavewright.audio.mdct import lead, mdct, unfolded
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import mel_matrix, stft
from wavewright.errors import SettingsError

FRAME_KINDS = ("levels", "mdct", "raw", "fft", "log-mel", "mfcc")

QUIETEST = 1e-5
"""Magnitude in a mel band below which nothing is told apart: about −100 dB."""

_OVERLAP = 4  # windows of the mel kinds are so many hops long
_FINE = 8  # and those of `LevelFrames`
_PIECE = 64  # frames whose phases are found together
_KNOWN = 16  # frames before them that are heard already


class Synthesiser(Protocol):
    """Turns frames into sound as they come."""

    def push(self, frames: FloatArray, last: bool = False) -> FloatArray:
        """The samples ``(n,)`` that are finished with these ``(m, size)`` frames; with ``last`` all that remain."""
        ...


class FrameKind(Protocol):
    """A way to cut sound into frames."""

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""

    @property
    def size(self) -> int:
        """Numbers in a frame."""

    @property
    def overlap(self) -> int:
        """How many frames to either side have samples in common with a frame."""

    @property
    def linear(self) -> bool:
        """Whether a sound twice as loud has frames twice as large."""

    @property
    def logarithmic(self) -> bool:
        """Whether the numbers are natural logarithms of amplitudes."""

    @property
    def weights(self) -> FloatArray | None:
        """How much each number counts ``(size,)`` where few have to do for all; None where all count alike."""

    def analyse(self, x: FloatArray) -> FloatArray:
        """Frames ``(frames, size)`` of a sound ``(time,)``."""
        ...

    def synthesiser(self) -> Synthesiser:
        """A new one, at the beginning of a sound."""
        ...


@runtime_checkable
class PhasedKind(FrameKind, Protocol):
    """A kind whose frames are magnitudes without phases, which have to be found for them to become sound."""

    @property
    def n_fft(self) -> int:
        """Samples of a spectrum."""

    def magnitudes(self, frames: FloatArray) -> FloatArray:
        """The magnitudes ``(bins, frames)`` of `wavewright.audio.spectra.stft` that these frames tell of."""
        ...


def frame_kind(
    name: str, hop: int, rate: int, *, lap: float = 1.0, bands: int = 80, coefficients: int = 40
) -> FrameKind:
    """The kind of that name.

    ``hop`` samples a frame, at ``rate`` Hz; ``lap``, the share of a raw or MDCT frame that fades; ``bands`` of the mel
    scale, ``coefficients`` of an MFCC.

    >>> frame_kind("mdct", 256, 16_000).size
    256

    Raises:
        SettingsError: an unknown name, or numbers that do not go together.
    """
    problems = []
    if name not in FRAME_KINDS:
        problems.append(f"setting frames = {name!r}: allowed: {', '.join(FRAME_KINDS)}")
    if hop < 2 or hop % 2:
        problems.append(f"setting frame_size = {hop}: must be an even number of samples, at least 2")
    if name == "mfcc" and coefficients > bands:
        problems.append(f"setting coefficients = {coefficients}: there are only {bands} bands to take them from")
    if name in ("log-mel", "mfcc") and bands > 2 * hop:
        problems.append(f"setting bands = {bands}: frames of {hop} samples tell {2 * hop} apart at most")
    if problems:
        raise SettingsError(problems)
    faded = 2 * round(lap * hop / 2)
    if name == "raw":
        return RawFrames(hop, faded)
    if name == "fft":
        return SpectrumFrames(hop)
    if name == "mdct":
        return MdctFrames(hop, max(2, faded))
    if name == "levels":
        return LevelFrames(hop, rate)
    mel = MelFrames(hop, rate, bands)
    return mel if name == "log-mel" else CepstrumFrames(mel, coefficients)


def lossless(kind: FrameKind, x: FloatArray) -> FloatArray:
    """There and back again: ``x`` ``(time,)`` itself for the first three kinds, what is left of it for the others."""
    return kind.synthesiser().push(kind.analyse(x), last=True)[: len(x)]


def _blocks(x: FloatArray, hop: int) -> FloatArray:
    """``x`` ``(time,)`` in blocks ``(frames, hop)``, silence behind its end."""
    return np.pad(x, (0, -len(x) % hop)).astype(np.float32).reshape(-1, hop)


class _Each:
    """A synthesiser for kinds whose frames do not overlap."""

    def __init__(self, samples: Callable[[FloatArray], FloatArray]) -> None:
        self._samples = samples

    def push(self, frames: FloatArray, last: bool = False) -> FloatArray:
        return self._samples(frames).ravel()


class RawFrames:
    """The samples themselves: frame k is of the ``hop`` samples from k · hop on, and of the ``lap`` before them, over
    which it fades in where the frame before it fades out. Without a lap what does not fit together clicks.

    >>> RawFrames(4).analyse(np.arange(6, dtype=np.float32)).tolist()
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 0.0, 0.0]]
    >>> RawFrames(4, lap=2).analyse(np.arange(4, dtype=np.float32)).tolist()
    [[0.0, 0.0, 0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 0.0, 0.0, 0.0, 0.0]]
    """

    linear = True
    logarithmic = False
    weights = None

    def __init__(self, hop: int, lap: int = 0) -> None:
        self.hop, self.lap, self.size = hop, lap, hop + lap
        self.overlap = 1 if lap else 0
        self.fade = np.sin(np.pi * (np.arange(lap) + 0.5) / (2 * max(1, lap))).astype(np.float32) ** 2

    def analyse(self, x: FloatArray) -> FloatArray:
        if not self.lap:
            return _blocks(x, self.hop)
        frames = 1 + -(-len(x) // self.hop)
        padded = np.pad(x, (self.lap, frames * self.hop - len(x))).astype(np.float32)
        return np.array(sliding_window_view(padded, self.size)[:: self.hop][:frames])

    def synthesiser(self) -> Synthesiser:
        return _Fading(self) if self.lap else _Each(lambda frames: frames)


class _Fading:
    """Lets each frame fade into the next: the last ``lap`` samples wait for it."""

    def __init__(self, kind: RawFrames) -> None:
        self._kind = kind
        self._tail: FloatArray | None = None

    def push(self, frames: FloatArray, last: bool = False) -> FloatArray:
        if not len(frames):
            return np.zeros(0, np.float32)
        hop, lap, fade = self._kind.hop, self._kind.lap, self._kind.fade
        before = np.zeros((1, lap), np.float32) if self._tail is None else self._tail[np.newaxis]
        old = np.concatenate([before, frames[:-1, hop:]])
        y = frames[:, :hop].copy()
        y[:, :lap] = fade * frames[:, :lap] + (1 - fade) * old
        skipped = lap if self._tail is None else 0  # what lies before sample 0
        self._tail = frames[-1, hop:]
        return y.ravel()[skipped:]


class SpectrumFrames:
    """The Fourier transform of ``hop`` samples: hop / 2 + 1 real parts, then the hop / 2 − 1 imaginary ones that are
    not zero. As many numbers as samples, and as much energy.

    >>> SpectrumFrames(4).analyse(np.ones(4, np.float32)).round(3).tolist()
    [[2.0, 0.0, 0.0, 0.0]]
    """

    linear = True
    logarithmic = False
    weights = None
    overlap = 0

    def __init__(self, hop: int) -> None:
        self.hop = self.size = hop
        self._scale = np.full(hop // 2 + 1, np.sqrt(2.0), np.float32)  # all bins but the outermost stand for two
        self._scale[[0, -1]] = 1.0

    def analyse(self, x: FloatArray) -> FloatArray:
        spectra = rfft(_blocks(x, self.hop), axis=1, norm="ortho") * self._scale  # (frames, hop / 2 + 1)
        return np.concatenate([spectra.real, spectra.imag[:, 1:-1]], axis=1, dtype=np.float32)

    def synthesiser(self) -> Synthesiser:
        return _Each(self._samples)

    def _samples(self, frames: FloatArray) -> FloatArray:
        real, imag = frames[:, : self.hop // 2 + 1], np.pad(frames[:, self.hop // 2 + 1 :], ((0, 0), (1, 1)))
        return np.asarray(irfft((real + 1j * imag) / self._scale, self.hop, axis=1, norm="ortho"), np.float32)


class MdctFrames:
    """`wavewright.audio.mdct`: frame k is of the ``hop`` samples from k · hop on, and fades in over ``lap`` samples
    before them."""

    linear = True
    logarithmic = False
    weights = None
    overlap = 1

    def __init__(self, hop: int, lap: int | None = None, window: str = "sine") -> None:
        self.hop = self.size = hop
        self.lap, self.window = hop if lap is None else lap, window

    def analyse(self, x: FloatArray) -> FloatArray:
        return mdct(x, self.hop, self.window, self.lap)

    def synthesiser(self) -> Synthesiser:
        return _Overlapping(self)


class _Overlapping:
    """Adds what neighbouring MDCT frames have in common; a frame late, for its neighbour is still to come."""

    def __init__(self, kind: MdctFrames) -> None:
        self._kind = kind
        self._tail: FloatArray | None = None

    def push(self, frames: FloatArray, last: bool = False) -> FloatArray:
        if not len(frames):
            return np.zeros(0, np.float32)
        hop = self._kind.hop
        pieces = unfolded(frames, self._kind.window, self._kind.lap)  # (n, 2 · hop)
        tails = pieces[:, hop:]
        before = np.zeros((1, hop), np.float32) if self._tail is None else self._tail[np.newaxis]
        y = pieces[:, :hop] + np.concatenate([before, tails[:-1]])
        skipped = lead(hop, self._kind.lap) if self._tail is None else 0  # what lies before sample 0
        self._tail = tails[-1]
        return np.asarray(y, np.float32).ravel()[skipped:]


class LevelFrames:
    """Natural logarithms of the magnitudes of all bins, `QUIETEST` at least: frame k is centred on sample k · hop.

    A bin counts as much as the part of the mel scale that it is wide: half of all bins of a kick are its click alone.
    """

    linear = False
    logarithmic = True
    overlap = _FINE // 2

    def __init__(self, hop: int, rate: int) -> None:
        self.hop, self.n_fft = hop, _FINE * hop
        self.size = self.n_fft // 2 + 1
        hz = np.arange(self.size) * rate / self.n_fft
        # squares count in proportion to the slope of 2595 log10(1 + f / 700)
        self.weights = np.asarray(1 / np.sqrt(1 + hz / 700.0), np.float32)
        self._scale = 4 / self.n_fft  # a sine of full scale reads about 1

    def analyse(self, x: FloatArray) -> FloatArray:
        spectra = np.abs(stft(x, self.n_fft, self.hop))
        return np.log(np.maximum(spectra * np.float32(self._scale), np.float32(QUIETEST))).T.astype(np.float32)

    def magnitudes(self, frames: FloatArray) -> FloatArray:
        """Magnitudes ``(bins, frames)`` of these levels; what lies at the floor is silence."""
        loud = np.exp(np.minimum(frames, np.float32(2.0)))  # a generator gone astray shall not overflow
        loud *= np.float32(1 / self._scale)
        loud[frames <= np.log(QUIETEST) + 0.1] = 0.0
        return np.asarray(loud, np.float32).T

    def synthesiser(self) -> Synthesiser:
        return _Phased(self.hop, _FINE, self.magnitudes)


class MelFrames:
    """Natural logarithms of the magnitudes in ``bands`` of the mel scale, `QUIETEST` at least."""

    linear = False
    logarithmic = True
    weights = None
    overlap = _OVERLAP // 2

    def __init__(self, hop: int, rate: int, bands: int) -> None:
        self.hop, self.size, self.rate = hop, bands, rate
        self.n_fft = _OVERLAP * hop
        self._matrix = mel_matrix(rate, self.n_fft, bands)  # (bands, bins)
        # bands narrower than a bin hear the bin nearest to them
        empty = np.flatnonzero(self._matrix.sum(axis=1) == 0)
        if empty.size:
            centres = np.linspace(0, 1, bands + 2)[1:-1][empty]
            top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
            hz = 700.0 * (10.0 ** (centres * top / 2595.0) - 1.0)
            self._matrix[empty, np.rint(hz * self.n_fft / rate).astype(int)] = 1.0
        self._scale = 4 / self.n_fft  # a sine of full scale reads about 1

    def analyse(self, x: FloatArray) -> FloatArray:
        spectra = stft(x, self.n_fft, self.hop)
        power = (spectra.real**2 + spectra.imag**2) * np.float32(self._scale**2)  # (bins, frames)
        return np.asarray(0.5 * np.log(np.maximum(self._matrix @ power, QUIETEST**2)).T, np.float32)

    def magnitudes(self, frames: FloatArray) -> FloatArray:
        """Magnitudes ``(bins, frames)`` of spectra that have these levels, none below zero (Lee and Seung, 2001)."""
        loudest = np.minimum(frames, 4.0)  # a generator gone astray shall not overflow
        wanted = np.where(frames > np.log(QUIETEST) + 0.1, np.exp(2 * loudest.astype(np.float64)), 0.0).T
        matrix = self._matrix.astype(np.float64)
        power = matrix.T @ wanted
        product = matrix.T @ matrix
        gathered = matrix.T @ wanted
        for _ in range(40):
            power *= gathered / np.maximum(product @ power, 1e-30)
        return np.asarray(np.sqrt(power) / self._scale, np.float32)

    def synthesiser(self) -> Synthesiser:
        return _Phased(self.hop, _OVERLAP, self.magnitudes)


class CepstrumFrames:
    """The first ``coefficients`` of the cosine transform of log-mel levels (MFCC), the mean level first."""

    linear = False
    logarithmic = False
    weights = None
    overlap = _OVERLAP // 2

    def __init__(self, mel: MelFrames, coefficients: int) -> None:
        self.mel, self.hop, self.size, self.n_fft = mel, mel.hop, coefficients, mel.n_fft

    def analyse(self, x: FloatArray) -> FloatArray:
        return np.asarray(dct(self.mel.analyse(x), axis=1, norm="ortho")[:, : self.size], np.float32)

    def synthesiser(self) -> Synthesiser:
        return _Phased(self.hop, _OVERLAP, self.magnitudes)

    def magnitudes(self, frames: FloatArray) -> FloatArray:
        """As those of `MelFrames`, of the levels that these coefficients tell of."""
        levels = idct(np.pad(frames, ((0, 0), (0, self.mel.size - self.size))), axis=1, norm="ortho")
        return self.mel.magnitudes(np.asarray(levels, np.float32))


class _Phased:
    """Finds phases for magnitudes piece by piece, each piece going on from the sound of the one before."""

    def __init__(self, hop: int, overlap: int, magnitudes: Callable[[FloatArray], FloatArray]) -> None:
        self._hop, self._overlap, self._magnitudes = hop, overlap, magnitudes
        self._waiting: list[NDArray[np.float32]] = []
        self._context: FloatArray | None = None  # magnitudes (bins, frames) heard already
        self._heard = np.zeros(0, np.float32)  # their samples

    def push(self, frames: FloatArray, last: bool = False) -> FloatArray:
        self._waiting += list(frames)
        made = []
        while len(self._waiting) >= _PIECE + self._overlap or (last and self._waiting):
            closing = last and len(self._waiting) < _PIECE + self._overlap
            made.append(self._piece(closing))
        return np.concatenate(made) if made else np.zeros(0, np.float32)

    def _piece(self, closing: bool) -> FloatArray:
        """The next `_PIECE` frames' sound, the frames behind them heard for their phases; or all the rest."""
        some = np.stack(self._waiting[: _PIECE + self._overlap])
        new = self._magnitudes(some)
        context = np.zeros((new.shape[0], 0), np.float32) if self._context is None else self._context
        whole = np.concatenate([context, new], axis=1)
        time = (whole.shape[1] - 1) * self._hop
        if new.shape[1] < 2:
            self._waiting = []
            return np.zeros(0, np.float32)
        y = griffin_lim(whole, self._hop, time, known=self._heard)
        start = len(self._heard)
        if closing:
            self._waiting = []
            return y[start:]
        stop = start + _PIECE * self._hop
        self._waiting = self._waiting[_PIECE:]
        kept = context.shape[1] + _PIECE
        self._context = whole[:, kept - _KNOWN : kept]
        self._heard = y[stop - _KNOWN * self._hop : stop]
        return y[start:stop]

"""Is a new sound new? For each, the excerpt of the training sounds that is most like it.

A sound is cut into windows, one every quarter of their length. Each is held against every excerpt of that length in the
training sounds, in two ways:

- **correlation** of the waveforms, |Σ x y| / √(Σ x² Σ y²) with means taken out: 1 for a copy at any gain, either way
  up;
- **distance** of the log-mel spectra with mean levels taken out, root mean square in dB: near 0 for a copy, small for
  the same sound made anew.

A steady tone correlates with every tone of its pitch, copied or not, so neither figure says anything without the same
figure of held-out sounds beside it.

The correlations are computed by overlap-save (Oppenheim and Schafer, *Discrete-Time Signal Processing*, section 8.7.3)
with the windows' transforms kept, so that each block of training sound is transformed once. Above 16 kHz the search is
made in the band below about 4 kHz and what it finds is correlated at the full rate.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.signal import firwin, upfirdn

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled
from wavewright.metrics.excerpts import LOUD, nearest_excerpts, padded, starts_of_windows
from wavewright.metrics.logmel import hop_of, log_mel

Float32Array = NDArray[np.float32]
_Found = tuple[list[float], list[int], list[int]]  # for each window: how like, which training sound, from which sample

_FFT = 1 << 14
_TOGETHER = 512  # windows searched for in one pass: their transforms take 32 MB
_BATCH = 8  # of them, transformed back at once: small enough for a processor's cache
_QUIET = 1e-4  # RMS below which an excerpt is silence and like nothing
_SEARCH_RATE = 8000
_FEW = 60.0  # seconds of training sound whose spectra are kept from search to search: a megabyte
_PART = 30.0  # seconds of a long training sound whose spectra are held at once


@dataclass(frozen=True)
class Nearest:
    """The training excerpts most like a sound: by correlation, and by log-mel distance."""

    correlation: float
    """From 0 to 1; 0 where the sound is silent."""
    sound: int
    """Index of the training sound that correlates best."""
    start: int
    """Where in it the excerpt begins, in samples."""
    at: int
    """Where in the new sound the window begins."""
    length: int
    """Samples of the window."""
    distance: float
    """Of the nearest excerpt by log-mel spectra, in dB; infinite where the sound is silent."""
    distance_sound: int
    distance_start: int

    def aligned(self, training: FloatArray, length: int) -> FloatArray:
        """What of the training sound ``(time,)`` lies under a new sound of ``length`` samples, to be played beside it:
        ``(length,)``, silent where the training sound has not begun or is over."""
        first = self.start - self.at
        under = np.zeros(length, np.float32)
        heard = training[max(0, first) : max(0, first + length)]
        under[max(0, -first) :][: len(heard)] = heard
        return under


class Copies:
    """Searches training sounds, each ``(time,)``; they are read again with every search, never copied as a whole (the
    spectra of a minute of them are kept).

    Args:
        training: the sounds, mapped from the disk where they are many.
        rate: of these and of the sounds to come, in Hz.
        seconds: length of a window: the longer, the less does chance correlate. Shorter sounds are padded with silence,
            and found where silence follows.

    >>> random = np.random.default_rng(0)
    >>> training = [random.standard_normal(8000).astype(np.float32) for _ in range(3)]
    >>> found = Copies(training, rate=8000).nearest(-0.1 * training[1][3000:7000])
    >>> found.sound, found.start - found.at, round(found.correlation, 3)
    (1, 3000, 1.0)
    """

    def __init__(self, training: Sequence[FloatArray], rate: int, seconds: float = 0.25) -> None:
        self._training, self._rate = training, rate
        self._factor = max(1, rate // _SEARCH_RATE)
        self._length = max(2, round(seconds * rate / self._factor))  # at the rate of the search
        self._fft = max(_FFT, 1 << (4 * self._length - 1).bit_length())
        self._frames = max(1, round(self._length * self._factor / hop_of(rate)))
        taps = 16 * self._factor + 1
        self._low_pass = firwin(taps, 0.9, fs=2 * self._factor) if self._factor > 1 else np.ones(1)
        self._sizes = np.array([-(-sound.size // self._factor) for sound in training], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(np.maximum(self._sizes, self._length))])
        self._few = sum(sound.size for sound in training) <= _FEW * rate
        self._kept: list[tuple[int, int, Float32Array]] | None = None

    @property
    def length(self) -> int:
        """Samples of a window at the sounds' rate."""
        return self._length * self._factor

    def nearest(self, sound: FloatArray) -> Nearest:
        """What is most like one sound ``(time,)``; see `nearest_all` for several."""
        return self.nearest_all([sound])[0]

    def nearest_all(self, sounds: Sequence[FloatArray], *, waves: bool = True) -> list[Nearest]:
        """What is most like each of ``sounds``, in one pass over the training sounds for every few dozen of them;
        without ``waves`` by spectra alone, in a third of the time."""
        found = [self._nothing() for _ in sounds]
        asked = [(number, at) for number, sound in enumerate(sounds) for at in self._windows(sound)]
        for first in range(0, len(asked) if len(self._training) else 0, _TOGETHER):
            some = asked[first : first + _TOGETHER]
            windows = [sounds[number][at : at + self.length] for number, at in some]
            by_wave = self._by_wave(windows) if waves else ([0.0] * len(some), [0] * len(some), [0] * len(some))
            by_spectrum = self._by_spectrum(self._spectra_of(sounds, some))
            for (number, at), wave, spectrum in zip(
                some, zip(*by_wave, strict=True), zip(*by_spectrum, strict=True), strict=True
            ):
                best = found[number]
                if wave[0] > best.correlation:
                    best = replace(best, correlation=min(1.0, wave[0]), sound=wave[1], start=wave[2], at=at)
                if spectrum[0] < best.distance:
                    best = replace(best, distance=spectrum[0], distance_sound=spectrum[1], distance_start=spectrum[2])
                found[number] = best
        return found

    def _nothing(self) -> Nearest:
        return Nearest(0.0, 0, 0, 0, self.length, np.inf, 0, 0)

    def _windows(self, sound: FloatArray) -> list[int]:
        """Where the windows of a sound begin that are loud enough to be looked at."""
        starts = starts_of_windows(sound.size, self.length)
        levels = [_deviation(sound[at : at + self.length]) for at in starts]
        least = max(_QUIET, LOUD * max(levels))
        return [at for at, level in zip(starts, levels, strict=True) if level >= least]

    def _by_wave(self, windows: Sequence[FloatArray]) -> _Found:
        """The best correlation of each window with any excerpt."""
        slow = np.stack([_standard(self._slowed(window, 0, self._length)) for window in windows])
        values, places = self._correlated(slow)
        owners = np.searchsorted(self._starts, places, side="right") - 1
        offsets = (places - self._starts[owners]) * self._factor
        if self._factor > 1:
            for row, window in enumerate(windows):
                sound = self._training[owners[row]]
                values[row], offsets[row] = _refined(window, sound, int(offsets[row]), 2 * self._factor)
        return values.tolist(), owners.tolist(), offsets.tolist()

    def _correlated(self, windows: Float32Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The best correlation of each of the windows ``(windows, length)``, of mean 0 and norm 1, and where: in
        samples at the rate of the search, all training sounds laid end to end."""
        length, size = self._length, self._fft
        turned = np.conj(rfft(windows, size, axis=1))  # (windows, bins)
        best, place = np.zeros(len(windows)), np.zeros(len(windows), np.int64)
        valid = size - length + 1
        for start in range(0, int(self._starts[-1]), valid):
            block, begins = self._laid_out(start, size)
            sums, squares = _running(block.astype(np.float64), length), _running(block.astype(np.float64) ** 2, length)
            energy = squares - sums**2 / length
            heard = begins[:valid] & (energy > length * _QUIET**2)
            scale = np.where(heard, 1 / np.sqrt(np.maximum(energy, 1e-30)), 0.0)
            if not scale.any():
                continue
            scale = scale.astype(np.float32)
            spectrum = rfft(block)
            for first in range(0, len(windows), _BATCH):
                some = slice(first, first + _BATCH)
                products = irfft(turned[some] * spectrum, size, axis=1, overwrite_x=True)
                _keep_best(products, scale, start, best[some], place[some])
        return best, place

    def _laid_out(self, start: int, size: int) -> tuple[Float32Array, NDArray[np.bool_]]:
        """``size`` samples at the rate of the search from ``start`` on, of all sounds laid end to end, and where among
        them an excerpt may begin that lies within one sound; both ``(size,)``."""
        block, begins = np.zeros(size, np.float32), np.zeros(size, np.bool_)
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for at in range(first, len(self._training)):
            low = int(self._starts[at])
            if low >= start + size:
                break
            begin, stop = max(low, start), min(low + int(self._sizes[at]), start + size)
            if begin < stop:
                block[begin - start : stop - start] = self._slowed(self._training[at], begin - low, stop - begin)
            last = low + max(0, int(self._sizes[at]) - self._length)
            begins[max(0, low - start) : max(0, last + 1 - start)] = True
        return block, begins

    def _slowed(self, sound: FloatArray, start: int, count: int) -> Float32Array:
        """Samples ``start`` to ``start + count`` of a sound at the rate of the search; silence beyond its ends."""
        factor, reach = self._factor, len(self._low_pass) // 2
        low, high = start * factor - reach, (start + count - 1) * factor + reach + 1
        part = np.asarray(sound[max(0, low) : max(0, high)], np.float32)
        part = np.pad(part, (max(0, -low), high - max(0, low) - part.size))
        if factor == 1:
            return part
        whole = upfirdn(self._low_pass, part, 1, factor)  # sample k is centred on k · factor − reach of ``part``
        return np.asarray(whole[2 * reach // factor :][:count], np.float32)

    def _spectra_of(self, sounds: Sequence[FloatArray], windows: Sequence[tuple[int, int]]) -> list[Float32Array]:
        """Log-mel spectra of windows, each (sound, its first sample), their neighbourhood heard by the frames at their
        edges; windows of one sound follow one another, and what lies between its first and last is measured once."""
        hop, margin, found = hop_of(self._rate), 8, []
        for number, group in itertools.groupby(windows, key=lambda window: window[0]):
            places = [at for _, at in group]
            low = max(0, places[0] // hop - margin) * hop
            near = np.asarray(sounds[number][low : places[-1] + self.length + margin * hop])
            spectra = padded(log_mel(near, self._rate), self._frames)
            for at in places:
                first = min(round((at - low) / hop), spectra.shape[1] - self._frames)
                found.append(spectra[:, first : first + self._frames])
        return found

    def _by_spectrum(self, windows: Sequence[Float32Array]) -> _Found:
        """The least log-mel distance of each of the windows' spectra ``(bands, frames)`` from any excerpt."""
        hop = hop_of(self._rate)
        parts = ((number, start // hop, spectra) for number, start, spectra in self._parts_spectra())
        distances, owners, places = nearest_excerpts(windows, parts)
        return distances.tolist(), owners.tolist(), (places * hop).tolist()

    def _parts_spectra(self) -> Iterator[tuple[int, int, Float32Array]]:
        """``(sound, start, spectra)`` of `_parts`; kept for the next search where there are few of them."""
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for number, start, part in self._parts():
            spectra = padded(log_mel(part, self._rate), self._frames)
            if self._few:
                kept.append((number, start, spectra))
            yield number, start, spectra
        self._kept = kept if self._few else None

    def _parts(self) -> Iterator[tuple[int, int, FloatArray]]:
        """The training sounds in parts that overlap by a window: ``(sound, start, samples)``."""
        hop = hop_of(self._rate)
        step = round(_PART * self._rate) // hop * hop
        overlap = (self._frames + 4) * hop
        for number, sound in enumerate(self._training):
            for start in range(0, max(1, sound.size - overlap), step):
                part = np.asarray(sound[start : start + step + overlap])
                if np.abs(part).max(initial=0.0) >= _QUIET:
                    yield number, start, part


@compiled(fastmath=True)
def _keep_best(products, scale, start, best, place):  # type: ignore[no-untyped-def]
    """Of each row of ``products`` ``(windows, n)`` the largest number, either way up and times ``scale`` ``(valid,)``,
    where it is more than the ``best`` ``(windows,)``, and its place behind ``start``; in place."""
    for row in range(len(products)):
        line, largest = products[row], np.float32(0.0)
        for at in range(scale.size):
            largest = max(largest, abs(line[at] * scale[at]))
        if largest > best[row]:
            at = 0
            while at < scale.size - 1 and abs(line[at] * scale[at]) < largest:
                at += 1
            best[row], place[row] = largest, start + at


def _refined(window: FloatArray, sound: FloatArray, start: int, reach: int) -> tuple[float, int]:
    """The best correlation of ``window`` with ``sound`` within ``reach`` samples of ``start``, and where."""
    low = max(0, start - reach)
    part = np.asarray(sound[low : start + reach + window.size], np.float64)
    part = np.pad(part, (0, max(0, window.size + min(start, reach) + reach - part.size)))
    excerpts = sliding_window_view(part, window.size)  # (places, length)
    deviations = excerpts - excerpts.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", deviations, deviations))
    products = np.abs(deviations @ _standard(window).astype(np.float64))
    values = np.where(norms > np.sqrt(window.size) * _QUIET, products / np.maximum(norms, 1e-30), 0.0)
    best = int(values.argmax())
    return float(values[best]), low + best


def _standard(window: FloatArray) -> Float32Array:
    """``window`` with mean 0 and norm 1."""
    deviation = window - window.mean(dtype=np.float64)
    return np.asarray(deviation / max(float(np.linalg.norm(deviation)), 1e-12), np.float32)


def _deviation(window: FloatArray) -> float:
    return float(np.std(window, dtype=np.float64)) if window.size else 0.0


def _running(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Sums of ``length`` values on end, ``(time - length + 1,)``."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[length:] - total[:-length])

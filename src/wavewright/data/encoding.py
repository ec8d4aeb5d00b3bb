"""Sound as codes and back: gain, pre-emphasis, companding, and their exact inverses, whole or block by block.

    code[n] = Q(g · (x[n] − a · x[n−1]))        x̂[n] = Q⁻¹(code[n]) / g + a · x̂[n−1]

Companding spreads its noise evenly over frequency, where speech and music have little above some kHz; pre-emphasis
before and de-emphasis after it push that noise below the sound. The gain g makes room for what pre-emphasis adds: a
peak may grow by 1 + a, and a code that lay beyond full scale could not come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.companding import QUANTIZERS, Codes, Quantizer, quantizer
from wavewright.audio.filters import FilterState, de_emphasis, pre_emphasis
from wavewright.audio.recording import FloatArray
from wavewright.errors import DataError
from wavewright.settings import checked, setting

BLOCK = 2**20


class Stretch(Protocol):
    """Where a sound lies in a track, in samples."""

    @property
    def start(self) -> int:
        """The first sample."""
        ...

    @property
    def length(self) -> int:
        """How many samples there are."""
        ...


@dataclass(frozen=True)
class Encoding:
    """How samples become codes. Kept with a network, which knows its sounds through nothing else.

    Example:
        >>> encoding = Encoding.fitted(peak=1.6, pre_emphasis=0.8)
        >>> round(encoding.gain, 4)
        0.625
        >>> x = np.sin(np.arange(1000) / 20).astype(np.float32)
        >>> codes, _ = encoding.encode(x)
        >>> y, _ = encoding.decode(codes)
        >>> bool(np.abs(x - y).max() < 0.02)
        True

    Raises:
        SettingsError: an unknown quantization, a coefficient or a gain out of range.
    """

    quantization: str = setting("mu-law", "256 codes of mu-law, 256 linear ones, or 16 bits", choices=QUANTIZERS)
    pre_emphasis: float = setting(0.0, "coefficient of the first difference taken before coding", low=0.0, high=0.999)
    gain: float = setting(1.0, "factor before coding, undone after it", above=0.0)

    def __post_init__(self) -> None:
        checked(self)

    @classmethod
    def fitted(
        cls, peak: float, quantization: str = "mu-law", pre_emphasis: float = 0.0, *, normalise: bool = False
    ) -> Encoding:
        """The encoding that keeps pre-emphasised sound of this `peak` within full scale.

        The gain is 1 where that is enough. With ``normalise`` it may also be more, so that the peak is full scale.

        Raises:
            DataError: the peak is not a finite number, or nothing at all is to be normalised.
        """
        if not math.isfinite(peak) or peak < 0 or (normalise and peak == 0):
            raise DataError(f"a corpus with a peak of {peak}: it must be finite, and above 0 to be normalised")
        # just inside, so that rounding in the product cannot reach beyond
        return cls(quantization, pre_emphasis, (1 - 2**-22) / peak if normalise or peak > 1 else 1.0)

    @property
    def quantizer(self) -> Quantizer:
        """What turns levels into codes."""
        return quantizer(self.quantization)

    def emphasised(self, x: FloatArray, state: FilterState | None = None) -> tuple[FloatArray, FilterState]:
        """What is coded: ``x`` ``(…, time)`` with its highs lifted, times the gain."""
        carried = np.zeros((*x.shape[:-1], 1)) if state is None else state
        if self.pre_emphasis:
            x, carried = pre_emphasis(x, self.pre_emphasis, carried)
        return x * np.float32(self.gain), carried

    def encode(self, x: FloatArray, state: FilterState | None = None) -> tuple[Codes, FilterState]:
        """Codes of the next block ``(…, time)``, and the state to hand to the one after; silence before the first.

        What lies beyond full scale after the gain takes the end codes; `beyond` counts it.
        """
        y, state = self.emphasised(x, state)
        return self.quantizer.encode(y), state

    def decode(self, codes: NDArray[Any], state: FilterState | None = None) -> tuple[FloatArray, FilterState]:
        """Samples of the next block of codes ``(…, time)``, and the state to hand to the one after.

        De-emphasis sums up, so the samples may lie beyond full scale; they are neither clipped nor wrapped here.
        """
        x = self.quantizer.decode(codes) * np.float32(1 / self.gain)
        carried = np.zeros((*x.shape[:-1], 1)) if state is None else state
        return de_emphasis(x, self.pre_emphasis, carried) if self.pre_emphasis else (x, carried)

    def beyond(self, x: FloatArray) -> int:
        """How many samples of a whole sound ``(…, time)`` cannot be coded without clipping."""
        return int((np.abs(self.emphasised(x)[0]) > 1).sum())


class Decoder:
    """Codes of parallel streams into samples within full scale, block by block, as they are drawn.

    ``after`` ``(streams,)`` are the samples that the first codes follow, so that a sound goes on from them without a
    click; silence where None. ``beyond`` ``(streams,)`` counts the samples of each that lay beyond full scale and were
    held there.

    Example:
        >>> decoder = Decoder(Encoding(pre_emphasis=0.9), streams=2)
        >>> decoder(np.array([[255, 255, 255], [0, 0, 0]])).tolist()
        [[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]
        >>> decoder.beyond.tolist()
        [2, 2]
    """

    def __init__(self, encoding: Encoding, streams: int = 1, after: FloatArray | None = None) -> None:
        self.encoding = encoding
        self.streams = streams
        self.reset(after)

    def reset(self, after: FloatArray | None = None) -> None:
        """Start anew, from silence or behind other samples."""
        before = np.zeros(self.streams) if after is None else np.reshape(after, self.streams).astype(np.float64)
        self._state: FilterState = self.encoding.pre_emphasis * before[:, np.newaxis]
        self.beyond: NDArray[np.int64] = np.zeros(self.streams, np.int64)

    def __call__(self, codes: NDArray[Any]) -> FloatArray:
        """The samples ``(streams, time)`` of the next codes; a single stream may come without its first dimension."""
        x, self._state = self.encoding.decode(codes.reshape(self.streams, codes.shape[-1]), self._state)
        self.beyond += (np.abs(x) > 1).sum(axis=-1)
        return np.clip(x, -1, 1).reshape(codes.shape)


def peak(track: FloatArray, sounds: Iterable[Stretch], coefficient: float = 0.0) -> float:
    """The largest magnitude in ``sounds`` of a track ``(1, frames)`` after pre-emphasis; read in blocks."""
    highest = 0.0
    for sound in sounds:
        state: FilterState | None = None
        for first in range(sound.start, sound.start + sound.length, BLOCK):
            x = track[0, first : min(first + BLOCK, sound.start + sound.length)]
            if coefficient:
                x, state = pre_emphasis(x, coefficient, state)
            highest = max(highest, float(x.max()), -float(x.min()))
    return highest

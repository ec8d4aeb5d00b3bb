"""Companding: samples in [−1, 1] as codes 0 … levels − 1, by µ-law or evenly, and back.

A quantizer is a rising curve F from [−1, 1] onto itself and as many codes as it has levels; code c stands for the level
2 c / (levels − 1) − 1 of the curve, and a sample takes the code whose level is nearest to F(x). With µ-law

    F(x) = sgn(x) ln(1 + µ |x|) / ln(1 + µ),    µ = 255

(ITU-T G.711 in its continuous form; van den Oord et al., "WaveNet", 2016, section 2.2), even quantizers have F(x) = x.
The levels lie symmetrically about zero, which itself lies half-way between the middle two and takes the upper one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.errors import SettingsError
from wavewright.settings import did_you_mean

Codes = NDArray[np.uint8] | NDArray[np.uint16]

MU = 255.0
CELLS = 32_768  # between 0 and 1: narrower than the narrowest step, so that a cell holds one threshold at most
_LEVELS = {"mu-law": 256, "linear": 256, "16-bit": 65_536}
QUANTIZERS = tuple(_LEVELS)
"""The names that `quantizer` knows."""


@dataclass(frozen=True)
class Quantizer:
    """Samples to codes and back. Made by `quantizer`; ``levels`` is how many codes there are.

    Example:
        >>> mu = quantizer("mu-law")
        >>> mu.encode(np.array([-1.0, -0.01, 0.0, 0.01, 1.0], np.float32))
        array([  0,  98, 128, 157, 255], dtype=uint8)
        >>> mu.decode(np.array([0, 98, 255])).round(3)
        array([-1.  , -0.01,  1.  ], dtype=float32)
    """

    name: str
    levels: int

    @property
    def silence(self) -> int:
        """The code of a zero: the one predicted from where nothing has sounded yet."""
        return self.levels // 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """The narrowest type that holds every code."""
        return np.dtype(np.uint8 if self.levels <= 256 else np.uint16)

    def encode(self, x: FloatArray) -> Codes:
        """The nearest code of each sample, shape in, shape out; beyond full scale the end codes, never a wrap.

        ``x`` must hold no NaN: whoever reads files refuses them.
        """
        tables = _tables(self.name)
        x = np.clip(np.asarray(x, np.float32), -1, 1)
        # a product with a power of two and its floor are exact, so no sample is put into a cell it does not lie in
        cell = np.floor(x * np.float32(CELLS)).astype(np.int32)
        cell += CELLS
        codes: Codes = tables.first[cell]
        codes += x >= tables.threshold[codes]
        return codes

    def decode(self, codes: NDArray[Any]) -> FloatArray:
        """The samples that codes of any integer type stand for; encoding them gives every code back."""
        return np.asarray(_tables(self.name).values[codes])

    def levels_of(self, codes: NDArray[Any]) -> FloatArray:
        """2 c / (levels − 1) − 1, on the curve's own scale: what networks hear."""
        return np.asarray(_tables(self.name).levels[codes])


def quantizer(name: str) -> Quantizer:
    """The quantizer of that name: ``"mu-law"`` and ``"linear"`` have 256 levels, ``"16-bit"`` has 65,536 even ones.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in _LEVELS:
        raise SettingsError([f"quantizer = {name!r}: {did_you_mean(name, _LEVELS)}"])
    return Quantizer(name, _LEVELS[name])


@dataclass(frozen=True)
class _Tables:
    """``levels`` and ``values`` ``(levels,)`` of each code. For encoding: ``first`` ``(2 CELLS + 1,)``, the code at the
    lower end of each cell, and ``threshold`` ``(levels,)``, the sample from which on the next code begins."""

    levels: FloatArray
    values: FloatArray
    first: Codes
    threshold: FloatArray


@lru_cache(maxsize=len(_LEVELS))
def _tables(name: str) -> _Tables:
    count = _LEVELS[name]
    expand = _expand if name == "mu-law" else np.asarray
    levels = (2.0 * np.arange(count) - (count - 1)) / (count - 1)
    half_way = expand((2.0 * np.arange(1, count) - count) / (count - 1))
    # A float32 reaches a threshold when it reaches the first float32 that does.
    threshold = half_way.astype(np.float32)
    threshold = np.where(threshold < half_way, np.nextafter(threshold, np.float32(2)), threshold)
    ends = np.arange(-CELLS, CELLS + 1) / np.float32(CELLS)
    first = np.searchsorted(threshold, ends, side="right").astype(quantizer(name).dtype)
    tables = _Tables(
        levels.astype(np.float32), expand(levels).astype(np.float32), first, np.append(threshold, np.float32(np.inf))
    )
    for table in vars(tables).values():
        table.flags.writeable = False
    return tables


def _expand(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x of F(x) = level for µ-law: sgn(level) ((1 + µ)^|level| − 1) / µ."""
    return np.asarray(np.sign(level) * np.expm1(np.abs(level) * np.log1p(MU)) / MU)

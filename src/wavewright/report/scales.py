"""Axes: which range to show, where the ticks go, and how to write a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["linear", "log", "dB"]

_LINEAR_STEPS = (1.0, 2.0, 5.0, 10.0)
_DECIBEL_STEPS = (1.0, 2.0, 3.0, 6.0, 10.0, 12.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True)
class Axis:
    """One axis: its label with unit, its scale, and its ends where they are not to follow the data.

    ``"dB"`` is linear with ticks at the steps that read well in decibels.
    """

    label: str
    scale: Scale = "linear"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Tick:
    """A tick at ``value``; ``minor`` ones are unlabelled, ``spare`` labels give way on narrow screens."""

    value: float
    label: str
    minor: bool = False
    spare: bool = False


@dataclass(frozen=True)
class Fitted:
    """An axis with both ends and its ticks known."""

    label: str
    scale: Scale
    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions from 0 (the low end) to 1 (the high end); NaN for what a log scale has no place for."""
        low, high = self.low, self.high
        if self.scale == "log":
            low, high = math.log10(low), math.log10(high)
            values = np.log10(np.where(values > 0, values, np.nan))
        return np.asarray((values - low) / (high - low))


def fitted(axis: Axis, values: NDArray[np.float64]) -> Fitted:
    """Give ``axis`` ends that hold the finite ``values`` and ticks between them."""
    usable = values[np.isfinite(values) & ((values > 0) | (axis.scale != "log"))]
    low = axis.low if axis.low is not None else float(usable.min()) if usable.size else 0.0
    high = axis.high if axis.high is not None else float(usable.max()) if usable.size else 1.0
    if axis.scale == "log":
        low, high = _log_ends(low, high, axis)
        return Fitted(axis.label, axis.scale, low, high, log_ticks(low, high))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    step = _step(high - low, axis.scale)
    if axis.low is None:
        low = math.floor(low / step + 1e-9) * step
    if axis.high is None:
        high = math.ceil(high / step - 1e-9) * step
    return Fitted(axis.label, axis.scale, low, high, linear_ticks(low, high, step))


def linear_ticks(low: float, high: float, step: float) -> tuple[Tick, ...]:
    """Ticks at the multiples of ``step``, every second label spare.

    >>> [tick.label for tick in linear_ticks(-0.1, 1.0, 0.25)]
    ['0', '0.25', '0.5', '0.75', '1']
    """
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    crowded = last - first > 4
    return tuple(
        Tick(count * step, number(count * step), spare=crowded and count % 2 != 0) for count in range(first, last + 1)
    )


def log_ticks(low: float, high: float) -> tuple[Tick, ...]:
    """Ticks at 1, 2 and 5 of each decade (decades alone where there are many), and a grid line at every digit.

    >>> [tick.label for tick in log_ticks(20, 20000) if tick.label and not tick.spare]
    ['100', '1k', '10k']
    """
    decades = math.log10(high / low)
    labelled = (1, 2, 5) if decades <= 3.2 else (1,)
    ticks = []
    for exponent in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1):
        for digit in range(1, 10):
            value = digit * 10.0**exponent
            if low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                shown = digit in labelled
                spare = digit != 1 and decades > 1.2
                ticks.append(Tick(value, number(value) if shown else "", minor=not shown, spare=spare))
    return tuple(ticks)


def number(value: float, digits: int = 4) -> str:
    """A number as a person writes it.

    >>> [number(v) for v in (0.0, 20000.0, 1500.0, -0.25, 0.00371234, 2e-6, float("inf"), float("nan"))]
    ['0', '20k', '1.5k', '−0.25', '0.003712', '2·10⁻⁶', '∞', '–']
    """
    if math.isnan(value):
        return "–"
    sign, size = ("−" if value < 0 else ""), abs(value)
    if math.isinf(size):
        return f"{sign}∞"
    if size >= 1e6 or 0 < size < 1e-4:
        mantissa, exponent = f"{size:.2e}".split("e")
        factor = mantissa.rstrip("0").rstrip(".")
        power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return sign + (power if factor == "1" else f"{factor}·{power}")
    text = f"{size / 1000:.{digits}g}k" if size >= 1000 else f"{size:.{digits}g}"
    return text if text == "0" else sign + text


def _step(span: float, scale: Scale, most: int = 7) -> float:
    if scale == "dB":
        for step in _DECIBEL_STEPS:
            if span / step <= most:
                return step
    magnitude = 10.0 ** math.floor(math.log10(span / most))
    return next(magnitude * step for step in _LINEAR_STEPS if span / (magnitude * step) <= most + 1e-9)


def _log_ends(low: float, high: float, axis: Axis) -> tuple[float, float]:
    if low <= 0:
        low = 1e-3 if high <= 0 else high / 1e3
    high = max(high, low)
    if axis.low is None:
        low /= 1.1
    if axis.high is None:
        high *= 1.1
    return low, high if high > low else low * 10

"""Longer or shorter at the same pitch, higher or lower at the same length, or both at once like a tape.

Time alone by WSOLA: Verhelst and Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high
quality time-scale modification of speech" (ICASSP 1993). Windows of the sound are laid down at even steps; each is
taken from where time has got to, moved by a few milliseconds to where it goes on best from the window before. Drums
keep their attacks better so than in a phase vocoder.

Sounds are ``(time,)`` float32.
"""

from __future__ import annotations

import numpy as np
import soxr

from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import QUALITY
from wavewright.compiled import compiled

SHORTEST, LONGEST = 0.25, 4.0
"""Factors of length that are allowed."""

_WINDOW = 0.04  # seconds
_SEARCH = 0.010  # seconds that a window may be moved


def stretch(sound: FloatArray, rate: int, factor: float) -> FloatArray:
    """``sound`` ``(time,)`` made ``factor`` times as long, its pitch kept: ``(round(time · factor),)``.

    What was at sample n comes to n · factor, to ten milliseconds. A factor of 1 gives the sound back.

    Example:
        >>> tone = np.sin(np.arange(8000) / 10).astype(np.float32)
        >>> stretch(tone, rate=8000, factor=1.5).shape
        (12000,)

    Raises:
        ValueError: ``factor`` is not between `SHORTEST` and `LONGEST`.
    """
    _refuse("factor", factor, SHORTEST, LONGEST)
    if factor == 1:
        return np.asarray(sound, np.float32)
    step = max(2, round(_WINDOW * rate / 2))
    search = max(1, round(_SEARCH * rate))
    length = round(sound.size * factor)
    count = -(-length // step) + 1
    last = round((count - 1) * step / factor) + 2 * step + search
    x = np.pad(np.asarray(sound, np.float32), (step, max(0, last - sound.size - step) + step))
    window = np.asarray(0.5 - 0.5 * np.cos(np.pi * np.arange(2 * step) / step), np.float32)  # steps of it add up to 1
    out = np.zeros((count + 1) * step, np.float32)
    _overlapped(x, window, step, search, float(factor), count, out)
    return out[step : step + length]


def varispeed(sound: FloatArray, speed: float) -> FloatArray:
    """``sound`` ``(time,)`` as a tape plays it ``speed`` times as fast: shorter and higher, ``(round(time / speed),)``.

    Raises:
        ValueError: ``speed`` is not between 1 / 4 and 4.
    """
    _refuse("speed", speed, 1 / LONGEST, 1 / SHORTEST)
    if speed == 1 or not sound.size:
        return np.asarray(sound, np.float32)
    length = round(sound.size / speed)
    y = soxr.resample(np.ascontiguousarray(sound, np.float32), speed, 1.0, quality=QUALITY)
    return np.pad(y[:length], (0, max(0, length - y.size))).astype(np.float32)


def transpose(sound: FloatArray, rate: int, semitones: float) -> FloatArray:
    """``sound`` ``(time,)`` higher by so many ``semitones``, as long as before.

    Raises:
        ValueError: more than two octaves up or down.
    """
    _refuse("semitones", semitones, -24.0, 24.0)
    if not semitones:
        return np.asarray(sound, np.float32)
    speed = float(2 ** (semitones / 12))
    y = stretch(varispeed(sound, speed), rate, speed)
    return np.pad(y[: sound.size], (0, max(0, sound.size - y.size)))


def _refuse(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} = {value}: must be {low:g} to {high:g}")


@compiled
def _overlapped(
    x: FloatArray, window: FloatArray, step: int, search: int, factor: float, count: int, out: FloatArray
) -> None:
    """Lay ``count`` windows of ``x`` into ``out``; x and out both begin ``step`` samples before the sound does."""
    size = 2 * step
    at = 0
    for k in range(count):
        wanted = round(k * step / factor)
        best = wanted
        if k > 0:
            follows = at + step  # what comes next where nothing is moved
            if follows + size > x.size:
                follows = x.size - size
            most = -1e30
            for number in range(2 * search + 1):
                # from no move outwards: the nearest of equals
                move = (number + 1) // 2 * (1 if number % 2 else -1)
                place = wanted + move
                if place < 0 or place + size > x.size:
                    continue
                product = 0.0
                energy = 1e-9
                for i in range(0, size, 2):  # every second sample tells enough
                    product += x[follows + i] * x[place + i]
                    energy += x[place + i] * x[place + i]
                value = product / np.sqrt(energy)
                if value > most * (1.0 + 1e-9) + 1e-12:
                    most = value
                    best = place
        at = best
        for i in range(size):
            out[k * step + i] += window[i] * x[best + i]

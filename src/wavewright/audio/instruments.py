"""Built-in instruments: a plucked string, a horn, an 808-like kick, a snare and a hat, ``(time,)``, of peak ``level``.

The string is Karplus and Strong's (1983) with Jaffe and Smith's extensions (1983): an all-pass in the loop tunes it
between samples, a low-pass in the loop and a gain set how long it rings, a low-pass on the pluck how hard it is struck,
and a comb where.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from wavewright.audio.recording import FloatArray
from wavewright.audio.signals import length
from wavewright.compiled import compiled


def plucked_string(
    hz: float,
    seconds: float,
    rate: int,
    level: float = 0.5,
    *,
    ring_seconds: float = 3.0,
    softness: float = 0.3,
    pick_position: float = 0.13,
    muted: bool = False,
    seed: int = 0,
) -> FloatArray:
    """A string of pitch ``hz`` plucked once.

    ``ring_seconds`` is the time in which the fundamental falls by 60 dB (sooner above 1 kHz, as on a real string); a
    ``muted`` string (the palm on the bridge) rings for an eighth of it. ``softness`` from 0 (a hard pick) to below 1
    (a thumb) takes the highs off the pluck; ``pick_position`` is where along the string it is plucked, 0 to 0.5.

    Example:
        >>> plucked_string(110.0, seconds=0.5, rate=48_000, level=0.8).max().round(3).item() <= 0.8
        True

    Raises:
        ValueError: ``hz`` is not between 20 and rate / 8, or another value is out of its range.
    """
    if not 20 <= hz <= rate / 8:
        raise ValueError(f"hz = {hz}: must be 20 to {rate / 8} (an eighth of the rate)")
    if not 0 <= softness < 1 or not 0 < pick_position <= 0.5 or ring_seconds <= 0:
        raise ValueError(
            f"softness = {softness}, pick_position = {pick_position}, ring_seconds = {ring_seconds}:"
            " must be 0 to below 1, above 0 to 0.5, and positive"
        )
    damping, ring = (0.5, ring_seconds / 8) if muted else (0.15, ring_seconds)
    omega = 2 * np.pi * hz / rate
    loop_lowpass = (1 - damping) + damping * np.exp(-1j * omega)
    lowpass_delay = -float(np.angle(loop_lowpass)) / omega
    delay, allpass = _tuning(rate / hz - lowpass_delay, omega)
    gain = min(1.0, 10 ** (-3 / (hz * ring)) / abs(loop_lowpass))

    pluck = np.random.default_rng(seed).uniform(-1, 1, round(rate / hz))
    pluck = lfilter([1 - softness], [1, -softness], pluck)
    comb = max(1, round(pick_position * len(pluck)))
    pluck -= np.roll(pluck, comb)  # no harmonic that has a node where the string is plucked; no DC either
    return _scaled(_string(pluck, length(seconds, rate), delay, allpass, damping, gain), level)


def horn(
    hz: float, seconds: float, rate: int, level: float = 0.5, *, brightness: float = 0.5, seed: int = 0
) -> FloatArray:
    """A horn of pitch ``hz``, blown once: pulses of the lips, with vibrato and a little breath.

    All partials up to Nyquist are in phase, the k-th as loud as r^k; r rises with the loudness of the moment, so that
    louder is brighter (Risset and Mathews, "Analysis of Musical-Instrument Tones", 1969), and with ``brightness``, 0
    to 1. What is below therefore tells what is above.

    Example:
        >>> horn(220.0, seconds=0.5, rate=16_000, level=0.8).shape
        (8000,)

    Raises:
        ValueError: ``hz`` is not between 20 and rate / 8, or ``brightness`` not between 0 and 1.
    """
    if not 20 <= hz <= rate / 8 or not 0 <= brightness <= 1:
        raise ValueError(
            f"hz = {hz}, brightness = {brightness}: must be 20 to {rate / 8} (an eighth of the rate), 0 to 1"
        )
    dice = np.random.default_rng(seed)
    t = np.arange(length(seconds, rate)) / rate
    loudness = np.clip(t / 0.03, 0, 1) * np.exp(-1.5 * t / seconds) * np.clip((seconds - t) / 0.04, 0, 1)
    vibrato = 0.004 * np.sin(2 * np.pi * (5.5 * t + dice.random())) * np.clip(t / 0.2, 0, 1)
    phase = 2 * np.pi * hz / rate * np.cumsum(1 + vibrato)
    partials = int(rate / 2 / (1.01 * hz))
    z = np.exp(-hz / (600 + loudness * (1200 + 5000 * brightness)) + 1j * phase)
    pulses = (z * (1 - z**partials) / (1 - z)).real  # the sum of z^k, k = 1 … partials
    breath = 0.01 * np.abs(pulses).max(initial=0.0) * dice.standard_normal(len(t))
    return _scaled((pulses + breath) * loudness, level)


def kick_808(
    seconds: float, rate: int, level: float = 0.9, *, hz: float = 49.0, ring_seconds: float = 0.9, seed: int = 0
) -> FloatArray:
    """An 808-like kick: a sine that drops from over three times ``hz`` to ``hz`` in some 50 ms, with a click of noise.

    It dies away by 60 dB in ``ring_seconds``.
    """
    t = np.arange(length(seconds, rate)) / rate
    drop = 0.018  # seconds, the time constant of the falling pitch
    phase = 2 * np.pi * hz * (t + 2.4 * drop * (1 - np.exp(-t / drop)))
    body = np.sin(phase) * 10 ** (-3 * t / ring_seconds)
    click = np.random.default_rng(seed).uniform(-1, 1, len(t)) * np.exp(-t / 0.0015)
    return _scaled(body + 0.15 * click, level)


def snare(seconds: float, rate: int, level: float = 0.7, *, seed: int = 0) -> FloatArray:
    """A snare: two tuned modes of the drum's head, and the noise of its wires above 1 kHz."""
    t = np.arange(length(seconds, rate)) / rate
    head = (np.sin(2 * np.pi * 185 * t) + 0.6 * np.sin(2 * np.pi * 330 * t)) * np.exp(-t / 0.045)
    noise = np.random.default_rng(seed).standard_normal(len(t)) * np.exp(-t / 0.07)
    return _scaled(head + 0.8 * sosfilt(butter(2, 1000, "highpass", fs=rate, output="sos"), noise), level)


def hat(seconds: float, rate: int, level: float = 0.4, *, ring_seconds: float = 0.08, seed: int = 0) -> FloatArray:
    """A hi-hat: noise above three tenths of Nyquist that dies away by 60 dB in ``ring_seconds`` (longer: more open)."""
    t = np.arange(length(seconds, rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(t)) * 10 ** (-3 * t / ring_seconds)
    return _scaled(sosfilt(butter(4, 0.3, "highpass", output="sos"), noise), level)


def _tuning(period: float, omega: float) -> tuple[int, float]:
    """Whole samples of delay, and the coefficient of the first-order all-pass that delays ``omega`` by the rest."""
    whole = int(period - 0.3)
    rest = period - whole  # 0.3 to 1.3 samples, where the all-pass is well behaved
    return whole, float(np.sin((1 - rest) * omega / 2) / np.sin((1 + rest) * omega / 2))


def _scaled(x: NDArray[np.float64], level: float) -> FloatArray:
    return (x * (level / max(1e-12, float(np.abs(x).max())))).astype(np.float32)


@compiled
def _string(
    pluck: NDArray[np.float64], frames: int, delay: int, allpass: float, damping: float, gain: float
) -> NDArray[np.float64]:
    """The loop: delay line → low-pass → gain → all-pass → delay line, with the pluck added as it starts."""
    line = np.zeros(delay)
    out = np.zeros(frames)
    lowpass_before = allpass_in = allpass_out = 0.0
    at = 0
    for n in range(frames):
        lowpass = gain * ((1 - damping) * line[at] + damping * lowpass_before)
        lowpass_before = line[at]
        allpass_out = allpass * lowpass + allpass_in - allpass * allpass_out
        allpass_in = lowpass
        y = allpass_out + (pluck[n] if n < len(pluck) else 0.0)
        line[at] = y
        out[n] = y
        at = at + 1 if at + 1 < delay else 0
    return out

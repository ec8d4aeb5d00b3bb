"""How loud a twin is, and how much it distorts: the two figures that players use to match levels.

As the reference trainer defines them: loudness is the RMS of what the network makes of a standard input, in dBFS; gain
compares how that RMS grows with the input's level to a straight line (0) and to a step (1). The reference's standard
input is one second of pink noise at −15 dBFS; ours is pink noise of the same length, level and spectrum, drawn anew, so
the figures agree within half a decibel and about 0.1 of gain on trained models, and not exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavewright.audio.recording import FloatArray
from wavewright.nets.contract import Network

SAMPLES = 48_000
LEVEL = 0.1785
"""RMS of the standard input: −15 dBFS."""
STEPS = 11
_BLOCK = 8_000


@dataclass(frozen=True)
class Loudness:
    """``loudness`` in dBFS (None for a silent network) and ``gain`` from 0 to 1 (None likewise)."""

    loudness: float | None
    gain: float | None


def standard_input() -> FloatArray:
    """Pink noise, ``(time,)``: equal power in every octave, RMS `LEVEL`, the same on every call."""
    random = np.random.default_rng(2022)
    bins = np.arange(1, SAMPLES // 2)
    spectrum = np.zeros(SAMPLES // 2 + 1, complex)
    spectrum[1:-1] = np.exp(2j * np.pi * random.random(bins.size)) / np.sqrt(bins)
    noise = np.fft.irfft(spectrum, SAMPLES)
    scaled: FloatArray = (noise * (LEVEL / np.sqrt(np.mean(noise**2)))).astype(np.float32)
    return scaled


@torch.no_grad()
def measure(net: Network) -> Loudness:
    """Loudness and gain of a network with one input and one output, settled on silence before."""
    weight = next(net.parameters())
    gains = torch.linspace(0.0, 1.0, STEPS).to(weight)[:, None, None]
    x = torch.from_numpy(standard_input()).to(weight)[None, None] * gains  # (STEPS, 1, time)
    state = tuple(part.expand(STEPS, *part.shape[1:]) for part in net.settled_state(1))
    power: Tensor = torch.zeros(STEPS, dtype=torch.float64)
    for start in range(0, SAMPLES, _BLOCK):
        y, state = net(x[..., start : start + _BLOCK], state)
        power += y.to("cpu", torch.float64).square().sum(dim=(1, 2))
    level = (power / SAMPLES).sqrt()
    loudest = float(level[-1])
    if not (math.isfinite(loudest) and loudest > 0.0):
        return Loudness(None, None)
    step, line = loudest * STEPS, 0.5 * loudest * STEPS
    gain = (float(level.sum()) - line) / (step - line)
    return Loudness(20.0 * math.log10(loudest), min(max(gain, 0.0), 1.0) if math.isfinite(gain) else None)

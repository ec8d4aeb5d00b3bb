"""An overdrive worked out from its circuit: tone stack → gain → diode clipper. The demo's analog device.

The clipper is a resistor into a capacitor with two antiparallel diodes across it. With Shockley's diode equation the
voltage v across the capacitor follows

    C dv/dt = (u − v) / R − 2 I_s sinh(v / V_t)

(part values and this equation: Yeh, Abel and Smith, "Simplified, physically-informed models of distortion and
overdrive guitar effects pedals", DAFx-07, section 3). The trapezoidal rule turns it into one nonlinear equation a
sample, solved by Newton's method, at four times the sample rate so that few of the harmonics it makes fold back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.signal import ellip, lfilter, sosfilt

from wavewright.audio.recording import FloatArray
from wavewright.audio.tone_stack import ToneStack
from wavewright.compiled import compiled

OVERSAMPLING = 4
BLOCK = 1 << 15  # samples worked on at a time, so that memory stays flat
NEWTON_STEPS = 50  # a bound that is never reached: five or six do from the starting point chosen
SOLVED = 1e-8  # volts, the last Newton step; what error it leaves is its square over 2 V_t, some 1e-15 V


@dataclass(frozen=True)
class DiodeClipper:
    """The parts: ``ohms``, ``farads``, and per diode the saturation current ``amperes`` and n · kT/q in ``volts``."""

    ohms: float = 2200.0
    farads: float = 10e-9
    amperes: float = 2.52e-9
    volts: float = 45.3e-3

    def __call__(
        self, u: NDArray[np.float64], rate: float, state: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Voltage across the diodes for source voltage ``u`` ``(channels, time)`` at ``rate`` Hz, from rest.

        The state ``(channels, 2)``, last voltage and last current into the capacitor, goes on to the next block.
        """
        state = np.zeros((len(u), 2)) if state is None else state.copy()
        v = np.empty_like(u)
        _clip(u, 1 / (2 * rate * self.farads), self.ohms, self.amperes, self.volts, state, v)
        return v, state


@dataclass
class CircuitState:
    """What the device remembers between two blocks: filters at rest and an empty capacitor where None."""

    up: NDArray[np.float64] | None = None
    tone: NDArray[np.float64] | None = None
    clipper: NDArray[np.float64] | None = None
    down: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class ToneStackClipper:
    """Tone stack, gain of ``drive_db``, diode clipper, volume. Full scale is 1 V at both ends.

    Causal, with no added latency: it answers from the very sample that comes in. The oversampling filters are
    elliptic (0.02 dB of ripple up to five sixths of Nyquist, −80 dB from 1.2 times Nyquist) and delay low frequencies
    by 3.6 samples, as a part of the device's sound. The diodes hold the voltage within some 0.75 V; those filters
    overshoot at its edges, and ``volume`` keeps the sum inside full scale.

    Example:
        >>> device = ToneStackClipper(drive_db=40.0)
        >>> x = np.sin(np.arange(4800) * 2 * np.pi * 440 / 48_000).astype(np.float32)
        >>> round(float(np.abs(device(x, 48_000)).max()), 1)
        0.4

    Raises:
        ValueError: a knob outside 0 to 1.
    """

    drive_db: float = 38.0
    volume: float = 0.5
    stack: ToneStack = field(default_factory=ToneStack)
    clipper: DiodeClipper = field(default_factory=DiodeClipper)

    def __call__(self, x: FloatArray, rate: int) -> FloatArray:
        """Play the whole of ``x`` ``(…, time)`` through the device, from rest."""
        return self.process(x, rate)[0]

    def process(self, x: FloatArray, rate: int, state: CircuitState | None = None) -> tuple[FloatArray, CircuitState]:
        """The next block ``(…, time)``, and the state to hand to the one after; blocks together equal the whole."""
        state = CircuitState() if state is None else state
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        y = np.empty(rows.shape, np.float32)
        for part in _parts(rows.shape[-1]):
            y[:, part], state = self._process(rows[:, part].astype(np.float64), rate, state)
        return y.reshape(x.shape), state

    def _process(
        self, x: NDArray[np.float64], rate: int, state: CircuitState
    ) -> tuple[NDArray[np.float64], CircuitState]:
        fast = OVERSAMPLING * rate
        sections = _band_limit()
        b, a = self.stack.digital(fast)
        at_rest = np.zeros((len(sections), len(x), 2))

        stuffed = np.zeros((len(x), OVERSAMPLING * x.shape[1]))
        stuffed[:, ::OVERSAMPLING] = OVERSAMPLING * x
        u, up = sosfilt(sections, stuffed, zi=at_rest if state.up is None else state.up)
        u, tone = lfilter(b, a, u, zi=np.zeros((len(x), len(a) - 1)) if state.tone is None else state.tone)
        v, clipper = self.clipper(10 ** (self.drive_db / 20) * u, fast, state.clipper)
        y, down = sosfilt(sections, v, zi=at_rest if state.down is None else state.down)
        return self.volume * y[:, ::OVERSAMPLING], CircuitState(up, tone, clipper, down)


def _band_limit() -> NDArray[np.float64]:
    """The low-pass before and after, at the high rate; minimum phase, since a look-ahead would be a latency."""
    sections: NDArray[np.float64] = ellip(8, 0.02, 80, (5 / 6) / OVERSAMPLING, output="sos")
    return sections


def _parts(frames: int) -> Iterator[slice]:
    for start in range(0, frames, BLOCK):
        yield slice(start, min(start + BLOCK, frames))


@compiled
def _clip(
    u: NDArray[np.float64],
    half_step: float,
    ohms: float,
    amperes: float,
    volts: float,
    state: NDArray[np.float64],
    v: NDArray[np.float64],
) -> None:
    """v[n] from v[n−1] by the trapezoidal rule; ``half_step`` is T / 2C, ``state`` holds v and C dv/dt."""
    a = 1.0 + half_step / ohms
    b = 2.0 * half_step * amperes
    for channel in range(len(u)):
        voltage, current = state[channel, 0], state[channel, 1]
        for n in range(u.shape[1]):
            drive = u[channel, n]
            voltage = _solve(a, b, volts, voltage + half_step * (current + drive / ohms))
            grown = np.exp(voltage / volts)
            current = (drive - voltage) / ohms - amperes * (grown - 1.0 / grown)
            v[channel, n] = voltage
        state[channel, 0], state[channel, 1] = voltage, current


@compiled
def _solve(a: float, b: float, volts: float, target: float) -> float:
    """The one v with a v + b sinh(v / volts) = target, for a, b > 0.

    Newton's method is safe here from the right starting point. Both terms have the sign of v, so |v| is at most what
    either would need alone. The smaller of those two bounds lies beyond the root and close to it; and as the left side
    rises and is convex for v > 0, every step from there stays on that side of the root and comes nearer to it.
    """
    goal = abs(target)
    v = min(goal / a, volts * np.log1p(2.0 * goal / b))  # asinh(y) <= log(1 + 2 y)
    for _ in range(NEWTON_STEPS):
        grown = np.exp(v / volts)
        sinh, cosh = 0.5 * (grown - 1.0 / grown), 0.5 * (grown + 1.0 / grown)
        step: float = (a * v + b * sinh - goal) / (a + b / volts * cosh)
        v -= step
        if abs(step) < SOLVED:
            break
    root: float = v if target >= 0 else -v
    return root

"""The treble, middle and bass controls of the '59 Bassman, as a third-order filter worked out from its parts.

Circuit and part values: Yeh and Smith, "Discretization of the '59 Fender Bassman tone stack", DAFx-06, section 2. The
transfer function is not written out here: it follows from the netlist by nodal analysis.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import bilinear

END_OHMS = 1.0  # what is left of a pot's track at the end of its travel
IN, TOP, SLOPE, BASS, MID_TOP, MID, OUT = range(7)  # nodes; ground is not numbered
GROUND = -1


@dataclass(frozen=True)
class ToneStack:
    """Knobs from 0 to 1. The bass pot is logarithmic, the other two linear.

    Raises:
        ValueError: a knob outside 0 to 1.
    """

    treble: float = 0.6
    middle: float = 0.5
    bass: float = 0.4

    def __post_init__(self) -> None:
        for name in ("treble", "middle", "bass"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)}: must be 0 to 1")

    def resistors(self) -> list[tuple[int, int, float]]:
        """(node, node, ohms)"""
        bass_travel = np.exp(3.4 * (self.bass - 1))
        return [
            (IN, SLOPE, 56e3),
            (TOP, OUT, 250e3 * (1 - self.treble) + END_OHMS),
            (OUT, BASS, 250e3 * self.treble + END_OHMS),
            (BASS, MID_TOP, 1e6 * bass_travel + END_OHMS),
            (MID_TOP, MID, 25e3 * (1 - self.middle) + END_OHMS),
            (MID, GROUND, 25e3 * self.middle + END_OHMS),
        ]

    def capacitors(self) -> list[tuple[int, int, float]]:
        """(node, node, farads)"""
        return [(IN, TOP, 250e-12), (SLOPE, BASS, 20e-9), (SLOPE, MID, 20e-9)]

    def analog(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numerator and denominator of H(s), four coefficients each, highest power first.

        With the source at 1 V, the other nodes obey (G + s C) v = −(g + s c). Three capacitors make det(G + s C) and
        v·det polynomials of third degree in s; their values at four points give their coefficients, and points on a
        circle give them by a Fourier transform.
        """
        G, C = _stamped((a, b, 1 / ohms) for a, b, ohms in self.resistors()), _stamped(self.capacitors())
        scale = 2 * np.pi * 1000.0  # rad/s; keeps the four powers of s comparable
        numerator, denominator = np.empty(4, complex), np.empty(4, complex)
        for i, point in enumerate(np.exp(2j * np.pi * np.arange(4) / 4)):
            admittance = G + scale * point * C
            inner, source = admittance[1:, 1:], admittance[1:, IN]
            denominator[i] = np.linalg.det(inner * 1e4)
            numerator[i] = np.linalg.solve(inner, -source)[OUT - 1] * denominator[i]
        powers = scale ** np.arange(4)
        b, a = (np.fft.fft(values).real / 4 / powers for values in (numerator, denominator))
        b[0] = 0.0  # three capacitors lie between the source and the rest: no DC comes through
        return b[::-1] / a[0], a[::-1] / a[0]

    def digital(self, rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same filter at ``rate`` Hz by the bilinear transform: coefficients b, a for `scipy.signal.lfilter`."""
        b, a = bilinear(*self.analog(), fs=rate)
        return b, a


def _stamped(parts: Iterable[tuple[int, int, float]]) -> NDArray[np.float64]:
    """The nodal matrix of two-pole parts given as (node, node, admittance)."""
    matrix = np.zeros((7, 7))
    for a, b, admittance in parts:
        for node, other in ((a, b), (b, a)):
            if node != GROUND:
                matrix[node, node] += admittance
                if other != GROUND:
                    matrix[node, other] -= admittance
    return matrix

"""Simple devices to play a sound through: a soft clipper, a low-pass, a ping-pong delay. The analog one is
`wavewright.audio.circuit`.

Each is called on a whole sound, ``device(x, rate)``, or block by block with `process`, which hands its state on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from wavewright.audio.recording import FloatArray


@dataclass(frozen=True)
class SoftClipper:
    """y = tanh(g x) / tanh(g) with g = ``drive_db`` as a factor: quiet sound is lifted, full scale stays full scale.

    Without memory, so each sample stands alone; its harmonics above Nyquist fold back, as in any plain wave shaper.

    Example:
        >>> SoftClipper(drive_db=20.0)(np.array([-1.0, 0.0, 0.01, 1.0], np.float32), 48_000).round(3)
        array([-1. ,  0. ,  0.1,  1. ], dtype=float32)
    """

    drive_db: float = 18.0

    def __call__(self, x: FloatArray, rate: int) -> FloatArray:
        """Shape in, shape out, ``(…, time)``; the ``rate`` does not matter."""
        gain = 10 ** (self.drive_db / 20)
        return np.asarray(np.tanh(gain * x.astype(np.float64)) / np.tanh(gain), dtype=np.float32)

    def process(self, x: FloatArray, rate: int, state: None = None) -> tuple[FloatArray, None]:
        """The next block; there is no state to carry."""
        return self(x, rate), None


@dataclass(frozen=True)
class LowPass:
    """A Butterworth low-pass: −3 dB at ``cutoff_hz``, falling by ``order`` × 6 dB an octave beyond.

    Example:
        >>> hum = np.ones(4800, np.float32)
        >>> LowPass(cutoff_hz=1000.0)(hum, 48_000)[-1].round(4).item()
        1.0
    """

    cutoff_hz: float = 4000.0
    order: int = 2

    def __call__(self, x: FloatArray, rate: int) -> FloatArray:
        """Filter ``(…, time)`` from rest.

        Raises:
            ValueError: the cutoff is not between 0 and half the rate, or the order not at least 1.
        """
        return self.process(x, rate)[0]

    def process(
        self, x: FloatArray, rate: int, state: NDArray[np.float64] | None = None
    ) -> tuple[FloatArray, NDArray[np.float64]]:
        """The next block ``(…, time)``, and the state to hand to the one after; blocks together equal the whole."""
        if not 0 < self.cutoff_hz < rate / 2 or self.order < 1:
            raise ValueError(
                f"cutoff_hz = {self.cutoff_hz}, order = {self.order}: must be above 0 and below half the rate,"
                f" {rate / 2} Hz, and at least 1"
            )
        sections = butter(self.order, self.cutoff_hz, fs=rate, output="sos")
        state = np.zeros((len(sections), *x.shape[:-1], 2)) if state is None else state
        if x.shape[-1] == 0:
            return x, state
        y, state = sosfilt(sections, x.astype(np.float64), zi=state)
        return y.astype(np.float32), state


@dataclass(frozen=True)
class PingPong:
    """A stereo delay whose echoes change sides: what went in left comes back right, then left again, and so on.

    With delays of milliseconds it is short enough for a small network to learn, and every channel alone is not enough
    to foretell what comes out of it.

    Example:
        >>> click = np.array([[1.0, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32)
        >>> PingPong(delay_seconds=0.002, feedback=0.5)(click, 1000)
        array([[1.  , 0.  , 0.  , 0.  , 0.25],
               [0.  , 0.  , 0.5 , 0.  , 0.  ]], dtype=float32)
    """

    delay_seconds: float = 0.001
    feedback: float = 0.6

    def __call__(self, x: FloatArray, rate: int) -> FloatArray:
        """Play the whole of ``x`` (2, time) from rest.

        Raises:
            ValueError: not two channels, a delay of less than a sample, or a feedback that does not die away.
        """
        return self.process(x, rate)[0]

    def process(
        self, x: FloatArray, rate: int, state: NDArray[np.float64] | None = None
    ) -> tuple[FloatArray, NDArray[np.float64]]:
        """The next block (2, time), and the state to hand to the one after; blocks together equal the whole."""
        lag = round(self.delay_seconds * rate)
        if x.ndim != 2 or len(x) != 2 or lag < 1 or not abs(self.feedback) < 1:
            raise ValueError(
                f"{x.shape} samples, a delay of {lag} samples, feedback = {self.feedback}: must be (2, time), at least "
                "one sample, and between -1 and 1"
            )
        past = np.zeros((2, lag)) if state is None else state
        y = np.concatenate([past, x.astype(np.float64)], axis=1)
        for start in range(lag, y.shape[1], lag):  # an echo of a block of one delay comes whole out of the one before
            stop = min(start + lag, y.shape[1])
            y[:, start:stop] += self.feedback * y[::-1, start - lag : stop - lag]
        return y[:, lag:].astype(np.float32), y[:, -lag:].copy()

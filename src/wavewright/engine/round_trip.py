"""How long sound takes out of the card and back in: clicks through a cable from an output to an input.

Each click is a short sweep: its correlation with itself has one sharp peak, and it is heard through far more noise than
a single sample would be (a matched filter; Turin, 1960). The best of each click's correlation says when it came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from wavewright.audio.recording import FloatArray
from wavewright.errors import SoundCardError

CLICKS = 8
CLICK_SECONDS = 0.02
APART_SECONDS = 0.5
"""From click to click; no round trip that one could play with takes longer."""

LEVEL = 0.25
CLEAR = 3.0
"""A peak counts where it stands this many times above all else of the correlation, a click's length away."""


@dataclass(frozen=True)
class RoundTrip:
    """What the clicks say: ``samples`` from output to input, the middle one of all clicks; ``spread``, in samples."""

    samples: int
    milliseconds: float
    spread: int
    clicks: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))


def click(rate: int) -> FloatArray:
    """The sound of one click, (time,): a sweep over most of what a card passes, faded in and out."""
    t = np.arange(int(CLICK_SECONDS * rate)) / rate
    sweep = signal.chirp(t, 200.0, CLICK_SECONDS, 0.4 * rate)
    return np.asarray(LEVEL * sweep * np.hanning(len(t)), np.float32)


class Clicks:
    """Plays clicks to every output and keeps what one input hears: for a card to call (`engine.live.Turn`)."""

    def __init__(self, rate: int, channel: int = 0) -> None:
        self.rate = rate
        apart = int(APART_SECONDS * rate)
        self._click = click(rate)
        self._sound = np.zeros((1 + CLICKS) * apart, np.float32)
        for number in range(CLICKS):
            start = apart // 2 + number * apart
            self._sound[start : start + len(self._click)] = self._click
        self._heard = np.zeros_like(self._sound)
        self._channel = channel
        self._at = 0

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self._sound) / self.rate

    @property
    def done(self) -> bool:
        """Whether all was played."""
        return self._at == len(self._sound)

    def turn(self, heard: FloatArray, played: FloatArray, lost: bool) -> None:
        """Play and keep one block; silence after the end."""
        count = min(len(heard), len(self._sound) - self._at)
        part = slice(self._at, self._at + count)
        played[:count] = self._sound[part, np.newaxis]
        played[count:] = 0
        self._heard[part] = heard[:count, self._channel]
        self._at += count

    def found(self) -> RoundTrip:
        """What came back.

        Raises:
            SoundCardError: too few of the clicks did.
        """
        apart = int(APART_SECONDS * self.rate)
        heard = np.nan_to_num(self._heard, nan=0.0, posinf=0.0, neginf=0.0)
        likeness = np.abs(signal.correlate(heard, self._click, "valid", "fft"))
        late = []
        for number in range(CLICKS):
            start = apart // 2 + number * apart
            delay = _peak(likeness[start : start + apart - len(self._click)], len(self._click))
            if delay is not None:
                late.append(delay)
        if len(late) <= CLICKS // 2:
            level = float(np.abs(heard).max())
            what = "nothing was heard" if level < 1e-5 else f"what was heard peaks at {20 * np.log10(level):.0f} dBFS"
            raise SoundCardError(
                f"{len(late)} of {CLICKS} clicks came back on input {self._channel + 1} ({what}); connect an output to "
                "that input with a cable, turn both up, and switch direct monitoring off"
            )
        samples = int(np.median(late))
        return RoundTrip(samples, 1000 * samples / self.rate, max(late) - min(late), len(late))


def _peak(likeness: NDArray[np.floating[Any]], length: int) -> int | None:
    """Where the peak is, if it stands out from all that is not next to it."""
    peak = int(likeness.argmax())
    others = likeness.copy()
    others[max(0, peak - length) : peak + length] = 0
    return peak if likeness[peak] > CLEAR * max(float(others.max()), 1e-9) else None

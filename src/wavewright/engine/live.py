"""A twin between an input and an output that do not wait: what happens in a sound card's callback, whichever the card.

A block of 64 samples at 48 kHz lasts 1.3 ms, and by then its output must be there. So the callback takes no lock and
no memory, never raises, and calls nothing that is not compiled by then. While it runs, Python's garbage collector rests
and other Python threads give the interpreter away within a tenth of a millisecond (left alone they keep it for five).
"""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled
from wavewright.errors import SoundCardError

Turn = Callable[[FloatArray, FloatArray, bool], None]
"""What a card calls for each block: heard ``(samples, inputs)``, to be played ``(samples, outputs)``, both float32; and
whether the card has lost sound since the last call."""

CONVERTER_FULL = 1 - 2.0**-15
"""From here on an input sample is taken for one that the converter cut off."""

SWITCH_SECONDS = 1e-4
REAL_TIME = 70
"""Priority among real-time threads, of 1 to 99: below what the system itself needs."""

IN_NOW, OUT_NOW, IN_EVER, OUT_EVER = range(4)
CUT_IN, CUT_OUT, BROKEN = range(3)


class Plays(Protocol):
    """What stands between input and output: a `Player`, or one behind a `RateBridge`."""

    @property
    def overflows(self) -> int:
        """Output samples so far that were no finite numbers."""

    def reset(self) -> None:
        """Forget all that was played."""

    def process(self, block: FloatArray, out: FloatArray) -> FloatArray:
        """``block`` (1, n) into ``out``, of the same shape."""


class Card(Protocol):
    """What calls back, once a block: a sound card, or a clock."""

    @property
    def running(self) -> bool:
        """Whether it still calls back."""

    def start(self, turn: Turn) -> None:
        """Begin to call ``turn`` from a thread of the card's own."""

    def stop(self) -> None:
        """Stop; no call is under way any more when this returns."""


@dataclass(frozen=True)
class Figures:
    """How it went, or goes. Loads are shares of a block's time; peaks are in dBFS.

    ``late``: blocks that took longer than they last. ``dropouts``: blocks before which the card says sound was lost.
    ``input_peak``: of what the twin hears, its gain included; ``input_clipped``: samples the converter cut off.
    ``non_finite``: input samples that were no finite numbers and were played as zeros; ``overflows``: the same of the
    twin's output.
    """

    seconds: float
    blocks: int
    load_mean: float
    load_worst: float
    late: int
    dropouts: int
    input_peak: float
    output_peak: float
    input_clipped: int
    output_clipped: int
    non_finite: int
    overflows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the peak of silence is None."""
        return {name: value if math.isfinite(value) else None for name, value in vars(self).items()}


@compiled
def _hear(heard, channel, gain, row, peaks, counts):  # type: ignore[no-untyped-def]
    """One channel of (samples, inputs) into ``row`` (1, samples), louder by ``gain``."""
    peak = np.float32(0)
    for t in range(row.shape[1]):
        x = heard[t, channel]
        if not math.isfinite(x):
            counts[BROKEN] += 1
            x = np.float32(0)
        if abs(x) >= CONVERTER_FULL:
            counts[CUT_IN] += 1
        y = x * gain
        row[0, t] = y
        peak = max(peak, abs(y))
    peaks[IN_NOW] = max(peaks[IN_NOW], peak)
    peaks[IN_EVER] = max(peaks[IN_EVER], peak)


@compiled
def _give(row, gain, played, peaks, counts):  # type: ignore[no-untyped-def]
    """``row`` (1, samples), louder by ``gain``, into every channel of (samples, outputs), cut off at full scale."""
    peak = np.float32(0)
    for t in range(row.shape[1]):
        y = row[0, t] * gain
        peak = max(peak, abs(y))
        if abs(y) > 1:
            counts[CUT_OUT] += 1
            y = np.float32(1) if y > 0 else np.float32(-1)
        for channel in range(played.shape[1]):
            played[t, channel] = y
    peaks[OUT_NOW] = max(peaks[OUT_NOW], peak)
    peaks[OUT_EVER] = max(peaks[OUT_EVER], peak)


def factor(decibels: float) -> np.float32:
    """What a gain in dB multiplies by."""
    return np.float32(10 ** (decibels / 20))


def dbfs(peak: float) -> float:
    """A peak in dB below full scale.

    >>> round(dbfs(0.5), 2)
    -6.02
    """
    return 20 * math.log10(peak) if peak > 0 else -math.inf


class LivePlayer:
    """One channel of the input through ``player`` to every channel of the output, block by block, with its figures.

    Gains are in dB; ``channel`` counts from 0. All memory is taken, and everything compiled, here. The figures may be
    read from any thread at any time.
    """

    def __init__(
        self,
        player: Plays,
        rate: int,
        block: int,
        *,
        channel: int = 0,
        input_gain: float = 0.0,
        output_gain: float = 0.0,
    ) -> None:
        self.rate = rate
        self.block = block
        self.failure: Exception | None = None
        """What the player raised, if it did; silence is played from then on."""
        self._player = player
        self._channel = channel
        self._gains = factor(input_gain), factor(output_gain)
        self._dry = np.zeros((1, block), np.float32)
        self._wet = np.zeros((1, block), np.float32)
        self._forget()
        self._warm_up()

    def _forget(self) -> None:
        self._peaks = np.zeros(4, np.float32)
        self._counts = np.zeros(3, np.int64)
        self._blocks = self._samples = self._late = self._dropouts = 0
        self._busy = self._worst = 0.0

    def _warm_up(self) -> None:
        """Compiles for both kinds of arrays a card may hand over, those that may be written and those that may not."""
        heard = np.zeros((self.block, self._channel + 1), np.float32)
        sealed = heard.copy()
        sealed.flags.writeable = False
        for _ in range(2):
            for one in (heard, sealed):
                self.turn(one, np.empty((self.block, 2), np.float32), False)
        if self.failure is not None:
            raise self.failure
        self._player.reset()
        self._forget()

    def turn(self, heard: FloatArray, played: FloatArray, lost: bool) -> None:
        """Play one block; see `Turn`. Nothing is raised, whatever happens."""
        begun = time.perf_counter()
        if self.failure is None:
            try:
                self._play(heard, played)
            except Exception as error:
                self.failure = error
        if self.failure is not None:
            played.fill(0)
        share = (time.perf_counter() - begun) * self.rate / max(len(played), 1)
        self._blocks += 1
        self._samples += len(played)
        self._dropouts += lost
        self._late += share > 1
        self._busy += share * len(played)
        if share > self._worst:
            self._worst = share

    def _play(self, heard: FloatArray, played: FloatArray) -> None:
        if len(heard) == self.block:
            self._piece(heard, played, self._dry, self._wet)
            return
        for start in range(0, len(heard), self.block):
            part = slice(start, start + self.block)
            size = len(heard[part])
            self._piece(heard[part], played[part], self._dry[:, :size], self._wet[:, :size])

    def _piece(self, heard: FloatArray, played: FloatArray, dry: FloatArray, wet: FloatArray) -> None:
        louder_in, louder_out = self._gains
        _hear(heard, self._channel, louder_in, dry, self._peaks, self._counts)
        self._player.process(dry, wet)
        _give(wet, louder_out, played, self._peaks, self._counts)

    @property
    def figures(self) -> Figures:
        """The figures since the beginning."""
        return Figures(
            seconds=self._samples / self.rate,
            blocks=self._blocks,
            load_mean=self._busy / max(self._samples, 1),
            load_worst=self._worst,
            late=self._late,
            dropouts=self._dropouts,
            input_peak=dbfs(float(self._peaks[IN_EVER])),
            output_peak=dbfs(float(self._peaks[OUT_EVER])),
            input_clipped=int(self._counts[CUT_IN]),
            output_clipped=int(self._counts[CUT_OUT]),
            non_finite=int(self._counts[BROKEN]),
            overflows=self._player.overflows,
        )

    def peaks(self) -> tuple[float, float]:
        """Input's and output's peak in dBFS since this was last asked: what a meter shows."""
        now = dbfs(float(self._peaks[IN_NOW])), dbfs(float(self._peaks[OUT_NOW]))
        self._peaks[:IN_EVER] = 0
        return now


def raise_priority(level: int = REAL_TIME) -> str:
    """Have the calling thread run before others, as far as the system lets it, and say how far that is.

    Real-time priority on Linux wants a limit raised by the administrator (``rtprio``). Elsewhere the drivers see to it.
    """
    if sys.platform != "linux":
        return "the driver's"
    if os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        return "real-time"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))
        return "real-time"
    except OSError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        return "raised"
    except OSError:
        return "ordinary"


@contextmanager
def _raised() -> Iterator[None]:
    """The calling thread just below the card's; as before afterwards."""
    if sys.platform != "linux":
        yield
        return
    thread = threading.get_native_id()
    policy, level, nice = os.sched_getscheduler(0), os.sched_getparam(0), os.getpriority(os.PRIO_PROCESS, thread)
    raise_priority(REAL_TIME - 1)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, level)
        if os.getpriority(os.PRIO_PROCESS, thread) != nice:
            os.setpriority(os.PRIO_PROCESS, thread, nice)


@contextmanager
def undisturbed(urgent: bool = True) -> Iterator[None]:
    """Python without garbage collection, and with threads that give way quickly; as before afterwards.

    With ``urgent`` the calling thread runs before other programs too, though after the card's: were it put aside while
    it holds the interpreter, the card's thread would wait for it.
    """
    collecting, interval = gc.isenabled(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with _raised() if urgent else nullcontext():
            yield
    finally:
        sys.setswitchinterval(interval)
        gc.unfreeze()
        if collecting:
            gc.enable()


def run(
    card: Card,
    program: LivePlayer,
    *,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[LivePlayer], None] | None = None,
    every: float = 0.1,
    urgent: bool = True,
) -> Figures:
    """Play until ``stop`` says so, or for ``seconds``; ``watch`` is called ``every`` so many seconds meanwhile.

    Raises:
        SoundCardError: the card cannot be started, or stopped by itself.
        Exception: what the player raised in the callback.
    """
    with undisturbed(urgent):
        card.start(program.turn)
        end = math.inf if seconds is None else time.perf_counter() + seconds
        try:
            while card.running and program.failure is None and not stop():
                left = end - time.perf_counter()
                if left <= 0:
                    break
                time.sleep(min(every, left))
                if watch is not None:
                    watch(program)
            vanished = not card.running
        finally:
            card.stop()
    if program.failure is not None:
        raise program.failure
    if vanished:
        raise SoundCardError(
            f"the sound card stopped by itself after {program.figures.seconds:.1f} s; see that it is still connected"
        )
    return program.figures

"""A sound card that is none: a thread that calls back on a clock, to see whether this machine could keep up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.engine.live import Turn, raise_priority


class Rehearsal:
    """Hears ``sound`` (inputs, time) over and over, in blocks of ``block`` samples at ``rate`` Hz.

    As with a card, a block's output must be there when the next block has been heard. Where it is not, the next call is
    told that sound was lost, and blocks whose time passed meanwhile are never heard. ``sink`` gets each block that was
    played, in time or late, ``(block, outputs)``; the array is the same each time. With ``urgent`` the thread asks for
    real-time priority.
    """

    def __init__(
        self,
        sound: FloatArray,
        rate: int,
        block: int,
        outputs: int = 2,
        *,
        sink: Callable[[FloatArray], None] | None = None,
        urgent: bool = True,
    ) -> None:
        count = -(-sound.shape[1] // block)
        padded = np.pad(sound, ((0, 0), (0, count * block - sound.shape[1])))
        self._blocks = list(np.ascontiguousarray(padded.T.reshape(count, block, sound.shape[0]), np.float32))
        self._played = np.zeros((block, outputs), np.float32)
        self._period = block / rate
        self._sink = sink
        self._urgent = urgent
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.priority = "ordinary"
        """How much before others the thread runs; known once it runs."""
        self.latest = 0.0
        """Seconds by which the system once woke the thread too late: the worst so far."""

    @property
    def running(self) -> bool:
        """Whether the clock ticks."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, turn: Turn) -> None:
        """Start the clock."""
        self._thread = threading.Thread(target=self._tick, args=[turn], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the clock, after the block in hand."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join()

    def _tick(self, turn: Turn) -> None:
        if self._urgent:
            self.priority = raise_priority()
        lost = False
        due = time.perf_counter() + self._period
        for heard in itertools.cycle(self._blocks):
            if self._stopping:
                return
            left = due - time.perf_counter()
            if left > 0:
                time.sleep(left)
                self.latest = max(self.latest, time.perf_counter() - due)
            turn(heard, self._played, lost)
            if self._sink is not None:
                self._sink(self._played)
            due += self._period
            over = time.perf_counter() - due
            lost = over > 0
            if lost:
                due += over // self._period * self._period

"""How training tells where it stands: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from wavewright.train.run import own_rank

REPORT_SECONDS = 0.25
"""Seconds between two reports, each of which waits for the GPU once."""

LINE_SECONDS = 10.0
"""Seconds between lines where there is no terminal."""


@dataclass(frozen=True)
class Standing:
    """Where training stands."""

    step: int
    progress: float
    """Share of the budget used, in [0, 1]."""
    loss: float
    goal: str
    best: float | None
    steps_per_second: float
    samples_per_second: float
    """Time points of all windows, over all processes."""
    rate: int | None
    """Sample rate in Hz; None where the data is not sound."""
    seconds_left: float | None
    told: str | None = None
    """The best validation in the task's own words, where it has any."""

    @property
    def words(self) -> str:
        """One line: step, loss, best, speed, time left."""
        best = self.told or f"{self.goal.upper()} {'–' if self.best is None else f'{self.best:.5g}'}"
        if self.rate:
            speed = f"{self.samples_per_second / self.rate:.3g}× real time"
        else:
            speed = f"{self.samples_per_second:.3g} samples/s"
        left = "" if self.seconds_left is None else f", {clock(self.seconds_left)} left"
        pace = f"{self.steps_per_second:.3g} steps/s, {speed}"
        return f"step {self.step}, loss {self.loss:.4g}, best {best}, {pace}{left}"


class Reporter(Protocol):
    """Who is told of the progress."""

    def show(self, standing: Standing) -> None:
        """Called several times a second."""
        ...

    def say(self, text: str) -> None:
        """Something worth a line of its own."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Silent:
    """Tells nobody."""

    def show(self, standing: Standing) -> None:
        """Not shown."""

    def say(self, text: str) -> None:
        """Not said."""

    def close(self) -> None:
        """Nothing to close."""


class Lines:
    """A plain line every `LINE_SECONDS`, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None, seconds: float = LINE_SECONDS) -> None:
        self._stream = stream or sys.stderr
        self._seconds = seconds
        self._last = float("-inf")

    def show(self, standing: Standing) -> None:
        """Print the standing where the last line is old enough."""
        now = time.monotonic()
        if now - self._last >= self._seconds:
            self._last = now
            self.say(f"{standing.progress:4.0%}  {standing.words}")

    def say(self, text: str) -> None:
        """Print it."""
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to close."""


class Bar:
    """A bar that stays in its place; what is said scrolls above it."""

    def __init__(self, console: Console | None = None) -> None:
        columns = (BarColumn(bar_width=24), TaskProgressColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console or Console(stderr=True), transient=False)
        self._line = self._bar.add_task("starting", total=1.0)
        self._bar.start()

    def show(self, standing: Standing) -> None:
        """Move the bar."""
        self._bar.update(self._line, completed=standing.progress, description=escape(standing.words))

    def say(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()


class Pace:
    """Steps per second, smoothed, measured whenever it is time to report."""

    def __init__(self, step: int) -> None:
        self._moment, self._step = time.monotonic(), step
        self.steps_per_second = 0.0

    def due(self, step: int) -> bool:
        """Whether `REPORT_SECONDS` have passed since it was last; the speed is measured anew then."""
        seconds = time.monotonic() - self._moment
        if seconds < REPORT_SECONDS:
            return False
        speed = (step - self._step) / seconds
        self.steps_per_second += (speed - self.steps_per_second) * (0.2 if self.steps_per_second else 1.0)
        self._moment, self._step = time.monotonic(), step
        return True


def reporter_for(*, quiet: bool = False, console: Console | None = None) -> Reporter:
    """The reporter that suits where standard error goes; under torchrun the first process tells for all."""
    if quiet or own_rank() != 0:
        return Silent()
    console = console or Console(stderr=True)
    return Bar(console) if console.is_terminal else Lines()


def clock(seconds: float) -> str:
    """Seconds as people read them.

    >>> clock(42.4), clock(192), clock(7260)
    ('42 s', '3:12', '2:01:00')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"

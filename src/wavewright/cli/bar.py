"""A progress bar for work that is not training: how much is done, how fast, how long still."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from wavewright.cli.console import Voice


class Bar:
    """Shown on a terminal only, and not where quiet or JSON was asked for. `update` takes what is done and the total.

    Where ``rate`` (Hz) is given, the count is of samples and the speed is shown in × real time.
    """

    def __init__(self, what: str, unit: str, voice: Voice, rate: int | None = None) -> None:
        self.rate = rate
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        shown = voice.speaks and sys.stderr.isatty()
        from rich.console import Console

        self._progress = Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True)
        self._task = self._progress.add_task(what, speed="", total=None)
        self._unit = unit

    def update(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        task = self._progress.tasks[0]
        speed = task.speed
        if speed is None:
            words = f"{done} of {total} {self._unit}"
        else:
            words = f"{speed / self.rate:.0f}× real time" if self.rate else f"{speed:.1f} {self._unit}/s"
        self._progress.update(self._task, completed=done, total=total, speed=words)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

"""The history of a run: `log.jsonl`, one JSON object a line, each step in one line at most.

A line has ``step``, ``seconds`` (of training), ``loss`` and ``gradient`` (means since the line before), ``rate``, and
where there was a validation its figures; where the guard stepped in, ``event``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavewright import atomic
from wavewright.errors import OutputError, SettingsError
from wavewright.train.guard import Look


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, in order; empty where there is no log. A line cut short by a kill is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        row = _parsed(line)
        if row is not None:
            rows.append(row)
    return rows


class RunLog:
    """Appends to a log; opening it for a resumed run forgets what the checkpoint does not know of."""

    def __init__(self, path: Path, step: int, *, tensorboard: Path | None = None) -> None:
        """Open ``path`` to go on after ``step``: later lines and half-written ones are taken out first.

        Args:
            tensorboard: a folder for TensorBoard's events as well; None for none.

        Raises:
            OutputError: the place cannot be written.
            SettingsError: TensorBoard is asked for and not installed.
        """
        self.path = path
        self._board = None if tensorboard is None else _board(tensorboard, step)
        kept = [row for row in read_log(path) if row["step"] <= step]
        atomic.write_text(path, "".join(_line(row) for row in kept))
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"could not write {path}: {error.strerror}; choose another place") from error
        self._looks: list[Look] = []

    def note(self, look: Look) -> None:
        """What a look found, for the means of the next line."""
        self._looks.append(look)

    def line(self, step: int, seconds: float, rate: float, more: Mapping[str, Any]) -> None:
        """The line of one step: means of the finite looks since the line before, and whatever ``more`` there is.

        Raises:
            OutputError: the disk is full.
        """
        looks = [look for look in self._looks if look.wrong is None]
        count = sum(look.count for look in looks)
        means = {"loss": sum(look.loss for look in looks), "gradient": sum(look.gradient for look in looks)}
        shown = {name: total / count for name, total in means.items()} if count else {}
        self.add({"step": step, "seconds": round(seconds, 3), **shown, "rate": rate, **more})
        self._looks.clear()

    def add(self, row: dict[str, Any]) -> None:
        """Append one line as it is, in the system's hands when this returns.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.write(_line(row))
            self._file.flush()
            if self._board is not None:
                for name, value in row.items():
                    if name != "step" and isinstance(value, (int, float)):
                        self._board.add_scalar(name, value, row["step"])
        except OSError as error:
            raise OutputError(
                f"could not write {self.path}: {error.strerror}; free some space, then --resume"
            ) from error

    def close(self) -> None:
        """Close the files."""
        try:
            self._file.close()
            if self._board is not None:
                self._board.close()
        except OSError as error:
            raise OutputError(
                f"could not write {self.path}: {error.strerror}; free some space, then --resume"
            ) from error


def _line(row: dict[str, Any]) -> str:
    """JSON proper has no NaN: what is not finite becomes null."""
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()
    }
    return json.dumps(plain) + "\n"


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingsError(
            ["setting tensorboard = true: it is not installed; pip install 'wavewright[track]'"]
        ) from error
    return SummaryWriter(str(folder), purge_step=step + 1)

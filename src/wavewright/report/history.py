"""Charts of a training run, from the lines of its ``log.jsonl``."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from wavewright.report.scales import Axis, number
from wavewright.report.svg import Series, chart

Rows = Sequence[Mapping[str, Any]]


def minutes(row: Mapping[str, Any]) -> float:
    """Minutes of training at a line of the log; NaN where it does not say."""
    if _finite(row.get("minutes")):
        return float(row["minutes"])
    return float(row["seconds"]) / 60 if _finite(row.get("seconds")) else math.nan


def curves(rows: Rows, goal: str = "esr", steps_per_epoch: float | None = None) -> str:
    """Loss and the figure ``goal`` against minutes, with epochs along the top; empty without two points of either."""
    top = _epochs(rows, steps_per_epoch)
    return "".join(
        [
            _curve(rows, "loss", "Loss on the training data", "ink", "loss", top),
            _curve(rows, goal, f"{_short(goal)} on held-out sound", "twin", _short(goal), top),
        ]
    )


def best(rows: Rows, goal: str = "esr") -> tuple[float, float] | None:
    """The lowest value of ``goal`` and the minute it was reached."""
    points = [(float(row[goal]), minutes(row)) for row in rows if _finite(row.get(goal))]
    return min(points) if points else None


def still_improving(rows: Rows, goal: str = "esr") -> bool:
    """Whether the last quarter of the time made the best value of ``goal`` lower by a twentieth or more."""
    points = [(minutes(row), float(row[goal])) for row in rows if _finite(row.get(goal)) and _finite(minutes(row))]
    if len(points) < 4:
        return False
    end = points[-1][0]
    early = [value for when, value in points if when <= 0.75 * end]
    return bool(early) and min(value for _, value in points) < 0.95 * min(early)


def events(rows: Rows) -> str:
    """What the training loop reported on the way, as an HTML list; empty where nothing happened."""
    told = [(minutes(row), str(row["event"])) for row in rows if row.get("event")]
    items = "".join(f"<li>{html.escape(f'{number(when, 3)} min: {text}')}</li>" for when, text in told)
    return f'<ul class="findings">{items}</ul>' if items else ""


def _curve(rows: Rows, key: str, title: str, colour: str, label: str, top: tuple[str, float] | None) -> str:
    points = [(minutes(row), float(row[key])) for row in rows if _finite(row.get(key)) and _finite(minutes(row))]
    points = [(when, value) for when, value in points if value > 0]
    if len(points) < 2:
        return ""
    x, y = zip(*points, strict=True)
    lowest = min(points, key=lambda point: point[1])
    series = [Series(x, y, colour=colour)]
    if key != "loss":
        series.append(Series([lowest[0]], [lowest[1]], colour=colour, kind="points"))
    return chart(
        series,
        Axis("minutes", low=0.0, high=max(x)),
        Axis(label, "log"),
        title=title,
        describe=f"From {number(y[0])} to {number(y[-1])} in {number(max(x), 3)} minutes; "
        f"lowest {number(lowest[1])} after {number(lowest[0], 3)} minutes.",
        height=240,
        top=top,
    )


def _epochs(rows: Rows, steps_per_epoch: float | None) -> tuple[str, float] | None:
    for row in reversed(rows):
        epoch = row.get("epoch")
        if not _finite(epoch) and steps_per_epoch and _finite(row.get("step")):
            epoch = row["step"] / steps_per_epoch
        when = minutes(row)
        if epoch is not None and _finite(epoch) and _finite(when) and when > 0 and epoch > 0:
            return "epochs", float(epoch) / when
    return None


def _short(goal: str) -> str:
    return goal.upper() if len(goal) <= 4 else goal.replace("_", " ")


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

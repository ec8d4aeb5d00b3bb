"""The page of an imputer: gaps and what fills them, errors beside those of simple ways, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.report import history, page
from wavewright.report.page import Figure, Section
from wavewright.report.scales import Axis, number
from wavewright.report.settings import settings_table
from wavewright.report.svg import Series, chart, table

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Excerpt:
    """A stretch of one series, ``(time,)`` each, in its own units; NaN where there is nothing to draw.

    ``hidden`` is the truth where it was hidden, ``filled`` what the network made of it, ``line`` the straight line's.
    Where a gap is real, ``hidden`` is NaN.
    """

    name: str
    at: Values
    given: Values
    hidden: Values
    filled: Values
    line: Values | None = None


@dataclass(frozen=True)
class ImputerPage:
    """All that the page shows. ``scores``: for each (how it was hidden) the ways and their (RMSE, MAE)."""

    title: str
    excerpts: Sequence[Excerpt]
    gaps: Sequence[Excerpt]
    axis: str
    scores: Mapping[str, Mapping[str, tuple[float, float]]]
    by_series: Sequence[tuple[str, float, float, float]]
    """Series, MAE of the network in standard deviations, of the straight line, and of the network in its own units."""
    network: str
    rows: history.Rows
    about: Sequence[str]
    settings: Mapping[str, Any]
    run: str


def imputer_report(path: Path, shown: ImputerPage, *, force: bool = False) -> None:
    """Write the page to ``path``.

    Raises:
        OutputError: it exists already (without ``force``), or cannot be written.
    """
    sections = [
        Section(
            "hidden",
            "Hidden, and filled again",
            "".join(_drawn(one, shown.axis) for one in shown.excerpts),
            "Values that were given were hidden, in points and in blocks, and the network was asked for them. It never "
            "saw this part of the table in training.",
        ),
        Section(
            "gaps",
            "Real gaps",
            "".join(_drawn(one, shown.axis) for one in shown.gaps),
            "Gaps of the table itself: nobody knows what was there.",
        ),
        Section(
            "errors",
            "Errors",
            _errors(shown),
            "RMSE and MAE of the hidden values, in standard deviations of each series; every way was shown the same "
            "values, and lower is better.",
        ),
        Section("series", "Series by series", _by_series(shown), "Mean absolute errors, 30 % hidden in blocks."),
        Section(
            "history",
            "Training",
            history.curves(shown.rows, goal="mae") + history.events(shown.rows),
        ),
        Section("settings", "Settings", settings_table(shown.settings)),
    ]
    text = page.build(
        shown.title,
        sections,
        kicker="gaps filled",
        lead=" ".join(shown.about),
        figures=_heads(shown),
        foot=f"run {shown.run}",
    )
    page.write(path, text, force=force)


def _drawn(one: Excerpt, axis: str) -> str:
    lines = [Series(one.at, one.line, "straight line", "error", dashed=True)] if one.line is not None else []
    known = bool(np.isfinite(one.hidden).any())
    truth = [Series(one.at, one.hidden, "hidden truth", "dry")] if known else []
    count = int(np.isfinite(one.filled).sum())
    return chart(
        [
            *lines,
            *truth,
            Series(one.at, one.given, "given", "ink"),
            Series(one.at, one.filled, "filled", "twin"),
        ],
        Axis(axis, low=float(one.at[0]), high=float(one.at[-1])),
        Axis("value"),
        title=one.name,
        describe=f"{count} values filled among {len(one.at)}.",
        height=220,
    )


def _errors(shown: ImputerPage) -> str:
    ways = list(next(iter(shown.scores.values())))
    head = ["hidden", *ways]
    return "".join(
        table(
            head,
            [[hidden, *(float(found[way][place]) for way in ways)] for hidden, found in shown.scores.items()],
            caption,
        )
        for place, caption in enumerate(("RMSE", "MAE"))
    )


def _by_series(shown: ImputerPage) -> str:
    head = ["series", shown.network, "straight line", "in its own units"]
    return table(head, [list(row) for row in shown.by_series])


def _heads(shown: ImputerPage) -> list[Figure]:
    heads = []
    for hidden in ("30% in points", "30% in blocks"):
        found = shown.scores.get(hidden)
        if found and shown.network in found:
            simple = [way for way in found if way not in (shown.network, "untrained bridge")]
            best = simple[int(np.argmin([found[way][1] for way in simple]))]
            heads.append(
                Figure(
                    f"MAE, {hidden}",
                    number(found[shown.network][1], 3),
                    f"standard deviations; best simple way ({best}): {number(found[best][1], 3)}",
                )
            )
    return heads

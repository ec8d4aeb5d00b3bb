"""The settings of a run on its page: all of them, folded away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wavewright.report import page
from wavewright.report.svg import table


def settings_table(settings: Mapping[str, Any]) -> str:
    """Plain values as HTML, a row for each, those of a nested mapping behind its name; empty where there are none.

    >>> "loss: mse" in settings_table({"minutes": 15.0, "loss": {"mse": 1.0}}).lower()
    True
    """
    rows = [
        [f"{page.words(str(key))}: {page.words(str(name))}" if name else page.words(str(key)), page.describe(value)]
        for key, inner in settings.items()
        for name, value in (inner.items() if isinstance(inner, Mapping) else [("", inner)])
    ]
    return f"<details><summary>All settings of this run</summary>{table(['', ''], rows)}</details>" if rows else ""

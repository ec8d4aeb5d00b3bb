"""Flags of a run that is resumed: what it was begun with, and a budget that may be another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wavewright.cli.flags import value_of
from wavewright.errors import RunError
from wavewright.settings import from_mapping
from wavewright.train.settings import BUDGETS, with_budget


def kept_settings(job: str, kind: type[Any], words: Sequence[str]) -> Any:
    """With ``--resume``, the settings that the run was begun with: they are the defaults, and flags win over them."""
    folder = value_of(words, "-o", "--output")
    if "--resume" not in words or folder is None:
        return None
    from wavewright.train.run import RunFolder

    run = RunFolder.open(Path(folder))
    if run.job != job:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {job}; resume it with train {run.job}")
    kept = from_mapping(kind, run.settings)
    if any(value_of(words, f"--{name.replace('_', '-')}") for name in (*BUDGETS, "until", "until_esr", "until_bits")):
        return replace(kept, train=with_budget(kept.train))  # the budget on the command line replaces the old one
    return kept

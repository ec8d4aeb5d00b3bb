"""Which job a command line is about: that of the run it names. Each job has files of its own for a command."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from wavewright.jobs.upsample.pretrained import place

FILES = {"render": ("upsample", "impute"), "evaluate": ("generate", "upsample", "impute")}
"""Which jobs have a file ``COMMAND_JOB`` of their own in this folder; the others are in the command's."""

OUTPUTS = ("-o", "--output")


def file_for(command: str, words: Sequence[str]) -> ModuleType | None:
    """The file ``COMMAND_JOB`` in this folder, for the job of the run in ``words``; None where there is none.

    Raises:
        RunError: the run is damaged.
    """
    from wavewright.train.run import job_of

    run = run_in(words)
    job = None if run is None else job_of(run)
    return importlib.import_module(f"wavewright.cli.{command}_{job}") if job in FILES[command] else None


def run_in(words: Sequence[str]) -> Path | None:
    """The first word that is a run's folder, or a model of the package; None where there is none."""
    for index, word in enumerate(words):
        if (index and words[index - 1] in OUTPUTS) or word.startswith("-"):
            continue
        if (place(Path(word)) / "run.json").is_file():
            return place(Path(word))
    return None

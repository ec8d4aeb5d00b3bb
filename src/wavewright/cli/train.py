"""``wavewright train JOB``: learn from recordings, go on where a run was stopped. One file a job."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from wavewright.errors import SettingsError
from wavewright.settings import did_you_mean

JOBS = {
    "emulate": "a dry and a wet recording become a digital twin of the device",
    "generate": "a folder of sounds becomes new sound, sample by sample or frame by frame",
    "upsample": "full-band sounds teach a network to put missing bandwidth back",
    "impute": "a table of series teaches a network to fill its gaps",
}
"""Every job and its line in the help; the file ``train_JOB`` in this folder reads its flags and runs it."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    if not words or words[0] in ("-h", "--help"):
        print("usage: wavewright train JOB …   (wavewright train JOB --help tells its options)\n")
        print("\n".join(f"  {name:<10}{line}" for name, line in JOBS.items()))
        return 0 if words else 2
    if words[0] not in JOBS:
        raise SettingsError([f"unknown job {words[0]!r}: {did_you_mean(words[0], JOBS)}"])
    return int(importlib.import_module(f"wavewright.cli.train_{words[0]}").main(words[1:]))

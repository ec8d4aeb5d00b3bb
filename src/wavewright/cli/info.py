"""``wavewright info``: what a run, a model file or a sound file holds."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.jobs.upsample.pretrained import card, place

TELLERS = {"generate": "generate.generator", "upsample": "upsample.upsampling", "impute": "impute.imputing"}
"""The file in `wavewright.jobs` that tells what a run of a job holds, with its ``describe``; a twin's elsewhere."""


@dataclass(frozen=True)
class Arguments:
    """Tell what a run folder, a model file or a sound file holds."""

    path: Annotated[Path, POSITIONAL, option("a run folder, a model file or a sound file", metavar="RUN|MODEL|AUDIO")]
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "info", words)
    path = place(arguments.path)
    if path.is_dir() or path.suffix.lower() in (".nam", ".json", ".onnx"):
        from wavewright.train.run import job_of

        told = importlib.import_module(f"wavewright.jobs.{TELLERS.get(job_of(path) or 'emulate', 'emulate.twin')}")
        facts = told.describe(path)
    else:
        from wavewright.audio import files

        found = files.info(path)
        facts = {
            "file": str(path),
            "format": f"{found.format} {found.subtype}",
            "rate": found.rate,
            "channels": found.channels,
            "frames": found.frames,
            "seconds": round(found.seconds, 3),
        }
    width = max(map(len, facts))
    arguments.voice.say(*(f"{name:<{width}}  {value}" for name, value in facts.items() if value is not None))
    text = card(path)
    if text is not None:
        arguments.voice.say("", text)
    arguments.voice.result(facts)
    return 0

"""Models that come with the package: a name where a run's folder is asked for.

Each is a small run folder of its own, beside the rooms of the house: run.json, model.safetensors, and README.md, which
says what it learned from, how well it does, where it ends, and the command that made it.
"""

from __future__ import annotations

from pathlib import Path

import wavewright

FOLDER = Path(wavewright.__file__).parent / "pretrained"

NAMES = {
    "voice-16k-x4": "speech with nothing above 2 kHz, such as old or coded recordings at 4 kHz: up to 16 kHz",
    "voice-48k-x3": "speech with nothing above 8 kHz, such as calls and dictation at 16 kHz: up to 48 kHz",
}
"""Every name and what the model is for."""

CARD = "README.md"


def place(path: Path) -> Path:
    """The folder that ``path`` means: its own, or that of the model which comes with the package by that name.

    What lies on the disk under that name goes first.

    >>> place(Path("voice-16k-x4")).name, place(Path("my/run")).as_posix()
    ('voice-16k-x4', 'my/run')
    """
    return FOLDER / path if str(path) in NAMES and not path.exists() else path


def card(path: Path) -> str | None:
    """The text that comes with a model of the package at ``path``; None for a run of one's own."""
    file = place(path) / CARD
    return file.read_text(encoding="utf-8") if file.parent.parent == FOLDER and file.is_file() else None

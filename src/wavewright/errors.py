"""The errors a user can mend. Each message names the thing, its value, what is allowed and what to do.

The command line prints the message alone and exits with status 2; any other exception is a defect of ours and keeps
its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class WavewrightError(Exception):
    """Base of every error whose remedy lies with the user."""


class AudioFileError(WavewrightError):
    """A sound file that is missing, unreadable, empty, or not what its name says."""


class PairError(WavewrightError):
    """Two recordings that cannot be used together: they do not belong to each other, or their rates differ."""


class DataError(WavewrightError):
    """Recordings or a store that cannot be trained on: too short, silent, changed since they were prepared."""


class SettingsError(WavewrightError):
    """Settings that are unknown or out of range. ``problems`` holds every one of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class ModelFileError(WavewrightError):
    """A model file that is damaged, unsupported, or does not hold what it declares."""


class RunError(WavewrightError):
    """A run folder that is missing, damaged, or already holds something."""


class OutputError(WavewrightError):
    """A place that cannot be written, or that holds something which would be lost."""


class SoundCardError(WavewrightError):
    """A sound card that is missing, busy, or cannot do what was asked of it."""

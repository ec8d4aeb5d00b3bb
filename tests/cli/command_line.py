"""What a command line came to, and what a refusal is, for the tests of all commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A command line's exit status, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Its errors in one line, however they were broken to fit a terminal."""
        return " ".join(self.err.split())


Call = Callable[..., Answer]
"""The fixture ``call``: words in, an `Answer` out."""


def refused(answer: Answer, *phrases: str) -> None:
    """Exit status 2, the phrases in a short message, no traceback."""
    assert answer.status == 2, answer.said
    assert "Traceback" not in answer.said
    for phrase in phrases:
        assert phrase in answer.said, f"{phrase!r} is not in: {answer.said}"

"""A command line run in a folder of its own; what the tests of all commands know of it lies beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wavewright.cli.main import run

sys.path.insert(0, str(Path(__file__).parent))

from command_line import Answer, Call


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def wavewright(*words: str) -> Answer:
        try:
            status = run(words)
        except SystemExit as left:  # the flag parser leaves by itself
            status = int(left.code or 0)
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return wavewright

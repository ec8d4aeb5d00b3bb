"""The log: whole lines, each step once, whatever happened before."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.errors import OutputError, SettingsError
from wavewright.train.guard import Look
from wavewright.train.log import RunLog, read_log


def test_lines_come_back(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl", 0)
    log.note(Look(loss=6.0, gradient=2.0, count=2))
    log.note(Look(loss=math.nan, gradient=2.0, count=9))  # rolled back: not part of the mean
    log.note(Look(loss=2.0, gradient=2.0, count=2))
    log.line(4, 1.23456, 0.1, {"esr": 0.5})
    log.line(5, 2.0, 0.1, {"esr": math.nan})
    log.close()
    assert read_log(tmp_path / "log.jsonl") == [
        {"step": 4, "seconds": 1.235, "loss": 2.0, "gradient": 1.0, "rate": 0.1, "esr": 0.5},
        {"step": 5, "seconds": 2.0, "rate": 0.1, "esr": None},
    ]


@trials(deadline=None, max_examples=30)
@given(st.integers(0, 12), st.integers(0, 400))
def test_resuming_forgets_later_and_broken_lines(tmp_path_factory: pytest.TempPathFactory, step: int, cut: int) -> None:
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    lines = [json.dumps({"step": number, "loss": number / 3}) + "\n" for number in range(1, 11)]
    path.write_text("".join(lines)[:cut])
    whole = "".join(lines)[:cut].count("\n") + any(cut == len("".join(lines[:n])) - 1 for n in range(1, 11))
    log = RunLog(path, step)
    log.line(step + 1, 0.0, 0.1, {})
    log.close()
    assert [row["step"] for row in read_log(path)] == [*range(1, min(step, whole) + 1), step + 1]
    assert path.read_text().endswith("\n")


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_log(path) == []
    path.write_bytes(b'{"step": 1}\n\xff\xfe\n[3]\n{"step": "x"}\n{"loss": 1}\n' + b"[" * 100_000 + b'\n{"step": 2}\n')
    assert read_log(path) == [{"step": 1}, {"step": 2}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to write to")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl", 0)
    log._file.close()
    log._file = open("/dev/full", "a", encoding="utf-8")  # noqa: SIM115, PTH123
    with pytest.raises(OutputError, match=r"log\.jsonl: No space left.*--resume"):
        log.line(1, 0.0, 0.1, {})
    with pytest.raises(OutputError, match="No space left"):
        log.close()


def test_tensorboard_is_written_or_asked_for(tmp_path: Path) -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(SettingsError, match=r"wavewright\[track\]"):
            RunLog(tmp_path / "log.jsonl", 0, tensorboard=tmp_path / "tensorboard")
        return
    log = RunLog(tmp_path / "log.jsonl", 0, tensorboard=tmp_path / "tensorboard")
    log.line(1, 0.0, 0.1, {"esr": 0.5})
    log.close()
    assert any((tmp_path / "tensorboard").iterdir())

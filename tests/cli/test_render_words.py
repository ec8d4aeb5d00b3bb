"""``wavewright render``: what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli.main import run
from wavewright.formats import nam
from wavewright.nets.registry import build

RATE = 48_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, three sounds (the second one breaks on the way), and a place for what becomes of them."""
    torch.manual_seed(0)
    nam.save(tmp_path / "twin.nam", build("a1-nano"), RATE)
    for name in ("a", "b", "c"):
        files.write(tmp_path / f"{name}.wav", Recording(np.full((1, 2000), 0.1, np.float32), RATE))
    broken = np.full(2000, 0.1, np.float32)
    broken[1500] = np.inf
    soundfile.write(tmp_path / "b.wav", broken, RATE, subtype="FLOAT")
    (tmp_path / "out").mkdir()
    return tmp_path


def words(folder: Path, *names: str, more: tuple[str, ...] = ()) -> list[str]:
    return [
        "render",
        str(folder / "twin.nam"),
        *(str(folder / name) for name in names),
        "-o",
        str(folder / "out"),
        *more,
    ]


@pytest.mark.parametrize("threads", [(), ("--threads", "1")])
def test_several_files(folder: Path, threads: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(folder, "a.wav", "c.wav", more=threads)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if "real time" in line] == [
        str(folder / "out" / "a.wav"), str(folder / "out" / "c.wav")
    ]  # fmt: skip


def test_one_of_several_breaks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(folder, "a.wav", "b.wav", "c.wav", more=("--json",))) == 2
    told = capsys.readouterr()
    rows = json.loads(told.out)["rendered"]
    assert [Path(row["input"]).name for row in rows] == ["a.wav", "b.wav", "c.wav"]
    assert ["error" in row for row in rows] == [False, True, False]
    assert told.err.splitlines()[0] == "wavewright: 1 of 3 files failed:"
    assert "b.wav holds 1 samples that are not finite" in told.err
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.wav", "c.wav"]


def test_no_threads_are_too_few(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(folder, "a.wav", more=("--threads", "0"))) == 2
    assert "--threads = 0: must be at least 1" in capsys.readouterr().err

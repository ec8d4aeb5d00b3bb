"""The demo, shortened: every part is made, and the unheard riff is judged where it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from wavewright.audio import files
from wavewright.errors import RunError
from wavewright.jobs.emulate import demo, twin
from wavewright.train.progress import Silent


def test_the_demo_goes_the_whole_way(tmp_path: Path) -> None:
    said: list[str] = []
    done = demo.emulate_demo(tmp_path / "demo", said.append, Silent(), minutes=0.5)
    assert [line[:3] for line in said if line[:1].isdigit()] == [f"{step}/6" for step in range(1, 7)]
    assert done.model.stat().st_size > 200_000
    assert "<html" in done.page.read_text(encoding="utf-8")[:200]
    # half a minute of a machine that does other things as well leaves much to learn, but far less than an untrained
    # network's whole signal
    assert done.unheard_esr < 0.5
    played = files.read(tmp_path / "demo" / "unheard-twin.wav")
    assert played.seconds == pytest.approx(demo.UNHEARD_SECONDS)
    assert twin.open_twin(done.model).rate == demo.RATE
    with pytest.raises(RunError, match="not empty"):
        demo.emulate_demo(tmp_path / "demo", said.append, Silent(), minutes=0.5)

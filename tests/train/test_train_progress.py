"""What is told on a terminal, in a pipe, and under --quiet."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from wavewright.train import progress
from wavewright.train.progress import Bar, Lines, Pace, Silent, Standing, reporter_for


def standing(**others: object) -> Standing:
    values: dict[str, object] = {
        "step": 120,
        "progress": 0.5,
        "loss": 0.0123,
        "goal": "esr",
        "best": 0.004,
        "steps_per_second": 8.0,
        "samples_per_second": 96000.0,
        "rate": 48000,
        "seconds_left": 75.0,
    }
    return Standing(**{**values, **others})  # type: ignore[arg-type]


def test_words() -> None:
    assert standing().words == "step 120, loss 0.0123, best ESR 0.004, 8 steps/s, 2× real time, 1:15 left"
    bare = standing(best=None, rate=None, seconds_left=None).words
    assert bare == "step 120, loss 0.0123, best ESR –, 8 steps/s, 9.6e+04 samples/s"


def test_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    lines = Lines(stream, seconds=10)
    for now in (100.0, 105.0, 109.9, 110.0, 119.0):
        lines.show(standing(step=int(now)))
    lines.say("something")
    lines.close()
    told = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in told] == [" 50%  step 100", " 50%  step 110", "something"]


def test_a_bar_on_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, legacy_windows=False)
    bar = reporter_for(console=console)
    assert isinstance(bar, Bar)
    bar.say("[bold] is not markup here")
    bar.show(standing())
    bar.close()
    assert "[bold] is not markup here" in stream.getvalue()
    assert "best ESR 0.004" in stream.getvalue()


def test_who_is_told() -> None:
    assert isinstance(reporter_for(quiet=True), Silent)
    assert isinstance(reporter_for(console=Console(file=io.StringIO())), Lines)


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    pace = Pace(step=100)
    now = 0.2
    assert not pace.due(110)
    now = 1.0
    assert pace.due(120)
    assert pace.steps_per_second == 20.0
    now = 2.0
    assert pace.due(150)
    assert pace.steps_per_second == 22.0

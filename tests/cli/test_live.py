"""``wavewright live`` as a user types it: rehearsed on a clock, on cards that are stand-ins, and where refused."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wavewright.cli.main import run
from wavewright.engine import live, sound_card
from wavewright.engine.rehearsal import Rehearsal
from wavewright.engine.sound_card import Device
from wavewright.formats import nam
from wavewright.nets import registry

RATE = 48_000
CARD = Device(3, "Scarlett 2i2 USB", "Core Audio", 2, 2, RATE, (44_100, 48_000), True, True)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    nam.save(tmp_path / "m.nam", registry.build("a1-nano"), RATE)
    return "m.nam"


class StandIn(Rehearsal):
    """A card that hears noise, or with a cable what it plays, two blocks later."""

    latency = (0.001, 0.002)
    opened: tuple[Any, ...] = ()
    cable = False

    def __init__(self, into: Device, out_of: Device, rate: int, block: int, inputs: int, outputs: int) -> None:
        type(self).opened = (into.number, out_of.number, rate, block, inputs, outputs)
        noise = np.random.default_rng(0).standard_normal((inputs, rate)).astype(np.float32) * 0.1
        super().__init__(noise, rate, block, outputs, urgent=False)

    def start(self, turn: live.Turn) -> None:
        if not self.cable:
            super().start(turn)
            return
        line = [np.zeros_like(self._played) for _ in range(2)]

        def through_the_cable(heard: np.ndarray, played: np.ndarray, lost: bool) -> None:
            turn(line.pop(0)[:, : heard.shape[1]], played, lost)
            line.append(played.copy())

        self._period = 1e-5  # there is nothing to wait for
        super().start(through_the_cable)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(sound_card, "devices", lambda: [CARD])
    monkeypatch.setattr(sound_card, "SoundCard", StandIn)
    monkeypatch.setattr(live, "raise_priority", lambda level=0: "ordinary")
    return StandIn


def result(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run(["live", *words, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def assert_refused(capsys: pytest.CaptureFixture[str], words: list[str], *phrases: str) -> None:
    assert run(["live", *words]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in said
    for phrase in phrases:
        assert phrase in said, f"{phrase!r} is not in: {said}"


def test_a_rehearsal_needs_no_card(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    found = result(capsys, model, "--rehearse", "--seconds", "0.5", "--output-gain", "-3")
    assert found["rate"] == RATE
    assert found["blocks"] > 0
    assert found["seconds"] == pytest.approx(found["blocks"] * 64 / RATE)
    assert 0 < found["load_mean"] <= found["load_worst"]
    assert found["input_peak"] < 0
    assert found["driver_input_ms"] is None


def test_a_twin_through_a_card(model: str, card: type[StandIn], capsys: pytest.CaptureFixture[str]) -> None:
    words = [model, "--seconds", "0.3", "--block", "128", "--input-channel", "2", "--output", "mono", "--device", "3"]
    found = result(capsys, *words)
    assert card.opened == (3, 3, RATE, 128, 2, 1)
    assert found["driver_output_ms"] == pytest.approx(2.0)
    assert found["twin_delay_ms"] == 0
    assert run(["live", *words]) == 0
    said = capsys.readouterr().out
    for phrase in ("Scarlett 2i2 USB at 48000 Hz, blocks of 128", "load: ", "dropouts: ", "peaks: input -"):
        assert phrase in said


def test_a_card_of_another_rate_wants_permission(
    model: str, card: type[StandIn], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(capsys, [model, "--rate", "44100"], "--rate = 44100", "48000 Hz", "--resample")
    found = result(capsys, model, "--rate", "44100", "--resample", "--seconds", "0.2")
    assert card.opened[2] == found["rate"] == 44_100
    assert found["twin_delay_ms"] == pytest.approx(1.45, abs=0.02)


def test_a_model_that_does_not_say_its_rate(
    tmp_path: Path, model: str, card: type[StandIn], capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(Path(model).read_text())
    del content["sample_rate"]
    Path("old.nam").write_text(json.dumps(content))
    assert_refused(capsys, ["old.nam"], "old.nam does not say at which rate it plays", "--rate")
    assert result(capsys, "old.nam", "--rate", "44100", "--seconds", "0.2")["twin_delay_ms"] == 0


def test_the_cards_are_listed(card: type[StandIn], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["live", "--list"]) == 0
    said = capsys.readouterr().out
    assert "<>3" in said
    assert "44.1k 48k" in said
    assert result(capsys, "--list")["devices"][0]["name"] == CARD.name


def test_the_round_trip_through_a_cable(
    card: type[StandIn], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "cable", True)
    found = result(capsys, "--measure-latency", "--block", "256")
    assert found["samples"] == 2 * 256
    assert found["spread"] == 0
    assert found["milliseconds"] == pytest.approx(1000 * 512 / RATE)


def test_no_cable_is_told(card: type[StandIn], capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("wavewright.engine.round_trip.CLICKS", 2)
    assert_refused(capsys, ["--measure-latency"], "0 of 2 clicks came back on input 1", "cable")


def test_ctrl_c_ends_it_with_a_summary(
    model: str, card: type[StandIn], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = card.start

    def start(self: StandIn, turn: live.Turn) -> None:
        started(self, turn)
        threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()

    monkeypatch.setattr(card, "start", start)
    assert result(capsys, model)["blocks"] > 0


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        ([], ["run folder or a model file"]),
        (["m.nam", "--list", "--rehearse"], ["three different things"]),
        (["m.nam", "--block", "0", "--input-gain", "99"], ["--block = 0: must be at least 1", "--input-gain = 99.0"]),
        (["nowhere.nam"], ["nowhere.nam"]),
        (["m.nam", "--device", "focus"], ["no device 'focus'", "3: Scarlett 2i2 USB"]),
        (["m.nam", "--size", "lite"], ["--size"]),
    ],
)
def test_what_cannot_be_done_is_told(
    model: str, card: type[StandIn], capsys: pytest.CaptureFixture[str], words: list[str], phrases: list[str]
) -> None:
    assert_refused(capsys, words, *phrases)


def test_without_the_extra(model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert_refused(capsys, [model], "pip install 'wavewright[live]'")


def test_a_card_that_vanishes(
    model: str, card: type[StandIn], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "running", False)
    assert_refused(capsys, [model], "stopped by itself")

"""Sound cards, seen through a stand-in for sounddevice: who is chosen, what is refused, what the callback passes on."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wavewright.engine import sound_card
from wavewright.engine.sound_card import SoundCard, choose, devices
from wavewright.errors import SoundCardError

CARDS = [  # name, system, inputs, outputs, rate, rates it takes
    ("Built-in Microphone", 0, 1, 0, 44_100, (44_100, 48_000)),
    ("Built-in Output", 0, 0, 2, 48_000, (44_100, 48_000)),
    ("Scarlett 2i2 USB", 0, 2, 2, 48_000, (44_100, 48_000, 96_000)),
    ("Scarlett 2i2 USB", 1, 2, 2, 48_000, (48_000,)),
]


class PortAudioError(Exception):
    pass


class Flags:
    """What the driver says of the block before; as sounddevice has it."""

    def __init__(self, **raised: bool) -> None:
        self.raised = raised

    def __bool__(self) -> bool:
        return any(self.raised.values())

    def __getattr__(self, name: str) -> bool:
        return self.raised.get(name, False)


class Stream:
    made: list[Stream]
    refuses = False

    def __init__(self, callback: Callable[..., None], **wanted: Any) -> None:
        if self.refuses:
            raise PortAudioError("Device unavailable")
        self.callback, self.wanted, self.active, self.latency = callback, wanted, False, (0.002, 0.003)
        self.made.append(self)

    def start(self) -> None:
        self.active = True

    def close(self) -> None:
        self.active = False


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Stands in for sounddevice, with the cards above."""
    module = types.ModuleType("sounddevice")

    def check(side: str) -> Callable[..., None]:
        def check_settings(device: int, channels: int, dtype: str, samplerate: float) -> None:
            assert dtype == "float32"
            assert 1 <= channels <= CARDS[device][2 if side == "input" else 3]
            if samplerate not in CARDS[device][5]:
                raise PortAudioError("Invalid sample rate")

        return check_settings

    keys = ("name", "hostapi", "max_input_channels", "max_output_channels", "default_samplerate")
    vars(module).update(
        PortAudioError=PortAudioError,
        query_hostapis=lambda: [{"name": "Core Audio"}, {"name": "JACK"}],
        query_devices=lambda: [dict(zip(keys, card[:5], strict=True)) for card in CARDS],
        default=types.SimpleNamespace(device=[0, 2]),
        check_input_settings=check("input"),
        check_output_settings=check("output"),
        Stream=type("Stream", (Stream,), {"made": []}),
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr(sound_card, "raise_priority", lambda: "real-time")
    return module


def test_every_card_is_listed_with_what_it_takes(package: types.ModuleType) -> None:
    found = devices()
    assert [device.number for device in found] == [0, 1, 2, 3]
    assert [device.rates for device in found] == [card[5] for card in CARDS]
    assert [device.system for device in found] == ["Core Audio"] * 3 + ["JACK"]
    assert [device.first_input for device in found] == [True, False, False, False]
    assert [device.first_output for device in found] == [False, False, True, False]


@pytest.mark.parametrize(
    ("wanted", "side", "number"),
    [
        (None, "input", 0),
        (None, "output", 2),
        ("3", "input", 3),
        ("microphone", "input", 0),
        ("built-in", "output", 1),  # the microphone has no output
        ("scarlett jack", "input", 3),
        ("2I2 core", "output", 2),
    ],
)
def test_a_card_is_chosen_by_number_or_by_words(
    package: types.ModuleType, wanted: str | None, side: Any, number: int
) -> None:
    assert choose(devices(), wanted, side).number == number


@pytest.mark.parametrize(
    ("wanted", "side", "words"),
    [
        ("7", "input", "no device '7' with an input; there are 0: Built-in Microphone"),
        ("1", "input", "no device '1' with an input"),
        ("focus", "output", "no device 'focus' with an output; there are 1: Built-in Output"),
        ("scarlett", "input", "may be any of 2: Scarlett 2i2 USB .Core Audio.; 3: Scarlett 2i2 USB .JACK.; name one"),
    ],
)
def test_a_card_that_is_not_there_or_not_clear_is_told(
    package: types.ModuleType, wanted: str, side: Any, words: str
) -> None:
    with pytest.raises(SoundCardError, match=words):
        choose(devices(), wanted, side)


def test_a_computer_without_cards() -> None:
    with pytest.raises(SoundCardError, match="no sound card with an output"):
        choose([], None, "output")


def opened(rate: int = 48_000, inputs: int = 2, outputs: int = 2) -> SoundCard:
    found = devices()
    return SoundCard(found[2], found[2], rate, 64, inputs, outputs)


def test_what_a_card_cannot_do_is_refused(package: types.ModuleType) -> None:
    with pytest.raises(SoundCardError, match=r"does not take 88200 Hz .* 44100, 48000, 96000: pass one of these"):
        opened(rate=88_200)
    with pytest.raises(SoundCardError, match="input channel 3 of Scarlett 2i2 USB: it has 2"):
        opened(inputs=3)
    assert package.Stream.made == []


def test_the_stream_is_what_was_asked_for_and_the_callback_passes_on(package: types.ModuleType) -> None:
    card = opened()
    calls: list[tuple[np.ndarray, np.ndarray, bool]] = []
    assert not card.running
    card.start(lambda heard, played, lost: calls.append((heard, played, lost)))
    (stream,) = package.Stream.made
    wanted = {"samplerate": 48_000, "blocksize": 64, "dtype": "float32", "device": (2, 2), "channels": (2, 2)}
    assert wanted.items() <= stream.wanted.items()
    assert card.running
    assert card.latency == (0.002, 0.003)
    heard, played = np.zeros((64, 2), np.float32), np.ones((64, 2), np.float32)
    for status in (Flags(), Flags(output_underflow=True), Flags(input_overflow=True), Flags(priming_output=True)):
        stream.callback(heard, played, 64, None, status)
    assert [lost for _, _, lost in calls] == [False, True, True, False]
    assert all(one is heard and other is played for one, other, _ in calls)
    assert card.priority == "real-time"
    card.stop()
    assert not card.running


def test_a_driver_that_refuses_is_told(package: types.ModuleType) -> None:
    package.Stream.refuses = True
    card = opened()
    with pytest.raises(SoundCardError, match="Device unavailable; see that no other program holds it"):
        card.start(lambda heard, played, lost: None)
    card.stop()


def test_a_driver_that_never_closes_is_left_alone(package: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    forever = threading.Event()
    monkeypatch.setattr(sound_card, "CLOSING_SECONDS", 0.05)
    monkeypatch.setattr(package.Stream, "close", lambda self: forever.wait())
    card = opened()
    card.start(lambda heard, played, lost: None)
    stopping = threading.Thread(target=card.stop, daemon=True)
    stopping.start()
    stopping.join(30)
    assert not stopping.is_alive()  # it waited, and not for ever
    forever.set()


def test_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # as if it were not installed
    with pytest.raises(SoundCardError, match=r"pip install 'wavewright\[live\]'"):
        devices()

    def no_library(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(sound_card.importlib, "import_module", no_library)
    with pytest.raises(SoundCardError, match="libportaudio2"):
        devices()

"""The computer's sound cards, through PortAudio and the package sounddevice (extra ``[live]``).

Nothing here is needed, and sounddevice not imported, until a card is asked for.
"""

from __future__ import annotations

import atexit
import importlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wavewright.audio.recording import FloatArray
from wavewright.engine.live import Turn, raise_priority
from wavewright.errors import SoundCardError

RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
"""The rates a card is asked about, in Hz."""

CLOSING_SECONDS = 3.0

Side = Literal["input", "output"]


@dataclass(frozen=True)
class Device:
    """A card as the system shows it. ``rates``: those of `RATES` that it takes, in Hz; its own first choice apart."""

    number: int
    name: str
    system: str
    inputs: int
    outputs: int
    rate: int
    rates: tuple[int, ...]
    first_input: bool = False
    first_output: bool = False

    def channels(self, side: Side) -> int:
        """How many channels it has on a side."""
        return self.inputs if side == "input" else self.outputs

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "rates": list(self.rates)}


def _sounddevice() -> Any:
    """The package, or a word on what to install."""
    try:
        return importlib.import_module("sounddevice")
    except ModuleNotFoundError as error:
        raise SoundCardError(
            "playing through a sound card needs the package sounddevice: pip install 'wavewright[live]'"
        ) from error
    except OSError as error:
        raise SoundCardError(
            f"sounddevice does not find the PortAudio library ({error}); install it with the system's package manager "
            "(libportaudio2 on Debian and Ubuntu, portaudio on Fedora and Arch)"
        ) from error


def devices() -> list[Device]:
    """Every card there is, in the system's order.

    Raises:
        SoundCardError: sounddevice or PortAudio is not installed.
    """
    card = _sounddevice()
    systems = [system["name"] for system in card.query_hostapis()]
    first_input, first_output = card.default.device
    return [
        Device(
            number=number,
            name=found["name"],
            system=systems[found["hostapi"]],
            inputs=found["max_input_channels"],
            outputs=found["max_output_channels"],
            rate=round(found["default_samplerate"]),
            rates=tuple(rate for rate in RATES if _takes(card, number, found, rate)),
            first_input=number == first_input,
            first_output=number == first_output,
        )
        for number, found in enumerate(card.query_devices())
    ]


def _takes(card: Any, number: int, found: Any, rate: int) -> bool:
    """Whether every side that the device has takes ``rate``."""
    try:
        if found["max_input_channels"]:
            card.check_input_settings(device=number, channels=1, dtype="float32", samplerate=rate)
        if found["max_output_channels"]:
            card.check_output_settings(device=number, channels=1, dtype="float32", samplerate=rate)
    except (card.PortAudioError, ValueError):
        return False
    return True


def choose(found: Sequence[Device], wanted: str | None, side: Side) -> Device:
    """The device that is meant: its number, its name, words of its name and system; where None, the first choice.

    Raises:
        SoundCardError: none fits, or several do.
    """
    usable = [device for device in found if device.channels(side)]
    if not usable:
        raise SoundCardError(f"this computer has no sound card with an {side}; connect one, or try --rehearse")
    if wanted is None:
        first = [device for device in usable if (device.first_input if side == "input" else device.first_output)]
        return first[0] if first else usable[0]
    if wanted.isdecimal():
        fitting = [device for device in usable if device.number == int(wanted)]
    else:
        fitting = [device for device in usable if device.name == wanted] or [
            device
            for device in usable
            if all(word in f"{device.name} {device.system}".lower() for word in wanted.lower().split())
        ]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(f"{device.number}: {device.name} ({device.system})" for device in fitting or usable)
    if fitting:
        raise SoundCardError(f"device {wanted!r} may be any of {listed}; name one by its number")
    raise SoundCardError(f"no device {wanted!r} with an {side}; there are {listed}")


class SoundCard:
    """A card's input and output, open at one rate and block size: what `engine.live.run` plays through.

    ``inputs`` and ``outputs`` count channels.

    Raises:
        SoundCardError: a side lacks the channels, or does not take the rate.
    """

    def __init__(self, into: Device, out_of: Device, rate: int, block: int, inputs: int, outputs: int) -> None:
        self._card = _sounddevice()
        self._sides = {"device": (into.number, out_of.number), "channels": (inputs, outputs)}
        self._rate, self._block = rate, block
        self._stream: Any = None
        self._turn: Turn | None = None
        self.priority = ""
        """How much before others the card's thread runs; known once it runs."""
        for device, side, count in ((into, "input", inputs), (out_of, "output", outputs)):
            _refuse(self._card, device, "input" if side == "input" else "output", rate, count)

    @property
    def running(self) -> bool:
        """Whether the card calls back."""
        return self._stream is not None and bool(self._stream.active)

    @property
    def latency(self) -> tuple[float, float]:
        """Seconds from the input to the callback and from there to the output, as the driver reports them."""
        into, out_of = self._stream.latency
        return float(into), float(out_of)

    def start(self, turn: Turn) -> None:
        """Open the card and let it call ``turn``.

        Raises:
            SoundCardError: the driver refuses.
        """
        self._turn = turn
        try:
            self._stream = self._card.Stream(
                samplerate=self._rate,
                blocksize=self._block,
                dtype="float32",
                latency="low",
                callback=self._called,
                **self._sides,
            )
            self._stream.start()
        except (self._card.PortAudioError, ValueError) as error:
            raise SoundCardError(
                f"the sound card does not start: {error}; see that no other program holds it, or try a larger --block"
            ) from error

    def stop(self) -> None:
        """Stop and close; harmless where the card never started."""
        if self._stream is None:
            return
        closing = threading.Thread(target=self._stream.close, daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)
        if closing.is_alive():  # a driver whose sound server has died may wait for ever, now and when Python exits
            atexit.unregister(getattr(self._card, "_exit_handler", self.stop))

    def _called(self, heard: FloatArray, played: FloatArray, frames: int, time: Any, status: Any) -> None:
        if not self.priority:
            self.priority = raise_priority()
        lost = bool(status) and bool(
            status.input_overflow or status.input_underflow or status.output_overflow or status.output_underflow
        )
        if self._turn is not None:
            self._turn(heard, played, lost)


def _refuse(card: Any, device: Device, side: Side, rate: int, channels: int) -> None:
    """Raises where the device cannot do what is wanted of it."""
    if channels > device.channels(side):
        raise SoundCardError(
            f"{side} channel {channels} of {device.name}: it has {device.channels(side)}; name a lower one"
        )
    check = card.check_input_settings if side == "input" else card.check_output_settings
    try:
        check(device=device.number, channels=channels, dtype="float32", samplerate=rate)
    except (card.PortAudioError, ValueError) as error:
        takes = ", ".join(map(str, device.rates)) or str(device.rate)
        raise SoundCardError(
            f"{device.name} does not take {rate} Hz for its {side} ({error}); it takes {takes}: "
            "pass one of these as --rate, with --resample"
        ) from error

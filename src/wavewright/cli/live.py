"""``wavewright live``: a twin through the sound card."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse
from wavewright.errors import SettingsError
from wavewright.settings import setting

if TYPE_CHECKING:
    from wavewright.engine.live import Figures, LivePlayer, Plays
    from wavewright.engine.sound_card import Device
    from wavewright.jobs.emulate.twin import Twin

RIFF_SECONDS = 8.0
REHEARSAL_SECONDS = 10.0


@dataclass(frozen=True)
class Arguments:
    """Play a twin through the sound card: what comes in at one input goes out, through the twin, at the outputs.

    Ctrl-C ends it. Needs sounddevice (pip install 'wavewright[live]'), except with --rehearse.
    """

    model: Annotated[Path | None, POSITIONAL, option("a run folder or a model file", metavar="RUN|MODEL")] = None
    list: Annotated[bool, option("show the sound cards, their channels and rates, and leave")] = False
    rehearse: Annotated[
        bool, option("no sound card: play a built-in riff on a clock, to see whether this machine keeps up")
    ] = False
    measure_latency: Annotated[
        bool, option("measure the round trip, through a cable from an output to the input, and leave; needs no model")
    ] = False
    device: Annotated[
        str | None, option("the card for input and output: its number, or words of its name", metavar="NAME|NUMBER")
    ] = None
    input_device: Annotated[str | None, option("another card for the input", metavar="NAME|NUMBER")] = None
    output_device: Annotated[str | None, option("another card for the output", metavar="NAME|NUMBER")] = None
    block: int = setting(64, "samples the card asks for at a time: fewer answer sooner", low=1, high=8192)
    rate: int | None = setting(None, "the card's rate in Hz; the twin's where absent", low=8000, high=384_000)
    resample: Annotated[bool, option("allow a --rate that is not the twin's")] = False
    input_channel: int = setting(1, "which input channel the twin hears, counted from 1", low=1, high=256)
    output: Annotated[
        Literal["mono", "stereo"] | None, option("one channel or two of the same; two where the card has them")
    ] = None
    input_gain: float = setting(0.0, "in dB, before the twin", low=-60, high=60)
    output_gain: float = setting(0.0, "in dB, behind the twin", low=-60, high=60)
    seconds: float | None = setting(None, "stop after so long; where absent, at Ctrl-C (a rehearsal: 10)", above=0)
    knob: Annotated[tuple[str, ...], APPENDED, option("where a knob of the device stands", metavar="NAME=VALUE")] = ()
    size: Annotated[Literal["lite", "full"] | None, option("which model of a container plays; full where absent")] = (
        None
    )
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "live", words)
    problems = []
    if arguments.list + arguments.rehearse + arguments.measure_latency > 1:
        problems.append("--list, --rehearse and --measure-latency are three different things to do; take one")
    elif arguments.model is None and not (arguments.list or arguments.measure_latency):
        problems.append("live wants a run folder or a model file; --list and --measure-latency go without")
    if problems:
        raise SettingsError(problems)
    if arguments.list:
        return _list(arguments.voice)
    if arguments.measure_latency:
        return _measure(arguments)
    return _play(arguments)


def _list(voice: Voice) -> int:
    from wavewright.engine import sound_card

    found = sound_card.devices()
    rows = [["", "name", "system", "in", "out", "Hz", "takes"]]
    for device in found:
        first = {(True, True): "<>", (True, False): ">", (False, True): "<"}
        rows.append(
            [
                f"{first.get((device.first_input, device.first_output), '')}{device.number}",
                device.name,
                device.system,
                str(device.inputs),
                str(device.outputs),
                str(device.rate),
                " ".join(f"{rate / 1000:g}k" for rate in device.rates),
            ]
        )
    if found:
        voice.say(*table(rows, left=(1, 2, 6)), "> is the first choice for the input, < for the output")
    else:
        voice.say("no sound card was found")
    voice.result({"devices": [device.to_dict() for device in found]})
    return 0


def _sides(arguments: Arguments) -> tuple[Device, Device]:
    from wavewright.engine import sound_card

    found = sound_card.devices()
    return (
        sound_card.choose(found, arguments.input_device or arguments.device, "input"),
        sound_card.choose(found, arguments.output_device or arguments.device, "output"),
    )


def _outputs(arguments: Arguments, there_are: int) -> int:
    return {"mono": 1, "stereo": 2, None: min(2, there_are)}[arguments.output]


def _measure(arguments: Arguments) -> int:
    import time

    from wavewright.engine.live import undisturbed
    from wavewright.engine.round_trip import Clicks
    from wavewright.engine.sound_card import SoundCard
    from wavewright.train.interrupt import Interrupt

    into, out_of = _sides(arguments)
    rate, voice = arguments.rate or out_of.rate, arguments.voice
    channel = arguments.input_channel - 1
    card = SoundCard(into, out_of, rate, arguments.block, channel + 1, _outputs(arguments, out_of.outputs))
    clicks = Clicks(rate, channel)
    voice.say(f"{clicks.seconds:.1f} s of clicks, from {out_of.name} to input {channel + 1} of {into.name}")
    with Interrupt() as interrupt, undisturbed():
        card.start(clicks.turn)
        try:
            while card.running and not clicks.done and not interrupt.asked:
                time.sleep(0.05)
        finally:
            card.stop()
    if interrupt.asked:
        raise KeyboardInterrupt
    found, (there, back) = clicks.found(), card.latency
    voice.say(
        f"round trip: {found.samples} samples, {found.milliseconds:.2f} ms, at blocks of {arguments.block} "
        f"({found.clicks} clicks, {found.spread} samples apart)",
        f"the driver says: {1000 * there:.2f} ms in, {1000 * back:.2f} ms out",
    )
    if found.spread > 1:
        voice.say("the clicks do not agree: the card loses sound at this block size; try a larger --block")
    driver = {"driver_input_ms": 1000 * there, "driver_output_ms": 1000 * back}
    voice.result({"rate": rate, "block": arguments.block, **found.to_dict(), **driver})
    return 0


def _play(arguments: Arguments) -> int:
    from wavewright.engine import live
    from wavewright.jobs.emulate import twin
    from wavewright.train.interrupt import Interrupt

    assert arguments.model is not None
    voice = arguments.voice
    opened = twin.open_twin(arguments.model, arguments.size).turned(arguments.knob)
    channels = opened.network.out_channels
    if channels > 1:
        raise SettingsError([f"{opened.source} plays {channels} channels, and live has one input: render files by it"])
    rate = _rate(arguments, opened)
    card: Any
    if arguments.rehearse:
        where = "a clock"
        card = _rehearsal(arguments, rate)
    else:
        from wavewright.engine.sound_card import SoundCard

        into, out_of = _sides(arguments)
        where = into.name if into == out_of else f"{into.name} and {out_of.name}"
        outputs = _outputs(arguments, out_of.outputs)
        card = SoundCard(into, out_of, rate, arguments.block, arguments.input_channel, outputs)
    player, delay = _player(arguments, opened, rate)
    program = live.LivePlayer(
        player,
        rate,
        arguments.block,
        channel=0 if arguments.rehearse else arguments.input_channel - 1,
        input_gain=arguments.input_gain,
        output_gain=arguments.output_gain,
    )
    seconds = arguments.seconds or (REHEARSAL_SECONDS if arguments.rehearse else None)
    voice.say(
        f"{opened.name} on {where} at {rate} Hz, blocks of {arguments.block} ({1000 * arguments.block / rate:.2f} ms)"
        + ("; Ctrl-C ends it" if seconds is None else "")
    )
    with Interrupt() as interrupt, _MeterLine(voice) as line:
        figures = live.run(card, program, seconds=seconds, stop=lambda: interrupt.asked, watch=line.show)
    latency = None if arguments.rehearse else card.latency
    voice.say(*_summary(figures, card.priority, latency, delay, rate))
    if arguments.rehearse:
        voice.say(f"the system woke the clock up to {1000 * card.latest:.2f} ms late")
    voice.result(
        {
            "name": opened.name,
            "rate": rate,
            "block": arguments.block,
            "priority": card.priority,
            "driver_input_ms": None if latency is None else 1000 * latency[0],
            "driver_output_ms": None if latency is None else 1000 * latency[1],
            "twin_delay_ms": 1000 * delay / rate,
            **figures.to_dict(),
        }
    )
    return 0


def _rate(arguments: Arguments, opened: Twin) -> int:
    """The stream's rate, in Hz."""
    if opened.rate is None:
        if arguments.rate is None:
            raise SettingsError([f"{opened.source} does not say at which rate it plays; say it with --rate"])
        return arguments.rate
    if arguments.rate not in (None, opened.rate) and not arguments.resample:
        raise SettingsError(
            [f"--rate = {arguments.rate}: {opened.name} plays at {opened.rate} Hz; leave it away, or add --resample"]
        )
    return arguments.rate or opened.rate


def _player(arguments: Arguments, opened: Twin, rate: int) -> tuple[Plays, float]:
    """What plays in the stream, and by how many of its samples it lags."""
    from wavewright.engine.player import Player
    from wavewright.engine.rate_bridge import RateBridge

    player = Player(opened.network, tell=arguments.voice.say)
    if opened.rate in (None, rate):
        return player, player.latency
    bridge = RateBridge(player, rate, opened.rate, arguments.block)
    return bridge, bridge.delay + player.latency * rate / opened.rate


def _rehearsal(arguments: Arguments, rate: int) -> Any:
    import numpy as np

    from wavewright.audio.music import riff
    from wavewright.engine.rehearsal import Rehearsal

    sound = riff(RIFF_SECONDS, rate)[np.newaxis]
    return Rehearsal(sound, rate, arguments.block, _outputs(arguments, 2))


def _summary(
    figures: Figures, priority: str, latency: tuple[float, float] | None, delay: float, rate: int
) -> list[str]:
    """What is said at the end."""
    lines = [
        f"played {figures.seconds:.1f} s in {figures.blocks} blocks, {priority} priority",
        f"load: {figures.load_mean:.1%} of a block's time on average, {figures.load_worst:.1%} at worst; "
        f"{figures.late} took longer than they last",
        f"dropouts: {figures.dropouts}",
        f"peaks: input {_level(figures.input_peak)}, output {_level(figures.output_peak)}",
    ]
    if latency is not None:
        lines.append(f"latency as the driver reports it: {1000 * latency[0]:.1f} ms in, {1000 * latency[1]:.1f} ms out")
    if delay:
        lines.append(f"the twin and its resampling add {1000 * delay / rate:.1f} ms")
    remarks = (
        (figures.input_clipped, "input samples were at full scale: turn the card's input down"),
        (figures.output_clipped, "output samples lay beyond full scale and were cut off: lower --output-gain"),
        (figures.non_finite, "input samples were no finite numbers and were played as zeros"),
        (figures.overflows, "samples of the twin were no finite numbers and were played as zeros"),
    )
    lines += [f"{count} {remark}" for count, remark in remarks if count]
    if figures.dropouts or figures.late:
        lines.append("for fewer dropouts: a larger --block, a smaller network, other programs closed")
    return lines


def _level(peak: float) -> str:
    return f"{peak:.1f} dBFS" if math.isfinite(peak) else "silence"


class _MeterLine:
    """One line on the terminal, written over and over; nothing where there is no terminal or no words are wanted."""

    def __init__(self, voice: Voice) -> None:
        self._shown = voice.speaks and sys.stderr.isatty()

    def __enter__(self) -> _MeterLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, program: LivePlayer) -> None:
        """Write the line anew."""
        if not self._shown:
            return
        (heard, played), figures = program.peaks(), program.figures
        sys.stderr.write(
            f"\r\x1b[Kin {_level(heard):>11}  out {_level(played):>11}  load {figures.load_mean:5.1%} "
            f"worst {figures.load_worst:6.1%}  dropouts {figures.dropouts}"
        )
        sys.stderr.flush()

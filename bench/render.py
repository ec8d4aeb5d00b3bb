"""How fast twins play: every architecture and size at every block size, plain torch beside it, as a Markdown table.

    python bench/render.py --seconds 20 --write
    python bench/render.py --networks a1-standard --against "other-player {model} {input} {output}"

One thread. Times are the thread's own processor time, where the system counts it finely, and the best of many short
turns; a network's blocks, torch and the limit take turns, so that a busy machine disturbs all alike. The limit is what
multiply-adds alone take on this core, all in registers; a network's share of it counts its multiply-adds and nothing
else, so activations and all that is moved about are losses. "whole" plays ten seconds in one block. × real time is at
48 kHz.

``--against`` runs another player's command on the same model and the same sound, once on one second of it and once on
``--seconds`` more: the difference is its playing alone. {model} becomes a .nam file, {input} and {output} .wav files.
Ours plays the same sound from memory between its runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from page import machine, write_section
from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.engine import vector_code
from wavewright.engine.player import Player
from wavewright.engine.torch_player import TorchPlayer
from wavewright.errors import WavewrightError
from wavewright.formats import nam
from wavewright.nets.contract import Network
from wavewright.nets.registry import build
from wavewright.nets.wavenet_config import PRESETS, WaveNetConfig

RATE = 48_000
WHOLE = 10 * RATE
BLOCKS = (64, 256, WHOLE)
TURN = 0.01
"""Seconds a turn: short enough to fall between two disturbances now and then."""

CLOCK = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-6 else time.perf_counter

SUMS = 16
"""Sums side by side in the limit's loop: enough to keep two multipliers of four cycles each busy."""

Work = Callable[[], float]


def with_control(config: WaveNetConfig) -> WaveNetConfig:
    """The same with a second input, a knob that moves, which every layer hears beside the sound."""
    first, *others = (dataclasses.replace(array, condition_size=2) for array in config.arrays)
    return dataclasses.replace(config, arrays=(dataclasses.replace(first, input_size=2), *others))


NETWORKS: dict[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (name, {}) for name in PRESETS},
    "a1-standard, a control": ("a1-standard", {"arrays": with_control(PRESETS["a1-standard"]).arrays}),
    "gated 14 × 12": ("gated-wavenet", {}),
    "LSTM 1 × 24": ("lstm", {"hidden_size": 24}),
    "LSTM 1 × 40": ("lstm", {"hidden_size": 40}),
    "LSTM 2 × 16": ("lstm", {"hidden_size": 16, "num_layers": 2}),
    "LSTM 1 × 24, a control": ("lstm", {"hidden_size": 24, "input_size": 2}),
    "GRU 1 × 24": ("gru", {"hidden_size": 24}),
    "GRU 1 × 40": ("gru", {"hidden_size": 40}),
    "linear 2048": ("linear", {"taps": 2048}),
}
"""What is timed: the table's name, then the registry's and its settings."""


@vector_code.intrinsic
def _multiply_adds(typing: Any, count: Any, pointer: Any) -> Any:
    """``count`` times `SUMS` vectors of multiply-adds, in registers."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        v = vector_code.Vectors(b, vector_code.types.float32)
        number, place = arguments
        x, y = v.load(place), v.load(place, 1)
        begin = [v.load(place, index) for index in range(SUMS)]
        sums = vector_code.loop(b, number, begin, lambda _, sums: [v.multiply_add(x, y, value) for value in sums])
        for index, value in enumerate(sums):
            v.store(value, place, index)
        return context.get_dummy_value()

    return vector_code.types.void(vector_code.types.intp, pointer), generate


@numba.njit(nogil=True)
def _limit_loop(count, memory):  # type: ignore[no-untyped-def]
    _multiply_adds(count, vector_code.at(memory, 0))


def limit_turn() -> Work:
    """A turn of the limit's loop; it gives seconds for a multiply-add."""
    memory = np.zeros(SUMS * vector_code.VECTOR_BYTES // 4, np.float32)
    count = 100_000

    def turn() -> float:
        start = CLOCK()
        _limit_loop(count, memory)
        return (CLOCK() - start) / (count * memory.size)

    turn()
    return turn


def noise(rows: int, samples: int) -> FloatArray:
    """(rows, samples)."""
    return (np.random.default_rng(0).standard_normal((rows, samples)) * 0.2).astype(np.float32)


def turns(play: Callable[[FloatArray, FloatArray], object], inputs: int, block: int) -> Work:
    """A turn of a player at one block size; it gives seconds for a sample."""
    x, out = noise(inputs, block), np.empty((1, block), np.float32)
    play(x, out)
    start = CLOCK()
    play(x, out)
    repeats = max(1, int(TURN / max(CLOCK() - start, 1e-7)))

    def turn() -> float:
        start = CLOCK()
        for _ in range(repeats):
            play(x, out)
        return (CLOCK() - start) / (repeats * block)

    return turn


def best(works: Mapping[str, Work], seconds: float) -> dict[str, float]:
    """The least that each gave while all took turns for ``seconds``."""
    found = dict.fromkeys(works, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, work in works.items():
            found[name] = min(found[name], work())
    return found


def network(name: str) -> Network:
    """A network of the table, with weights as they are drawn."""
    torch.manual_seed(0)
    kind, changes = NETWORKS[name]
    return build(kind, **changes).eval()


def rows(name: str, net: Network, seconds: float) -> list[str]:
    """One network's lines of the table."""
    inputs = net.in_channels
    player = Player(net, inputs=inputs)
    works = {"limit": limit_turn()}
    for block in BLOCKS:
        works[f"ours {block}"] = turns(player.process, inputs, block)
        works[f"torch {block}"] = turns(TorchPlayer(net, 1).play, inputs, min(block, RATE))
    found = best(works, seconds)
    multiply_adds = int(getattr(net, "multiply_adds", 0))
    limit = multiply_adds * found["limit"]
    lines = []
    for block in BLOCKS:
        ours, plain = found[f"ours {block}"], found[f"torch {block}"]
        lines.append(
            f"| {name} | {multiply_adds:,} | {'whole' if block == WHOLE else block} | {1 / (ours * RATE):.0f} "
            f"| {ours * 1e9:.0f} | {limit / ours:.0%} | {1 / (limit * RATE):.0f} | {1 / (plain * RATE):.1f} "
            f"| {plain / ours:.0f}× |"
        )
    return lines


def against(command: str, name: str, net: Network, seconds: int) -> str:
    """The line of another player's command beside ours, its start taken out."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            nam.save(folder / "model.nam", net, RATE)
        except WavewrightError as error:
            return f"| {name} | | | {error} |"
        player, out = Player(net), np.empty((1, seconds * RATE), np.float32)
        sound = noise(1, seconds * RATE)
        for length in (1, 1 + seconds):
            files.write(folder / f"in{length}.wav", Recording(noise(1, length * RATE), RATE))
        least = dict.fromkeys(("short", "long", "ours"), float("inf"))
        for _ in range(4):
            for what, length in (("short", 1), ("long", 1 + seconds)):
                places = {"model": "model.nam", "input": f"in{length}.wav", "output": f"out{length}.wav"}
                words = [
                    word.format_map({key: folder / value for key, value in places.items()})
                    for word in shlex.split(command)
                ]
                start = time.perf_counter()
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
                least[what] = min(least[what], time.perf_counter() - start)
            start = time.perf_counter()
            player.process(sound, out)
            least["ours"] = min(least["ours"], time.perf_counter() - start)
    other = max(least["long"] - least["short"], 1e-9)
    return f"| {name} | {seconds / other:.0f} | {seconds / least['ours']:.0f} | {other / least['ours']:.2f}× |"


def table(names: Sequence[str], seconds: float, command: str | None) -> str:
    """The whole table, and the lines of the other player below it."""
    lines = [
        f"{machine()}, one thread, 48 kHz.",
        "",
        "| network | multiply-adds | block | × real time | ns a sample | of the limit | limit × | torch × | faster |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    others = []
    for name in names:
        net = network(name)
        lines += rows(name, net, seconds)
        print(*lines[-len(BLOCKS) :], sep="\n", flush=True)
        if command is not None:
            others.append(against(command, name, net, max(10, int(seconds))))
            print(others[-1], flush=True)
    if others:
        heads = ["| network | its × real time | ours, whole | faster |", "|---|---|---|---|"]
        lines += ["", f"Against `{command}`:", "", *heads, *others]
    return "\n".join(lines)


def main() -> None:
    """Prints the table, and writes it where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each network (default %(default)s)")
    parser.add_argument("--against", metavar="COMMAND", help="with {model}, {input} and {output}")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = table(arguments.networks, arguments.seconds, arguments.against)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    if arguments.write:
        write_section("render", text)


if __name__ == "__main__":
    main()

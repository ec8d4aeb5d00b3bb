"""How fast WaveNets play, every size at every block size, plain torch beside them, as a Markdown table.

    python bench/render.py --seconds 20 -o table.md
    python bench/render.py --sizes a1-standard --against "other-player {model} {input} {output}"

One thread. Times are the best of many short turns; all sizes, blocks and players take turns, so that a busy machine
disturbs all alike. The limit is what multiply-adds alone take on this core, all in registers; a network's share of it
counts its multiply-adds and nothing else, so activations and all that is moved about are losses. "offline" plays ten
seconds in one block. × real time is at 48 kHz.

``--against`` runs another player's command on the same model and the same sound, once on one second of it and once on
``--seconds`` more: the difference is its playing alone. {model} becomes a .nam file, {input} and {output} .wav files.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.engine import vector_code
from wavewright.engine.player import Player
from wavewright.engine.torch_player import TorchPlayer
from wavewright.engine.wavenet_player import serves
from wavewright.formats import nam
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import PRESETS

RATE = 48_000
OFFLINE = 10 * RATE
BLOCKS = (1, 16, 64, 256, 2048, OFFLINE)
TURN = 0.02
"""Seconds a turn: short enough to fall between two disturbances now and then."""

SUMS = 16
"""Sums side by side in the limit's loop: enough to keep two multipliers of four cycles each busy."""

Work = Callable[[], float]


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
        start = time.perf_counter()
        _limit_loop(count, memory)
        return (time.perf_counter() - start) / (count * memory.size)

    turn()
    return turn


def turns(play: Callable[[FloatArray], object], block: int) -> Work:
    """A turn of a player at one block size; it gives seconds for a sample."""
    x = (np.random.default_rng(0).standard_normal((1, block)) * 0.2).astype(np.float32)
    play(x)
    start = time.perf_counter()
    play(x)
    repeats = max(1, int(TURN / max(time.perf_counter() - start, 1e-7)))

    def turn() -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            play(x)
        return (time.perf_counter() - start) / (repeats * block)

    return turn


def torch_play(net: WaveNet) -> Callable[[FloatArray], object]:
    """The same network by torch alone."""
    player = TorchPlayer(net, 1)
    return lambda x: player.play(x, np.empty_like(x))


def best(works: dict[str, Work], seconds: float) -> dict[str, float]:
    """The least that each gave while all took turns for ``seconds``."""
    found = dict.fromkeys(works, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, work in works.items():
            found[name] = min(found[name], work())
    return found


def size_rows(name: str, net: WaveNet, seconds: float) -> list[str]:
    """One size's lines of the table."""
    player, plain = Player(net), torch_play(net)
    works = {"limit": limit_turn()}
    for block in BLOCKS:
        works[f"ours {block}"] = turns(player.process, block)
        works[f"torch {block}"] = turns(plain, min(block, RATE))
    found = best(works, seconds)
    lines = []
    for block in BLOCKS:
        ours, theirs = found[f"ours {block}"], found[f"torch {block}"]
        share = net.multiply_adds * found["limit"] / ours
        label = "offline" if block == OFFLINE else str(block)
        lines.append(
            f"| {name} | {label} | {1 / (ours * RATE):.1f} | {ours * 1e9:.0f} | {net.multiply_adds:,} | {share:.0%} "
            f"| {1 / (theirs * RATE):.1f} | {theirs / ours:.0f}× |"
        )
    limit = 1 / (net.multiply_adds * found["limit"] * RATE)
    return [*lines, f"| {name} | limit | {limit:.0f} | {net.multiply_adds * found['limit'] * 1e9:.0f} | | 100% | | |"]


def command_speed(command: str, net: WaveNet, seconds: int) -> float:
    """× real time of another player's command, its start taken out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nam.save(folder / "model.nam", net, RATE, NamMetadata())
        took = []
        for length in (1, 1 + seconds):
            sound = (np.random.default_rng(0).standard_normal((1, length * RATE)) * 0.1).astype(np.float32)
            files.write(folder / f"in{length}.wav", Recording(sound, RATE))
            words = [
                word.format(
                    model=folder / "model.nam", input=folder / f"in{length}.wav", output=folder / f"out{length}.wav"
                )
                for word in shlex.split(command)
            ]
            turns = []
            for _ in range(3):
                start = time.perf_counter()
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
                turns.append(time.perf_counter() - start)
            took.append(min(turns))
    return seconds / max(took[1] - took[0], 1e-9)


def table(sizes: Sequence[str], seconds: float, against: str | None) -> str:
    """The whole table, and the lines of the other player below it."""
    lines = [
        "| size | block | × real time | ns a sample | multiply-adds | share of the limit | torch × | faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    others = []
    for name in sizes:
        torch.manual_seed(0)
        net = WaveNet(PRESETS[name]).eval()
        assert serves(net)
        lines += size_rows(name, net, seconds)
        if against is not None:
            others.append(f"| {name} | {command_speed(against, net, max(10, int(seconds))):.1f} |")
    if others:
        lines += ["", f"Against `{against}`:", "", "| size | × real time |", "|---|---|", *others]
    return "\n".join(lines)


def main() -> None:
    """Prints the table, and writes it where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--seconds", type=float, default=20.0, help="for each size")
    parser.add_argument("--against", metavar="COMMAND", help="with {model}, {input} and {output}")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = table(arguments.sizes, arguments.seconds, arguments.against)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

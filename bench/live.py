"""How live playing fares on this machine: a minute on a clock at each block size, as a Markdown table.

    python bench/live.py --networks a1-standard --blocks 64 --seconds 60 --write

A rehearsal (`wavewright live --rehearse`) of each network, cut into slices, and between them slices of a stream that
does nothing at all on the same clock. What the empty stream loses, the machine lost: another program, or whoever else
lives on the host, kept the thread from waking. "late" are blocks that took longer than they last, "dropouts" blocks
whose output was not there in time, for whichever reason.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from page import machine, write_section
from wavewright.audio.music import riff
from wavewright.audio.recording import FloatArray
from wavewright.engine.live import Figures, LivePlayer, run
from wavewright.engine.player import Player
from wavewright.engine.rehearsal import Rehearsal
from wavewright.nets.registry import build
from wavewright.nets.wavenet_config import PRESETS

RATE = 48_000
SLICES = 6


class Nothing:
    """A player that leaves its output as it is."""

    overflows = 0

    def reset(self) -> None:
        """Nothing is remembered."""

    def process(self, block: FloatArray, out: FloatArray) -> FloatArray:
        """Not even a copy."""
        return out


@dataclass
class Tally:
    """What several slices add up to; ``woken`` is the worst lateness of the clock's thread, in seconds."""

    figures: list[Figures] = field(default_factory=list)
    woken: float = 0.0
    priority: str = ""

    def add(self, program: LivePlayer, sound: FloatArray, seconds: float) -> None:
        """Play one slice."""
        clock = Rehearsal(sound, RATE, program.block)
        self.figures.append(run(clock, program, seconds=seconds))
        self.woken = max(self.woken, clock.latest)
        self.priority = clock.priority


def row(name: str, block: int, seconds: float) -> str:
    """One line of the table."""
    torch.manual_seed(0)
    sound = riff(8.0, RATE)[np.newaxis]
    ours, empty = Tally(), Tally()
    player = Player(build(name))
    for _ in range(SLICES):
        ours.add(LivePlayer(player, RATE, block), sound, seconds / SLICES)
        empty.add(LivePlayer(Nothing(), RATE, block), sound, seconds / SLICES)
    mean = sum(one.load_mean * one.blocks for one in ours.figures) / sum(one.blocks for one in ours.figures)
    worst = max(one.load_worst for one in ours.figures)
    counts = [sum(one.blocks for one in ours.figures), sum(one.late for one in ours.figures)]
    lost = [sum(one.dropouts for one in tally.figures) for tally in (ours, empty)]
    return (
        f"| {name} | {block} ({1000 * block / RATE:.2f} ms) | {counts[0]:,} | {mean:.1%} | {worst:.0%} | {counts[1]} "
        f"| {lost[0]} | {lost[1]} | {1000 * ours.woken:.2f} | {1000 * empty.woken:.2f} |"
    )


def table(names: Sequence[str], blocks: Sequence[int], seconds: float) -> str:
    """The whole table."""
    lines = [
        f"{machine()}, {seconds:.0f} s each at 48 kHz.",
        "",
        "| network | block | blocks | load | worst | late | dropouts | of an empty stream | woken late, ms | empty |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        for block in blocks:
            lines.append(row(name, block, seconds))
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Prints the table, and writes it where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["a1-standard", "a2-full"], choices=list(PRESETS))
    parser.add_argument("--blocks", nargs="+", type=int, default=[32, 64, 128])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each network and block size")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = table(arguments.networks, arguments.blocks, arguments.seconds)
    if arguments.write:
        write_section("live", text)


if __name__ == "__main__":
    main()

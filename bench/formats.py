"""Does a twin sound the same behind every format? Round trips, told as ESR beside the network that was written.

    python bench/formats.py --seconds 3 --write

Each network, its weights drawn anew and made louder, is written in every format that can hold it, read again, and
plays a riff of the house; ONNX files by onnxruntime. 0 is the same to the last bit, 1e-14 the rounding of 32-bit
numbers. A dash: the format cannot hold the network, and says so.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from page import PAGE, write_section
from wavewright.audio.music import riff
from wavewright.engine.player import Player
from wavewright.errors import ModelFileError
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.jobs.emulate import exporting
from wavewright.jobs.emulate.twin import Twin, open_twin
from wavewright.nets.contract import Network
from wavewright.nets.registry import build
from wavewright.nets.slimmable import Slimmable
from wavewright.nets.slimmable_config import UP_TO

RATE = 48_000

NETWORKS: dict[str, Callable[[], Network]] = {
    "A1 standard": lambda: build("a1-standard"),
    "A1 nano": lambda: build("a1-nano"),
    "A2 in both sizes": lambda: build("a2"),
    "A2 lite": lambda: build("a2-lite"),
    "aNN_Audio's WaveNet": lambda: build("gated-wavenet"),
    "LSTM 24": lambda: build("lstm"),
    "LSTM 40, input added": lambda: build("lstm", hidden_size=40, skip=True),
    "LSTM 2 × 13": lambda: build("lstm", hidden_size=13, num_layers=2),
    "GRU 24": lambda: build("gru"),
    "GRU 40, input added": lambda: build("gru", hidden_size=40, skip=True),
    "impulse response": lambda: build("linear"),
}


def made(name: str) -> Twin:
    """A twin of one of the networks, its weights larger than training begins with."""
    torch.manual_seed(17)
    network = NETWORKS[name]()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    sizes: tuple[tuple[float, Network], ...] = ()
    if isinstance(network, Slimmable):
        sizes = tuple((UP_TO[size], part) for size, part in network.sizes.items())
        network = network.full
    return Twin(Path(name), network.eval(), RATE, name, sizes=sizes)


def esr_behind(twin: Twin, to: str, folder: Path, sound: np.ndarray, expected: np.ndarray) -> float | None:
    """ESR of the twin read from a file against the twin itself; None where the format cannot hold it."""
    target = folder / f"twin{exporting.FORMATS[to]}"
    try:
        exporting.export(twin, target, to, NamMetadata(loudness=-18.0, gain=0.5), force=True)  # not measured: slow
    except ModelFileError:
        return None
    found = Player(open_twin(target).network).process(sound).astype(np.float64)
    return float(np.sum((found - expected) ** 2) / np.sum(expected**2))


def table(rows: dict[str, dict[str, float | None]]) -> list[str]:
    """The table as Markdown."""
    lines = [f"| network | {' | '.join(exporting.FORMATS)} |", "|---|" + "---|" * len(exporting.FORMATS)]
    for name, found in rows.items():
        shown = ("–" if esr is None else "0" if esr == 0 else f"{esr:.0e}" for esr in found.values())
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return lines


def main() -> None:
    """Print the table, or put it into the page."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of music")
    parser.add_argument("--json", action="store_true", help="figures for machines")
    parser.add_argument("--write", action="store_true", help="put the table into docs/formats.md")
    arguments = parser.parse_args()
    sound = riff(arguments.seconds, RATE, seed=3)[np.newaxis]
    rows: dict[str, dict[str, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            twin = made(name)
            expected = Player(twin.network).process(sound).astype(np.float64)
            rows[name] = {to: esr_behind(twin, to, Path(folder), sound, expected) for to in exporting.FORMATS}
    if arguments.json:
        print(json.dumps(rows))
        return
    lines = table(rows)
    print("\n".join(lines))
    worst = max(esr for found in rows.values() for esr in found.values() if esr is not None)
    print(f"worst: {worst:.1e}")
    if arguments.write:
        write_section("round trips", "\n".join(lines), PAGE.with_name("formats.md"))


if __name__ == "__main__":
    main()

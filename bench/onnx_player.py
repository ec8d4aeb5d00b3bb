"""How fast ONNX files play through onnxruntime, our own player of the same network beside it, as a Markdown table.

    python bench/onnx_player.py --seconds 4 --write

One thread, blocks of 64 samples, states carried; both from memory. Taken as `bench/render.py` takes its times: the
thread's own processor time, the best of many short turns.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from page import machine, write_section
from render import NETWORKS, RATE, best, network, turns
from wavewright.engine.player import Player
from wavewright.formats import onnx_export, onnx_import
from wavewright.formats.nam_metadata import NamMetadata

BLOCK = 64
PLAIN = [name for name in NETWORKS if "control" not in name]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "onnx.md"


def row(name: str, seconds: float) -> str:
    """One network's line."""
    net = network(name)
    inputs = net.in_channels
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "twin.onnx"
        onnx_export.save(path, net, RATE, NamMetadata(loudness=-18.0, gain=0.5))
        size = path.stat().st_size
        opened = onnx_import.load(path).network
    works = {
        "onnxruntime": turns(Player(opened, inputs=inputs).process, inputs, BLOCK),
        "ours": turns(Player(net, inputs=inputs).process, inputs, BLOCK),
    }
    found = best(works, seconds)
    theirs, ours = (1 / (found[who] * RATE) for who in ("onnxruntime", "ours"))
    return f"| {name} | {size / 1000:.0f} | {theirs:.1f} | {ours:.0f} | {ours / theirs:.0f}× |"


def main() -> None:
    """Prints the table, and writes it where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=PLAIN, choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each network (default %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/onnx.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"{machine()}, one thread, blocks of {BLOCK} samples, 48 kHz.",
        "",
        "| network | file, kB | onnxruntime, × real time | ours, × real time | ours is |",
        "|---|---|---|---|---|",
    ]
    for name in arguments.networks:
        lines.append(row(name, arguments.seconds))
        print(lines[-1], flush=True)
    if arguments.write:
        write_section("onnx", "\n".join(lines), PAGE)


if __name__ == "__main__":
    main()

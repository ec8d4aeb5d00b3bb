"""One training step's forward and backward pass, plain torch beside the fused kernels, as Markdown tables.

    python bench/train_step.py --windows 4 --outputs 32768 --threads 2
    python bench/train_step.py --sizes --gru 24 64 --gru-outputs 8192

Times are the best of several runs, taken in turns, so that a busy machine disturbs both alike. "CPU s / thread" is the
processor time of the fused step divided by the threads: what it takes on cores of its own. GFLOP/s counts two for each
multiply-add, three passes (forward, by the activations, by the weights), once for each output sample: the warm-up of
each window and the activations are work on top. The limit is what the multiply-adds alone take, measured on one core
with all data in its nearest cache, times the threads. GRUs, by their units, have a table of their own, with windows as
long as `wavewright train` takes: torch needs over a second for one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from wavewright.engine import fused_gru
from wavewright.engine.fused_wavenet import prepare, valid_forward
from wavewright.engine.stack_kernels import run_forward
from wavewright.engine.stack_program import BLOCK, Listing, Memory
from wavewright.engine.tiles import TILES
from wavewright.engine.vector_code import VECTOR_BYTES
from wavewright.nets.contract import Network
from wavewright.nets.recurrent import GRU, RecurrentConfig
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import PRESETS


def core_gflops(runs: int = 200) -> float:
    """GFLOP/s that one core reaches where nothing but multiply-adds counts: all data in the nearest cache."""
    memory, listing = Memory(), Listing([], VECTOR_BYTES // 4)
    sources, out = memory.rows(8, BLOCK), memory.rows(max(TILES), BLOCK)
    columns = sources.each([0] * 64)
    listing.affine(out, 0, out, columns, np.full((max(TILES), len(columns)), -1))
    operations, rows = listing.finished(), np.zeros(memory.size + BLOCK, np.float32)
    best = float("inf")
    for _ in range(runs):
        start = time.thread_time()
        run_forward(
            operations.table, operations.slopes.astype(np.float32), np.array(listing.columns),
            np.zeros(operations.weights.size, np.float32), rows, BLOCK,
        )  # fmt: skip
        best = min(best, time.thread_time() - start)
    return 2 * max(TILES) * len(columns) * BLOCK / best / 1e9


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and seconds of processor time in all threads."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def step(net: Network, forward: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Forward and backward of a squared error."""
    net.zero_grad(set_to_none=True)
    forward(x).square().mean().backward()  # type: ignore[no-untyped-call]


def in_turns(
    net: Network, fused: Callable[[Network, Tensor], Tensor], x: Tensor, runs: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Torch's step and the fused one: the least seconds by the clock, and the least of the processor's."""
    theirs, ours = [], []
    step(net, lambda x: fused(net, x), x)
    for run in range(runs):
        if run < max(runs // 3, 2):
            theirs.append(timed(lambda: step(net, net.valid, x)))
        ours.append(timed(lambda: step(net, lambda x: fused(net, x), x)))
    (torchs, busy), (clock, processor) = (map(min, zip(*times, strict=True)) for times in (theirs, ours))
    return (torchs, busy), (clock, processor)


def row(name: str, windows: int, outputs: int, runs: int, threads: int, limit: float) -> str:
    """One size's line of the table."""
    torch.manual_seed(0)
    net = WaveNet(PRESETS[name])
    x = 0.3 * torch.randn(windows, 1, net.receptive_field - 1 + outputs)
    (plain, _), (fused, processor) = in_turns(net, valid_forward, x, runs)
    gflops = 6 * net.multiply_adds * windows * outputs / fused / 1e9
    times = f"{plain:.3f} | {fused:.3f} | {processor / threads:.3f} | {plain / fused:.1f}×"
    return f"| {name} | {times} | {gflops:.0f} | {gflops / limit:.0%} |"


def gru_row(units: int, windows: int, outputs: int, runs: int) -> str:
    """The same of a GRU with so many units; faster by the processor's seconds: torch's step is too long for a busy
    machine to leave it alone."""
    torch.manual_seed(0)
    net = GRU(RecurrentConfig(hidden_size=units))
    x = 0.3 * torch.randn(windows, 1, net.receptive_field - 1 + outputs)
    (plain, busy), (fused, processor) = in_turns(net, fused_gru.valid_forward, x, runs)
    return f"| {units} | {plain:.3f} | {fused:.3f} | {busy:.3f} | {processor:.3f} | {busy / processor:.0f}× |"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--windows", type=int, default=4, help="windows a step (default %(default)s)")
    parser.add_argument("--outputs", type=int, default=32_768, help="output samples a window (default %(default)s)")
    parser.add_argument("--gru", nargs="*", type=int, default=[24], help="units of GRUs (default 24)")
    parser.add_argument("--gru-outputs", type=int, default=8192, help="their outputs a window (default %(default)s)")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.sizes:
        wavenets(options)
    if options.gru:
        print(f"\n{options.windows} × {options.gru_outputs:,} output samples a step, {options.threads} threads\n")
        print("| GRU, units | torch s | fused s | torch CPU s | fused CPU s | faster |\n|---|---|---|---|---|---|")
        for units in options.gru:
            print(gru_row(units, options.windows, options.gru_outputs, options.runs), flush=True)


def wavenets(options: argparse.Namespace) -> None:
    """Prints the table of WaveNets."""
    prepare(lambda line: print(line, flush=True))
    limit = core_gflops() * options.threads
    total = options.windows * options.outputs
    print(f"{options.windows} × {options.outputs:,} = {total:,} output samples a step, ", end="")
    print(f"{options.threads} threads, limit {limit:.0f} GFLOP/s\n")
    columns = ("size", "torch s", "fused s", "CPU s / thread", "faster", "GFLOP/s", "of the limit")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in options.sizes:
        print(row(name, options.windows, options.outputs, options.runs, options.threads, limit), flush=True)


if __name__ == "__main__":
    main()

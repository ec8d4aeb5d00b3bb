"""One training step's forward and backward pass, plain torch beside the fused kernels, as a Markdown table.

    python bench/train_step.py --windows 4 --outputs 32768 --threads 2

Times are the best of several runs, taken in turns, so that a busy machine disturbs both alike. "CPU s / thread" is the
processor time of the fused step divided by the threads: what it takes on cores of its own. GFLOP/s counts two for each
multiply-add, three passes (forward, by the activations, by the weights), once for each output sample: the warm-up of
each window and the activations are work on top. The limit is what torch's own large matrix product reaches here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from wavewright.engine.fused_wavenet import prepare, valid_forward
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import PRESETS


def matrix_product_gflops(size: int = 1536, runs: int = 10) -> float:
    """GFLOP/s of a large product in single precision: the arithmetic limit."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(timed(lambda: a @ b)[0] for _ in range(runs)) / 1e9


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and seconds of processor time in all threads."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def step(net: WaveNet, forward: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Forward and backward of a squared error."""
    net.zero_grad(set_to_none=True)
    forward(x).square().mean().backward()  # type: ignore[no-untyped-call]


def row(name: str, windows: int, outputs: int, runs: int, threads: int, limit: float) -> str:
    """One size's line of the table."""
    torch.manual_seed(0)
    net = WaveNet(PRESETS[name])
    x = 0.3 * torch.randn(windows, 1, net.receptive_field - 1 + outputs)
    plain, fused, processor = float("inf"), float("inf"), float("inf")
    step(net, lambda x: valid_forward(net, x), x)
    for run in range(runs):
        if run < max(runs // 3, 2):
            plain = min(plain, timed(lambda: step(net, net.valid, x))[0])
        clock, used = timed(lambda: step(net, lambda x: valid_forward(net, x), x))
        fused, processor = min(fused, clock), min(processor, used)
    gflops = 6 * net.multiply_adds * windows * outputs / fused / 1e9
    times = f"{plain:.3f} | {fused:.3f} | {processor / threads:.3f} | {plain / fused:.1f}×"
    return f"| {name} | {times} | {gflops:.0f} | {gflops / limit:.0%} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--windows", type=int, default=4, help="windows a step (default %(default)s)")
    parser.add_argument("--outputs", type=int, default=32_768, help="output samples a window (default %(default)s)")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prepare(lambda line: print(line, flush=True))
    limit = matrix_product_gflops()
    total = options.windows * options.outputs
    print(
        f"{options.windows} × {options.outputs:,} = {total:,} output samples a step, {options.threads} threads, ",
        end="",
    )
    print(f"matrix product {limit:.0f} GFLOP/s\n")
    print(
        "| size | torch s | fused s | CPU s / thread | faster | GFLOP/s | of the limit |\n|---|---|---|---|---|---|---|"
    )
    for name in options.sizes:
        print(row(name, options.windows, options.outputs, options.runs, options.threads, limit), flush=True)


if __name__ == "__main__":
    main()

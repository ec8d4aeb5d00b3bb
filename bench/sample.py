"""How fast sounds are drawn: every network, one stream and many, float32 and int8, plain torch beside it.

    python bench/sample.py --seconds 10 --write
    python bench/sample.py --networks "GRU 2 × 256" --json

One thread. Times are the thread's own processor time, where the system counts it finely, and the best of many short
turns; a network's samplers, torch and the limits take turns, so that a busy machine disturbs all alike. "samples/s" is
of all streams together, × real time at 16 kHz. Weights are as they are drawn, temperature 1.

The limit is the larger of two times: what the multiply-adds take with everything in registers, in single precision or
as bytes, and what it takes to read as many bytes as the weights have, over and over. Activations and the draws count
for nothing in it. torch is a plain loop over samples (`plain_samplers`), all streams in a batch, which draws the same
codes from the same random numbers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np
import torch
from llvmlite import ir

from page import machine, write_section
from plain_samplers import PlainSampler
from wavewright.engine import vector_code
from wavewright.engine.integer_dots import IntegerDots
from wavewright.engine.sampler import Choice, Sampler
from wavewright.engine.sampler_program import aligned
from wavewright.engine.vector_code import INT, Vectors, types
from wavewright.nets.audio_rnn import AudioRNN, AudioRNNConfig
from wavewright.nets.generator import Generator
from wavewright.nets.sample_rnn import SampleRNN, SampleRNNConfig
from wavewright.nets.sample_wavenet import SampleWaveNet, SampleWaveNetConfig

RATE = 16_000
STREAMS = (1, 4, 16)
WEIGHTS: tuple[Literal["float32", "int8"], ...] = ("float32", "int8")
TURN = 0.005
"""Seconds a turn: short enough to fall between two disturbances now and then."""

CLOCK = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-6 else time.perf_counter

SUMS = 16
"""Sums side by side in the loops of the limits: enough to keep the multipliers busy."""

NETWORKS: dict[str, Callable[[], Generator]] = {
    "GRU 2 × 256": lambda: AudioRNN(AudioRNNConfig()),
    "GRU 2 × 256, 16-bit": lambda: AudioRNN(AudioRNNConfig(levels=65_536)),
    "WaveNet 20 × 16": lambda: SampleWaveNet(SampleWaveNetConfig()),
    "WaveNet 30 × 64, gated": lambda: SampleWaveNet(
        SampleWaveNetConfig(channels=64, layers=30, gated=True, head_size=128, hidden_size=256)
    ),
    "SampleRNN, 2 tiers": lambda: SampleRNN(SampleRNNConfig(frame_sizes=(8,))),
    "SampleRNN, 3 tiers": lambda: SampleRNN(SampleRNNConfig()),
}

Work = Callable[[], float]


@vector_code.intrinsic
def _multiply_adds(typing: Any, count: Any, pointer: Any) -> Any:
    """``count`` times `SUMS` vectors of multiply-adds, in registers."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        v = Vectors(b, types.float32)
        x, y = v.load(arguments[1]), v.load(arguments[1], 1)
        begin = [v.load(arguments[1], n) for n in range(SUMS)]
        sums = vector_code.loop(b, arguments[0], begin, lambda _, sums: [v.multiply_add(x, y, one) for one in sums])
        for n, value in enumerate(sums):
            v.store(value, arguments[1], n)
        return context.get_dummy_value()

    return types.void(types.intp, pointer), generate


@vector_code.intrinsic
def _dots(typing: Any, count: Any, pointer: Any) -> Any:
    """``count`` times `SUMS` vectors of products of bytes, in registers."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        dots = IntegerDots(b)
        x, y = dots.load(arguments[1], 0), dots.load(arguments[1], 1)
        begin = [dots.load(arguments[1], n) for n in range(SUMS)]
        sums = vector_code.loop(b, arguments[0], begin, lambda _, sums: [dots.add(one, x, y) for one in sums])
        for n, value in enumerate(sums):
            place = b.gep(arguments[1], [ir.Constant(INT, n * vector_code.VECTOR_BYTES)])
            b.store(value, b.bitcast(place, dots.type.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(types.intp, pointer), generate


@vector_code.intrinsic
def _read(typing: Any, pointer: Any, vectors: Any) -> Any:
    """Reads ``vectors`` vectors, eight at a time."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        v = Vectors(b, types.float32)

        def step(index: Any, sums: Sequence[Any]) -> list[Any]:
            place = v.address(arguments[0], b.mul(index, ir.Constant(INT, 8 * v.lanes)))
            return [b.fadd(v.load(place, n), one) for n, one in enumerate(sums)]

        sums = vector_code.loop(b, b.sdiv(arguments[1], ir.Constant(INT, 8)), [v.zero] * 8, step)
        total = sums[0]
        for one in sums[1:]:
            total = b.fadd(total, one)
        return b.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(pointer, types.intp), generate


@numba.njit(nogil=True)
def _multiply_loop(count, memory):  # type: ignore[no-untyped-def]
    _multiply_adds(count, vector_code.at(memory, 0))


@numba.njit(nogil=True)
def _dot_loop(count, memory):  # type: ignore[no-untyped-def]
    _dots(count, vector_code.at(memory, 0))


@numba.njit(nogil=True)
def _read_loop(count, memory, vectors):  # type: ignore[no-untyped-def]
    total = 0.0
    for _ in range(count):
        total += _read(vector_code.at(memory, 0), vectors)
    return total


def timed(work: Callable[[], object], share: float) -> Work:
    """A turn of ``work``; it gives seconds times ``share``."""
    work()

    def turn() -> float:
        start = CLOCK()
        work()
        return (CLOCK() - start) * share

    return turn


def limits(bytes_read: Mapping[str, float]) -> dict[str, Work]:
    """What one multiply-add takes as float32 and as int8, and what reading so many bytes of weights takes."""
    count, size = 20_000, SUMS * vector_code.VECTOR_BYTES
    floats, cells = np.zeros(size // 4, np.float32), np.zeros(size, np.uint8)
    works = {
        "float32": timed(lambda: _multiply_loop(count, floats), 1 / (count * floats.size)),
        "int8": timed(lambda: _dot_loop(count, cells), 1 / (count * cells.size)),
    }
    for name, size in ((name, int(amount)) for name, amount in bytes_read.items()):
        vectors = size // (8 * vector_code.VECTOR_BYTES) * 8
        memory, times = aligned(size, np.uint8).view(np.float32)[: size // 4], max(1, int(TURN * 5e10 / size))
        works[f"read {name}"] = timed(partial(_read_loop, times, memory, vectors), 1 / times)
    return works


def sampling(net: Generator, sampler: Sampler) -> Work:
    """A turn of a sampler; it gives seconds for a sample of all streams."""
    rng, streams, distribution = np.random.default_rng(0), sampler.streams, net.distribution
    choice = Choice()

    def run(time: int) -> Callable[[], object]:
        uniforms = rng.random((streams, time, distribution.draws))
        controls = np.zeros((streams, net.controls, time), np.float32)
        return lambda: sampler.draw(uniforms, choice, controls)

    first = min(timed(run(16), 1 / 16)() for _ in range(3))
    time = max(16, int(TURN / first))
    return timed(run(time), 1 / time)


@dataclass(frozen=True)
class Line:
    """One line of the table; times of a sample of all streams in seconds."""

    network: str
    multiply_adds: float
    streams: int
    weights: str
    seconds: float
    limit: float
    bound: str
    torch: float

    @property
    def rate(self) -> float:
        """Samples a second, all streams together."""
        return self.streams / self.seconds

    def text(self) -> str:
        """As Markdown."""
        plain = self.streams / self.torch
        return (
            f"| {self.network} | {self.multiply_adds:,.0f} | {self.streams} | {self.weights} | {self.rate:,.0f} "
            f"| {self.rate / RATE:.1f} | {self.limit / self.seconds:.0%} | {self.bound} | {plain:,.0f} "
            f"| {self.rate / plain:.0f}× |"
        )


def lines(name: str, seconds: float) -> list[Line]:
    """One network's lines of the table."""
    torch.manual_seed(0)
    net = NETWORKS[name]().eval()
    multiply_adds = float(getattr(net, "multiply_adds", 0))
    samplers = {(streams, kind): Sampler(net, streams, weights=kind) for streams in STREAMS for kind in WEIGHTS}
    works: dict[Any, Work] = dict(limits({kind: samplers[1, kind].weight_bytes for kind in WEIGHTS}))
    works |= {key: sampling(net, sampler) for key, sampler in samplers.items()}
    for streams in STREAMS:
        uniforms = torch.rand((streams, 16, net.distribution.draws), dtype=torch.float64)
        works[f"torch {streams}"] = timed(partial(PlainSampler(net, streams).draw, uniforms), 1 / 16)
    found = dict.fromkeys(works, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, work in works.items():
            found[key] = min(found[key], work())
    result = []
    for (streams, kind), sampler in samplers.items():
        multiplying, reading = found[kind] * multiply_adds * streams, found[f"read {kind}"]
        bound = "arithmetic" if multiplying > reading else f"{sampler.weight_bytes / reading / 1e9:.0f} GB/s"
        limit = max(multiplying, reading)
        result.append(
            Line(name, multiply_adds, streams, kind, found[streams, kind], limit, bound, found[f"torch {streams}"])
        )
    return result


def table(names: Sequence[str], seconds: float) -> tuple[str, list[Line]]:
    """The whole table."""
    text = [
        f"{machine()}, one thread, × real time at 16 kHz.",
        "",
        "| network | multiply-adds | streams | weights | samples/s | × real time | of the limit | which is | torch "
        "| faster |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    result = []
    for name in names:
        result += lines(name, seconds)
        text += [line.text() for line in result[-len(STREAMS) * len(WEIGHTS) :]]
    return "\n".join(text), result


def main() -> None:
    """Prints the table, and writes it where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each network (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="figures for machines")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text, result = table(arguments.networks, arguments.seconds)
    if arguments.json:
        print(json.dumps([asdict(line) | {"rate": line.rate} for line in result], indent=1))
    else:
        print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    if arguments.write:
        write_section("sample", text)


if __name__ == "__main__":
    main()

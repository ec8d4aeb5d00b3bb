"""Training a WaveNet on the CPU several times faster than torch: the whole stack's forward and backward pass, fused.

`valid_forward` gives what ``net.valid`` gives, differentiable by all parameters and by the input. Each item of the
batch goes through all layers block by block in one thread (`stack_kernels`). What the backward pass needs stays in one
large buffer an item, from a pool, so that a training loop allocates nothing after its first step. The items' gradients
are summed in the order of the batch: the same batch gives the same bits, whatever the number of threads.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wavewright.engine.gated_writer import gated_weights, write_gated_program
from wavewright.engine.stack_kernels import run_backward, run_forward
from wavewright.engine.stack_program import QUANTUM, StackProgram
from wavewright.engine.stack_writer import supported, write_program
from wavewright.engine.vector_code import VECTOR_BYTES
from wavewright.nets.contract import Network
from wavewright.nets.gated_wavenet import GatedWaveNet
from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig
from wavewright.nets.knob_wavenet import KnobWaveNet
from wavewright.nets.wavenet import WaveNet, valid_length
from wavewright.nets.wavenet_config import WaveNetConfig

LONGEST = 1 << 15
"""Outputs of one item at most: a longer window is cut into several, which bounds memory and gives threads work."""

KEPT_SIZES = 8
"""How many sizes of buffers the pool remembers: two for each length of window in use."""

Array = NDArray[Any]
Config = WaveNetConfig | GatedWaveNetConfig
T = TypeVar("T")
R = TypeVar("R")


def supports(net: nn.Module) -> TypeGuard[WaveNet | GatedWaveNet | KnobWaveNet]:
    """Whether `valid_forward` has kernels for ``net`` as it is: a WaveNet in CPU memory, float32 or float64.

    One with knobs goes through them while its knobs stand still, as they do in training.

    All heads of a .nam WaveNet but the last must be one sample long, as in every network in use.
    """
    wavenet = net.wavenet if isinstance(net, KnobWaveNet) else net
    if not isinstance(net, GatedWaveNet) and not (isinstance(wavenet, WaveNet) and supported(wavenet.config)):
        return False
    kinds = {(weight.device.type, weight.dtype) for weight in net.parameters()}
    return len(kinds) == 1 and kinds <= {("cpu", torch.float32), ("cpu", torch.float64)}


def valid_forward(net: Network, x: Tensor) -> Tensor:
    """``net.valid(x)``, faster: ``x`` (batch, channels, receptive field − 1 + time) → (batch, channels, time).

    Where `supports` says no, ``x`` is not of the weights' type, or `torch.compile` reads along, torch does it.
    Differentiable once.

    Raises:
        SettingsError: ``x`` is shorter than the receptive field.

    >>> from wavewright.nets.registry import build
    >>> net, x = build("a1-nano"), torch.randn(2, 1, 4093 + 99)
    >>> bool(torch.allclose(valid_forward(net, x), net.valid(x), atol=1e-5))
    True
    """
    if torch.compiler.is_compiling() or not supports(net) or x.device.type != "cpu" or x.ndim != 3:
        return net.valid(x)
    if x.dtype != next(net.parameters()).dtype:
        return net.valid(x)
    valid_length(net, x)
    if isinstance(net, GatedWaveNet):
        return _through(gated_weights(net), net.config, x)
    if isinstance(net, KnobWaveNet):
        return _at_fixed_knobs(net, x)
    return net.head_scale * _through(_weights(net.config, dict(net.named_parameters())), net.config, x)


def _at_fixed_knobs(net: KnobWaveNet, x: Tensor) -> Tensor:
    """Each item of the batch through the WaveNet that ``net`` is at the item's knobs; torch does it where they move."""
    sound, knobs = x[:, : -net.controls].contiguous(), x[:, -net.controls :]
    if x.requires_grad or not bool((knobs == knobs[..., :1]).all()):
        return net.valid(x)
    config = net.wavenet.config
    positions, which = torch.unique(knobs[..., 0], dim=0, return_inverse=True)  # (different, knobs), (batch)
    order, played = [], []
    for number, position in enumerate(positions):
        items = torch.nonzero(which == number)[:, 0]
        order.append(items)
        played.append(_through(_weights(config, net.weights_at(position)), config, sound[items]))
    return net.wavenet.head_scale * torch.cat(played)[torch.argsort(torch.cat(order))]


def _through(listed: Sequence[Tensor], config: Config, x: Tensor) -> Tensor:
    """The stack before ``head_scale``, with these weights."""
    weights = torch.cat([weight.reshape(-1) for weight in listed])
    if torch.is_grad_enabled() and (x.requires_grad or weights.requires_grad):
        return torch.as_tensor(_Stack.apply(x, weights, config))  # type: ignore[no-untyped-call]
    return torch.from_numpy(_forward(x.detach(), weights.detach(), config, keep=False)[0])


def prepare(tell: Callable[[str], None], dtype: torch.dtype = torch.float32) -> None:
    """Compiles the kernels, unless they are on disk already; ``tell`` gets a line when that takes time."""
    from wavewright.nets.registry import build

    message = "compiling the training kernels for this processor (about five seconds, once)"
    timer = threading.Timer(1.0, tell, [message])
    timer.start()
    try:
        net = build("a1-nano").to(dtype)
        assert isinstance(net, WaveNet)
        valid_forward(net, torch.zeros(1, 1, net.receptive_field, dtype=dtype)).sum().backward()  # type: ignore[no-untyped-call]
    finally:
        timer.cancel()


def _weights(config: WaveNetConfig, named: Mapping[str, Tensor]) -> list[Tensor]:
    """The parameters of a .nam WaveNet in the order in which `stack_writer` numbers them; the last stream's 1×1 leads
    nowhere."""
    names: list[str] = []
    for position, array in enumerate(config.arrays):
        place, ends = f"arrays.{position}", position + 1 == len(config.arrays)
        names.append(f"{place}.rechannel.weight")
        for layer in range(len(array.dilations)):
            each = f"{place}.layers.{layer}"
            names += [f"{each}.conv.weight", f"{each}.conv.bias", f"{each}.mixer.weight"]
            if not ends or layer + 1 < len(array.dilations):
                names += [f"{each}.output.weight", f"{each}.output.bias"]
        names.append(f"{place}.head.weight")
        if array.head_bias:
            names.append(f"{place}.head.bias")
    return [named[name] for name in names]


class _Stack(torch.autograd.Function):
    """The stack before ``head_scale`` as one differentiable step of ``x`` and all weights in a row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, config: Config) -> Tensor:
        """``x`` (batch, channels, receptive field − 1 + time), ``weights`` (count,) → (batch, outputs, time).

        What every layer heard stays in one arena an item, for `backward`."""
        y, arenas = _forward(x.detach(), weights.detach(), config, keep=True)
        ctx.config, ctx.length = config, x.shape[-1]
        ctx.save_for_backward(weights, *map(torch.from_numpy, arenas))
        return torch.from_numpy(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """From the loss by the outputs (batch, outputs, time) to that by ``x``, where asked for, and by ``weights``."""
        weights, *arenas = ctx.saved_tensors
        by_input = bool(ctx.needs_input_grad[0])
        into, by_weights = _backward(
            gradient.detach(), weights.detach(), ctx.config, [arena.numpy() for arena in arenas], ctx.length, by_input
        )
        return torch.from_numpy(into) if by_input else None, torch.from_numpy(by_weights), None


@dataclass(frozen=True)
class _Item:
    """One piece of work: ``outputs`` samples from ``start`` on of the batch's item ``index``."""

    index: int
    start: int
    outputs: int
    program: StackProgram


def _writer(config: Config, dtype: np.dtype[Any]) -> Callable[[int], StackProgram]:
    """What writes the program of a window of so many outputs."""
    lanes = VECTOR_BYTES // dtype.itemsize
    if isinstance(config, GatedWaveNetConfig):
        return lambda outputs: write_gated_program(config, outputs, lanes)
    return lambda outputs: write_program(config, outputs, lanes)


def _items(config: Config, batch: int, outputs: int, dtype: np.dtype[Any]) -> list[_Item]:
    """The batch cut into pieces of at most `LONGEST` outputs, in a fixed order."""
    size = -(-outputs // -(-outputs // LONGEST))
    write = _writer(config, dtype)
    return [
        _Item(index, start, length, write(length))
        for index in range(batch)
        for start in range(0, outputs, size)
        for length in [min(size, outputs - start)]
    ]


def _forward(x: Tensor, weights: Tensor, config: Config, keep: bool) -> tuple[Array, list[Array]]:
    """The output (batch, channels, time) and, if they are to be kept, the arenas of all items."""
    dry, flat = x.numpy(), np.append(weights.numpy(), 0).astype(weights.numpy().dtype)
    some = _writer(config, flat.dtype)(1)
    batch, outputs = x.shape[0], x.shape[-1] - some.warm_up
    y = np.empty((batch, some.output.channels, outputs), flat.dtype)
    packed: dict[int, Array] = {}

    def run(item: _Item) -> Array | None:
        program = item.program
        arena = _POOL.take(program.arena, flat.dtype)
        source = dry[item.index, :, item.start : item.start + program.samples]
        _fill(arena, program, source)
        operations = program.forward
        run_forward(
            operations.table, operations.slopes.astype(flat.dtype), program.columns, packed[id(program)], arena,
            program.padded,
        )  # fmt: skip
        for channel, row in enumerate(program.output.each([program.warm_up])):
            y[item.index, channel, item.start : item.start + item.outputs] = arena[row : row + item.outputs]
        return arena if keep else None

    items = _items(config, batch, outputs, flat.dtype)
    for item in items:
        packed.setdefault(id(item.program), flat[item.program.forward.weights])
    return y, [arena for arena in each_in_threads(run, items) if arena is not None]


def _fill(arena: Array, program: StackProgram, source: Array) -> None:
    """Puts the input and the constant rows into a used arena."""
    for channel, row in enumerate(program.input.each()):
        arena[row - QUANTUM : row] = 0
        arena[row : row + program.samples] = source[channel]
        arena[row + program.samples : row + program.padded] = 0
    arena[program.ones.first : program.ones.first + program.padded] = 1
    arena[program.zero.first : program.zero.first + program.padded] = 0


def _backward(
    gradient: Tensor, weights: Tensor, config: Config, arenas: list[Array], length: int, by_input: bool
) -> tuple[Array, Array]:
    """The gradients by the input (batch, channels, ``length``; zeros unless ``by_input``) and by the weights."""
    wet, flat = gradient.numpy(), np.append(weights.numpy(), 0).astype(weights.numpy().dtype)
    items = _items(config, wet.shape[0], wet.shape[-1], flat.dtype)
    packed = {id(item.program): flat[item.program.backward.weights] for item in items}
    channels = items[0].program.input.channels if by_input else 0

    def run(work: tuple[_Item, Array]) -> tuple[Array, Array]:
        (item, arena), program = work, work[0].program
        operations, rows, back = program.backward, program.output_gradient, program.input_gradient
        table = operations.table if by_input else operations.table[:-1]
        sums = np.empty(program.sums, flat.dtype)
        into = np.empty((channels, program.samples), flat.dtype)
        run_backward(
            table, operations.slopes.astype(flat.dtype), program.columns, packed[id(program)], arena,
            _POOL.take(program.workspace, flat.dtype), program.futures, program.padded,
            np.ascontiguousarray(wet[item.index, :, item.start : item.start + item.outputs]), rows.first, rows.stride,
            program.warm_up, sums, into, back.first, back.stride,
        )  # fmt: skip
        return into, sums[program.places]

    by_weights = np.zeros(flat.size - 1, flat.dtype)
    whole = np.zeros((wet.shape[0], channels, length), flat.dtype)
    for (into, sums), item in zip(each_in_threads(run, list(zip(items, arenas, strict=True))), items, strict=True):
        by_weights += sums
        whole[item.index, :, item.start : item.start + item.program.samples] += into
    return whole, by_weights


class _Pool:
    """Large buffers that are used again: fresh memory costs more than the arithmetic done in it.

    Buffers come back by themselves when the last array on them goes. Those of the sizes used last are kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[int, list[Array]] = {}

    def take(self, size: int, dtype: np.dtype[Any]) -> Array:
        """An array of ``size`` elements, at the start of a cache line, its content left as it was."""
        count = size * dtype.itemsize
        with self._lock:
            free = self._free.pop(count, [])
            buffer = free.pop() if free else None
            self._free[count] = free
            while len(self._free) > KEPT_SIZES:
                del self._free[next(iter(self._free))]
        if buffer is None:
            buffer = np.empty(count + VECTOR_BYTES, np.uint8)
        shift = -buffer.ctypes.data % VECTOR_BYTES
        array: Array = buffer[shift : shift + count].view(dtype)
        weakref.finalize(array, self._give, count, buffer).atexit = False
        return array

    def _give(self, count: int, buffer: Array) -> None:
        with self._lock:
            if count in self._free:
                self._free[count].append(buffer)


_POOL = _Pool()


@lru_cache(maxsize=2)
def _executor(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this very process: those from before a fork do not exist after it."""
    return ThreadPoolExecutor(threads, thread_name_prefix="fused")


def each_in_threads(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` on every item, in as many threads as torch uses; results in the items' order."""
    threads = min(torch.get_num_threads(), len(items))
    if threads == 1:
        return [work(item) for item in items]
    return list(_executor(torch.get_num_threads(), os.getpid()).map(work, items))

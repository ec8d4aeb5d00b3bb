"""The last product of a generator and its cross-entropy as one step, several times faster than torch's three.

With h the numbers in front of it, V and b the weights, k_t the code of sample t and w_t what the sample counts:

    u = relu(h)              y = V u + b                 loss = Σ_t w_t (ln Σ_k e^{y_k} − y_{k_t})
    ∂y = w (softmax(y) − 1[k = k_t])                     ∂h = Vᵀ ∂y where h > 0, else 0
    ∂V = Σ_t ∂y uᵀ           ∂b = Σ_t ∂y

The gradients are found on the way forward, block by block of time, so that the distributions of a block (two hundred
numbers a sample) never leave the nearest caches. Products are those of `tiles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from wavewright.compiled import compiled
from wavewright.engine import tiles, vector_code
from wavewright.engine.fused_wavenet import each_in_threads
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.tiles import TILES, affine_tile, outer_tile
from wavewright.engine.vector_code import VECTOR_BYTES, Vectors, apart, at, intrinsic, loop, types

BLOCK = 384
"""Samples whose distributions are in the cache together; whole tiles of every width."""

OUTPUTS = max(TILES)
"""Rows of a tile: numbers of codes and inputs are rounded up to it."""

VECTORS, COLUMNS = TILES[OUTPUTS]
"""Vectors of a tile of a product, columns of a tile of the weights' gradient."""

Array = NDArray[Any]


def nats_of_codes(h: Tensor, weight: Tensor, bias: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
    """Σ counts · −ln softmax(weight · relu(h) + bias)[codes]; differentiable once by ``h``, ``weight`` and ``bias``.

    ``h`` (batch, inputs, time) and the weights of one type, float32 or float64, in CPU memory; ``weight`` (levels,
    inputs), ``bias`` (levels,); ``codes`` (batch, time) whole numbers below ``levels``; ``counts`` (batch, time) as a
    number for each sample, 0 where its code is not to be learned.

    >>> h, weight, bias = torch.randn(2, 8, 50), torch.randn(16, 8), torch.randn(16)
    >>> codes, counts = torch.randint(16, (2, 50)), torch.ones(2, 50)
    >>> mine = nats_of_codes(h, weight, bias, codes, counts)
    >>> theirs = torch.nn.functional.cross_entropy(
    ...     torch.einsum("kc,bct->bkt", weight, h.relu()) + bias[:, None], codes, reduction="sum"
    ... )
    >>> bool(torch.allclose(mine, theirs, rtol=1e-5))
    True
    """
    return torch.as_tensor(_Head.apply(h, weight, bias, codes, counts))  # type: ignore[no-untyped-call]


class _Head(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
        """As `nats_of_codes`, a scalar; its gradients come with it, while the distributions are in the cache."""
        loss, by_h, by_weight = _run(*(part.detach().numpy() for part in (h, weight, bias, codes, counts)))
        ctx.save_for_backward(torch.from_numpy(by_h), torch.from_numpy(by_weight))
        return torch.tensor(loss, dtype=h.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """By ``h`` (batch, inputs, time), ``weight`` (levels, inputs) and ``bias`` (levels,); ``gradient`` a scalar."""
        by_h, by_weight = ctx.saved_tensors
        return gradient * by_h, gradient * by_weight[:, :-1], gradient * by_weight[:, -1], None, None


def _run(h: Array, weight: Array, bias: Array, codes: Array, counts: Array) -> tuple[float, Array, Array]:
    """The loss and its gradients by ``h`` and by weights and bias side by side, (levels, inputs + 1)."""
    batch, inputs, _ = h.shape
    levels, dtype = len(weight), h.dtype
    rows, columns = -(-levels // OUTPUTS) * OUTPUTS, -(-inputs // OUTPUTS) * OUTPUTS
    whole = np.zeros((rows, inputs + 1), dtype)  # bias behind the weights: an input that is always 1
    whole[:levels, :-1], whole[:levels, -1] = weight, bias
    back = np.zeros((columns, rows), dtype)
    back[:inputs] = whole[:, :-1].T
    forth, back = _packed(whole), _packed(back)
    codes, counts = codes.astype(np.int64), counts.astype(dtype)
    by_h = np.empty(h.shape, dtype)
    groups = -(-(inputs + 1) // COLUMNS)
    tile = -(-COLUMNS * OUTPUTS // _lanes(dtype)) * _lanes(dtype)

    def run(index: int) -> tuple[float, Array]:
        sums = np.zeros((rows // OUTPUTS, groups, tile), dtype)
        item = np.ascontiguousarray(h[index])
        loss = run_head(item, forth, back, codes[index], counts[index], levels, by_h[index], sums)
        return float(loss), sums

    parts = each_in_threads(run, range(batch))
    sums = np.sum([part for _, part in parts], axis=0)[..., : COLUMNS * OUTPUTS]
    by_weight = sums.reshape(rows // OUTPUTS, groups * COLUMNS, OUTPUTS).transpose(0, 2, 1).reshape(rows, -1)
    return sum(loss for loss, _ in parts), by_h, np.ascontiguousarray(by_weight[:levels, : inputs + 1])


def _packed(weights: Array) -> Array:
    """``weights`` (rows, columns) as tiles read them: (rows / `OUTPUTS`, columns, `OUTPUTS`)."""
    return np.ascontiguousarray(weights.reshape(-1, OUTPUTS, weights.shape[1]).transpose(0, 2, 1)).reshape(-1)


def _lanes(dtype: np.dtype[Any]) -> int:
    return VECTOR_BYTES // dtype.itemsize


def exponential(v: Vectors, x: Any) -> Any:
    """e^x for x ≤ 0, as 2^k · e^r with k whole and |r| ≤ ln 2 / 2, e^r by its series: to 2e-7, in double to 3e-16."""
    b, double = v.builder, v.bytes == 8
    least, terms, bias, mantissa = (-700.0, 14, 1023, 52) if double else (-87.0, 8, 127, 23)
    x = b.select(b.fcmp_ordered("<", x, v.constant(least)), v.constant(least), x)
    k = v.call("rint", b.fmul(x, v.constant(1.4426950408889634)))
    high = 6.93147180369123816490e-01 if double else 0.693359375  # so few digits that k · high is exact
    r = v.multiply_add(k, v.constant(-high), x)
    r = v.multiply_add(k, v.constant(high - 0.69314718055994530942), r)
    series = [1.0]
    for n in range(1, terms):
        series.append(series[-1] / n)
    bits = b.add(b.fptosi(k, v.whole), ir.Constant(v.whole, [bias] * v.lanes))
    power = b.bitcast(b.shl(bits, ir.Constant(v.whole, [mantissa] * v.lanes)), v.type)
    return b.fmul(v.polynomial(r, series), power)


@intrinsic
def softmax_tile(typing: Any, rows: Any, y: Any, stride: Any, counts: Any, sums: Any) -> Any:
    """One vector of samples: ``y`` (rows, stride) becomes counts · softmax, ``sums`` ln Σ e^y."""
    element = y.dtype

    def tile(b: Any, arguments: Sequence[Any]) -> None:
        rows, y, stride, counts, sums = arguments
        v = Vectors(b, element)

        def place(index: Any) -> Any:
            return v.address(y, b.mul(index, stride))

        def larger(index: Any, state: Sequence[Any]) -> list[Any]:
            value = v.load(place(index))
            return [b.select(b.fcmp_ordered(">", value, state[0]), value, state[0])]

        (top,) = loop(b, rows, [v.load(y)], larger)

        def grow(index: Any, state: Sequence[Any]) -> list[Any]:
            value = exponential(v, b.fsub(v.load(place(index)), top))
            v.store(value, place(index))
            return [b.fadd(state[0], value)]

        (total,) = loop(b, rows, [v.zero], grow)
        share = b.fdiv(v.load(counts), total)

        def divide(index: Any, _: Sequence[Any]) -> list[Any]:
            v.store(b.fmul(v.load(place(index)), share), place(index))
            return []

        loop(b, rows, [], divide)
        v.store(total, sums)
        v.store(top, sums, 1)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        apart(b, f"wavewright_softmax_{element}", arguments, partial(tile))
        return context.get_dummy_value()

    return types.void(types.intp, y, types.intp, counts, sums), generate


@njit(nogil=True, error_model="numpy")
def _product(rows, columns, memory, count, weights, start, out, out_stride):  # type: ignore[no-untyped-def]
    """``out = weights × columns`` for a block; ``start``: the place of zeros."""
    length = VECTORS * (VECTOR_BYTES // memory.itemsize)
    for t in range(0, BLOCK, length):
        for row in range(0, rows, OUTPUTS):
            affine_tile(
                OUTPUTS, at(columns, 0), at(memory, t), count, at(weights, row * count), at(memory, start + t), 0,
                at(memory, out + row * out_stride + t), out_stride,
            )  # fmt: skip


def _runner(source: int) -> Any:
    """The entry point; see `stack_kernels` on ``source``."""

    @compiled
    def run_head(h, forth, back, codes, counts, levels, by_h, sums):  # type: ignore[no-untyped-def]
        """One item: ``h`` (inputs, time) → the loss, ``by_h`` (inputs, time), and ``sums`` as `outer_tile` has them."""
        if not source:
            return 0.0
        inputs, time = h.shape
        rows = sums.shape[0] * OUTPUTS
        width = sums.shape[1] * COLUMNS
        lanes = VECTOR_BYTES // h.itemsize
        stride = BLOCK + lanes  # neighbouring rows in different sets of the cache
        # Rows of memory: the inputs and a row of ones, padded with zeros; nought; y; ∂h.
        nought, y = width * stride, (width + 1) * stride
        gradient = y + rows * stride
        memory = np.zeros(gradient + (inputs + OUTPUTS) * stride, h.dtype)
        weighed = np.zeros(BLOCK, h.dtype)
        totals = np.empty(2 * lanes, h.dtype)
        inputs_at, rows_at = np.arange(width) * stride, np.arange(rows) * stride + y
        loss, nothing = 0.0, memory[0]
        for begin in range(0, time, BLOCK):
            size = min(BLOCK, time - begin)
            for c in range(inputs):
                for t in range(size):
                    value = h[c, begin + t]
                    memory[c * stride + t] = nothing if value < nothing else value  # what is no number stays so
            for t in range(size):
                memory[inputs * stride + t] = 1
                weighed[t] = counts[begin + t]
            weighed[size:] = 0
            _product(rows, inputs_at, memory, inputs + 1, forth, nought, y, stride)
            for t in range(0, size, lanes):
                for lane in range(t, min(t + lanes, size)):
                    loss -= weighed[lane] * memory[y + codes[begin + lane] * stride + lane]
                softmax_tile(levels, at(memory, y + t), stride, at(weighed, t), at(totals, 0))
                for lane in range(t, min(t + lanes, size)):
                    loss += weighed[lane] * (np.log(totals[lane - t]) + totals[lanes + lane - t])
                    memory[y + codes[begin + lane] * stride + lane] -= weighed[lane]
            if size < BLOCK:
                for row in range(rows):
                    memory[y + row * stride + size : y + row * stride + BLOCK] = 0
            _product(by_h.shape[0], rows_at, memory, rows, back, nought, gradient, stride)
            for c in range(inputs):
                for t in range(size):
                    by_h[c, begin + t] = memory[gradient + c * stride + t] if h[c, begin + t] > 0 else nothing
            for block in range(sums.shape[0]):
                for group in range(sums.shape[1]):
                    outer_tile(
                        OUTPUTS, at(memory, y + block * OUTPUTS * stride), stride, at(memory, 0),
                        at(inputs_at, group * COLUMNS), BLOCK // lanes, at(sums[block, group], 0),
                    )  # fmt: skip
        return loss

    return run_head


run_head = _runner(checksum(__file__, tiles.__file__, vector_code.__file__))

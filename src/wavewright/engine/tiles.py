"""Register-tiled vector kernels, written as LLVM vector code through Numba intrinsics.

All that a dilated convolution stack computes, forward and backward, is one of two things over rows of samples:

`affine_tile`
    ``out[o, t] = start[o, t] + Σ_j w[j, o] · base[columns[j] + t]``.
    A *column* is a row of samples at a shift: a channel at one tap of a convolution, the conditioning signal, or a row
    of ones (whose weight is the bias). A convolution of C channels and K taps has C·K columns.
`outer_tile`
    ``sums[j, o] += Σ_t rows[o, t] · base[columns[j] + t]``: the gradient of the weights ``w``.

A tile keeps outputs × vectors (or rows × columns) sums in registers, so that whatever is loaded is used several times:
with 8 outputs × 3 vectors a column costs 11 loads for 24 multiply-adds. Lanes run along time, so that every number of
channels is served without padding to the width of a vector, and every shift is just an unaligned load.

Pointers are plain addresses: the caller answers for every row being as long as the tile reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from llvmlite import ir

from wavewright.engine.vector_code import INT, WIDE, Vectors, apart, fetch, intrinsic, loop, switch, types

LINE = 64
"""Bytes of a cache line."""

TILES: dict[int, tuple[int, int]] = (
    {8: (3, 3), 6: (4, 4), 4: (6, 3), 3: (6, 4), 2: (6, 4), 1: (12, 12)}
    if WIDE
    else {4: (3, 3), 3: (4, 4), 2: (6, 4), 1: (8, 8)}
)
"""Outputs of a tile → vectors of its affine form, columns of its outer form: as many sums as the registers hold."""


@intrinsic
def affine_tile(
    typing: Any,
    outputs: Any,
    columns: Any,
    base: Any,
    count: Any,
    weights: Any,
    start: Any,
    start_stride: Any,
    out: Any,
    out_stride: Any,
) -> Any:
    """One tile of ``out = start + weights × columns``: ``outputs`` rows, as many vectors as `TILES` says.

    ``columns`` (``count`` offsets from ``base``) give the inputs, ``weights`` is (count, outputs), ``start`` the rows
    that the sums begin with.
    """
    whole, element = types.intp, base.dtype

    def tile(b: Any, arguments: Sequence[Any], rows: int, vectors: int) -> None:
        columns, base, count, weights, start, start_stride, out, out_stride = arguments
        v = Vectors(b, element)

        def row(pointer: Any, stride: Any, index: int) -> Any:
            return v.address(pointer, b.mul(stride, ir.Constant(INT, index)))

        def column(j: Any, sums: Sequence[Any]) -> list[Any]:
            source = v.address(base, b.load(v.address(columns, j)))
            inputs = [v.load(source, t) for t in range(vectors)]
            place = v.address(weights, b.mul(j, ir.Constant(INT, rows)))
            result = []
            for o in range(rows):
                weight = v.spread(b.load(v.address(place, o)))
                result += [v.multiply_add(weight, inputs[t], sums[o * vectors + t]) for t in range(vectors)]
            return result

        begin = [v.load(row(start, start_stride, o), t) for o in range(rows) for t in range(vectors)]
        for index, value in enumerate(loop(b, count, begin, column)):
            o, t = divmod(index, vectors)
            v.store(value, row(out, out_stride, o), t)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(rows: int) -> None:
            body = partial(tile, rows=rows, vectors=TILES[rows][0])
            apart(b, f"wavewright_affine_{rows}_{element}", arguments[1:], body)

        switch(b, arguments[0], {rows: partial(case, rows) for rows in TILES})
        return context.get_dummy_value()

    return types.void(whole, columns, base, whole, base, base, whole, base, whole), generate


@intrinsic
def outer_tile(
    typing: Any,
    rows: Any,
    row: Any,
    row_stride: Any,
    base: Any,
    columns: Any,
    steps: Any,
    sums: Any,
) -> Any:
    """``sums[j, o] += Σ_t row[o, t] · base[columns[j] + t]`` over ``steps`` vectors.

    ``rows`` rows, as many columns as `TILES` says; ``sums`` is (columns, rows), padded to whole vectors.
    """
    element = base.dtype

    def tile(b: Any, arguments: Sequence[Any], count: int, wide: int) -> None:
        row, row_stride, base, columns, steps, sums = arguments
        v = Vectors(b, element)
        left = [v.address(row, b.mul(row_stride, ir.Constant(INT, o))) for o in range(count)]
        right = [v.address(base, b.load(v.address(columns, j))) for j in range(wide)]

        def step(index: Any, totals: Sequence[Any]) -> list[Any]:
            t = b.mul(index, ir.Constant(INT, v.lanes))
            a = [v.load(v.address(pointer, t)) for pointer in left]
            result = []
            for j in range(wide):
                x = v.load(v.address(right[j], t))
                result += [v.multiply_add(a[o], x, totals[j * count + o]) for o in range(count)]
            return result

        totals = loop(b, steps, [v.zero] * (count * wide), step)
        for group in range(0, len(totals), v.lanes):
            added = b.fadd(v.load(sums, group // v.lanes), v.lane_sums(totals[group : group + v.lanes]))
            v.store(added, sums, group // v.lanes)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(count: int) -> None:
            body = partial(tile, count=count, wide=TILES[count][1])
            apart(b, f"wavewright_outer_{count}_{element}", arguments[1:], body)

        switch(b, arguments[0], {count: partial(case, count) for count in TILES})
        return context.get_dummy_value()

    return types.void(types.intp, row, types.intp, base, columns, types.intp, base), generate


@intrinsic
def fetch_rows(typing: Any, rows: Any, row: Any, stride: Any, lines: Any) -> Any:
    """Asks for ``lines`` cache lines of each of ``rows`` rows ahead of their use."""
    element = row.dtype

    def each(b: Any, arguments: Sequence[Any]) -> None:
        rows, row, stride, lines = arguments
        v = Vectors(b, element)

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            first = v.address(row, b.mul(index, stride))

            def line(index: Any, _: Sequence[Any]) -> list[Any]:
                fetch(b, v.address(first, b.mul(index, ir.Constant(INT, LINE // v.bytes))))
                return []

            loop(b, lines, [], line)
            return []

        loop(b, rows, [], step)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        apart(b, f"wavewright_fetch_{element}", arguments, each)
        return context.get_dummy_value()

    return types.void(types.intp, row, types.intp, types.intp), generate

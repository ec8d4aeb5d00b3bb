"""The vector code of the samplers: a few streams times a matrix, in single precision or in bytes, and what follows it.

`multiply`, `multiply_bytes`
    ``out[s, o] = start[s, o] + bias[o] + Σ_k w[o, k] · x[s, k]`` over streams s. Lanes run along outputs o. A tile
    keeps vectors of outputs × streams in registers: each weight is read once for all its streams, each input once for
    all its vectors. Weights lie in the order in which they are read, tile after tile (`pack`, `pack_bytes`).
`quantise`
    a vector as bytes: round(127 x / max |x|), and the scale max |x| / 127.
`gates`
    what follows the products of a gated recurrent unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numba.core.cgutils
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine import vector_code
from wavewright.engine.integer_dots import FORM, OFFSET, Form, IntegerDots, offset_of
from wavewright.engine.vector_code import INT, TANH_LIMIT, TANH_P, TANH_Q, VECTOR_BYTES, WIDE, Vectors, types

LANES = VECTOR_BYTES // 4
"""Outputs of a vector."""

SHAPES: dict[int, tuple[int, ...]] = (
    {8: (1, 2), 4: (1, 2, 3, 4, 6), 2: (1, 2, 4), 1: (1, 4)} if WIDE else {4: (1, 2), 2: (1, 2, 3, 4), 1: (1, 4)}
)
"""Vectors of a tile → the numbers of streams that it may have: as many sums as the registers hold."""

CHAINS = 8
"""Sums that a tile should keep going, for a multiplication to begin in every cycle: small tiles split theirs."""

_BYTES = ir.IntType(8)
_WORD = ir.IntType(32)


def tile_vectors(vectors: int, streams: int) -> list[int]:
    """How ``vectors`` vectors of outputs are cut into tiles: as wide as ``streams`` streams allow, then narrower.

    >>> sum(tile_vectors(13, 2)), max(tile_vectors(64, 1)) >= max(tile_vectors(64, 16))
    (13, True)
    """
    widest = max(size for size, served in SHAPES.items() if max(served) >= min(streams, 4))
    tiles = []
    for size in sorted((size for size in SHAPES if size <= widest), reverse=True):
        tiles += [size] * (vectors // size)
        vectors %= size
    return tiles


def stream_groups(streams: int, widest: int) -> list[int]:
    """How ``streams`` are cut into the groups that tiles of ``widest`` vectors may have: as few as can be, even.

    >>> sum(stream_groups(11, 1)), stream_groups(2, 1)
    (11, [2])
    """
    served = sorted(SHAPES[widest], reverse=True)
    fewest: list[list[int]] = [[]]
    for total in range(1, streams + 1):
        options = [[size, *fewest[total - size]] for size in served if size <= total]
        fewest.append(min(options, key=lambda groups: (len(groups), max(groups))))
    return sorted(fewest[streams], reverse=True)


def padded(outputs: int) -> int:
    """``outputs`` up to whole vectors."""
    return -(-outputs // LANES) * LANES


def pack(weights: FloatArray, streams: int) -> FloatArray:
    """``weights`` (outputs, inputs) in the order in which `multiply` reads them for so many streams."""
    outputs, inputs = weights.shape
    whole = np.zeros((padded(outputs) // LANES, LANES, inputs), np.float32)
    whole.reshape(-1, inputs)[:outputs] = weights
    pieces, first = [], 0
    for size in tile_vectors(len(whole), streams):
        pieces.append(whole[first : first + size].transpose(2, 0, 1).ravel())  # (inputs, vectors, lanes)
        first += size
    return np.concatenate(pieces)


def row_scales(weights: FloatArray) -> FloatArray:
    """What one step of a byte is worth in each row of ``weights`` (outputs, inputs): max |w| / 127."""
    return np.asarray(np.abs(weights).max(axis=1, initial=0.0) / 127.0, np.float32)


def as_bytes(weights: FloatArray) -> NDArray[np.int8]:
    """``weights`` (outputs, inputs) in steps of `row_scales`, −127 … 127."""
    scales = row_scales(weights)[:, None]
    return np.rint(np.divide(weights, scales, out=np.zeros_like(weights), where=scales > 0)).astype(np.int8)


def pack_bytes(weights: FloatArray, streams: int, form: Form = FORM) -> NDArray[np.uint8]:
    """``weights`` (outputs, inputs) in the order in which `multiply_bytes` reads them for so many streams.

    A tile begins with what its sums begin with (they take back the bias of the inputs) and its rows' scales.
    """
    outputs, inputs = weights.shape
    vectors, groups = padded(outputs) // LANES, -(-inputs // 4)
    whole = np.zeros((vectors * LANES, 4 * groups), np.int8)
    whole[:outputs, :inputs] = as_bytes(weights)
    begin = -offset_of(form) * whole.sum(axis=1, dtype=np.int32)
    scales = np.zeros(vectors * LANES, np.float32)
    scales[:outputs] = row_scales(weights)
    cells = whole.reshape(vectors, LANES, groups, 4).transpose(2, 0, 1, 3)  # (groups, vectors, lanes, 4)
    pieces: list[NDArray[np.uint8]] = []
    first = 0
    for size in tile_vectors(vectors, streams):
        rows = slice(first * LANES, (first + size) * LANES)
        tile = np.ascontiguousarray(cells[:, first : first + size])
        pieces += [part.view(np.uint8).ravel() for part in (begin[rows], scales[rows], tile)]
        first += size
    return np.concatenate(pieces)


def _ways(sums: int) -> int:
    """Into how many a sum is split, so that there are `CHAINS` in all."""
    return max(1, CHAINS // sums)


def _times(b: Any, value: Any, factor: int) -> Any:
    return b.mul(value, ir.Constant(INT, factor))


def _cases(b: Any, shape: Any, name: str, arguments: Sequence[Any], body: Callable[..., None]) -> None:
    """Calls ``body`` for the tile that ``shape`` names: 8·vectors + streams."""

    def case(vectors: int, streams: int) -> None:
        inside = partial(body, vectors=vectors, streams=streams)
        vector_code.apart(b, f"{name}_{vectors}_{streams}", arguments, inside)
        # Loops are as long as they should be already; copies of them take time to compile.
        b.module.globals[f"{name}_{vectors}_{streams}"].attributes.add("optsize")

    vector_code.switch(
        b,
        shape,
        {8 * size + count: partial(case, size, count) for size, served in SHAPES.items() for count in served},
    )


class _Ends:
    """Where a tile's sums begin and end: ``start + bias`` for each stream, and ``out``."""

    def __init__(self, v: Vectors, places: Sequence[Any], vectors: int, streams: int) -> None:
        self.v, self.vectors, self.streams = v, vectors, streams
        self.bias, self.start, self.start_stride, self.out, self.out_stride = places

    def at(self, index: Any) -> _Ends:
        """The ends of tile ``index``."""
        offset = _times(self.v.builder, index, self.vectors * LANES)
        bias, start, out = (self.v.address(place, offset) for place in (self.bias, self.start, self.out))
        return _Ends(self.v, (bias, start, self.start_stride, out, self.out_stride), self.vectors, self.streams)

    def _row(self, pointer: Any, stride: Any, stream: int) -> Any:
        return self.v.address(pointer, _times(self.v.builder, stride, stream))

    def begin(self) -> list[Any]:
        """The first sums, stream by stream."""
        v, biases = self.v, [self.v.load(self.bias, n) for n in range(self.vectors)]
        rows = [self._row(self.start, self.start_stride, stream) for stream in range(self.streams)]
        return [v.builder.fadd(v.load(row, n), biases[n]) for row in rows for n in range(self.vectors)]

    def end(self, sums: Sequence[Any]) -> None:
        """Puts the sums where they belong."""
        for index, value in enumerate(sums):
            stream, n = divmod(index, self.vectors)
            self.v.store(value, self._row(self.out, self.out_stride, stream), n)


def _split_loop(
    b: Any, count: Any, sums: Sequence[Any], zero: Any, add: Any, step: Callable[[Any, Sequence[Any]], list[Any]]
) -> list[Any]:
    """``for k in range(count): sums = step(k, sums)``; small tiles take several k at a time, each with its sums."""
    ways, size = _ways(len(sums)), len(sums)

    def several(index: Any, all_sums: Sequence[Any]) -> list[Any]:
        first = _times(b, index, ways)
        return [
            value
            for way in range(ways)
            for value in step(b.add(first, ir.Constant(INT, way)), all_sums[way * size : (way + 1) * size])
        ]

    if ways == 1:
        return vector_code.loop(b, count, sums, step)
    turns = b.udiv(count, ir.Constant(INT, ways))
    all_sums = vector_code.loop(b, turns, [*sums, *[zero] * (size * (ways - 1))], several)
    while len(all_sums) > size:
        half = len(all_sums) // 2
        all_sums = [add(all_sums[index], all_sums[index + half]) for index in range(half)]
    done = _times(b, turns, ways)
    return vector_code.loop(b, b.sub(count, done), all_sums, lambda k, rest: step(b.add(done, k), rest))


@vector_code.intrinsic
def multiply(
    typing: Any,
    shape: Any,
    tiles: Any,
    count: Any,
    x: Any,
    x_stride: Any,
    weights: Any,
    bias: Any,
    start: Any,
    start_stride: Any,
    out: Any,
    out_stride: Any,
) -> Any:
    """``tiles`` tiles of ``out = start + bias + W x``, one after the other; ``shape`` is 8·vectors + streams.

    ``x`` has ``count`` numbers a stream, ``x_stride`` apart; strides of ``start`` and ``out`` count floats as well.
    """
    whole = types.intp

    def work(b: Any, arguments: Sequence[Any], vectors: int, streams: int) -> None:
        tiles, count, x, x_stride, weights, *places = arguments
        v = Vectors(b, types.float32)
        ends = _Ends(v, places, vectors, streams)
        inputs = [v.address(x, _times(b, x_stride, stream)) for stream in range(streams)]

        def tile(index: Any, _: Sequence[Any]) -> list[Any]:
            here = ends.at(index)
            mine = v.address(weights, b.mul(index, _times(b, count, vectors * LANES)))

            def step(k: Any, sums: Sequence[Any]) -> list[Any]:
                place = v.address(mine, _times(b, k, vectors * LANES))
                rows = [v.load(place, n) for n in range(vectors)]
                spread = [v.spread(b.load(v.address(row, k))) for row in inputs]
                return [
                    v.multiply_add(rows[n], spread[stream], sums[stream * vectors + n])
                    for stream in range(streams)
                    for n in range(vectors)
                ]

            here.end(_split_loop(b, count, here.begin(), v.zero, b.fadd, step))
            return []

        vector_code.loop(b, tiles, [], tile)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _cases(b, arguments[0], "wavewright_multiply", arguments[1:], work)
        return context.get_dummy_value()

    return types.void(whole, whole, whole, x, whole, weights, bias, start, whole, out, whole), generate


def bytes_multiplier(form: Form) -> Callable[..., Any]:
    """`multiply_bytes` in the given form, that of this processor or the portable one."""

    @vector_code.intrinsic
    def multiply_bytes(
        typing: Any,
        shape: Any,
        tiles: Any,
        groups: Any,
        x: Any,
        x_stride: Any,
        scale: Any,
        weights: Any,
        bias: Any,
        start: Any,
        start_stride: Any,
        out: Any,
        out_stride: Any,
    ) -> Any:
        """As `multiply`: ``x`` has ``4·groups`` bytes a stream, each worth ``scale``, which has ``out_stride``."""
        whole = types.intp

        def work(b: Any, arguments: Sequence[Any], vectors: int, streams: int) -> None:
            tiles, groups, x, x_stride, scale, weights, *places = arguments
            v, dots = Vectors(b, types.float32), IntegerDots(b, form)
            ends = _Ends(v, places, vectors, streams)
            inputs = [v.address(x, _times(b, x_stride, stream)) for stream in range(streams)]
            scales = [v.address(scale, _times(b, places[-1], stream)) for stream in range(streams)]
            size = b.add(_times(b, groups, vectors * VECTOR_BYTES), ir.Constant(INT, 2 * vectors * VECTOR_BYTES))

            def tile(index: Any, _: Sequence[Any]) -> list[Any]:
                here = ends.at(index)
                mine = v.address(weights, b.mul(index, size))
                cells = v.address(mine, 2 * vectors * VECTOR_BYTES)

                def step(k: Any, sums: Sequence[Any]) -> list[Any]:
                    place = v.address(cells, _times(b, k, vectors * VECTOR_BYTES))
                    rows = [dots.load(place, n) for n in range(vectors)]
                    spread = [dots.spread(v.address(row, _times(b, k, 4))) for row in inputs]
                    return [
                        dots.add(sums[stream * vectors + n], spread[stream], rows[n])
                        for stream in range(streams)
                        for n in range(vectors)
                    ]

                begin = [dots.load(mine, n) for n in range(vectors)] * streams
                sums = _split_loop(b, groups, begin, ir.Constant(dots.type, None), b.add, step)
                steps = b.bitcast(v.address(mine, vectors * VECTOR_BYTES), v.scalar.as_pointer())
                worth = [v.load(steps, n) for n in range(vectors)]
                first, result = here.begin(), []
                for stream in range(streams):
                    unit = v.spread(b.load(scales[stream]))
                    for n in range(vectors):
                        value = b.sitofp(sums[stream * vectors + n], v.type)
                        result.append(v.multiply_add(value, b.fmul(worth[n], unit), first[stream * vectors + n]))
                here.end(result)
                return []

            vector_code.loop(b, tiles, [], tile)

        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            _cases(b, arguments[0], f"wavewright_multiply_bytes_{form}", arguments[1:], work)
            return context.get_dummy_value()

        return types.void(whole, whole, whole, x, whole, scale, weights, bias, start, whole, out, whole), generate

    return multiply_bytes


multiply_bytes = bytes_multiplier(FORM)


TANH, RECTIFIER, SIGMOID = range(3)
"""The functions that `activate` and `gated` know; a rectifier has a slope below zero."""


class SamplerVectors(Vectors):
    """`Vectors` in single precision, with a sigmoid and with what bytes take."""

    def __init__(self, builder: Any) -> None:
        super().__init__(builder, types.float32)

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent to 4e-7, the division by the processor's estimate of 1/q and one step of Newton's."""
        b = self.builder
        x = self.clamp(x, TANH_LIMIT)
        u = b.fmul(x, x)
        p, q = b.fmul(x, self.polynomial(u, TANH_P)), self.polynomial(u, TANH_Q)
        return b.fdiv(p, q, flags=("arcp", "contract", "afn", "reassoc", "nnan", "ninf"))

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2, to 3e-7."""
        half = self.constant(0.5)
        return self.multiply_add(self.tanh(self.builder.fmul(x, half)), half, half)

    def function(self, number: int, x: Any, slopes: Any) -> Any:
        """One of the functions above."""
        b = self.builder
        if number == RECTIFIER:
            return b.select(b.fcmp_ordered(">", x, self.zero), x, b.fmul(x, slopes))
        return self.tanh(x) if number == TANH else self.sigmoid(x)

    def largest(self, x: Any, y: Any) -> Any:
        """The larger of each lane's numbers."""
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def absolute(self, x: Any) -> Any:
        """Each lane without its sign."""
        return self.call("fabs", x)

    def store_bytes(self, x: Any, pointer: Any) -> None:
        """Whole numbers from −127 to 127 as bytes, with `OFFSET` added."""
        b = self.builder
        whole = b.fptosi(self.call("rint", x), self.whole)
        if OFFSET:
            whole = b.add(whole, ir.Constant(self.whole, [OFFSET] * self.lanes))
        kind = ir.VectorType(_BYTES, self.lanes)
        b.store(b.trunc(whole, kind), b.bitcast(pointer, kind.as_pointer())).align = 1


@vector_code.intrinsic
def activate(typing: Any, function: Any, x: Any, vectors: Any, slope: Any) -> Any:
    """One of the functions `TANH` … on ``vectors`` vectors, in place."""

    def work(b: Any, arguments: Sequence[Any], number: int) -> None:
        x, vectors, slope = arguments
        v = SamplerVectors(b)
        slopes = v.spread(slope)

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            place = v.address(x, _times(b, index, v.lanes))
            v.store(v.function(number, v.load(place), slopes), place)
            return []

        vector_code.loop(b, vectors, [], step)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(number: int) -> None:
            vector_code.apart(b, f"wavewright_sampler_{number}", arguments[1:], partial(work, number=number))

        vector_code.switch(b, arguments[0], {number: partial(case, number) for number in (TANH, RECTIFIER, SIGMOID)})
        return context.get_dummy_value()

    return types.void(types.intp, x, types.intp, types.float32), generate


@vector_code.intrinsic
def skip(typing: Any, gated: Any, x: Any, vectors: Any, before: Any, out: Any) -> Any:
    """``x = tanh(x)`` over ``vectors`` vectors, times the sigmoid of as many behind them where ``gated`` is 1; then
    ``out = before + x``."""

    def work(b: Any, arguments: Sequence[Any], gate: bool) -> None:
        x, vectors, before, out = arguments
        v = SamplerVectors(b)

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            place = _times(b, index, v.lanes)
            here = v.address(x, place)
            value = v.tanh(v.load(here))
            if gate:
                value = b.fmul(value, v.sigmoid(v.load(v.address(here, _times(b, vectors, v.lanes)))))
            v.store(value, here)
            v.store(b.fadd(v.load(v.address(before, place)), value), v.address(out, place))
            return []

        vector_code.loop(b, vectors, [], step)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(gate: bool) -> None:
            vector_code.apart(b, f"wavewright_skip_{gate:d}", arguments[1:], partial(work, gate=gate))

        vector_code.switch(b, arguments[0], {0: partial(case, False), 1: partial(case, True)})
        return context.get_dummy_value()

    return types.void(types.intp, x, types.intp, before, out), generate


@vector_code.intrinsic
def add_rows(typing: Any, row: Any, other: Any, vectors: Any, out: Any) -> Any:
    """``out = row + other``, ``vectors`` vectors."""

    def work(b: Any, arguments: Sequence[Any]) -> None:
        row, other, vectors, out = arguments
        v = SamplerVectors(b)

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            place = _times(b, index, v.lanes)
            v.store(b.fadd(v.load(v.address(row, place)), v.load(v.address(other, place))), v.address(out, place))
            return []

        vector_code.loop(b, vectors, [], step)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        vector_code.apart(b, "wavewright_add_rows", arguments, work)
        return context.get_dummy_value()

    return types.void(row, other, types.intp, out), generate


@vector_code.intrinsic
def copy_bytes(typing: Any, to: Any, source: Any, count: Any) -> Any:
    """Copies ``count`` bytes."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        numba.core.cgutils.raw_memcpy(b, *arguments, 1)
        return context.get_dummy_value()

    return types.void(to, source, types.intp), generate


@vector_code.intrinsic
def quantise(typing: Any, bounded: Any, x: Any, vectors: Any, out: Any, scale: Any) -> Any:
    """``vectors`` vectors of ``x`` as bytes: the largest as ±127, and ``scale`` becomes what a step is worth; where
    ``bounded`` is 1, ±1 as ±127."""

    def put(v: SamplerVectors, x: Any, vectors: Any, out: Any, steps: Any) -> None:
        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            place = _times(v.builder, index, v.lanes)
            v.store_bytes(v.builder.fmul(v.load(v.address(x, place)), steps), v.address(out, place))
            return []

        vector_code.loop(v.builder, vectors, [], step)

    def fixed(b: Any, arguments: Sequence[Any]) -> None:
        v = SamplerVectors(b)
        x, vectors, out, _ = arguments
        put(v, x, vectors, out, v.constant(127.0))

    def free(b: Any, arguments: Sequence[Any]) -> None:
        x, vectors, out, scale = arguments
        v = SamplerVectors(b)

        def look(index: Any, state: Sequence[Any]) -> list[Any]:
            return [v.largest(v.absolute(v.load(v.address(x, _times(b, index, v.lanes)))), state[0])]

        (found,) = vector_code.loop(b, vectors, [v.zero], look)
        width = v.lanes
        while width > 1:
            width //= 2
            found = v.largest(found, v.shuffle(found, found, [lane ^ width for lane in range(v.lanes)]))
        most = b.extract_element(found, ir.Constant(_WORD, 0))
        b.store(b.fmul(most, ir.Constant(v.scalar, 1 / 127)), scale)
        nothing = b.fcmp_ordered("<", most, ir.Constant(v.scalar, 1e-30))
        steps = b.select(nothing, ir.Constant(v.scalar, 0.0), b.fdiv(ir.Constant(v.scalar, 127.0), most))
        put(v, x, vectors, out, v.spread(steps))

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        def case(name: str, body: Callable[..., None]) -> None:
            vector_code.apart(b, f"wavewright_quantise_{name}", arguments[1:], body)

        vector_code.switch(b, arguments[0], {0: partial(case, "free", free), 1: partial(case, "bounded", fixed)})
        return context.get_dummy_value()

    return types.void(types.intp, x, types.intp, out, scale), generate


@vector_code.intrinsic
def gates(typing: Any, sums: Any, vectors: Any, units: Any, bytes_too: Any, out: Any) -> Any:
    """What follows the products of a gated recurrent unit (Cho et al. 2014, in the form of torch), in place.

    ``sums`` holds four rows of ``vectors`` vectors: what the inputs add to the new value, the reset gate, the update
    gate, what the units add to the new value behind the reset gate (set back to zero for the next time):

        r = σ(sums₁), z = σ(sums₂), n = tanh(sums₀ + r · sums₃), h = (1 − z) · n + z · h

    With ``bytes_too`` not 0, ``out`` gets round(127 h) as bytes.
    """

    def work(b: Any, arguments: Sequence[Any], to_bytes: bool) -> None:
        sums, vectors, units, out = arguments
        v = SamplerVectors(b)
        row = _times(b, vectors, v.lanes)

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            place = _times(b, index, v.lanes)
            new, reset, update, again = (v.address(sums, b.add(place, _times(b, row, number))) for number in range(4))
            value = v.tanh(v.multiply_add(v.sigmoid(v.load(reset)), v.load(again), v.load(new)))
            v.store(v.zero, again)
            here = v.address(units, place)
            value = v.multiply_add(v.sigmoid(v.load(update)), b.fsub(v.load(here), value), value)
            v.store(value, here)
            if to_bytes:
                v.store_bytes(b.fmul(value, v.constant(127.0)), v.address(out, place))
            return []

        vector_code.loop(b, vectors, [], step)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        sums, vectors, units, bytes_too, out = arguments

        def case(to_bytes: bool) -> None:
            body = partial(work, to_bytes=to_bytes)
            vector_code.apart(b, f"wavewright_gates_{to_bytes:d}", (sums, vectors, units, out), body)

        vector_code.switch(b, bytes_too, {0: partial(case, False), 1: partial(case, True)})
        return context.get_dummy_value()

    return types.void(sums, types.intp, units, types.intp, out), generate

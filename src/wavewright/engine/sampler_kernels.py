"""Runs a `Program` sample by sample and draws what it says: a small interpreter around `sampler_tiles`.

It takes flat memory only, holds no lock and allocates nothing; a call may go over any number of samples.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import draws, integer_dots, sampler_program, sampler_tiles, stream_tiles, vector_code
from wavewright.engine.draws import draw_mixture, draw_softmax, mixture_nats, softmax_nats
from wavewright.engine.sampler_program import (
    ACTIVATE,
    BACK,
    BIAS,
    BYTES,
    COUNT,
    CURSOR,
    FIELDS,
    GATES,
    IS_BYTES,
    KIND,
    LAGS,
    LENGTH,
    LOOKUP,
    NOWHERE,
    ON_CONTROLS,
    OTHER,
    OUT,
    PERIOD,
    PRODUCT,
    QUANTISE,
    REMEMBER,
    RING,
    RING_BYTES,
    RING_SCALE,
    ROWS,
    SCALE,
    SEGMENT,
    SEGMENT_FIELDS,
    SEGMENTS,
    SHIFT,
    SKIP,
    START,
    START_COUNT,
    START_PERIOD,
    START_STEP,
    STATE,
    TABLE,
    UNIT,
    VECTORS,
    WEIGHTS,
    WIDTH,
    X,
)
from wavewright.engine.sampler_tiles import (
    LANES,
    SHAPES,
    activate,
    add_rows,
    copy_bytes,
    gates,
    multiply,
    multiply_bytes,
    quantise,
    skip,
)
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.stream_tiles import beyond, flush_denormals, restore_denormals
from wavewright.engine.vector_code import VECTOR_BYTES, at, move

STREAMS, ROOM, BYTES_ROOM, WIDEST, ZEROS, LEVEL, CONTROLS, CONTROL_COUNT, LOGITS, LEVELS, COMPONENTS, MASK = range(12)
"""The constants of a sampler: how many streams; floats and bytes of a stream's row; the widest tile; where zeros lie;
the places of the level, the controls and the parameters; the distribution; the length of the past codes less one."""
CONSTANTS = 12

SIZES = tuple(sorted(SHAPES, reverse=True))


@njit(nogil=True, error_model="numpy", inline="always")
def _segment(segment, out, vectors, bias, start, start_stride, shared, cells, memory, bytes_, cursors, take, fixed):  # type: ignore[no-untyped-def]
    """Adds one part of a product: ``out = start + bias + W x``."""
    streams, room, bytes_room, widest = fixed[STREAMS], fixed[ROOM], fixed[BYTES_ROOM], fixed[WIDEST]
    x, unit, count = segment[X], segment[UNIT], segment[COUNT]
    if segment[RING] != NOWHERE:
        slot = cursors[segment[RING]] - segment[BACK]
        slot += segment[LENGTH] if slot < 0 else 0
        x += slot * segment[WIDTH]
        unit += slot
    weights, o = segment[WEIGHTS], 0
    for size in SIZES:
        if size > widest or vectors * LANES - o < size * LANES:
            continue
        tiles = (vectors * LANES - o) // (size * LANES)
        alone = take[size * (streams + 1) + streams] == streams
        length = count * size * LANES
        if segment[IS_BYTES]:
            length = (count + 2) * size * VECTOR_BYTES
        for _ in range(1 if alone else tiles):
            several, stream = tiles if alone else 1, 0
            while stream < streams:
                group = take[size * (streams + 1) + streams - stream]
                begin, end = beyond(start, stream * start_stride + o), beyond(out, stream * room + o)
                if segment[IS_BYTES]:
                    multiply_bytes(
                        8 * size + group, several, count, beyond(bytes_, stream * bytes_room + x), bytes_room,
                        beyond(memory, stream * room + unit), beyond(cells, weights), beyond(bias, o),
                        begin, start_stride, end, room,
                    )  # fmt: skip
                else:
                    multiply(
                        8 * size + group, several, count, beyond(memory, stream * room + x), room,
                        beyond(shared, weights), beyond(bias, o), begin, start_stride, end, room,
                    )  # fmt: skip
                stream += group
            weights += several * length
            o += several * size * LANES


@njit(nogil=True, error_model="numpy", inline="always")
def _begin(op, shared, memory, fixed, position):  # type: ignore[no-untyped-def]
    """Where the sums of an operation start, and how far apart the streams' are."""
    if op[START] == NOWHERE:
        return beyond(shared, fixed[ZEROS]), 0
    place = op[START]
    if op[START_COUNT] > 1:
        place += position // op[START_PERIOD] % op[START_COUNT] * op[START_STEP]
    return beyond(memory, place), fixed[ROOM]


@njit(nogil=True, error_model="numpy", inline="always")
def _product(op, segments, shared, cells, memory, bytes_, cursors, take, fixed, position):  # type: ignore[no-untyped-def]
    start, stride = _begin(op, shared, memory, fixed, position)
    zeros, out = beyond(shared, fixed[ZEROS]), beyond(memory, op[OUT])
    bias = zeros if op[BIAS] == NOWHERE else beyond(shared, op[BIAS])
    for index in range(op[SEGMENT], op[SEGMENT] + op[SEGMENTS]):
        _segment(
            beyond(segments, index * SEGMENT_FIELDS), out, op[VECTORS], bias, start, stride, shared, cells, memory,
            bytes_, cursors, take, fixed,
        )  # fmt: skip
        bias, start, stride = zeros, out, fixed[ROOM]


@njit(nogil=True, error_model="numpy", inline="always")
def _lookup(op, shared, memory, past, fixed, position):  # type: ignore[no-untyped-def]
    start, stride = _begin(op, shared, memory, fixed, position)
    row, mask = op[VECTORS] * LANES, fixed[MASK]
    for stream in range(fixed[STREAMS]):
        out, before = beyond(memory, stream * fixed[ROOM] + op[OUT]), beyond(start, stream * stride)
        for lag in range(op[LAGS]):
            code = past[stream * (mask + 1) + ((position - 1 - lag) & mask)]
            add_rows(beyond(shared, op[TABLE] + (lag * op[ROWS] + code) * row), before, op[VECTORS], out)
            before = out


@njit(nogil=True, error_model="numpy", inline="always")
def _other(op, shared, memory, bytes_, cursors, fixed):  # type: ignore[no-untyped-def]
    """Everything that each stream does for itself."""
    kind, vectors = op[KIND], op[VECTORS]
    for stream in range(fixed[STREAMS]):
        own, own_bytes = beyond(memory, stream * fixed[ROOM]), beyond(bytes_, stream * fixed[BYTES_ROOM])
        row = beyond(own, op[OUT])
        if kind == GATES:
            to_bytes = 0 if op[BYTES] == NOWHERE else 1
            gates(row, vectors, beyond(own, op[STATE]), to_bytes, beyond(own_bytes, op[BYTES] * to_bytes))
        elif kind == ACTIVATE:
            activate(op[OTHER], row, vectors, 0.0)
        elif kind == QUANTISE:
            quantise(op[OTHER], row, vectors, beyond(own_bytes, op[BYTES]), beyond(own, op[SCALE]))
        elif kind == SKIP:
            before = beyond(shared, fixed[ZEROS]) if op[BYTES] == NOWHERE else beyond(own, op[STATE])
            skip(op[OTHER], row, vectors, before, beyond(own, op[STATE]))
        elif kind == REMEMBER:
            cursor, width = cursors[op[CURSOR]], vectors * LANES
            if op[RING_BYTES] == NOWHERE:
                move(beyond(own, op[STATE] + cursor * width), row, width)
            else:
                copy_bytes(beyond(own_bytes, op[RING_BYTES] + cursor * width), beyond(own_bytes, op[BYTES]), width)
                own[op[RING_SCALE] + cursor] = own[op[SCALE]]
        elif kind == SHIFT:
            move(row, beyond(row, 1), op[OTHER] - 1)
            row[op[OTHER] - 1] = own[fixed[LEVEL]]
    if kind == REMEMBER:
        cursor = cursors[op[CURSOR]] + 1
        cursors[op[CURSOR]] = 0 if cursor == op[OTHER] else cursor


@njit(nogil=True, error_model="numpy", inline="always")
def _step(table, operations, segments, shared, cells, memory, bytes_, cursors, past, take, fixed, position, changed):  # type: ignore[no-untyped-def]
    """Everything that one sample takes."""
    for index in range(operations):
        op = beyond(table, index * FIELDS)
        period = op[PERIOD]
        if period != 1 and not (changed if period == ON_CONTROLS else position % period == 0):
            continue
        if op[KIND] == PRODUCT:
            _product(op, segments, shared, cells, memory, bytes_, cursors, take, fixed, position)
        elif op[KIND] == LOOKUP:
            _lookup(op, shared, memory, past, fixed, position)
        else:
            _other(op, shared, memory, bytes_, cursors, fixed)


@njit(nogil=True, error_model="numpy", inline="always")
def _hear(memory, past, controls, count, time, t, fixed, position):  # type: ignore[no-untyped-def]
    """Takes in the code before and the controls of sample ``t``; returns whether the controls are others."""
    changed = position == 0
    mask, levels = fixed[MASK], fixed[LEVELS]
    for stream in range(fixed[STREAMS]):
        own = beyond(memory, stream * fixed[ROOM])
        code = past[stream * (mask + 1) + ((position - 1) & mask)]
        own[fixed[LEVEL]] = (2.0 * code - (levels - 1)) / (levels - 1)
        for channel in range(count):
            value = controls[(stream * count + channel) * time + t]
            if own[fixed[CONTROLS] + channel] != value:
                own[fixed[CONTROLS] + channel] = value
                changed = True
    return changed


def _runner(source: int) -> Any:
    """The entry point; ``source`` makes a stale one on disk known (`stack_kernels`)."""

    @compiled
    def run(  # type: ignore[no-untyped-def]
        table, segments, shared, cells, take, fixed, limits, memory, bytes_, cursors, past, position,
        controls, given, uniforms, temperatures, top_k, top_p, scratch, quick, heap, codes, nats,
    ):  # fmt: skip
        """``codes`` (streams, time) and ``nats`` (streams, time), from sample ``position[0]`` on.

        Where ``given`` is True, ``codes`` holds what was there and is heard; else it is drawn.
        """
        if not source:
            return
        mode = flush_denormals()
        operations, time = table.shape[0], codes.shape[1]
        ops, parts, numbers, whole = at(table, 0), at(segments, 0), at(shared, 0), at(cells, 0)
        own, own_bytes, rings, before, constants = (
            at(memory, 0), at(bytes_, 0), at(cursors, 0), at(past, 0), at(fixed, 0),
        )  # fmt: skip
        groups, chances, numbers_drawn = at(take, 0), at(uniforms, 0), uniforms.shape[2]
        streams, room, mask = constants[STREAMS], constants[ROOM], constants[MASK]
        levels, components, place = constants[LEVELS], constants[COMPONENTS], constants[LOGITS]
        for t in range(time):
            now = position[0]
            changed = _hear(own, before, at(controls, 0), controls.shape[1], time, t, constants, now)
            _step(
                ops, operations, parts, numbers, whole, own, own_bytes, rings, before, groups, constants, now, changed
            )
            for stream in range(streams):
                said = beyond(own, stream * room + place)
                code, chance = codes[stream, t], beyond(chances, (stream * time + t) * numbers_drawn)
                if components:
                    if not given:
                        code = draw_mixture(said, components, levels, limits[0], limits[1], chance, temperatures[t])
                    nat = mixture_nats(said, components, levels, limits[0], limits[1], code)
                elif given:
                    nat = softmax_nats(said, levels, code, quick)
                else:
                    code, nat = draw_softmax(
                        said, levels, chance[0], temperatures[t], top_k, top_p, scratch, quick, heap
                    )
                codes[stream, t] = code
                nats[stream, t] = nat
                before[stream * (mask + 1) + (now & mask)] = code
            position[0] = now + 1
        restore_denormals(mode)

    return run


run = _runner(
    checksum(
        draws.__file__, integer_dots.__file__, sampler_program.__file__, sampler_tiles.__file__,
        stream_tiles.__file__, vector_code.__file__, __file__,
    )
)  # fmt: skip

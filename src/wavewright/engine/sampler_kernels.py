"""Runs a `Program` sample by sample and draws what it says: operations are vector code, this is the loop around them.

It takes flat memory only, holds no lock and allocates nothing; a call may go over any number of samples.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import (
    draws,
    integer_dots,
    sampler_context,
    sampler_layers,
    sampler_operations,
    sampler_packing,
    sampler_pointwise,
    sampler_products,
    sampler_program,
    sampler_tiles,
    sampler_units,
    stream_tiles,
    vector_code,
)
from wavewright.engine.draws import draw_mixture, draw_softmax, mixture_nats, softmax_nats
from wavewright.engine.sampler_context import LEVEL, MASK, ROOM, STREAMS
from wavewright.engine.sampler_operations import ask, perform
from wavewright.engine.sampler_program import FIELDS, ON_CONTROLS, PERIOD
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.stream_tiles import beyond, flush_denormals, restore_denormals
from wavewright.engine.vector_code import at

ROW_ADDRESS, ROW_BYTES, ROW_LINES, ROW_LAG = range(4)
"""What is known of a table: where it is, its rows' bytes and cache lines, and which of the past codes it is of."""


@njit(nogil=True, error_model="numpy")
def _ask(rows, begin, end, past, context, position):  # type: ignore[no-untyped-def]
    """Asks for the rows of some tables that sample ``position`` looks up: memory is slow to hand out single rows."""
    mask = context[MASK]
    for index in range(begin, end):
        for stream in range(context[STREAMS]):
            code = past[stream, (position - 1 - rows[index, ROW_LAG]) & mask]
            ask(rows[index, ROW_ADDRESS] + code * rows[index, ROW_BYTES], rows[index, ROW_LINES])


@njit(nogil=True, error_model="numpy")
def _hear(memory, past, controls, place, levels, t, context, position):  # type: ignore[no-untyped-def]
    """Takes in the code before and the controls of sample ``t``; returns whether the controls are others."""
    changed = position == 0
    for stream in range(context[STREAMS]):
        code = past[stream, (position - 1) & context[MASK]]
        memory[stream, context[LEVEL]] = (2.0 * code - (levels - 1)) / (levels - 1)
        for channel in range(controls.shape[1]):
            value = controls[stream, channel, t]
            if memory[stream, place + channel] != value:
                memory[stream, place + channel] = value
                changed = True
    return changed


def _runner(source: int) -> Any:
    """The entry point; ``source`` makes a stale one on disk known (`stack_kernels`)."""

    @compiled
    def run(  # type: ignore[no-untyped-def]
        table, rows, newest, context, memory, past, position, said, place, levels, components, limits, controls, given,
        uniforms, temperatures, top_k, top_p, scratch, quick, heap, codes, nats,
    ):  # fmt: skip
        """``codes`` (streams, time) and ``nats`` (streams, time), from sample ``position[0]`` on.

        Where ``given`` is True, ``codes`` holds what was there and is heard; else it is drawn.
        """
        if not source:
            return
        mode = flush_denormals()
        streams, numbers = codes.shape[0], context[MASK]
        first, constants, parameters = at(table, 0), at(context, 0), at(memory, 0)
        for t in range(codes.shape[1]):
            now = position[0]
            changed = _hear(memory, past, controls, place, levels, t, context, now)
            _ask(rows, newest, rows.shape[0], past, context, now + 1)
            for index in range(table.shape[0]):
                period = table[index, PERIOD]
                if period == 1 or (changed if period == ON_CONTROLS else now % period == 0):
                    perform(beyond(first, index * FIELDS), constants, now)
            for stream in range(streams):
                logits, code = beyond(parameters, stream * context[ROOM] + said), codes[stream, t]
                if components:
                    if not given:
                        code = draw_mixture(
                            logits, components, levels, limits, at(uniforms, 2 * (stream * codes.shape[1] + t)),
                            temperatures[t],
                        )  # fmt: skip
                    nat = mixture_nats(logits, components, levels, limits, code)
                elif given:
                    nat = softmax_nats(logits, levels, code, quick)
                else:
                    code, nat = draw_softmax(
                        logits, levels, uniforms[stream, t, 0], temperatures[t], top_k, top_p, scratch, quick, heap
                    )
                codes[stream, t] = code
                nats[stream, t] = nat
                past[stream, now & numbers] = code
            _ask(rows, 0, newest, past, context, now + 1)
            position[0] = now + 1
        restore_denormals(mode)

    return run


SOURCES = (
    draws, integer_dots, sampler_context, sampler_layers, sampler_operations, sampler_packing, sampler_pointwise,
    sampler_products, sampler_program, sampler_tiles, sampler_units, stream_tiles, vector_code,
)  # fmt: skip
run = _runner(checksum(__file__, *(str(module.__file__) for module in SOURCES)))

"""Plays LSTMs and GRUs by compiled code, one function for each size: all that is fixed is known when it is compiled.

It takes flat memory only, holds no lock and allocates nothing.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from numba import njit

from wavewright.compiled import compiled
from wavewright.engine import activations, recurrent_cells, recurrent_plan, recurrent_tiles, vector_code
from wavewright.engine.recurrent_plan import CHUNK, RecurrentShape
from wavewright.engine.recurrent_tiles import hear
from wavewright.engine.stack_kernels import checksum
from wavewright.engine.stream_tiles import beyond, flush_denormals, place_of_numbers, restore_denormals
from wavewright.engine.vector_code import at, move

NON_FINITE, OVERFLOWS, MEMORY, CHANNEL = range(4)
"""What a player is: counts of broken samples in, and out; the address of its memory, and its first channel."""


@njit(nogil=True, error_model="numpy")
def _take(block, samples, inputs, length, out):  # type: ignore[no-untyped-def]
    """Puts ``length`` samples of rows ``samples`` apart into ``out``, time by time, with zeros for what is no number;
    returns how many of those there were."""
    broken = 0
    for row in range(inputs):
        for t in range(length):
            value = block[row * samples + t]
            if not math.isfinite(value):
                value = 0
                broken += 1
            out[t * inputs + row] = value
    return broken


@njit(nogil=True, error_model="numpy")
def _give(sound, heard, inputs, skip, gain, out, length):  # type: ignore[no-untyped-def]
    """Puts ``length`` samples into the output, with ``gain`` times the input added where there is a ``skip``; returns
    how many were no finite numbers, given as zeros."""
    broken = 0
    for t in range(length):
        value = sound[t] + gain * heard[t * inputs] if skip else sound[t]
        if not math.isfinite(value):
            value = 0
            broken += 1
        out[t] = value
    return broken


@functools.cache
def player(shape: RecurrentShape, rows: int) -> Any:
    """The function that plays ``rows`` channels side by side; compiled when first called, and kept on disk."""
    written_by = (activations, recurrent_cells, recurrent_plan, recurrent_tiles, vector_code)
    source = checksum(*(str(module.__file__) for module in written_by))
    return _player(source, shape.kind, shape.units, shape.inputs, shape.layers, int(shape.skip), rows)


def _player(source: int, kind: int, units: int, inputs: int, layers: int, skip: int, rows: int) -> Any:
    """The entry point; ``source`` makes a stale one on disk known (`stack_kernels`)."""
    shape = RecurrentShape(kind, units, inputs, layers, bool(skip))
    shared, voice, row, padded = shape.shared, shape.voice, shape.row, shape.padded
    sound, hidden, cells, rest = shape.sound, shape.hidden(0), shape.cells(0), shape.rest(0)
    behind_bias = shape.bias + 1
    apart = shape.hidden(1) - hidden  # from one layer's units to the next one's

    @compiled
    def play(player, block, out):  # type: ignore[no-untyped-def]
        """``block`` (channels · inputs, n) → ``out`` (channels, n), for the player's channels of them.

        Its memory is what all channels share and then what each remembers. A sample that is no number goes in as zero;
        one that comes out so is given as zero, and the channel forgets all. (Each array handed over takes time.)
        """
        if not source:
            return
        mode = flush_denormals()
        channel, memory = player[CHANNEL], place_of_numbers(player[MEMORY])
        voices, gain = beyond(memory, shared + channel * voice), memory[behind_bias]
        samples = block.shape[1]
        for first in range(0, samples, CHUNK):
            length = min(CHUNK, samples - first)
            for index in range(rows):
                state = beyond(voices, index * voice)
                heard = at(block, (channel + index) * inputs * samples + first)
                player[NON_FINITE] += _take(heard, samples, inputs, length, state)
            hear(kind, units, inputs, layers, rows, length, memory, voices)
            for index in range(rows):
                state = beyond(voices, index * voice)
                for layer in range(layers):
                    newest = beyond(state, hidden + layer * apart)
                    move(newest, beyond(newest, length * row), padded)
                given = at(out, (channel + index) * samples + first)
                broken = _give(beyond(state, sound), state, inputs, skip, gain, given, length)
                if broken:
                    player[OVERFLOWS] += broken
                    for layer in range(layers):
                        kept = beyond(memory, rest + 2 * layer * row)
                        move(beyond(state, hidden + layer * apart), kept, padded)
                        move(beyond(state, cells + layer * apart), beyond(kept, row), padded)
        restore_denormals(mode)

    return play

"""What the writers of programs share: the memory of a window, and the numbering of parameters."""

from __future__ import annotations

import numpy as np

from wavewright.engine.stack_program import (
    BLOCK,
    QUANTUM,
    IntArray,
    Listing,
    Memory,
    Rows,
    StackProgram,
    rounded,
    tile_outputs,
)


class ProgramWriter:
    """Lays out the memory of a window of ``outputs`` samples beyond the first ``warm_up``."""

    def __init__(self, warm_up: int, inputs: int, outputs: int, lanes: int) -> None:
        self.warm_up = warm_up
        self.samples = warm_up + outputs
        self.padded = rounded(self.samples, QUANTUM)
        self.long = self.padded + QUANTUM
        self.memory, self.workspace = Memory(), Memory()
        self.columns: list[int] = []
        self.forward, self.backward = Listing(self.columns, lanes), Listing(self.columns, lanes)
        self.parameters = 0
        self.futures: list[list[int]] = []
        self.input = self.memory.rows(inputs, self.long)
        self.ones = self.memory.rows(1, self.long)
        zero = self.memory.rows(1, self.long)
        self.zero = Rows(zero.first, 0, 1)
        nought = self.workspace.rows(1, BLOCK)
        self.nought = Rows(nought.first, 0, 1)

    def take(self, *shape: int) -> IntArray:
        """The numbers of the next parameters, in the shape that they have."""
        first = self.parameters
        self.parameters += int(np.prod(shape))
        return np.arange(first, self.parameters, dtype=np.int64).reshape(shape)

    def look_ahead(self, rows: Rows, samples: int) -> None:
        """Has ``samples`` samples behind a block of ``rows`` of the workspace kept for the block before it."""
        if samples:
            padded = rounded(rows.channels, tile_outputs(rows.channels))
            self.futures.append([rows.first, rows.stride, padded, samples])

    def finished(self, output: Rows, gradient: Rows, input_gradient: Rows) -> StackProgram:
        """The program, both lists being written: ``gradient`` is the output's."""
        places = np.array([self.backward.places[index] for index in range(self.parameters)], np.int64)
        return StackProgram(
            self.samples, self.padded, self.warm_up, self.memory.size, self.workspace.size + QUANTUM,
            self.backward.sums, np.array(self.columns, np.int64), self.forward.finished(), self.backward.finished(),
            places, np.array(self.futures, np.int64).reshape(-1, 4), self.input, self.ones,
            self.zero, output, gradient, self.nought, input_gradient,
        )  # fmt: skip

"""Samples a network that continues sounds, one sample after the other: the one door to all samplers.

Behind it the network is a list of operations (`sampler_program`), run by compiled kernels (`sampler_kernels`): state
carried from sample to sample, tables for what follows from one code alone, weights as float32 or as bytes, many streams
at once. Equal to torch, with the same random numbers, code for code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine.choice import Choice
from wavewright.engine.draws import quick_room
from wavewright.engine.integer_dots import OFFSET
from wavewright.engine.sampler_context import (
    ALL_SEGMENTS,
    BYTES_ROOM,
    CELLS,
    CELLS_OF_STREAMS,
    CONTEXT,
    CURSORS,
    GROUPS,
    LEVEL,
    MASK,
    MEMORY,
    PAST,
    ROOM,
    SHARED,
    STREAMS,
    UNIT_WIDTH,
    WIDEST,
    ZEROS,
)
from wavewright.engine.sampler_kernels import run
from wavewright.engine.sampler_packing import (
    LINE,
    SHAPES,
    WIDTHS,
    padded,
    stream_groups,
    tile_vectors,
    unit_tiles,
)
from wavewright.engine.sampler_program import KIND, LAGS, LOOKUP, Program, aligned
from wavewright.engine.sampler_recurrent import write_audio_rnn
from wavewright.engine.sampler_samplernn import write_sample_rnn
from wavewright.engine.sampler_wavenet import write_sample_wavenet
from wavewright.errors import SettingsError
from wavewright.nets.audio_rnn import AudioRNN
from wavewright.nets.distributions import LogisticMixture, codes_of
from wavewright.nets.generator import Generator
from wavewright.nets.sample_rnn import SampleRNN
from wavewright.nets.sample_wavenet import SampleWaveNet

__all__ = ["Choice", "Sampler", "Weights", "bits"]

Weights = Literal["float32", "int8"]
"""How the weights of products are kept. int8 is several times quicker; `bits` tells what it costs."""

MOST_STREAMS = 1024

KIND_OF_ARRAY: tuple[Literal["C"], Literal["A"], Literal["W"]] = ("C", "A", "W")
"""Contiguous, aligned, writeable: compiled code knows arrays of this kind alone."""

COMPILING = "compiling the sampler's kernels for this processor (a few seconds, once)"

WRITERS: dict[type[Generator], Callable[[Any, Program], int]] = {
    AudioRNN: write_audio_rnn,
    SampleRNN: write_sample_rnn,
    SampleWaveNet: write_sample_wavenet,
}
"""Networks and what writes them as programs."""


class Sampler:
    """``streams`` sounds of one network, side by side, each with its own state.

    The first sample of all is predicted from silence. The network's weights are taken as they are now: make a new
    sampler after training on.

    ``tell`` gets one line if making the sampler takes more than a second, because kernels are compiled. That happens
    once on a machine; later they come from the disk.

    Raises:
        SettingsError: a network that no kernel serves or that has diverged, or no streams.

    >>> from wavewright.nets.audio_rnn import AudioRNNConfig
    >>> sampler = Sampler(AudioRNN(AudioRNNConfig(hidden_size=16)), streams=2)
    >>> codes, nats = sampler.draw(np.random.default_rng(0).random((2, 100, 1)), Choice(temperature=0.9))
    >>> codes.shape, nats.dtype
    ((2, 100), dtype('float32'))
    """

    def __init__(
        self,
        net: Generator,
        streams: int = 1,
        *,
        weights: Weights = "float32",
        tell: Callable[[str], None] | None = None,
    ) -> None:
        problems = []
        if not 1 <= streams <= MOST_STREAMS:
            problems.append(f"streams = {streams}: must be from 1 to {MOST_STREAMS}")
        if weights not in ("float32", "int8"):
            problems.append(f"weights = {weights!r}: must be 'float32' or 'int8'")
        writer = WRITERS.get(type(net))
        if writer is None:
            known = ", ".join(kind.__name__ for kind in WRITERS)
            problems.append(f"{type(net).__name__} has no sampler; there is one for {known}")
        broken = [name for name, weight in net.named_parameters() if not bool(torch.isfinite(weight).all())]
        if broken:
            problems.append(
                f"the network's {broken[0]} holds what is no finite number: it diverged and cannot be sampled"
            )
        if problems or writer is None:
            raise SettingsError(problems)
        self.net, self.streams, self.weights = net, streams, weights
        program = Program(streams, weights == "int8", net.controls)
        with torch.no_grad():
            said = writer(net, program)
        self.weight_bytes = program.reads
        """Bytes of weights that are read for one sample of all streams, on average."""
        self._prepare(program, said)
        self.reset()
        timer = threading.Timer(1.0, tell if tell is not None else str, [COMPILING])
        timer.start()
        try:
            self.listen(np.zeros((streams, 0), np.int32), np.zeros((streams, net.controls, 0), np.float32))
        finally:
            timer.cancel()

    def _prepare(self, program: Program, said: int) -> None:
        """Takes all the memory that there will be."""
        distribution, streams = self.net.distribution, self.streams
        mixture = isinstance(distribution, LogisticMixture)
        lags = max([op[LAGS] for op in program.operations if op[KIND] == LOOKUP], default=1)
        size = 1 << (lags - 1).bit_length()
        groups = np.zeros((max(SHAPES) + 1, streams + 1), np.int64)
        for width in SHAPES:
            for rest in range(1, streams + 1):
                groups[width, rest] = stream_groups(rest, width)[0]
        zeros = program.zeros()
        floats, cells = program.weights()
        table, segments = program.table()
        room, bytes_room = _odd_lines(program.floats, 4), _odd_lines(program.bytes, 1)
        self._fills, self._byte_fills = program.fills, program.byte_fills
        self._memory = aligned(streams * room, np.float32).reshape(streams, room)
        self._bytes = aligned(streams * bytes_room, np.uint8).reshape(streams, bytes_room)
        self._cursors = np.zeros(program.rings + 1, np.int64)
        self._past = np.zeros((streams, size), np.int64)
        self._position = np.zeros(1, np.int64)
        context = np.zeros(CONTEXT, np.int64)
        self._lasting = {
            MEMORY: self._memory, CELLS_OF_STREAMS: self._bytes, SHARED: floats, CELLS: cells,
            CURSORS: self._cursors, PAST: self._past, ALL_SEGMENTS: segments, GROUPS: groups,
        }  # fmt: skip
        for index, array in self._lasting.items():
            context[index] = array.ctypes.data
        context[STREAMS], context[ROOM], context[BYTES_ROOM] = streams, room, bytes_room
        context[WIDEST] = tile_vectors(max(WIDTHS), streams)[0]
        context[UNIT_WIDTH] = unit_tiles(2, streams)[0]
        context[ZEROS], context[LEVEL], context[MASK] = zeros, program.level.x, size - 1
        rows = []
        for lag, short, offset, numbers in program.rows():
            base, width = (cells.ctypes.data + offset, 2) if short else (floats.ctypes.data + 4 * offset, 4)
            rows.append((base, numbers * width, -(-numbers * width // LINE), lag))
        known = np.array(rows, np.int64).reshape(-1, 4)
        newest = int((known[:, 3] == 0).sum())
        self._program = (table, known, newest, context, self._memory, self._past, self._position)
        components, limits = 0, (0.0, 0.0)
        if isinstance(distribution, LogisticMixture):
            components, limits = distribution.components, distribution.log_scales
        self._distribution = (said, program.controls.x, distribution.levels, components, np.array(limits))
        count = 0 if mixture else padded(distribution.levels)
        quick = np.zeros(0 if mixture else quick_room(distribution.levels), np.float32)
        self._scratch = (np.zeros(2 * count), quick, np.zeros(count, np.int64))

    def reset(self) -> None:
        """Forgets all: the next sample is the first of a sound."""
        self._memory[:] = 0.0
        for place, values in self._fills:
            self._memory[:, place : place + len(values)] = values
        self._bytes[:] = OFFSET
        for place, cells in self._byte_fills:
            self._bytes[:, place : place + len(cells)] = cells
        self._cursors[:] = 0
        # The first input is the code of silence; networks that hear further back begin with levels of zero there.
        levels = self.net.distribution.levels
        self._past[:] = int(codes_of(torch.zeros(()), levels))
        self._past[:, -1] = levels // 2
        self._position[:] = 0

    def listen(self, codes: NDArray[np.integer[Any]], controls: FloatArray | None = None) -> NDArray[np.float64]:
        """Takes a prompt in: ``codes`` (streams, time), ``controls`` (streams, controls, time).

        Returns:
            What the network thought of each stream: the sum of −ln p over time, (streams,).

        Raises:
            SettingsError: shapes that do not fit, codes that there are not, controls that are no numbers.
        """
        given = np.asarray(codes)
        levels = self.net.distribution.levels
        problems = []
        if given.ndim != 2 or given.shape[0] != self.streams or given.dtype.kind not in "iu":
            problems.append(
                f"codes of shape {given.shape}, {given.dtype}: must be (streams = {self.streams}, time), whole numbers"
            )
        elif given.size and not (given.min() >= 0 and given.max() < levels):
            problems.append(f"codes from {given.min()} to {given.max()}: must be from 0 to {levels - 1}")
        if problems:
            raise SettingsError(problems)
        heard = np.ascontiguousarray(given, np.int32).copy()
        nats = np.empty(heard.shape, np.float32)
        self._run(heard, nats, True, np.zeros((0, 0, self.net.distribution.draws)), Choice(), controls)
        return np.asarray(nats.sum(axis=1, dtype=np.float64))

    def draw(
        self, uniforms: NDArray[np.float64], choice: Choice | None = None, controls: FloatArray | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Goes on, one sample for each of ``uniforms`` (streams, time, draws) in [0, 1).

        ``controls`` are (streams, controls, time), of the samples to be drawn.

        Returns:
            codes (streams, time), and the −ln p of each at temperature 1 with all codes kept.

        Raises:
            SettingsError: shapes that do not fit, uniforms outside [0, 1), a filter for a mixture.
        """
        choice = Choice() if choice is None else choice
        chances = np.require(uniforms, np.float64, KIND_OF_ARRAY)
        wanted = self.net.distribution.draws
        problems = []
        if chances.ndim != 3 or chances.shape[0] != self.streams or chances.shape[2] != wanted:
            problems.append(
                f"uniforms of shape {chances.shape}: must be (streams = {self.streams}, time, draws = {wanted})"
            )
        elif chances.size and not (chances.min() >= 0 and chances.max() < 1):
            problems.append(f"uniforms from {chances.min()} to {chances.max()}: must be at least 0 and below 1")
        if isinstance(self.net.distribution, LogisticMixture) and (choice.top_k != 0 or choice.top_p != 1.0):
            problems.append(
                f"top_k = {choice.top_k}, top_p = {choice.top_p}: a mixture of logistics has no codes to leave out; "
                "leave both at 0 and 1, and lower the temperature"
            )
        if problems:
            raise SettingsError(problems)
        codes = np.empty(chances.shape[:2], np.int32)
        nats = np.empty(chances.shape[:2], np.float32)
        self._run(codes, nats, False, chances, choice, controls)
        return codes, nats

    def _run(
        self,
        codes: NDArray[np.int32],
        nats: NDArray[np.float32],
        given: bool,
        uniforms: NDArray[np.float64],
        choice: Choice,
        controls: FloatArray | None,
    ) -> None:
        shape = (self.streams, self.net.controls, codes.shape[1])
        if controls is None and self.net.controls == 0:
            controls = np.zeros(shape, np.float32)
        if controls is None or controls.shape != shape or not np.isfinite(controls).all():
            found = "none" if controls is None else f"of shape {controls.shape}"
            raise SettingsError(
                [f"controls: {found}; must be (streams, controls, time) = {shape}, numbers that are finite"]
            )
        run(
            *self._program, *self._distribution, np.require(controls, np.float32, KIND_OF_ARRAY), given, uniforms,
            choice.temperatures(codes.shape[1]), choice.top_k, choice.top_p, *self._scratch, codes, nats,
        )  # fmt: skip


def _odd_lines(count: int, size: int) -> int:
    """``count`` numbers of ``size`` bytes up to an odd number of cache lines: so no two streams fall into one set."""
    lines = -(-count * size // 64)
    return (lines + 1 - lines % 2) * 64 // size


def bits(
    net: Generator,
    codes: NDArray[np.integer[Any]],
    controls: FloatArray | None = None,
    *,
    weights: Weights = "float32",
) -> float:
    """−log2 p in bits a sample of ``codes`` (streams, time), from silence on, as a sampler with ``weights`` sees it.

    The difference of two calls is what int8 costs.

    Raises:
        SettingsError: as `Sampler.listen`; no codes at all.
    """
    if np.size(codes) == 0:
        raise SettingsError(["there are no codes to judge: give at least one"])
    nats = Sampler(net, len(codes), weights=weights).listen(codes, controls)
    return float(nats.sum() / np.size(codes) / np.log(2))

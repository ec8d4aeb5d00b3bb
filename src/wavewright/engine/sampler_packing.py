"""How weights lie in memory for the samplers' products: in the order in which tiles read them.

A product's outputs are cut into vectors, the vectors into tiles; a tile keeps the sums of its vectors in registers for
some streams at once. One after the other, the tiles hold for each input the weights of all their outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.engine.integer_dots import FORM, Form, offset_of
from wavewright.engine.vector_code import VECTOR_BYTES, WIDE

LANES = VECTOR_BYTES // 4
"""Outputs of a vector."""

SHAPES: dict[int, tuple[int, ...]] = (
    {8: (1, 2), 6: (1, 2, 3), 4: (1, 2, 3, 4, 6), 3: (1, 2, 3, 4, 6), 2: (1, 2, 4), 1: (1, 4)}
    if WIDE
    else {4: (1, 2), 3: (1, 2), 2: (1, 2, 3, 4), 1: (1, 4)}
)
"""Vectors of a tile → the numbers of streams that it may have: as many sums as the registers hold."""

WIDTHS = (8, 4, 2, 1) if WIDE else (4, 2, 1)
"""The tiles that a product's outputs are cut into."""

LINE = 64
"""Bytes of a cache line."""


def tile_vectors(vectors: int, streams: int) -> list[int]:
    """How ``vectors`` vectors of outputs are cut into tiles: as wide as ``streams`` streams allow, then narrower.

    >>> sum(tile_vectors(13, 2)), max(tile_vectors(64, 1)) >= max(tile_vectors(64, 16))
    (13, True)
    """
    widest = max(size for size in WIDTHS if max(SHAPES[size]) >= min(streams, 4))
    tiles = []
    for size in WIDTHS:
        if size <= widest:
            tiles += [size] * (vectors // size)
            vectors %= size
    return tiles


def unit_tiles(vectors: int, streams: int) -> list[int]:
    """How ``vectors`` vectors of gated units are cut: three gates of each make a tile.

    >>> sum(unit_tiles(5, 1))
    5
    """
    widest = 2 if WIDE and streams <= 3 else 1
    return [widest] * (vectors // widest) + [1] * (vectors % widest)


def stream_groups(streams: int, widest: int) -> list[int]:
    """How ``streams`` are cut into the groups that tiles of ``widest`` vectors may have: as few as can be, even.

    >>> sum(stream_groups(11, 1)), sum(stream_groups(2, 1))
    (11, 2)
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


def pack(weights: FloatArray, tiles: Sequence[int]) -> FloatArray:
    """``weights`` (outputs, inputs) in the order in which `multiply` reads them, in ``tiles`` of so many vectors."""
    outputs, inputs = weights.shape
    whole = np.zeros((padded(outputs) // LANES, LANES, inputs), np.float32)
    whole.reshape(-1, inputs)[:outputs] = weights
    pieces, first = [], 0
    for size in tiles:
        pieces.append(whole[first : first + size].transpose(2, 0, 1).ravel())  # (inputs, vectors, lanes)
        first += size
    return np.concatenate(pieces)


def row_scales(weights: FloatArray) -> FloatArray:
    """What one step of a byte is worth in each row of ``weights`` (outputs, inputs): max |w| / 127."""
    return np.asarray(np.abs(weights).max(axis=1, initial=0.0) / 127.0, np.float32)


def in_steps(weights: FloatArray) -> NDArray[np.int8]:
    """``weights`` (outputs, inputs) in steps of `row_scales`, −127 … 127."""
    scales = row_scales(weights)[:, None]
    return np.rint(np.divide(weights, scales, out=np.zeros_like(weights), where=scales > 0)).astype(np.int8)


def pack_bytes(weights: FloatArray, tiles: Sequence[int], form: Form = FORM) -> NDArray[np.uint8]:
    """``weights`` (outputs, inputs) in the order in which `multiply_bytes` reads them, in ``tiles`` of so many vectors.

    A tile begins with what its sums begin with (they take back the bias of the inputs) and its rows' scales.
    """
    outputs, inputs = weights.shape
    vectors, groups = padded(outputs) // LANES, -(-inputs // 4)
    whole = np.zeros((vectors * LANES, 4 * groups), np.int8)
    whole[:outputs, :inputs] = in_steps(weights)
    begin = -offset_of(form) * whole.sum(axis=1, dtype=np.int32)
    scales = np.zeros(vectors * LANES, np.float32)
    scales[:outputs] = row_scales(weights)
    cells = whole.reshape(vectors, LANES, groups, 4).transpose(2, 0, 1, 3)  # (groups, vectors, lanes, 4)
    pieces: list[NDArray[np.uint8]] = []
    first = 0
    for size in tiles:
        rows = slice(first * LANES, (first + size) * LANES)
        tile = np.ascontiguousarray(cells[:, first : first + size])
        pieces += [part.view(np.uint8).ravel() for part in (begin[rows], scales[rows], tile)]
        first += size
    return np.concatenate(pieces)

"""AIDA-X's check of a file by itself: 2,048 samples that go in, and what must come out.

The network starts from zeros, hears no silence first, and every gain is left away; knobs stand at 0. AIDA-X itself
allows 1e-5 and only notes a failure; here a file that fails by ten times that is refused, for it will not sound as its
maker heard it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError
from wavewright.formats import fields
from wavewright.formats.recurrent_tables import from_zeros
from wavewright.nets.plain import FloatArray, PlainNetwork

SAMPLES = 2048
LONGEST = 1_000_000
ALLOWED = 1e-4


def confirm(plain: PlainNetwork, content: Mapping[str, Any]) -> None:
    """Compare the network with what its file says of it; nothing where the file says nothing.

    Raises:
        ModelFileError: half a check, one that is no list of finite numbers, or one that does not come out.
    """
    batches = [content.get(key) for key in ("input_batch", "output_batch")]
    if batches[0] is None and batches[1] is None:
        return
    went_in, expected = (
        _numbers(batch, key) for batch, key in zip(batches, ("input_batch", "output_batch"), strict=True)
    )
    if went_in.size != expected.size:
        raise ModelFileError(
            f"checks itself with {went_in.size} samples in and {expected.size} out; both must be equal"
        )
    off = float(np.abs(_heard(plain, went_in, exact=False) - expected).max(initial=0.0))
    if not off <= ALLOWED * max(1.0, float(np.abs(expected).max(initial=0.0))):
        raise ModelFileError(
            f"fails its own check: what its input_batch gives is {off:.2g} off its output_batch, and {ALLOWED:g} is "
            "allowed; the file is damaged: get it anew, or take both batches out to play it as it is"
        )


def _numbers(batch: object, key: str) -> FloatArray:
    """A batch as one row; some programs keep every sample in lists of its own."""
    while isinstance(batch, list) and len(batch) == 1 and isinstance(batch[0], list):
        batch = batch[0]
    if isinstance(batch, list) and len(batch) > LONGEST:
        raise ModelFileError(f"has an {key} of {len(batch):,} samples: at most {LONGEST:,} are checked")
    if isinstance(batch, list) and batch and all(isinstance(each, list) and len(each) == 1 for each in batch):
        batch = [each[0] for each in batch]
    return fields.array(batch, (len(batch) if isinstance(batch, list) else 0,), key)


def _heard(plain: PlainNetwork, sound: FloatArray, *, exact: bool) -> FloatArray:
    """``sound`` (time,) through the network from zeros, with all knobs at 0."""
    block = np.zeros((plain.in_channels, sound.size), np.float32)
    block[0] = sound
    out: FloatArray = Player(from_zeros(plain, 0), inputs=plain.in_channels, exact=exact).process(block)[0]
    return out


def batches(plain: PlainNetwork) -> dict[str, list[float]]:
    """A check of ``plain``, which must be without gains: a sweep that rises in level, and what comes out."""
    t = np.arange(SAMPLES) / SAMPLES
    sweep = (0.7 * t * np.sin(2 * np.pi * (4 * t + 100 * t**2))).astype(np.float32)
    return {"input_batch": sweep.tolist(), "output_batch": _heard(plain, sweep, exact=True).tolist()}

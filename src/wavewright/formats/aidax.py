"""Files for AIDA-X and the pedals that run it: RTNeural's JSON in the sizes that it was compiled for, with its check.

Reading them is `wavewright.formats.rtneural`'s work.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavewright.errors import ModelFileError
from wavewright.formats import recurrent_tables as tables
from wavewright.formats import rtneural, self_check
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.recurrent_tables import Knobs
from wavewright.nets.plain import PlainNetwork, plain_of

if TYPE_CHECKING:
    from wavewright.nets.contract import Network

NAME = "AIDA-X JSON"
SIZES = (8, 12, 16, 20, 24, 32, 40, 64, 80)
"""Units of the LSTMs and GRUs that AIDA-X knows."""
MOST_INPUTS = 3
USUAL_RATE = 48_000
"""The rate at which AIDA-X plays a file; it does not resample."""


def save(
    path: Path,
    net: Network | PlainNetwork,
    rate: int | None,
    metadata: NamMetadata | None = None,
    *,
    knobs: Knobs | None = None,
    force: bool = False,
) -> None:
    """Write an LSTM or a GRU as a file that AIDA-X loads.

    Raises:
        ModelFileError: another network, or one of a size that AIDA-X was not compiled for, with what to do.
        OutputError: the file exists and ``force`` is not given, or the place cannot be written.
    """
    plain = net if isinstance(net, PlainNetwork) else plain_of(net, convert=True)
    plain = tables.writable(plain, _called(net), NAME, MOST_INPUTS)
    tables.save(path, write(plain, rate, metadata or NamMetadata(), knobs or {}), NAME, force=force)


def _called(net: object) -> str:
    return net.kind if isinstance(net, PlainNetwork) else type(net).__name__


def write(plain: PlainNetwork, rate: int | None, metadata: NamMetadata, knobs: Knobs) -> dict[str, Any]:
    """The plain values of a file.

    Raises:
        ModelFileError: a size that AIDA-X does not take.
    """
    settings = plain.config
    if settings.num_layers != 1 or settings.hidden_size not in SIZES:
        raise ModelFileError(
            f"{settings.num_layers} × {settings.hidden_size} units cannot be written as {NAME}, which takes one layer "
            f"of {', '.join(map(str, SIZES))}; use --to rtneural, or train in one of these sizes"
        )
    gain = settings.skip_gain if settings.skip else 1.0
    content = rtneural.write(plain, rate, metadata, knobs)
    return {**content, **self_check.batches(_without_gain(plain, gain))}


def _without_gain(plain: PlainNetwork, gain: float) -> PlainNetwork:
    """The network behind the file's in_gain."""
    heard = np.array(plain.weights["rnn.weight_ih_l0"])
    heard[:, 0] /= gain
    settings = dataclasses.replace(plain.config, skip_gain=1.0)
    return PlainNetwork(plain.kind, settings, {**plain.weights, "rnn.weight_ih_l0": heard})


def notes(rate: int | None) -> list[str]:
    """What the player will not do as the twin does."""
    if rate in (None, USUAL_RATE):
        return []
    return [f"AIDA-X does not resample: run it at {rate} Hz, or it will sound of another colour"]

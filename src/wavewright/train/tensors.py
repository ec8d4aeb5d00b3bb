"""Tensors and plain facts in one sealed file (`wavewright.train.sealed`), written in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wavewright import atomic
from wavewright.errors import WavewrightError
from wavewright.train import sealed
from wavewright.train.sealed import Spelled


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write ``tensors`` and ``facts`` (whatever JSON can hold) to ``path`` in one step.

    Raises:
        OutputError: the disk is full or the place cannot be written; what was at ``path`` before is whole.
    """
    plain = _apart(tensors)
    text = json.dumps(facts)
    with atomic.replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata=sealed.header(plain, text, _spelled))
        except SafetensorError as error:  # how the library wraps a full disk
            raise OSError(str(error)) from error


def read(
    path: Path, refusal: type[WavewrightError], remedy: str, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts that `write` put into ``path``; see `wavewright.train.sealed.read`."""
    return sealed.read(path, refusal, remedy, shapes, framework="pt", spelled=_spelled)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none sharing memory with another (tied weights do), as the format wants them."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if place in seen else plain
        seen.add(place)
    return found


def _spelled(tensor: Tensor) -> Spelled:
    return str(tensor.dtype), tuple(tensor.shape), tensor.reshape(-1).view(torch.uint8).numpy().data

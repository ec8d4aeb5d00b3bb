"""Tensors and plain facts in one safetensors file with a seal, written in one step and read without trust.

safetensors holds no code and checks its own sizes against the file; what it does not notice is a flipped bit. So the
header carries, beside our facts, the SHA-256 of facts and tensors together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wavewright import atomic
from wavewright.errors import WavewrightError

FACTS = "wavewright"
SEAL = "wavewright.sha256"


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write ``tensors`` and ``facts`` (whatever JSON can hold) to ``path`` in one step.

    Raises:
        OutputError: the disk is full or the place cannot be written; what was at ``path`` before is whole.
    """
    plain = _apart(tensors)
    text = json.dumps(facts)
    with atomic.replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={FACTS: text, SEAL: _seal(plain, text)})
        except SafetensorError as error:  # how the library wraps a full disk
            raise OSError(str(error)) from error


def read(
    path: Path, refusal: type[WavewrightError], remedy: str, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts that `write` put into ``path``.

    Args:
        refusal: the class of error to raise for a file that is missing, damaged, or not ours.
        remedy: how its message ends.
        shapes: tensors that must be there with these shapes; checked before any is read.
    """
    if not path.is_file():
        raise refusal(f"{path}: there is no such file; {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if FACTS not in header or SEAL not in header:
                raise refusal(f"{path} is a safetensors file, but not one of Wavewright's; {remedy}")
            names = list(file.keys())
            _refuse_shapes(path, file, names, shapes or {}, refusal, remedy)
            tensors = {name: file.get_tensor(name) for name in names}
        if _seal(tensors, header[FACTS]) != header[SEAL]:
            raise refusal(f"{path} is damaged: its content does not match its seal; {remedy}")
        facts = json.loads(header[FACTS])
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise refusal(f"{path} is damaged or not a safetensors file ({error}); {remedy}") from error
    if not isinstance(facts, dict):
        raise refusal(f"{path} is damaged: its facts are not a table; {remedy}")
    return tensors, facts


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


def _refuse_shapes(
    path: Path,
    file: Any,
    names: list[str],
    shapes: Mapping[str, tuple[int, ...]],
    refusal: type[WavewrightError],
    remedy: str,
) -> None:
    for name, shape in shapes.items():
        if name not in names:
            raise refusal(f"{path} lacks the tensor {name} of this network; {remedy}")
        found = tuple(file.get_slice(name).get_shape())
        if found != shape:
            raise refusal(f"{path}: tensor {name} is {found}, but this network's is {shape}; {remedy}")


def _seal(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

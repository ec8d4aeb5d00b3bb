"""Numbers by name and plain facts in one safetensors file with a seal, read without trust. No torch here.

safetensors holds no code and checks its own sizes against the file; what it does not notice is a flipped bit. So the
header carries, beside our facts, the SHA-256 of facts and numbers together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from wavewright.errors import WavewrightError

FACTS = "wavewright"
SEAL = "wavewright.sha256"

Spelled = tuple[str, tuple[int, ...], memoryview]
"""What the seal knows of numbers: their type as torch calls it, their shape, their bytes."""


def arrays(
    path: Path, refusal: type[WavewrightError], remedy: str, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The numbers of a sealed file as arrays, and its facts; arguments and errors as in `read`."""
    return read(path, refusal, remedy, shapes, framework="np", spelled=_spelled)


def read(
    path: Path,
    refusal: type[WavewrightError],
    remedy: str,
    shapes: Mapping[str, tuple[int, ...]] | None,
    *,
    framework: Literal["np", "pt"],
    spelled: Callable[[Any], Spelled],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The numbers of a sealed file, as ``framework`` keeps them, and its facts.

    Args:
        refusal: the class of error to raise for a file that is missing, damaged, or not ours.
        remedy: how its message ends.
        shapes: numbers that must be there with these shapes; checked before any is read.
        spelled: what the seal is to know of the framework's numbers.
    """
    if not path.is_file():
        raise refusal(f"{path}: there is no such file; {remedy}")
    try:
        with safe_open(path, framework=framework) as file:
            kept = file.metadata() or {}
            if FACTS not in kept or SEAL not in kept:
                raise refusal(f"{path} is a safetensors file, but not one of Wavewright's; {remedy}")
            names = list(file.keys())
            _refuse_shapes(path, file, names, shapes or {}, refusal, remedy)
            numbers = {name: file.get_tensor(name) for name in names}
        if header(numbers, kept[FACTS], spelled)[SEAL] != kept[SEAL]:
            raise refusal(f"{path} is damaged: its content does not match its seal; {remedy}")
        facts = json.loads(kept[FACTS])
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise refusal(f"{path} is damaged or not a safetensors file ({error}); {remedy}") from error
    if not isinstance(facts, dict):
        raise refusal(f"{path} is damaged: its facts are not a table; {remedy}")
    return numbers, facts


def header(numbers: Mapping[str, Any], text: str, spelled: Callable[[Any], Spelled]) -> dict[str, str]:
    """What a sealed file says of itself: its facts, which are ``text`` already, and its seal."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(numbers):
        kind, shape, content = spelled(numbers[name])
        digest.update(f"{name} {kind} {shape}".encode())
        digest.update(content)
    return {FACTS: text, SEAL: digest.hexdigest()}


def _spelled(array: NDArray[Any]) -> Spelled:
    return f"torch.{array.dtype.name}", array.shape, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


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

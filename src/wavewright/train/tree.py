"""Any optimiser's `state_dict` as named tensors plus a JSON tree, and back. No pickle, no list of known optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wavewright.errors import RunError

_PLAIN = (bool, int, float, str, type(None))


def flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """A tree of dicts, lists, tuples, plain values and tensors, in JSON's terms; its tensors go into ``tensors``.

    Each node is one of ``{"tensor": name}``, ``{"value": plain}``, ``{"dict": [[key, node], ...]}``, ``{"list":
    [...]}``, ``{"tuple": [...]}``. Keys may be numbers, which JSON's own tables cannot hold.

    >>> flatten({"lr": 0.5, "betas": (0.9, 1)}, "group", {})
    {'dict': [['lr', {'value': 0.5}], ['betas', {'tuple': [{'value': 0.9}, {'value': 1}]}]]}
    """
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, _PLAIN):
        return {"value": value}
    if isinstance(value, Mapping):
        return {
            "dict": [[_plain_key(key, name), flatten(item, f"{name}.{key}", tensors)] for key, item in value.items()]
        }
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [flatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]}
    raise RunError(f"optimiser state {name} is a {type(value).__name__}, which cannot be kept; use tensors and numbers")


def unflatten(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `flatten` was given.

    Raises:
        ValueError, KeyError, TypeError: ``node`` is none of flatten's, or names a tensor that is not there.
    """
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "value":
        return content
    if kind == "dict":
        return {key: unflatten(item, tensors) for key, item in content}
    if kind == "list":
        return [unflatten(item, tensors) for item in content]
    if kind == "tuple":
        return tuple(unflatten(item, tensors) for item in content)
    raise ValueError(f"unknown node {kind!r}")


def cloned(value: Any) -> Any:
    """The same tree with tensors of its own."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: cloned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(cloned(item) for item in value)
    return value


def _plain_key(key: Any, name: str) -> Any:
    if not isinstance(key, (int, str)):
        raise RunError(f"optimiser state {name} has a key of type {type(key).__name__}; use numbers or words")
    return key

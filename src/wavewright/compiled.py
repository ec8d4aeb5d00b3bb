"""Numba's compiler behind a typed front, so that strict type checks see through the decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F | None = None, *, fastmath: bool = False, parallel: bool = False) -> Any:
    """Compile a plain loop to machine code, cached on disk, without the interpreter's lock.

    Use as ``@compiled`` or ``@compiled(fastmath=True)``. Division follows numpy (no ZeroDivisionError).
    """

    def wrap(inner: F) -> F:
        return cast(
            F, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath, parallel=parallel)(inner)
        )

    return wrap if function is None else wrap(function)

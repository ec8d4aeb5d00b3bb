"""The table of "TensorFlow Signal Processing" (Joel Shapiro, 2016): errors of training and validation side by side.

                    mse                    rmse                                 std
     training  validation    training  validation    training  validation   reference

Its std are the standard deviations of the error, and of what should have come out; below the table stands the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wavewright.metrics.waveform import ErrorTable

COLUMNS = (
    "training_mse",
    "mse",
    "training_rmse",
    "rmse",
    "training_error_std",
    "error_std",
    "reference_std",
)
"""The figures of a line, by the names they have in a run's log; those without a prefix are of the held-out part."""

TEST = (("mse", "mse"), ("rmse", "rmse"), ("std", "error_std"))

WIDTH = 12


def figures(training: ErrorTable, held_out: ErrorTable) -> dict[str, float]:
    """What a line of the table holds, by the names of `COLUMNS`. The reference is the training data's."""
    return {
        "training_mse": training.mse,
        "mse": held_out.mse,
        "training_rmse": training.rmse,
        "rmse": held_out.rmse,
        "training_error_std": training.error_std,
        "error_std": held_out.error_std,
        "reference_std": training.reference_std,
    }


def lines(rows: Iterable[tuple[str, Mapping[str, Any]]], test: Mapping[str, float] | None = None) -> list[str]:
    """The table: each row what it is called and its figures, and below it the test's mse, rmse and error_std.

    >>> table = ErrorTable(mse=0.0004, rmse=0.02, error_std=0.02, reference_std=0.1)
    >>> for line in lines([("epoch 5", figures(table, table))]):
    ...     print(line)
                                mse                    rmse                                 std
               training  validation    training  validation    training  validation   reference
    epoch 5    4.00e-04    4.00e-04     0.02000     0.02000     0.02000     0.02000     0.10000
    """
    rows = list(rows)
    first = max((len(name) for name, _ in rows), default=0)
    parts = ("training", "validation") * 3 + ("reference",)
    head = f"{'mse':>{2 * WIDTH}}{'rmse':>{2 * WIDTH}}{'std':>{3 * WIDTH}}"
    shown = [" " * first + head, " " * first + _row(parts)]
    for name, row in rows:
        shown.append(f"{name:<{first}}" + _row([_figure(row.get(column)) for column in COLUMNS]))
    if test is not None:
        shown += ["", *(f"test {name}: {test[key]:.6g}" for name, key in TEST)]
    return shown


def _row(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{WIDTH}}" for cell in cells)


def _figure(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    return f"{value:.5f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2e}"

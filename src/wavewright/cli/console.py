"""What every command prints with: words for people, JSON for machines, nothing where quiet was asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from wavewright.cli.flags import option


@dataclass(frozen=True)
class Voice:
    """How a command speaks; the flags that every command takes."""

    json: Annotated[bool, option("print the result as one JSON object, for machines")] = False
    quiet: Annotated[bool, option("print nothing but errors and the JSON asked for", short="-q")] = False

    @property
    def speaks(self) -> bool:
        """Whether words for people are wanted."""
        return not (self.quiet or self.json)

    def say(self, *lines: str) -> None:
        """Print lines for people, at once."""
        if self.speaks:
            print(*lines, sep="\n", flush=True)

    def result(self, values: Mapping[str, Any]) -> None:
        """Print the outcome for machines where ``--json`` was given."""
        if self.json:
            json.dump(values, sys.stdout, indent=2, allow_nan=False, default=str)
            sys.stdout.write("\n")


def table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Lines of a table whose first row is its head; columns numbered in ``left`` are flush left, the others right.

    >>> print("\\n".join(table([["name", "ESR"], ["twin", "0.01"]])))
    name   ESR
    twin  0.01
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines

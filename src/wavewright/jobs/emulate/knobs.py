"""Where the knobs of a twin stand: from words, and from automation files. No torch here."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from wavewright.engine.automation import Controls, Track
from wavewright.errors import DataError, RunError, SettingsError
from wavewright.jobs.emulate.pairs import Knob, knob_values
from wavewright.settings import did_you_mean
from wavewright.train.run import RunFolder

LARGEST_FILE = 64 * 2**20
MOST_TOLD = 10


def controls_for(knobs: Sequence[Knob], words: Sequence[str], automations: Sequence[Path] = ()) -> Controls:
    """Each of ``knobs`` where ``words`` (``NAME=VALUE``) and the automation files say.

    Raises:
        SettingsError: unknown names, values out of range, a knob without a place, or with two.
        DataError: an automation file that cannot be used; every problem in it.

    >>> controls_for([Knob("gain", 0.0, 10.0)], ["gain=5"]).first
    (0.5,)
    """
    if automations and not knobs:
        raise SettingsError([f"--automation {automations[0]}: this twin has no knobs; leave --automation away"])
    moving: dict[str, Track] = {}
    for path in automations:
        for name, track in read_automation(path, knobs).items():
            if name in moving:
                raise SettingsError(
                    [f"knob {name} moves in two automation files, the second is {path}; name it in one"]
                )
            moving[name] = track
    twice = [word for word in words if word.partition("=")[0] in moving]
    if twice:
        raise SettingsError(
            [f"--knob {word}: an automation file moves this knob; leave one of them away" for word in twice]
        )
    standing = [knob for knob in knobs if knob.name not in moving]
    given = knob_values(words, standing) if standing or words else {}
    fixed = {knob.name: Track((0.0,), (knob.position(given[knob.name]),)) for knob in standing}
    return Controls(tuple((moving | fixed)[knob.name] for knob in knobs))


def read_automation(path: Path, knobs: Sequence[Knob]) -> dict[str, Track]:
    """The knobs that a CSV file moves: a head ``seconds,NAME,…`` and a row for each point in time.

    Times rise from row to row. A device with one knob needs no head.

    Raises:
        DataError: with every problem: no such file, unknown names, rows that are short or long, no numbers, times that
            do not rise, values out of range.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"automation {path} is larger than {LARGEST_FILE} bytes; give fewer rows")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if any(map(str.strip, row))]
    except OSError as error:
        raise DataError(f"automation {path}: {error.strerror}; name a CSV file of seconds and values") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"automation {path} is no CSV file: {error}") from error
    names = _head(path, rows, knobs)
    known = {knob.name: knob for knob in knobs}
    problems: list[str] = []
    times: list[float] = []
    columns: list[list[float]] = [[] for _ in names]
    for number, row in rows:
        values = _numbers(row, len(names) + 1)
        if values is None:
            problems.append(f"row {number}: {','.join(row)!r} must be {len(names) + 1} numbers, seconds first")
            continue
        if values[0] < 0 or (times and values[0] <= times[-1]):
            problems.append(f"row {number}: {values[0]:g} seconds must be 0 or more, and later than the row before")
        times.append(values[0])
        for name, column, value in zip(names, columns, values[1:], strict=True):
            knob = known[name]
            if not knob.low <= value <= knob.high:
                problems.append(
                    f"row {number}: {name} = {value:g}: the twin was trained from {knob.low:g} to {knob.high:g}"
                )
            column.append(knob.position(value))
    if not rows:
        problems.append("it holds no rows of seconds and values")
    if problems:
        more = f"; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else ""
        raise DataError(f"automation {path}: {'; '.join(problems[:MOST_TOLD])}{more}")
    return {name: Track(tuple(times), tuple(column)) for name, column in zip(names, columns, strict=True)}


def knobs_of(run: RunFolder) -> tuple[Knob, ...]:
    """The knobs of a run's device, in the order in which its network takes them.

    Raises:
        RunError: run.json says something that is no list of knobs.
    """
    rows = run.info["extra"].get("knobs", [])
    try:
        return tuple(Knob(str(row["name"]), float(row["low"]), float(row["high"])) for row in rows)
    except (TypeError, KeyError, ValueError) as error:
        raise RunError(f"run {run}: run.json is damaged (its knobs are none); begin anew with --force") from error


def _head(path: Path, rows: list[tuple[int, list[str]]], knobs: Sequence[Knob]) -> list[str]:
    """The knobs' names by column; takes the head away from ``rows``."""
    if not rows or _numbers(rows[0][1], len(rows[0][1])) is not None:
        if len(knobs) == 1:
            return [knobs[0].name]
        raise DataError(f"automation {path} has no head; begin with seconds,{','.join(knob.name for knob in knobs)}")
    first, *names = (field.strip() for field in rows.pop(0)[1])
    known = [knob.name for knob in knobs]
    problems = [] if first == "seconds" else [f"its first column is {first!r}, must be 'seconds'"]
    problems += [f"unknown knob {name!r}: {did_you_mean(name, known)}" for name in names if name not in known]
    problems += [f"knob {name} has two columns" for name in dict.fromkeys(names) if names.count(name) > 1]
    if not names:
        problems.append("it has no column for a knob")
    if problems:
        raise DataError(f"automation {path}: {'; '.join(problems)}")
    return names


def _numbers(row: Sequence[str], count: int) -> list[float] | None:
    """A row as ``count`` finite numbers; None where it is none."""
    try:
        values = [float(field) for field in row]
    except ValueError:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None

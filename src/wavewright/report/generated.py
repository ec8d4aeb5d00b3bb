"""The page of a generator: its new sounds, what each of them is most like, and how it learned."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import __version__, atomic
from wavewright.audio.recording import FloatArray
from wavewright.report import history as training
from wavewright.report import page, sounds
from wavewright.report.page import Figure, Section
from wavewright.report.players import MOST_SECONDS, Clip, excerpt, players
from wavewright.report.scales import Axis, number
from wavewright.report.settings import settings_table
from wavewright.report.svg import Series, chart, table

Values = NDArray[np.float64]

MOST_HEARD = 90.0
"""Seconds of new sound in a page, and of real: where there is more, each is cut to its loudest part."""

COPY = 0.95
"""Correlation with a training excerpt from which on a sound is called a copy, where no held-out sound comes as near."""


@dataclass(frozen=True)
class Neighbour:
    """The training sound most like another one.

    ``samples`` ``(time,)`` lie under the other's, of the same length, so that one may switch between the two while they
    play; ``distance`` is of log-mel spectra, in dB.
    """

    name: str
    samples: FloatArray
    correlation: float
    distance: float = math.nan


@dataclass(frozen=True)
class Heard:
    """A sound to be heard, new or real, ``(time,)``; what is not known of it is left out."""

    name: str
    samples: FloatArray
    label: str | None = None
    bits: float | None = None
    """What it cost the network, in bits a sample."""
    faults: Sequence[str] = ()
    nearest: Neighbour | None = None


@dataclass(frozen=True)
class Judged:
    """One line of the table of figures, and ``beside`` it what it is to be compared with, ``against`` whom."""

    name: str
    value: float | str | None
    beside: float | str | None = None
    meaning: str = ""
    against: str = "real sounds"
    floors: Mapping[str, float] = field(default_factory=dict)
    """The same figure of those who have learned next to nothing, by their names."""


@dataclass(frozen=True)
class Curve:
    """A figure over training: points ``(step, seconds, value)``; values that are None or not finite are left out."""

    name: str
    points: Sequence[tuple[float, float, float | None]]


@dataclass(frozen=True)
class GeneratorPage:
    """All that the page of a generator shows; whatever is empty is left out.

    ``floors`` are bits a sample by name, drawn beside the loss. ``ordinary`` holds correlation and log-mel distance of
    held-out sounds from their nearest training excerpts, as the outputs' own lie in `Heard.nearest`.
    """

    title: str
    rate: int
    outputs: Sequence[Heard] = ()
    real: Sequence[Heard] = ()
    figures: Sequence[Judged] = ()
    headline: Sequence[Figure] = ()
    lead: str = ""
    loss: Sequence[Curve] = ()
    accuracy: Sequence[Curve] = ()
    floors: Mapping[str, float] = field(default_factory=dict)
    ordinary: Sequence[tuple[float, float]] = ()
    rhythm: Mapping[str, tuple[Values, Values]] = field(default_factory=dict)
    """Of loops: seconds from onset to onset and the share of them that is about so long, by whose they are."""
    events: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    run: str = "RUN"
    unit: str = "bits a sample"
    """Of the loss."""
    foot: str = ""


def generator_report(path: Path, given: GeneratorPage, *, force: bool = False) -> None:
    """Write the page of a generator to ``path``.

    Raises:
        OutputError: ``path`` exists and not ``force``, or cannot be written.
        ValueError: a sound without samples, or not ``(time,)``.
    """
    atomic.refuse_existing(path, force=force)
    for sound in (*given.outputs, *given.real):
        if sound.samples.ndim != 1 or not sound.samples.size:
            raise ValueError(f"sound {sound.name!r} {sound.samples.shape}: must be (time,), not empty")
    sections = [
        Section("listen", "New sounds", _takes(given.outputs, given), _listen_lead(given)),
        Section("real", "Real sounds", _takes(given.real, given), "Held out: training never heard them."),
        Section("figures", "Figures", _figures(given.figures), "Each beside what it is to be compared with."),
        Section("rhythm", "Rhythm", _rhythm(given.rhythm), "How long it is from one beginning to the next."),
        Section("training", "Training", _training(given)),
        Section("copies", "Is it new?", _copies(given), _copies_lead(given)),
        Section("settings", "Settings", settings_table(given.settings)),
        Section("next", "What to do next", _next(given.run)),
    ]
    built = page.build(
        given.title,
        sections,
        kicker="Generator",
        lead=given.lead,
        figures=given.headline or [_card(row) for row in given.figures[:4]],
        foot=f"Wavewright {__version__}. Everything on this page is inside this file. {given.foot}".strip(),
    )
    page.write(path, built, force=force)


def curves_of(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Curve], list[Curve]]:
    """Loss and accuracy, each in training and in validation, from the lines of ``log.jsonl``.

    Training bits are those of ``train_bits`` where the log has them (the whole sounds, as in validation), else those of
    ``loss``. Lines and values that are missing are left out.
    """
    rows = list(rows)

    def curve(name: str, *keys: str) -> list[Curve]:
        for key in keys:
            points = [(row.get("step", math.nan), 60 * training.minutes(row), row.get(key)) for row in rows]
            if any(_finite(value) for _, _, value in points):
                return [Curve(name, points)]
        return []

    return (
        curve("training", "train_bits", "train_nats", "train_mse", "loss") + curve("validation", "bits", "nats", "mse"),
        curve("training", "train_accuracy") + curve("validation", "accuracy"),
    )


def _listen_lead(given: GeneratorPage) -> str:
    if not any(one.nearest for one in given.outputs):
        return ""
    return (
        "With each goes the training sound it is most like, laid under it where the two are most alike: "
        "switch between them while they play."
    )


def _takes(heard: Sequence[Heard], given: GeneratorPage) -> str:
    if not heard:
        return ""
    seconds = min(MOST_SECONDS, MOST_HEARD / len(heard))
    takes = [_take(one, given, seconds) for one in heard]
    return f'<div class="takes">{"".join(takes)}</div>'


def _take(one: Heard, given: GeneratorPage, seconds: float) -> str:
    part = excerpt(one.samples, given.rate, seconds)
    span = slice(part.start, part.stop)
    clips = [Clip("New" if one.nearest else "Sound", one.samples[span], "twin" if one.nearest else "wet")]
    if one.nearest is not None:
        clips.append(Clip("Nearest", _fitted(one.nearest.samples, one.samples.size)[span], "wet"))
    tags = [f'<span class="tag">{html.escape(one.label)}</span>'] if one.label is not None else []
    tags += [f'<span class="tag warn">{html.escape(fault)}</span>' for fault in _faults(one, given)]
    player = players(clips, given.rate, label=f"{one.name} and its nearest" if one.nearest else one.name, matched=True)
    pictures = sounds.spectrograms(clips, given.rate, height=150)
    return (
        f'<div class="take"><h3>{html.escape(one.name)}{"".join(tags)}</h3>{_notes(one, part.start, given.rate)}'
        f"{player}{pictures}</div>"
    )


def _faults(one: Heard, given: GeneratorPage) -> list[str]:
    return [*one.faults, *(["copy"] if _copied(one, given) else [])]


def _copied(one: Heard, given: GeneratorPage) -> bool:
    """Whether a sound is nearer to a training sound than chance and kinship bring any held-out one."""
    ordinary = max((correlation for correlation, _ in given.ordinary), default=0.0)
    return one.nearest is not None and one.nearest.correlation > max(COPY, ordinary)


def _notes(one: Heard, start: int, rate: int) -> str:
    length = f"{one.samples.size / rate:.2f} s"
    words = [length if not start else f"{length}, from {start / rate:.1f} s on"]
    if one.bits is not None and math.isfinite(one.bits):
        words.append(f"{number(one.bits, 3)} bits a sample")
    notes = [", ".join(words)]
    if one.nearest is not None:
        found = f"Nearest: {one.nearest.name}, correlation {one.nearest.correlation:.2f}"
        if math.isfinite(one.nearest.distance):
            found += f", {number(one.nearest.distance, 2)} dB apart at best"
        notes.append(found)
    return "".join(f"<p>{html.escape(note)}</p>" for note in notes)


def _fitted(samples: FloatArray, length: int) -> FloatArray:
    return np.pad(samples[:length], (0, max(0, length - samples.size)))


def _figures(rows: Sequence[Judged]) -> str:
    floors = list(dict.fromkeys(name for row in rows for name in row.floors))
    cells = [
        [row.name, _written(row.value), _beside(row), *(_floor(row, name) for name in floors), row.meaning]
        for row in rows
    ]
    return table(["Figure", "Here", "To compare", *floors, "What it says"], cells) if rows else ""


def _floor(row: Judged, name: str) -> str:
    value = row.floors.get(name, math.nan)
    return number(value, 3) if math.isfinite(value) else ""


def _card(row: Judged) -> Figure:
    return Figure(row.name, _written(row.value), _beside(row) or row.meaning)


def _beside(row: Judged) -> str:
    return "" if row.beside is None else f"{row.against} {_written(row.beside)}"


def _written(value: float | str | None) -> str:
    return number(value, 3) if isinstance(value, float) else page.describe(value)


def _rhythm(rhythm: Mapping[str, tuple[Values, Values]]) -> str:
    """Histograms of the times from onset to onset as lines over the logarithm of time."""
    colours = {"new": "twin", "real": "wet"}
    series, told = [], []
    for at, (name, (seconds, shares)) in enumerate(rhythm.items()):
        colour = colours.get(name, ("h4", "h6", "h5")[at % 3])
        series.append(Series(seconds, shares, name, colour, dashed=name not in colours))
        told.append(f"{name} most often {number(float(seconds[int(np.argmax(shares))]), 2)} s")
    if not series:
        return ""
    return chart(
        series,
        Axis("seconds from onset to onset", "log"),
        Axis("share", low=0.0),
        title="Times from onset to onset",
        describe="; ".join(told) + ".",
        height=240,
    )


def _training(given: GeneratorPage) -> str:
    drawn = _curves(given.loss, "Loss", given.unit, given.floors, "lowest", min)
    drawn += _curves(given.accuracy, "Accuracy", "share guessed right", {}, "highest", max)
    events = training.events(given.events)
    return f'<div class="pair">{drawn}</div>{events}' if drawn else events


def _curves(curves: Sequence[Curve], title: str, label: str, floors: Mapping[str, float], word: str, best: Any) -> str:
    """One chart of several curves over minutes, steps along the top, each floor a dashed line."""
    colours = {"training": "dry", "validation": "twin"}
    series, told, end, steps = [], [], 0.0, 0.0
    for at, curve in enumerate(curves):
        points = [(s, t / 60, v) for s, t, v in curve.points if _finite(v) and _finite(t)]
        if len(points) < 2:
            continue
        step, minutes, values = (np.array(column, np.float64) for column in zip(*points, strict=True))
        series.append(Series(minutes, values, curve.name, colours.get(curve.name, f"h{1 + at % 8}")))
        told.append(
            f"{curve.name} from {number(values[0], 3)} to {number(values[-1], 3)}, {word} {number(best(values), 3)}"
        )
        if minutes[-1] > end:
            end, steps = float(minutes[-1]), float(step[-1])
    if not series:
        return ""
    for at, (name, value) in enumerate(floors.items()):
        if math.isfinite(value):
            series.append(Series([0.0, end], [value, value], name, ("h4", "h6", "h5")[at % 3], dashed=True))
            told.append(f"{name} at {number(value, 3)}")
    return chart(
        series,
        Axis("minutes", low=0.0, high=end),
        Axis(label),
        title=title,
        describe=f"Over {number(end, 3)} minutes: {'; '.join(told)}.",
        height=260,
        top=("steps", steps / end) if end > 0 and math.isfinite(steps) and steps > 0 else None,
    )


def _copies(given: GeneratorPage) -> str:
    """New and held-out sounds by how near they are to a training sound: a copy would lie alone, at the right."""
    new = [(one.nearest.correlation, one.nearest.distance) for one in given.outputs if one.nearest is not None]
    if not new:
        return ""
    kinds = [("held-out sounds", given.ordinary, "wet"), ("new sounds", new, "twin")]
    series = [
        Series([point[0] for point in points], [point[1] for point in points], name, colour, "points")
        for name, points, colour in kinds
        if points
    ]
    highest = ", ".join(f"{name} up to {max(c for c, _ in points):.2f}" for name, points, _ in kinds if points)
    return chart(
        series,
        Axis("correlation with the nearest training excerpt", low=0.0, high=1.03),
        Axis("dB apart", low=0.0),
        title="Nearest training sounds",
        describe=f"Correlation: {highest}. A copy has a correlation near 1 and lies near 0 dB.",
        height=280,
    )


def _copies_lead(given: GeneratorPage) -> str:
    copied = sum(_copied(one, given) for one in given.outputs)
    if copied:
        return f"Nearer to a training sound than real ones come, so taken for copies: {copied} of {len(given.outputs)}."
    return "None of the new sounds is a copy: none is nearer to a training sound than real ones come."


def _next(run: str) -> str:
    steps = (
        ("Draw more", "Any length and number; the same seed gives the same sounds.", "-o new.wav --count 8 --seed 1"),
        ("Be bolder or safer", "Higher temperatures surprise, lower ones repeat.", "-o new.wav --temperature 0.9"),
        ("Go on from your own sound", "The end of any file is listened to first.", "-o new.wav --prompt start.wav"),
    )
    items = "".join(
        f"<h3>{head}</h3><p>{text}</p><pre><code>{html.escape(f'wavewright sample {run} {flags}')}</code></pre>"
        for head, text, flags in steps
    )
    return f'<div class="next">{items}</div>'


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

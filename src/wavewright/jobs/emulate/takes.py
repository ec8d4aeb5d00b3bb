"""The pairs of a twin, read, checked, aligned, and laid one behind the other on one dry and one wet track."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.data import align
from wavewright.data.align import TrackDrift
from wavewright.data.check import CLIPPED_SHARE, LOST_SHARE, PairReport, check_pair
from wavewright.data.outages import Stretch, usable, within
from wavewright.data.store import Store
from wavewright.errors import DataError, PairError, RunError
from wavewright.jobs.emulate.knobs import knobs_of as knobs_of
from wavewright.jobs.emulate.layout import MONO, Layout, laid, layout_of
from wavewright.jobs.emulate.pairs import Capture, Knob, PairFiles
from wavewright.jobs.emulate.settings import STORE, EmulateSettings
from wavewright.train.run import RunFolder

T = TypeVar("T")

TELL_SECONDS = 1.0
"""A pair whose lengths differ by less is what recording by hand gives."""


@dataclass(frozen=True)
class Pair:
    """A dry and a wet recording that run in parallel, ``(channels, time)`` each, and what the check said of them.

    ``clipped``: the converter cut the wet one off at full scale. ``usable``: the stretches that show the device; None
    for all of it.
    """

    dry: FloatArray
    wet: FloatArray
    rate: int
    delay: int
    report: PairReport
    clipped: bool = False
    usable: list[Stretch] | None = None
    layout: Layout = MONO


@dataclass(frozen=True)
class Take:
    """Where one pair lies on the tracks, ``[start, stop)`` in samples, where its knobs stood, and what of it counts.

    ``clipped`` and ``usable`` are the `Pair`'s, in samples of the tracks.
    """

    start: int
    stop: int
    label: str
    values: Mapping[str, float]
    positions: tuple[float, ...]
    clipped: bool = False
    usable: tuple[Stretch, ...] | None = None

    @property
    def frames(self) -> int:
        """Length in samples."""
        return self.stop - self.start

    def counting(self, start: int, stop: int) -> list[Stretch]:
        """The parts of ``[start, stop)`` that count."""
        return [(start, stop)] if self.usable is None else within(self.usable, start, stop)


@dataclass(frozen=True)
class Material:
    """All that a twin is learned from: the tracks ``dry`` and ``wet``, ``(channels, time)``, and the takes on them."""

    dry: FloatArray
    wet: FloatArray
    rate: int
    takes: tuple[Take, ...]
    knobs: tuple[Knob, ...] = ()
    layout: str = "mono"

    @property
    def channels(self) -> int:
        """Channels of sound; knobs are not counted."""
        return int(self.dry.shape[0])


def load_pair(dry: Path, wet: Path) -> tuple[Recording, Recording]:
    """Read both recordings whole, after the cheap checks.

    Raises:
        AudioFileError: one of them cannot be read.
        PairError: both names are one file.
    """
    refuse_same(dry, wet)
    return files.read(dry), files.read(wet)


def refuse_same(dry: Path, wet: Path) -> None:
    """Raise where one of them cannot be read, or both names are one file."""
    for path in (dry, wet):
        files.info(path)
    if dry.samefile(wet):
        raise PairError(f"dry and wet are both {dry}; name the recording of what went in, then of what came out")


def check(dry: Path, wet: Path, *, allow_resample: bool = False, track_drift: TrackDrift = "auto") -> PairReport:
    """Alignment and quality of two files; what `wavewright check` prints.

    Raises:
        AudioFileError, PairError: the recordings cannot be used, or not together.
    """
    return check_pair(*load_pair(dry, wet), allow_resample=allow_resample, track_drift=track_drift)


def prepare(capture: Capture, settings: EmulateSettings) -> list[Pair]:
    """Read, check and align every pair.

    Wet recordings of one dry one that are equally late, as far as can be told, are moved by one and the same delay:
    the knobs must not seem to move the sound.

    Raises:
        AudioFileError, PairError, DataError: recordings that cannot be used, or not together; found for the headers of
            all of them before one is read.
    """
    _refuse_misfits(capture, settings)
    dry: Recording | None = None
    found: list[tuple[PairFiles, Recording, Recording, PairReport]] = []
    for pair in capture.pairs:
        if dry is None or not found or found[-1][0].dry != pair.dry:
            dry = files.read(pair.dry)
        wet = files.read(pair.wet)
        try:
            report = check_pair(dry, wet, allow_resample=settings.resample, track_drift=_tracking(settings))
        except PairError as error:
            raise error if len(capture.pairs) == 1 else PairError(f"{pair.wet.name}: {error}") from error
        if wet.rate != dry.rate:
            wet = resample(wet, dry.rate)
        found.append((pair, dry, wet, report))
    delays = _delays([(pair.dry, report) for pair, _, _, report in found], settings.delay)
    layout = layout_of(settings.channels, [(dry, wet) for _, dry, wet, _ in found])
    return [
        _aligned(dry, wet, report, delay, settings, layout)
        for (_, dry, wet, report), delay in zip(found, delays, strict=True)
    ]


def _tracking(settings: EmulateSettings) -> TrackDrift:
    """Whether wandering delays are followed: not around a delay that was given by hand."""
    if settings.delay is not None:
        return "off"
    return cast("TrackDrift", settings.track_drift)


def _refuse_misfits(capture: Capture, settings: EmulateSettings) -> None:
    """Raise where the files' headers show that they cannot go together."""
    for pair in capture.pairs:
        refuse_same(pair.dry, pair.wet)
    first, *others = (files.info(pair.dry) for pair in capture.pairs)
    for other in others:
        if other.rate != first.rate:
            raise DataError(
                f"{other.path} is at {other.rate} Hz, {first.path} at {first.rate} Hz: a twin has one rate; "
                "bring the recordings to one"
            )
    if settings.resample:
        return
    for pair in capture.pairs:
        wet, dry = files.info(pair.wet), files.info(pair.dry)
        if wet.rate != dry.rate and len(capture.pairs) > 1:
            raise PairError(
                f"{wet.path} is at {wet.rate} Hz and {dry.path} at {dry.rate} Hz: give both at one rate, or allow "
                "resampling (--resample)"
            )


def _delays(reports: Sequence[tuple[Path, PairReport]], asked: int | None) -> list[int | None]:
    """For each pair the delay to move it by, in samples; None where it is its own alignment's."""
    if asked is not None:
        return [asked] * len(reports)
    delays: list[int | None] = [None] * len(reports)
    for dry in dict.fromkeys(path for path, _ in reports):
        places = [at for at, (path, _) in enumerate(reports) if path == dry]
        found = [reports[at][1].alignment for at in places]
        spread = max(one.delay_samples for one in found) - min(one.delay_samples for one in found)
        if 0 < spread <= max(one.uncertainty for one in found) and not any(
            one.drift_ppm or one.wander for one in found
        ):
            for at in places:
                delays[at] = min(one.delay_samples for one in found)
    return delays


def _aligned(
    dry: Recording,
    wet: Recording,
    report: PairReport,
    delay: int | None,
    settings: EmulateSettings,
    layout: Layout,
) -> Pair:
    alignment = report.alignment
    if delay is not None:
        alignment = replace(alignment, delay=float(delay), delay_samples=delay)
    if settings.delay is not None:
        alignment = replace(alignment, drift_ppm=0.0)
    dry, wet = align.apply(alignment, dry, wet)
    x, y = (laid(recording, layout) for recording in (dry, wet))
    clipped = settings.cut_off and report.wet.full_scale > CLIPPED_SHARE
    counts = usable(y, dry.rate) if clipped else None
    return Pair(x, y, dry.rate, alignment.delay_samples, report, clipped, counts, layout)


def gather(capture: Capture, pairs: Sequence[Pair]) -> Material:
    """The pairs one behind the other."""
    takes, start = [], 0
    for about, pair in zip(capture.pairs, pairs, strict=True):
        stop = start + pair.dry.shape[1]
        counts = None if pair.usable is None else tuple((start + begin, start + end) for begin, end in pair.usable)
        positions = capture.positions(about.knobs)
        takes.append(Take(start, stop, about.label, about.knobs, positions, pair.clipped, counts))
        start = stop
    one = len(pairs) == 1
    dry = pairs[0].dry if one else np.concatenate([pair.dry for pair in pairs], axis=1)
    wet = pairs[0].wet if one else np.concatenate([pair.wet for pair in pairs], axis=1)
    return Material(dry, wet, pairs[0].rate, tuple(takes), capture.knobs, pairs[0].layout.name)


def facts(
    capture: Capture, pairs: Sequence[Pair], material: Material, held_out: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """What a run keeps of its pairs, for `material_of` and for the report; ``held_out``: samples, a stretch a pair."""
    rows = [
        {
            "dry": str(about.dry.resolve()),
            "wet": str(about.wet.resolve()),
            "knobs": dict(about.knobs),
            "start": take.start,
            "stop": take.stop,
            "validation": list(stretch),
            "delay": pair.delay,
            "clipped": take.clipped,
            "usable": None if take.usable is None else [list(part) for part in take.usable],
            "check": pair.report.to_dict(),
        }
        for about, pair, take, stretch in zip(capture.pairs, pairs, material.takes, held_out, strict=True)
    ]
    first = {name: rows[0][name] for name in ("delay", "check", "validation")}
    return {**first, "channels": material.layout, "knobs": [knob.to_dict() for knob in capture.knobs], "pairs": rows}


def keep(capture: Capture, pairs: Sequence[Pair], material: Material, run: RunFolder) -> Store:
    """Lay the material down in its run, as a store with the tracks ``dry`` and ``wet``."""
    tracks = {"dry": Recording(material.dry, material.rate), "wet": Recording(material.wet, material.rate)}
    if len(pairs) > 1:  # run.json says what lies where
        return Store.from_recordings(run.path / STORE, tracks, force=True)
    done, first = f"wet moved {pairs[0].delay} samples earlier", capture.pairs[0]
    return Store.from_recordings(run.path / STORE, tracks, [first.dry, first.wet], done=(done,), force=True)


def _damage_told(read: Callable[[RunFolder], T]) -> Callable[[RunFolder], T]:
    """``read`` with a sentence where run.json says what no run says of its pairs."""

    @functools.wraps(read)
    def reading(run: RunFolder) -> T:
        try:
            return read(run)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise RunError(
                f"run {run}: run.json is damaged (what it says of its pairs: {error!r}); begin anew with --force"
            ) from error

    return reading


@_damage_told
def capture_of(run: RunFolder) -> Capture:
    """The files that a run was begun with.

    Raises:
        RunError: run.json is damaged.
    """
    rows = run.info["extra"].get("pairs")
    if rows is None:  # a run from before there were knobs
        dry, wet = (Path(file["path"]) for file in run.info["data"])
        return Capture((PairFiles(dry, wet),))
    pairs = tuple(PairFiles(Path(row["dry"]), Path(row["wet"]), dict(row["knobs"])) for row in rows)
    return Capture(pairs, knobs_of(run))


@_damage_told
def material_of(run: RunFolder) -> Material:
    """What a run was begun with, from its own store.

    Raises:
        DataError: the store is missing or damaged.
        RunError: run.json is.
    """
    store = Store.open(run.path / STORE)
    dry, wet = store.track("dry"), store.track("wet")
    capture = capture_of(run)
    rows = run.info["extra"].get("pairs", [{"start": 0, "stop": dry.shape[1]}])
    takes = tuple(_take(about, row, capture) for about, row in zip(capture.pairs, rows, strict=True))
    return Material(dry, wet, store.rate, takes, capture.knobs, str(run.info["extra"].get("channels", "mono")))


def _take(about: PairFiles, row: Mapping[str, Any], capture: Capture) -> Take:
    """What ``row`` of run.json says of a pair."""
    parts = row.get("usable")
    return Take(
        int(row["start"]),
        int(row["stop"]),
        about.label,
        about.knobs,
        capture.positions(about.knobs),
        bool(row.get("clipped", False)),
        None if parts is None else tuple((int(start), int(stop)) for start, stop in parts),
    )


@_damage_told
def held_out_of(run: RunFolder) -> list[tuple[int, int]]:
    """The stretch of each pair, in samples of its tracks, that training never saw."""
    extra = run.info["extra"]
    rows = extra.get("pairs", [extra])
    return [(int(row["validation"][0]), int(row["validation"][1])) for row in rows]


def notes(capture: Capture, pairs: Sequence[Pair]) -> list[str]:
    """What the checks found wanting, each remark once."""
    remarks: dict[str, list[str]] = {}
    for about, pair in zip(capture.pairs, pairs, strict=True):
        for line in [*pair.report.warnings, *_lengths(about, pair)]:
            remarks.setdefault(line, []).append(about.label)
    about_all = {len(pairs)} if len(pairs) > 1 else {0, 1}
    return (
        [
            f"note: {line}" if len(labels) in about_all else f"note ({', '.join(labels)}): {line}"
            for line, labels in remarks.items()
        ]
        + ([pairs[0].layout.words] if pairs[0].layout.words else [])
        + what_was_cut_off(pairs)
    )


def _lengths(about: PairFiles, pair: Pair) -> list[str]:
    """A line where one of the two recordings goes on for longer than the other, and the check has not said so."""
    dry, shared = files.info(about.dry).seconds, pair.dry.shape[1] / pair.rate
    longer = dry - files.info(about.wet).seconds
    if abs(longer) < TELL_SECONDS or dry - shared > LOST_SHARE * dry:
        return []
    return [
        f"the wet recording is {abs(longer):.1f} s {'shorter' if longer > 0 else 'longer'} than the dry one; the "
        f"{shared:.1f} s that both hold are used"
    ]


def what_was_cut_off(pairs: Sequence[Pair]) -> list[str]:
    """What the converter's cutting off means for training, in a line or two; none where nothing was cut off."""
    lines = []
    if any(pair.clipped for pair in pairs):
        lines.append("cut off: where the wet recording stands at full scale, an output beyond it counts as right")
    stuck = [pair for pair in pairs if pair.usable is not None]
    if stuck:
        left = sum(stop - start for pair in stuck for start, stop in pair.usable or ())
        whole = sum(pair.wet.shape[1] for pair in stuck)
        lines.append(
            "cut off: the wet recording stands still at full scale for longer than any sound does, and then recovers: "
            f"{left / whole:.0%} of it ({left / stuck[0].rate:.0f} s), where the device shows, count"
        )
    return lines


def summary(capture: Capture, pairs: Sequence[Pair], held_out: Sequence[float]) -> str:
    """A line on what was prepared; ``held_out`` in seconds."""
    if len(pairs) == 1:
        return f"wet is {pairs[0].delay} samples late; {held_out[0]:.1f} s are held out"
    delays = sorted({pair.delay for pair in pairs})
    late = f"{delays[0]}" if len(delays) == 1 else f"{delays[0]} to {delays[-1]}"
    knobs = f" of {', '.join(map(str, capture.knobs))}" if capture.knobs else ""
    return f"{len(pairs)} pairs{knobs}; wet is {late} samples late; {min(held_out):.1f} s of each are held out"

"""The page of a run: what the rooms of the workshop measured, put together for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wavewright.atomic import refuse_existing
from wavewright.audio.recording import FloatArray
from wavewright.data.store import Store
from wavewright.errors import RunError
from wavewright.jobs.emulate import takes
from wavewright.jobs.emulate import twin as twins
from wavewright.jobs.emulate.training import STORE
from wavewright.report import bench, knobs
from wavewright.report.probe import Probe, Sweep, Tone, probe, tone
from wavewright.report.sweeps import recorded_sweep
from wavewright.report.twin import TwinPage, twin_report
from wavewright.train.log import read_log

CURVES, CURVE_HZ, CURVE_DB = 5, 100.0, -12.0
"""Transfer curves along a knob: how many, at which frequency and level."""

Process = Callable[[FloatArray], FloatArray]


def write(
    folder: Path,
    output: Path | None = None,
    *,
    title: str | None = None,
    device: Process | None = None,
    force: bool = False,
) -> Path:
    """Write the page of the run at ``folder`` to ``output`` (its own report/index.html where None), and say where.

    ``title`` is the device's name, the run folder's where None; ``device`` is the real thing, where it can be played
    from here: samples ``(time,)`` to samples ``(time,)``.

    Raises:
        RunError, ModelFileError: no run there, or one without a model.
        OutputError: ``output`` exists already (without ``force``), or cannot be written.
    """
    if output is not None:
        refuse_existing(output, force=force)
    opened = twins.open_twin(folder)
    if opened.run is None or opened.rate is None:
        raise RunError(f"{folder} is a model file; a report is made of a run folder")
    run, rate = opened.run, opened.rate
    parts = twins.held_out_parts(opened)
    first = parts[0]
    still = opened.at(first.values) if opened.knobs else opened
    wet, dry = first.wet, first.dry[:, first.context : first.context + first.wet.shape[1]]
    played = twins.as_recorded(twins.played(opened, first), wet, first.clipped)
    judged = twins.judge(played, wet, rate, 0, first.counting, first.clipped)
    place = output if output is not None else run.report / "index.html"

    def through(x: FloatArray) -> FloatArray:
        return _first_channel(still.network, x)

    tracks, only = Store.open(run.path / STORE), slice(0, takes.material_of(run).takes[0].stop)
    swept = recorded_sweep(tracks.track("dry")[0, only], tracks.track("wet")[0, only], rate)
    real: Probe | Sweep | None = swept if device is None else probe(device, rate)
    sides = bench.sides(through, device, tracks.track("dry")[0, only], tracks.track("wet")[0, only], rate)
    shown = TwinPage(
        title=title or opened.name,
        rate=rate,
        dry=dry[0],
        wet=wet[0],
        twin=played[0],
        history=read_log(run.log),
        figures=judged.figures,
        probe=probe(through, rate),
        device=real,
        bench=bench.bench_table(*sides, output_dbu=run.settings.get("output_dbu")),
        knobs=_knobs(opened, parts, rate) if len(parts) > 1 else "",
        shown=_shown(parts, wet.shape[0]),
        check=run.fact("check", dict) | _cut_off(judged),
        settings=run.settings,
        run=str(folder),
    )
    twin_report(place, shown, force=True)
    return place


def _shown(parts: Sequence[twins.HeldOut], channels: int) -> str:
    """What of the twin the page shows, where that is not all of it."""
    where = f"This is {parts[0].label}; all of them are under Knobs. " if len(parts) > 1 else ""
    return where + (f"Channel 1 of {channels} is heard and drawn; the figures are of all." if channels > 1 else "")


def _cut_off(judged: twins.Judgement) -> dict[str, str]:
    """What was done about samples that the converter cut off, for the page."""
    return {"cut_off": judged.note} if judged.note else {}


def _knobs(opened: twins.Twin, parts: Sequence[twins.HeldOut], rate: int) -> str:
    """Every recorded position, and what the twin does along each knob, the others where they first stood."""
    positions = []
    for part in parts:
        played = twins.as_recorded(twins.played(opened, part), part.wet, part.clipped)
        figures = twins.judge(played, part.wet, rate, 0, part.counting, part.clipped).figures
        dry = part.dry[0, part.context : part.context + part.wet.shape[1]]
        positions.append(knobs.Position(part.label, dry, part.wet[0], played[0], figures))
    curves: dict[str, dict[str, Tone]] = {}
    for knob in opened.knobs:
        for value in np.linspace(knob.low, knob.high, CURVES):
            there = opened.at({**parts[0].values, knob.name: float(value)}).network

            def through(x: FloatArray, there: Any = there) -> FloatArray:
                return _first_channel(there, x)

            found = tone(through, rate, CURVE_HZ, CURVE_DB)
            curves.setdefault(knob.name, {})[f"{knob.name} {value:g}"] = found
    return knobs.knobs_section(positions, curves, rate)


def _first_channel(network: Any, x: FloatArray) -> FloatArray:
    """What becomes of ``x`` (time,) in the first channel, all channels hearing it: the page shows that one alone."""
    sounds = np.repeat(x[np.newaxis], network.out_channels, axis=0)
    return np.asarray(twins.play(network, sounds)[0])

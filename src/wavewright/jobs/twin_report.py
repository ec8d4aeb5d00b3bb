"""The page of a run: what the rooms of the workshop measured, put together for the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from wavewright.atomic import refuse_existing
from wavewright.audio.recording import FloatArray
from wavewright.data.store import Store
from wavewright.errors import RunError
from wavewright.jobs import twin as twins
from wavewright.jobs.emulate import STORE
from wavewright.report import bench
from wavewright.report.probe import Probe, Sweep, probe
from wavewright.report.sweeps import recorded_sweep
from wavewright.report.twin import twin_report
from wavewright.train.log import read_log

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
    dry, wet, context = twins.held_out(opened)
    dry_alone = slice(context, context + wet.shape[1])
    played = twins.play(opened.network, dry)[:, dry_alone]
    judged = twins.judge(played, wet, rate, 0)
    place = output if output is not None else run.report / "index.html"

    def through(x: FloatArray) -> FloatArray:
        return np.asarray(twins.play(opened.network, x[np.newaxis])[0])

    tracks = Store.open(run.path / STORE)
    swept = recorded_sweep(tracks.track("dry")[0], tracks.track("wet")[0], rate)
    real: Probe | Sweep | None = swept if device is None else probe(device, rate)
    sides = bench.sides(through, device, tracks.track("dry")[0], tracks.track("wet")[0], rate)
    twin_report(
        place,
        title=title or opened.name,
        rate=rate,
        dry=dry[0, dry_alone],
        wet=wet[0],
        twin=played[0],
        history=read_log(run.log),
        figures=judged.figures,
        probe=probe(through, rate),
        device=real,
        bench=bench.bench_table(*sides, output_dbu=run.settings.get("output_dbu")),
        check=run.info["extra"]["check"],
        settings=run.settings,
        run=str(folder),
        force=True,
    )
    return place

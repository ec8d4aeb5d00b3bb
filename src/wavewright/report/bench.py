"""What a measuring bench would say of a twin and its device: distortion and noise, side by side.

The twin is always at hand, and so is a built-in device: they are fed with tones. Of a recorded device the recording
tells what it holds: distortion where the dry part has a sine sweep, the noise floor where it is silent. What it does
not hold cannot be known, and the table says so.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.metrics.distortion import Distortion, dbu, distortion, noise_floor, silence
from wavewright.report.probe import Sweep
from wavewright.report.scales import number
from wavewright.report.svg import table
from wavewright.report.sweeps import find_sweep, harmonics_of_sweep

Process = Callable[[FloatArray], FloatArray]

TONES = (100.0, 1000.0, 5000.0)
LEVEL_DB = -12.0
SECONDS = 0.25
SETTLE = 0.25
LEAD = 0.1
LOUDEST_FLOOR = 0.001
"""THD that a recorded sweep of a few seconds cannot tell from none."""


@dataclass(frozen=True)
class Figures:
    """``thd``: ratio by frequency in Hz; ``thd_n`` likewise, where tones were played; ``floor``: dBFS RMS."""

    thd: dict[float, float]
    thd_n: dict[float, float]
    floor: float | None
    level_db: float = LEVEL_DB


def tones(process: Process, rate: int, level_db: float = LEVEL_DB) -> Figures:
    """Play tones and silence through ``process``, samples (time,) to samples (time,) from rest."""
    found: dict[float, Distortion] = {}
    settle, length = round(SETTLE * rate), round(SECONDS * rate)
    for hz in TONES:
        if hz < rate / 4:
            phase = 2 * np.pi * hz / rate * np.arange(settle + length)
            answer = process((10 ** (level_db / 20) * np.sin(phase)).astype(np.float32))
            found[hz] = distortion(answer[settle:], rate, hz)
    floor = noise_floor(process(np.zeros(settle + length, np.float32))[settle:])
    thd, thd_n = {hz: one.thd for hz, one in found.items()}, {hz: one.thd_n for hz, one in found.items()}
    return Figures(thd, thd_n, floor, level_db)


def recorded(dry: FloatArray, wet: FloatArray, rate: int) -> Figures:
    """What aligned recordings (time,) tell of the device between them; no THD where ``dry`` holds no sine sweep, no
    floor where it is nowhere silent."""
    swept = _swept(dry, wet, rate)
    quiet = silence(dry, rate)
    floor = noise_floor(wet[quiet]) if quiet.stop > quiet.start else None
    return Figures({} if swept is None else _thd(swept), {}, floor, LEVEL_DB if swept is None else swept.level_db)


def on_the_same_sweep(process: Process, dry: FloatArray, rate: int) -> dict[float, float]:
    """The THD of ``process`` on the sweep that ``dry`` (time,) holds, measured as `recorded` measures the device."""
    found = find_sweep(dry, rate)
    if found is None:
        return {}
    start = max(0, found.start - round(LEAD * rate))
    answer = process(np.array(dry[start : found.stop]))[found.start - start :]
    try:
        return _thd(harmonics_of_sweep(np.array(dry[found]), answer, rate))
    except ValueError:
        return {}


def bench_table(twin: Figures, device: Figures, *, output_dbu: float | None = None) -> str:
    """The figures side by side as HTML. ``output_dbu``: level in dBu of a full-scale sine at the device's output."""
    rows = []
    for hz in sorted({*twin.thd, *device.thd}):
        shown = [_percent(one.thd.get(hz), swept=not device.thd_n and bool(device.thd)) for one in (twin, device)]
        rows.append([f"THD at {hz:g} Hz", *shown])
    for hz in sorted({*twin.thd_n, *device.thd_n}):
        rows.append([f"THD + noise at {hz:g} Hz", *(_percent(one.thd_n.get(hz)) for one in (twin, device))])
    rows.append(["Noise floor", *(_floor(one.floor, output_dbu) for one in (twin, device))])
    caption = f"Distortion and noise, tones at {number(round(device.level_db if device.thd else twin.level_db))} dBFS"
    notes = []
    if not device.thd:
        notes.append("the device's THD cannot be known: the dry recording holds no sine sweep (wavewright signal does)")
    if device.floor is None:
        notes.append("its noise floor cannot be known: the dry recording is nowhere silent for 0.3 s")
    if output_dbu is None:
        notes.append("in dBu where training is told --output-dbu")
    remark = f'<p class="note">{html.escape("; ".join(notes))}.</p>' if notes else ""
    return table(["", "Twin", "Device"], rows, caption) + remark


def _swept(dry: FloatArray, wet: FloatArray, rate: int) -> Sweep | None:
    found = find_sweep(dry, rate)
    if found is None:
        return None
    try:
        return harmonics_of_sweep(np.array(dry[found]), np.array(wet[found]), rate)
    except ValueError:  # rising and pure, but no sine
        return None


def _thd(sweep: Sweep) -> dict[float, float]:
    """THD at the frequencies of `TONES` that the sweep passed, each from the point that is nearest."""
    found = {}
    for hz in TONES:
        if sweep.hz[0] <= hz <= sweep.hz[-1]:
            one = sweep.harmonics[int(np.argmin(np.abs(np.log(sweep.hz / hz))))]
            if one[0] > 0 and np.isfinite(one[1]):
                found[hz] = float(np.sqrt(np.nansum(one[1:] ** 2)) / one[0])
    return found


def _percent(ratio: float | None, *, swept: bool = False) -> str:
    if ratio is None or math.isnan(ratio):
        return "–"
    if swept and ratio < LOUDEST_FLOOR:
        return f"below {100 * LOUDEST_FLOOR:g} %"
    return f"{number(100 * ratio, 3)} %"


def _floor(floor: float | None, output_dbu: float | None) -> str:
    if floor is None:
        return "–"
    if math.isinf(floor):
        return "digital silence"
    calibrated = "" if output_dbu is None else f", {number(dbu(floor, output_dbu), 3)} dBu"
    return f"{number(floor, 3)} dBFS{calibrated}"


def sides(process: Process, device: Process | None, dry: FloatArray, wet: FloatArray, rate: int) -> Sequence[Figures]:
    """The figures of the twin, then those of the device: both by tones where the device can be played, else both on
    what the recordings hold."""
    twin = tones(process, rate)
    if device is not None:
        return twin, tones(device, rate)
    found = recorded(dry, wet, rate)
    if found.thd:
        twin = Figures(on_the_same_sweep(process, dry, rate), {}, twin.floor, found.level_db)
    return twin, found

"""Charts of what a device does: transfer curves, harmonics over drive and frequency, response."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavewright.report.probe import HARMONICS, Probe, Sweep, Tone, decibels, smoothed
from wavewright.report.scales import Axis, number
from wavewright.report.svg import Series, chart

_FLOOR_DB = -100.0


def transfer_curves(twin: Probe, device: Probe | None = None) -> str:
    """Output against input while a slow sine swings, at three drives: what is bent, clipped and asymmetric."""
    series = []
    for probe, name, colour in _named(twin, device):
        for at, one in enumerate(probe.curves):
            # Closed, so that the last point joins the first.
            x, y = np.append(one.before, one.before[0]), np.append(one.after, one.after[0])
            series.append(Series(x, y, "" if at else name, colour, dashed=colour == "twin" and device is not None))
    drives = ", ".join(_decibel(one.amplitude) for one in twin.curves)
    return chart(
        series,
        Axis("input sample"),
        Axis("output sample"),
        title=f"Transfer curve at {twin.curves[0].hz:.0f} Hz, {drives} dBFS",
        describe="Output against input over one period. A line is a device without memory, a loop one with filters.",
        height=320,
    )


def level_curve(twin: Probe, device: Probe | None = None) -> str:
    """Output level against input level: where the device stops following."""
    series = []
    for probe, name, colour in _named(twin, device):
        out = decibels(np.array([one.rms for one in probe.drives]) * np.sqrt(2))
        dashed = colour == "twin" and device is not None
        series.append(Series(_drives(probe.drives), out, name, colour, dashed=dashed))
    return chart(
        series,
        Axis("input, dBFS (peak of the sine)", "dB"),
        Axis("output, dBFS", "dB"),
        title=f"Output level against input level at {twin.drives[0].hz:.0f} Hz",
        describe="A straight line at 45 degrees is a linear device; where it bends, the device compresses.",
        height=320,
    )


def harmonics_over_drive(twin: Probe, device: Probe | None = None) -> str:
    """Levels of the harmonics against the level of the input."""
    series = []
    for probe, dashed in _dashed(twin, device):
        amplitudes = np.array([one.harmonics for one in probe.drives])  # (drives, 8)
        series += _harmonics(_drives(probe.drives), amplitudes, dashed=dashed)
    return chart(
        series,
        Axis("input, dBFS (peak of the sine)", "dB"),
        _levels_axis(series),
        title=f"Harmonics against drive at {twin.drives[0].hz:.0f} Hz",
        describe=f"Levels of the first {HARMONICS} harmonics as the input rises.",
        height=340,
    )


def harmonics_over_frequency(twin: Sweep, device: Sweep | None = None) -> str:
    """Levels of the harmonics against the frequency of the input."""
    series = []
    for sweep, dashed in [(twin, False)] + ([(device, True)] if device is not None else []):
        series += _harmonics(sweep.hz, sweep.harmonics, dashed=dashed)
    levels = f"{number(round(twin.level_db))} dBFS"
    if device is not None and abs(device.level_db - twin.level_db) >= 0.5:
        levels += f" (device about {number(round(device.level_db))} dBFS)"
    return chart(
        series,
        Axis("Hz", "log"),
        _levels_axis(series),
        title=f"Harmonics against frequency at {levels}",
        describe=f"Levels of the first {HARMONICS} harmonics over the frequency of the tone.",
        height=340,
    )


def responses(twin: Probe, device: Probe | None = None) -> str:
    """Gain over frequency at a low level."""
    series = []
    for probe, name, colour in _named(twin, device):
        hz, gain = smoothed(probe.response_hz, probe.response_db)
        series.append(Series(hz, gain, name, colour, dashed=colour == "twin" and device is not None))
    top = max(float(np.max(np.asarray(one.y))) for one in series)
    lowest = max(min(float(np.min(np.asarray(one.y))) for one in series), top - 70)
    return chart(
        series,
        Axis("Hz", "log", low=20.0, high=twin.rate / 2),
        Axis("gain in dB", "dB", low=float(np.floor(lowest / 6) * 6), high=float(np.ceil(top / 6 + 0.1) * 6)),
        title=f"Frequency response at {number(twin.response_level_db)} dBFS",
        describe="Gain against frequency for a quiet signal, smoothed over a twelfth of an octave.",
        height=260,
    )


def distortion_rows(twin: Probe, device: Probe | None = None) -> list[list[str]]:
    """Rows of a table: drive, then total harmonic distortion in percent of each device."""
    rows = []
    for at, one in enumerate(twin.drives):
        if round(20 * np.log10(one.amplitude)) % 12 == 0:
            others = [] if device is None else [f"{number(100 * device.drives[at].thd, 3)} %"]
            rows.append([f"{_decibel(one.amplitude)} dBFS", f"{number(100 * one.thd, 3)} %", *others])
    return rows


def _named(twin: Probe, device: Probe | None) -> list[tuple[Probe, str, str]]:
    return ([] if device is None else [(device, "Device", "wet")]) + [(twin, "Twin", "twin")]


def _dashed(twin: Probe, device: Probe | None) -> list[tuple[Probe, bool]]:
    return [(twin, False)] + ([] if device is None else [(device, True)])


def _decibel(amplitude: float) -> str:
    return number(round(20 * float(np.log10(amplitude))))


def _drives(tones: Sequence[Tone]) -> list[float]:
    return [float(20 * np.log10(one.amplitude)) for one in tones]


def _harmonics(x: object, amplitudes: object, *, dashed: bool) -> list[Series]:
    levels = decibels(np.asarray(amplitudes, dtype=np.float64))
    return [
        Series(np.asarray(x), levels[:, order], _name(order, dashed=dashed), f"h{order + 1}", dashed=dashed)
        for order in range(HARMONICS)
    ]


def _name(order: int, *, dashed: bool) -> str:
    if dashed:
        return "" if order else "dashed: the device"
    return f"h{order + 1}"


def _levels_axis(series: Sequence[Series]) -> Axis:
    top = max(float(np.nanmax(np.asarray(one.y), initial=_FLOOR_DB)) for one in series)
    return Axis("dBFS (peak)", "dB", low=_FLOOR_DB, high=float(np.ceil(max(top, -40.0) / 10) * 10))

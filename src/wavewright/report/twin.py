"""The page of a digital twin: how good it is, to be heard, seen and read."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wavewright import __version__, atomic
from wavewright.audio.recording import FloatArray
from wavewright.report import devices, page, sounds
from wavewright.report import history as training
from wavewright.report.page import Figure, Section
from wavewright.report.players import Clip, excerpt, players
from wavewright.report.probe import Probe, Sweep
from wavewright.report.scales import number
from wavewright.report.settings import settings_table
from wavewright.report.svg import table

FIGURES: Mapping[str, tuple[str, str]] = {
    "esr": ("ESR", "energy of the error over that of the device; 0 is perfect"),
    "snr": ("SNR, dB", "the same in decibels; higher is better"),
    "si_sdr": ("SI-SDR, dB", "SNR after the best gain on the twin"),
    "lsd": ("LSD", "distance of log spectra, natural logarithms; lower is better"),
    "lsd10": ("LSD, log10", "distance of log spectra, decimal logarithms; lower is better"),
    "mr_stft": ("MR-STFT", "distance of spectra at three resolutions; lower is better"),
    "mse": ("MSE", "mean squared error, full scale is 1"),
    "rmse": ("RMSE", "its root"),
    "error_std": ("Error deviation", "standard deviation of the error"),
    "reference_std": ("Device deviation", "standard deviation of the device's recording"),
}
"""What the figures of metrics.* are called on a page, and what they mean."""

# Self-reported ESR of 112 amp captures that people share: a tenth, half and three quarters of them are below these.
_CAPTURES = ((0.0006, "the best tenth"), (0.0037, "the better half"), (0.0126, "the better three quarters"))


@dataclass(frozen=True)
class TwinPage:
    """All that the page of a twin shows; whatever is empty is left out.

    Args:
        title: name of the device or the run, plain text.
        rate: of the three recordings, in Hz.
        dry: what went in ``(time,)``; held-out sound that the twin was not trained on.
        wet: what the device made of it ``(time,)``, aligned.
        twin: what the twin makes of it ``(time,)``.
        history: the lines of ``log.jsonl``, see `wavewright.train.log`.
        figures: metrics by name over the whole held-out sound; the known ones are in `FIGURES`.
        probe: the twin measured by `wavewright.report.probe.probe`.
        device: the device measured in the same way, or its harmonics from a recorded sweep.
        bench: a table of distortion and noise, see `wavewright.report.bench`.
        knobs: HTML of `wavewright.report.knobs`, for a twin that has any.
        shown: a sentence on what of the twin this is, where that is not all of it.
        check: what the check of the pair found, as plain values.
        settings: the settings of the run, as plain values.
        steps_per_epoch: training steps in an epoch, for a second scale of the history.
        run: the run's folder as the user would type it, for the commands at the end.
        foot: a last line, such as the date.
    """

    title: str
    rate: int
    dry: FloatArray
    wet: FloatArray
    twin: FloatArray
    history: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    probe: Probe | None = None
    device: Probe | Sweep | None = None
    bench: str = ""
    knobs: str = ""
    shown: str = ""
    check: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps_per_epoch: float | None = None
    run: str = "RUN"
    foot: str = ""


def twin_report(path: Path, given: TwinPage, *, force: bool = False) -> None:
    """Write the page of a twin to ``path``.

    Raises:
        OutputError: ``path`` exists and not ``force``, or cannot be written.
        ValueError: the recordings differ in length or are empty.
    """
    atomic.refuse_existing(path, force=force)
    dry, wet, twin = given.dry, given.wet, given.twin
    if not dry.shape == wet.shape == twin.shape or dry.ndim != 1 or not dry.size:
        raise ValueError(
            f"dry {dry.shape}, wet {wet.shape}, twin {twin.shape}: each must be (time,), all of one length"
        )
    built = page.build(
        given.title,
        _sections(given),
        kicker="Digital twin",
        lead=_lead(given.figures),
        figures=_headline(given.figures, given.history, given.rate),
        foot=f"Wavewright {__version__}. Everything on this page is inside this file. {given.foot}".strip(),
    )
    page.write(path, built, force=force)


def _sections(given: TwinPage) -> list[Section]:
    rate, part = given.rate, excerpt(given.wet, given.rate)
    heard = [
        Clip(name, samples[part.start : part.stop], name.lower())
        for name, samples in (("Dry", given.dry), ("Wet", given.wet), ("Twin", given.twin))
    ]
    measured_on = f"Measured on held-out sound: the twin never heard it. {given.shown}".strip()
    return [
        Section("listen", "Listen", _listen(heard, rate, part.start, given.dry.size), given.shown),
        Section("figures", "Figures", _figures(given.figures), measured_on),
        Section("waveforms", "Waveforms", _waveforms(heard, rate)),
        Section("spectrograms", "Spectrograms", _spectrograms(heard, rate), "All four on one scale of levels."),
        Section("training", "Training", _training(given.history, given.steps_per_epoch)),
        Section("transfer", "Transfer", _transfer(heard, given.probe, given.device)),
        Section("harmonics", "Harmonics", _harmonics(given.probe, given.device) + given.bench),
        Section("knobs", "Knobs", given.knobs, "Held-out sound at every recorded position."),
        Section("data", "The recordings", findings(given.check)),
        Section("settings", "Settings", settings_table(given.settings)),
        Section("next", "What to do next", _next(given.figures, given.history, given.run)),
    ]


def findings(check: Mapping[str, Any]) -> str:
    """A check's plain values as HTML: verdict and warnings first, then a table for each nested mapping."""
    verdict = check.get("verdict")
    warnings = check.get("warnings") or []
    warnings = [warnings] if isinstance(warnings, str) else list(warnings)
    parts = []
    if verdict is not None:
        mood = "warn" if warnings else "good"
        parts.append(f'<p class="verdict {mood}">{html.escape(page.describe(verdict))}</p>')
    if warnings:
        items = "".join(f"<li>{html.escape(page.describe(warning))}</li>" for warning in warnings)
        parts.append(f'<ul class="findings">{items}</ul>')
    nested = {key: value for key, value in check.items() if isinstance(value, Mapping)}
    both = [name for name in ("dry", "wet") if name in nested]
    if len(both) == 2:
        keys = list(dict.fromkeys([*nested["dry"], *nested["wet"]]))
        rows = [[page.words(key), *(page.describe(nested[name].get(key)) for name in both)] for key in keys]
        parts.append(table(["", "Dry", "Wet"], rows))
        nested = {key: value for key, value in nested.items() if key not in both}
    for key, values in nested.items():
        rows = [[page.words(str(name)), page.describe(value)] for name, value in values.items()]
        parts.append(table([page.words(key), ""], rows))
    plain = [
        [page.words(key), page.describe(value)]
        for key, value in check.items()
        if key not in ("verdict", "warnings") and not isinstance(value, Mapping)
    ]
    return "".join(parts) + (table(["", ""], plain) if plain else "")


def _listen(heard: Sequence[Clip], rate: int, start: int, whole: int) -> str:
    seconds = heard[0].samples.size / rate
    part = f"{seconds:.1f} seconds"
    if heard[0].samples.size < whole:
        part = f"The loudest {part} of {whole / rate:.1f}, from {start / rate:.1f} s on"
    note = f"{part}, in 16 bits. Switch while it plays: the position stays."
    player = players(heard, rate, label="Dry, wet and twin", first=2)
    return f'<p class="note">{html.escape(note)}</p>{player}'


def _waveforms(heard: Sequence[Clip], rate: int) -> str:
    dry, wet, twin = heard
    error = _error(wet, twin)
    loudest = int(np.argmax(_energy(wet.samples, rate)))
    worst = int(np.argmax(_energy(error.samples, rate)))
    lanes = sounds.waveforms([dry, wet, twin, error], rate, alike=("Wet", "Twin", error.name))
    closer = sounds.close_up([wet, twin], rate, loudest, "Where it is loudest")
    furthest = sounds.close_up([wet, twin], rate, worst, "Where the error is largest")
    return f'<div class="pair">{lanes}{closer}{furthest}</div>{sounds.levels([wet, error], rate)}'


def _spectrograms(heard: Sequence[Clip], rate: int) -> str:
    return sounds.spectrograms([*heard, _error(heard[1], heard[2])], rate)


def _error(wet: Clip, twin: Clip) -> Clip:
    return Clip("Error (wet − twin)", wet.samples - twin.samples, "error")


def _energy(samples: FloatArray, rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    width = max(1, rate // 100)
    return np.convolve(np.square(samples, dtype=np.float64), np.ones(width), mode="same")


def _training(rows: Sequence[Mapping[str, Any]], steps_per_epoch: float | None) -> str:
    drawn = training.curves(rows, steps_per_epoch=steps_per_epoch)
    return f'<div class="pair">{drawn}</div>{training.events(rows)}' if drawn else training.events(rows)


def _transfer(heard: Sequence[Clip], probe: Probe | None, device: Probe | Sweep | None) -> str:
    dry, wet, twin = heard
    measured = device if isinstance(device, Probe) else None
    charts = [sounds.scatter(dry.samples, [wet, twin])]
    if probe is not None:
        charts = [devices.transfer_curves(probe, measured), devices.level_curve(probe, measured), *charts]
        charts.append(devices.responses(probe, measured))
    return f'<div class="pair">{"".join(charts)}</div>'


def _harmonics(probe: Probe | None, device: Probe | Sweep | None) -> str:
    if probe is None:
        return ""
    measured = device if isinstance(device, Probe) else None
    swept = device.sweep if isinstance(device, Probe) else device
    drive = devices.harmonics_over_drive(probe, measured)
    frequency = devices.harmonics_over_frequency(probe.sweep, swept)
    head = ["Drive", "Twin"] if measured is None else ["Drive", "Twin", "Device"]
    thd = table(
        head, devices.distortion_rows(probe, measured), f"Total harmonic distortion at {probe.drives[0].hz:.0f} Hz"
    )
    return f'<div class="pair">{drive}{frequency}</div>{thd}'


def _figures(figures: Mapping[str, Any]) -> str:
    rows = []
    for key, value in figures.items():
        label, meaning = FIGURES.get(key, (page.words(key), ""))
        rows.append([label, value if isinstance(value, (int, float)) else page.describe(value), meaning])
    return table(["Figure", "Value", "What it says"], rows) if rows else ""


def _headline(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], rate: int) -> list[Figure]:
    shown = [
        Figure(FIGURES[key][0], page.describe(figures[key]), meaning)
        for key, meaning in (
            ("esr", "error over signal, lower is better"),
            ("snr", "signal over error, higher is better"),
            ("mr_stft", "distance of spectra, lower is better"),
        )
        if key in figures
    ]
    spent = [training.minutes(row) for row in rows]
    spent = [value for value in spent if math.isfinite(value)]
    if spent:
        shown.append(Figure("Training", f"{number(max(spent), 3)} min", f"at {rate:,} Hz"))
    return shown


def _lead(figures: Mapping[str, Any]) -> str:
    esr = figures.get("esr")
    if not isinstance(esr, (int, float)) or not math.isfinite(esr):
        return ""
    percent = number(100 * esr, 2) if esr < 0.995 else f"{100 * esr:.0f}"
    share = f"{percent} % of the device's energy is missed"
    for limit, group in _CAPTURES:
        if esr <= limit:
            return f"{share}: among {group} of the amp captures that people share (ESR up to {limit:g})."
    return f"{share}. Three quarters of the amp captures that people share are closer (ESR up to {_CAPTURES[-1][0]:g})."


def _next(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], run: str) -> str:
    steps = []
    esr = figures.get("esr")
    good = isinstance(esr, (int, float)) and esr <= _CAPTURES[1][0]
    if training.still_improving(rows):
        steps.append(
            (
                "Train it longer",
                "The error was still falling when the time was up. The run goes on where it stopped.",
                f"wavewright train emulate DRY WET -o {run} --resume --minutes 30",
            )
        )
    elif not good:
        steps.append(
            (
                "Look at the recordings",
                "The error has stopped falling. Look for clipping, noise, a moving delay or a device with knobs that "
                "moved; a larger network may help, too.",
                "wavewright check DRY WET",
            )
        )
    steps += [
        (
            "Play your own sound through it",
            "Any length, any number of channels.",
            f"wavewright render {run} in.wav -o out.wav",
        ),
        (
            "Use it in a plug-in",
            "The .nam file opens in the players that guitarists use.",
            f"wavewright export {run} --to nam",
        ),
        (
            "Measure it on another recording",
            "A pair that was not used for training.",
            f"wavewright evaluate {run} DRY WET",
        ),
    ]
    items = (
        f"<h3>{html.escape(head)}</h3><p>{html.escape(text)}</p><pre><code>{html.escape(command)}</code></pre>"
        for head, text, command in steps
    )
    return f'<div class="next">{"".join(items)}</div>'

"""The page of an upsampler: sounds with their band lost, put back and as they were; figures, spectra, history."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright import __version__, atomic
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import stft
from wavewright.report import history as training
from wavewright.report import page, png
from wavewright.report.page import Figure, Section
from wavewright.report.players import Clip, excerpt, players
from wavewright.report.scales import Axis, number
from wavewright.report.settings import settings_table
from wavewright.report.svg import Picture, Series, chart, table

SECONDS = 6.0
"""Of each sound in the page: its loudest part."""

N_FFT = 1024
RANGE_DB = 80.0
ROWS, COLUMNS = 200, 500
COLOURS = {"low": "dry", "restored": "twin", "full": "wet"}


@dataclass(frozen=True)
class Heard:
    """A sound ``(time,)`` with its band lost, with it put back, and as it was; ``notes`` are plain text."""

    name: str
    low: FloatArray
    restored: FloatArray
    full: FloatArray
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class UpsamplerPage:
    """All that the page of an upsampler shows; whatever is empty is left out.

    ``figures`` has a row for each way to bring a sound back: its name, SNR, SNR of patches, LSD, LSD10. ``files`` the
    rows of a table whose head is ``columns``. ``kept`` is the frequency in Hz below which every sound stays its own.
    """

    title: str
    rate: int
    low_rate: int
    kept: float
    heard: Sequence[Heard] = ()
    figures: Sequence[tuple[str, float, float, float, float]] = ()
    columns: Sequence[str] = ()
    files: Sequence[Sequence[str]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    headline: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    run: str = "RUN"


def upsampler_report(path: Path, given: UpsamplerPage, *, force: bool = False) -> None:
    """Write the page of an upsampler to ``path``.

    Raises:
        OutputError: ``path`` exists and not ``force``, or cannot be written.
        ValueError: the three of a sound differ in length, or are empty.
    """
    atomic.refuse_existing(path, force=force)
    for one in given.heard:
        shapes = {one.low.shape, one.restored.shape, one.full.shape}
        if len(shapes) != 1 or one.full.ndim != 1 or not one.full.size:
            raise ValueError(f"sound {one.name!r} {sorted(shapes)}: must be three times (time,), of one length")
    sections = [
        Section("listen", "Listen", "".join(_take(one, given) for one in given.heard), _LISTEN),
        Section("figures", "Figures", _figures(given), "Held-out sounds: training never heard them."),
        Section("spectrum", "Spectrum", _spectrum(given), "The mean over everything above."),
        Section("training", "Training", _training(given.history)),
        Section("files", "Every sound", _files(given)),
        Section("settings", "Settings", settings_table(given.settings)),
        Section("next", "What to do next", _next(given)),
    ]
    built = page.build(
        given.title,
        sections,
        kicker="Upsampler",
        lead=f"From {given.low_rate:,} Hz to {given.rate:,} Hz. What lies below {given.kept:,.0f} Hz stays the sound's "
        "own; what lies above is written.",
        figures=given.headline,
        foot=f"Wavewright {__version__}. Everything on this page is inside this file.",
    )
    page.write(path, built, force=force)


_LISTEN = "Switch while it plays: the band lost, put back by the network, and as it was recorded."


def _take(one: Heard, given: UpsamplerPage) -> str:
    part = excerpt(one.full, given.rate, SECONDS)
    span = slice(part.start, part.stop)
    clips = [
        Clip("Low", one.low[span], COLOURS["low"]),
        Clip("Restored", one.restored[span], COLOURS["restored"]),
        Clip("Full", one.full[span], COLOURS["full"]),
    ]
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in one.notes)
    player = players(clips, given.rate, label=f"{one.name}: low, restored, full", first=1)
    return f'<div class="take"><h3>{html.escape(one.name)}</h3>{notes}{player}{spectrograms(clips, given.rate)}</div>'


def spectrograms(clips: Sequence[Clip], rate: int) -> str:
    """One spectrogram for each clip side by side, from 0 Hz to half the rate, on one scale of colours."""
    pictures = [_picture(clip.samples) for clip in clips]
    top = float(np.ceil(max(picture.max() for picture in pictures) / 5) * 5)
    charts = [
        chart(
            [],
            Axis("seconds", low=0.0, high=clip.samples.size / rate),
            Axis("kHz", low=0.0, high=rate / 2000),
            title=clip.name,
            describe=f"Spectrogram from 0 to {rate / 2000:g} kHz over {clip.samples.size / rate:.1f} seconds.",
            height=210,
            picture=Picture(
                png.address(png.heat_map(picture, top - RANGE_DB, top)),
                (0.0, clip.samples.size / rate),
                (0.0, rate / 2000),
            ),
        )
        for clip, picture in zip(clips, pictures, strict=True)
    ]
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in png.colour_map()[::17])
    scale = (
        f'<p class="scale"><span>{number(top - RANGE_DB)} dBFS</span>'
        f'<i style="background:linear-gradient(90deg,{stops})"></i><span>{number(top)} dBFS in a bin</span></p>'
    )
    return f'<div class="trio">{"".join(charts)}</div>{scale}'


def _picture(samples: FloatArray) -> NDArray[np.float64]:
    """Levels in dBFS ``(rows, columns)``, highest frequency first; a sine of full scale reads 0."""
    hop = int(np.clip(samples.size // COLUMNS, 32, N_FFT // 2))
    power = np.abs(stft(samples, N_FFT, hop)).astype(np.float64) ** 2 * (4 / N_FFT) ** 2  # (bins, frames)
    edges = np.linspace(0, power.shape[0], ROWS, endpoint=False).astype(np.int64)
    rows = np.maximum.reduceat(power, edges, axis=0)
    return np.asarray(10 * np.log10(np.maximum(rows, 1e-20)))[::-1]


def _figures(given: UpsamplerPage) -> str:
    rows = [[name, *(_written(value) for value in values)] for name, *values in given.figures]
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in given.notes)
    head = ["Mean of", "SNR, dB", "SNR of patches, dB", "LSD", "LSD10"]
    return table(head, rows) + notes if rows else ""


def _files(given: UpsamplerPage) -> str:
    if not given.files:
        return ""
    shown = table(list(given.columns), [list(row) for row in given.files])
    return f"<details><summary>{len(given.files)} sounds, one by one</summary>{shown}</details>"


def _spectrum(given: UpsamplerPage) -> str:
    """Mean levels of the three over frequency."""
    if not given.heard:
        return ""
    frequency = np.fft.rfftfreq(N_FFT, 1 / given.rate) / 1000
    series, at_top = [], []
    for name, kind in (("Full", "full"), ("Low", "low"), ("Restored", "restored")):
        powers = [np.abs(stft(getattr(one, kind), N_FFT, N_FFT // 2)).astype(np.float64) ** 2 for one in given.heard]
        mean = np.concatenate(powers, axis=1).mean(axis=1) * (4 / N_FFT) ** 2
        level = 10 * np.log10(np.maximum(mean, 1e-12))
        series.append(Series(frequency, level, name, COLOURS[kind], dashed=kind == "restored"))
        at_top.append(f"{name} {number(float(level[3 * len(level) // 4]), 3)} dB")
    top = max(float(np.max(one.y)) for one in series)
    return chart(
        series,
        Axis("kHz", low=0.0, high=given.rate / 2000),
        Axis("dBFS in a bin", "dB", low=top - 90, high=top + 5),
        title="Mean spectrum",
        describe=f"At three quarters of the band: {', '.join(at_top)}.",
        height=260,
    )


def _training(rows: Sequence[Mapping[str, Any]]) -> str:
    drawn = "".join(
        _curve(rows, key, title, label)
        for key, title, label in (
            ("snr", "SNR on held-out sounds", "dB"),
            ("lsd10", "LSD10 on held-out sounds", "LSD10"),
            ("loss", "Loss on the training data", "loss"),
        )
    )
    return (f'<div class="pair">{drawn}</div>' if drawn else "") + training.events(rows)


def _curve(rows: Sequence[Mapping[str, Any]], key: str, title: str, label: str) -> str:
    drawn = [(training.minutes(row), float(row[key])) for row in rows if _finite(row.get(key))]
    drawn = [(when, value) for when, value in drawn if _finite(when)]
    if len(drawn) < 2:
        return ""
    x, y = zip(*drawn, strict=True)
    return chart(
        [Series(x, y, colour="ink" if key == "loss" else "twin")],
        Axis("minutes", low=0.0, high=max(x)),
        Axis(label),
        title=title,
        describe=f"From {number(y[0], 3)} to {number(y[-1], 3)} in {number(max(x), 3)} minutes.",
        height=220,
    )


def _next(given: UpsamplerPage) -> str:
    steps = (
        (
            "Restore a file",
            "Any length, rate and channels; many files go into a folder.",
            "render",
            "old.wav -o new.wav",
        ),
        ("Measure it on your own sounds", "Full-band files are degraded and put back.", "evaluate", "FOLDER -o OUT"),
    )
    items = [
        f"<h3>{head}</h3><p>{text}</p><pre><code>{html.escape(f'wavewright {word} {given.run} {rest}')}</code></pre>"
        for head, text, word, rest in steps
    ]
    more = html.escape(f"wavewright train upsample FOLDER -o RUN2 --start-from {given.run} --aim perceptual")
    items.append(f"<h3>Fuller, for the ear</h3><p>Go on from these weights.</p><pre><code>{more}</code></pre>")
    return f'<div class="next">{"".join(items)}</div>'


def _written(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

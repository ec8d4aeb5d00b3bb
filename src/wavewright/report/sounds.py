"""Charts of recordings: waveforms, close-ups, levels, spectrograms, output against input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import stft
from wavewright.report import png
from wavewright.report.players import Clip, envelope
from wavewright.report.scales import Axis, number
from wavewright.report.svg import Picture, Series, chart

_COLUMNS = 700
_ROWS = 200
_RANGE_DB = 80.0


def waveforms(clips: Sequence[Clip], rate: int, alike: Sequence[str] = ()) -> str:
    """One chart for each clip; those named in ``alike`` share one vertical scale."""
    shared = max((float(np.abs(clip.samples).max(initial=0.0)) for clip in clips if clip.name in alike), default=0.0)
    return "".join(_waveform(clip, rate, shared if clip.name in alike else 0.0) for clip in clips)


def _waveform(clip: Clip, rate: int, peak: float) -> str:
    peak = peak or float(np.abs(clip.samples).max(initial=0.0)) or 1.0
    starts, low, high = envelope(clip.samples, _COLUMNS)
    band = Series(starts / rate, low, colour=clip.colour, kind="band", upper=high)
    seconds = clip.samples.size / rate
    return chart(
        [band],
        Axis("seconds", low=0.0, high=seconds),
        Axis("full scale = 1", low=-1.05 * peak, high=1.05 * peak),
        title=clip.name,
        describe=f"Waveform of {seconds:.1f} seconds with a peak of {np.abs(clip.samples).max(initial=0.0):.2f}.",
        height=120,
    )


def close_up(clips: Sequence[Clip], rate: int, centre: int, title: str, seconds: float = 0.02) -> str:
    """A few milliseconds of several clips drawn over one another, the last one dashed."""
    length = min(round(seconds * rate), clips[0].samples.size)
    start = min(max(0, centre - length // 2), clips[0].samples.size - length)
    milliseconds = 1000 * np.arange(start, start + length) / rate
    series = [
        Series(
            milliseconds - milliseconds[0],
            clip.samples[start : start + length],
            clip.name,
            clip.colour,
            dashed=clip is clips[-1],
        )
        for clip in clips
    ]
    return chart(
        series,
        Axis(f"milliseconds from {start / rate:.3f} s", low=0.0, high=1000 * length / rate),
        Axis("full scale = 1"),
        title=title,
        describe=f"{' and '.join(clip.name for clip in clips)} over {1000 * length / rate:.0f} milliseconds.",
        height=230,
    )


def levels(clips: Sequence[Clip], rate: int, window: float = 0.05) -> str:
    """RMS levels over time in dBFS, all in one chart."""
    size = max(1, round(window * rate))
    series, top = [], -120.0
    for clip in clips:
        whole = clip.samples[: clip.samples.size // size * size].reshape(-1, size)
        decibels = 10 * np.log10(np.maximum(np.mean(np.square(whole, dtype=np.float64), axis=1), 1e-12))
        top = max(top, float(decibels.max(initial=-120.0)))
        series.append(Series((np.arange(decibels.size) + 0.5) * size / rate, decibels, clip.name, clip.colour))
    top = np.ceil(top / 10) * 10
    return chart(
        series,
        Axis("seconds", low=0.0, high=clips[0].samples.size / rate),
        Axis("dBFS (RMS)", "dB", low=top - 90, high=top),
        title="Levels over time",
        describe=f"Levels of {', '.join(clip.name for clip in clips)} in steps of {1000 * window:.0f} milliseconds.",
        height=220,
    )


def spectrograms(clips: Sequence[Clip], rate: int, height: int = 220) -> str:
    """One spectrogram for each clip on a logarithmic frequency axis, all on one colour scale, and the scale."""
    pictures = [_log_spectrogram(clip.samples, rate) for clip in clips]
    top = float(np.ceil(max(picture.max() for picture in pictures) / 5) * 5)
    charts = []
    for clip, picture in zip(clips, pictures, strict=True):
        address = png.address(png.heat_map(picture, top - _RANGE_DB, top))
        seconds, (low, high) = clip.samples.size / rate, _band(rate)
        charts.append(
            chart(
                [],
                Axis("seconds", low=0.0, high=seconds),
                Axis("Hz", "log", low=low, high=high),
                title=clip.name,
                describe=f"Spectrogram from {low:.0f} to {high:.0f} Hz over {seconds:.1f} seconds.",
                height=height,
                picture=Picture(address, (0.0, seconds), (low, high)),
            )
        )
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in png.colour_map()[::17])
    scale = (
        f'<p class="scale"><span>{number(top - _RANGE_DB)} dBFS</span>'
        f'<i style="background:linear-gradient(90deg,{stops})"></i><span>{number(top)} dBFS in a bin</span></p>'
    )
    return f'<div class="pair">{"".join(charts)}</div>{scale}'


def scatter(dry: FloatArray, others: Sequence[Clip], points: int = 1200, seed: int = 0) -> str:
    """Output against input at moments spread at random over the recording, denser where the input is loud."""
    loudness = np.abs(dry.astype(np.float64)) + 1e-6
    wanted = min(points, dry.size)
    moments = np.random.default_rng(seed).choice(dry.size, wanted, replace=False, p=loudness / loudness.sum())
    series = [Series(dry[moments], clip.samples[moments], clip.name, clip.colour, "points") for clip in others]
    return chart(
        series,
        Axis("input sample"),
        Axis("output sample"),
        title="Output against input in the recording",
        describe="A cloud along a curve is a device without memory; its width shows filters and memory.",
        height=300,
    )


def _band(rate: int) -> tuple[float, float]:
    return 40.0, min(20_000.0, rate / 2)


def _log_spectrogram(samples: FloatArray, rate: int) -> NDArray[np.float64]:
    """Levels in dBFS ``(rows, columns)``, highest frequency first; a sine of full scale reads 0."""
    n_fft = min(2048, 2 ** round(np.log2(rate / 16)))  # some fifty milliseconds
    hop = int(np.clip(samples.size // _COLUMNS, 32, n_fft // 2))
    power = np.abs(stft(samples, n_fft, hop)).astype(np.float64) ** 2 * (4 / n_fft) ** 2  # (bins, frames)
    low, high = _band(rate)
    edges = np.geomspace(low, high, _ROWS + 1) * n_fft / rate  # of the rows, in bins
    total = np.concatenate([np.zeros((1, power.shape[1])), np.cumsum(power, axis=0)])
    # Bin k reaches from k − ½ to k + ½; between, the running sum is interpolated, so narrow rows share a bin.
    at = np.clip(edges + 0.5, 0, power.shape[0])
    below = np.minimum(at.astype(np.int64), power.shape[0] - 1)
    running = total[below] + (at - below)[:, None] * power[below]
    mean = np.diff(running, axis=0) / np.diff(at)[:, None]
    return np.asarray(10 * np.log10(np.maximum(mean, 1e-20)))[::-1]

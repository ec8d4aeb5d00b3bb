"""Players: several recordings of one moment, side by side, inside the page.

Without JavaScript the browser's own players show, one for each recording; with it they become one player that
switches between the recordings while they run.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray

MOST_SECONDS = 12.0
"""Longest excerpt in a page; three of them in 16-bit FLAC at 48 kHz are three to four megabytes."""

_MOST_SAMPLES = 12 * 48_000
_COLUMNS = 600


@dataclass(frozen=True)
class Clip:
    """A recording to be heard: its name on the button, its samples ``(time,)``, its colour in the page."""

    name: str
    samples: FloatArray
    colour: str = "ink"


@dataclass(frozen=True)
class Excerpt:
    """The part of a recording that the page holds, in samples."""

    start: int
    stop: int


def excerpt(samples: FloatArray, rate: int, seconds: float = MOST_SECONDS) -> Excerpt:
    """The loudest ``seconds`` of ``samples`` ``(time,)``, or all of it where it is shorter."""
    length = min(round(seconds * rate), _MOST_SAMPLES)
    if samples.size <= length:
        return Excerpt(0, samples.size)
    hop = max(1, rate // 4)
    whole = samples[: samples.size // hop * hop].reshape(-1, hop)
    energy = np.concatenate([[0.0], np.cumsum(np.einsum("ij,ij->i", whole, whole, dtype=np.float64))])
    span = length // hop
    start = hop * int(np.argmax(energy[span:] - energy[:-span]))
    return Excerpt(start, min(start + length, samples.size))


def players(clips: Sequence[Clip], rate: int, *, label: str, first: int = 0, matched: bool = False) -> str:
    """One player for ``clips`` of equal length, as HTML.

    Args:
        clips: up to nine recordings of the same moment.
        rate: in Hz.
        label: what is heard, plain text.
        first: the clip that sounds at the start.
        matched: whether the switch for equal loudness starts on.

    Raises:
        ValueError: no clips, more than nine, or of different lengths.
    """
    shapes = {clip.samples.shape for clip in clips}
    if not 1 <= len(clips) <= 9 or len(shapes) != 1 or clips[0].samples.ndim != 1 or not clips[0].samples.size:
        raise ValueError(f"{len(clips)} clips {sorted(shapes)}: must be one to nine, each (time,), all of one length")
    peak = max(float(np.abs(clip.samples).max(initial=0.0)) for clip in clips)
    gain = min(1.0, 0.999 / peak) if peak > 0 else 1.0  # one gain for all: their levels stay comparable
    seconds = clips[0].samples.size / rate
    levels = _matching(clips)
    sounds = [
        f"<label>{html.escape(clip.name)}{_audio(clip.samples * np.float32(gain), rate, level)}</label>"
        for clip, level in zip(clips, levels, strict=True)
    ]
    quieter = "" if gain == 1.0 else f"<span>All recordings {-20 * np.log10(gain):.1f} dB quieter to fit.</span>"
    return (
        f'<div class="player" role="group" aria-label="{html.escape(label, quote=True)}" data-seconds="{seconds:.6f}" '
        f'data-first="{first}"><div class="plain">{"".join(sounds)}</div><div class="deck">'
        f"{_controls(clips, seconds)}{_wave(clips, seconds)}{_options(len(clips), quieter, matched=matched)}"
        "</div></div>"
    )


def _audio(samples: NDArray[np.float32], rate: int, level: float) -> str:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    content = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<audio controls preload="none" data-level="{level:.5f}" src="data:audio/flac;base64,{content}"></audio>'


def _matching(clips: Sequence[Clip]) -> list[float]:
    """Gains that bring all clips to the RMS of the quietest, so that none can clip; 1 for silence."""
    rms = [float(np.sqrt(np.mean(np.square(clip.samples, dtype=np.float64)))) for clip in clips]
    quietest = min((value for value in rms if value > 0), default=1.0)
    return [quietest / value if value > 0 else 1.0 for value in rms]


def _controls(clips: Sequence[Clip], seconds: float) -> str:
    buttons = [
        f'<button type="button" class="c-{html.escape(clip.colour, quote=True)}" aria-pressed="false">'
        f"{html.escape(clip.name)}<kbd>{at}</kbd></button>"
        for at, clip in enumerate(clips, start=1)
    ]
    icons = (
        '<svg class="go" viewBox="0 0 18 18" aria-hidden="true"><path d="M4 2l12 7-12 7z"/></svg>'
        '<svg class="pause" viewBox="0 0 18 18" aria-hidden="true"><path d="M3 2h4v14H3zM11 2h4v14h-4z"/></svg>'
    )
    length = f"{int(seconds // 60)}:{seconds % 60:04.1f}"
    return (
        f'<div class="controls"><button type="button" class="play" aria-label="Play">{icons}</button>'
        f'<div class="choice" role="group" aria-label="What is heard">{"".join(buttons)}</div>'
        f'<span class="time"><span class="now">0:00.0</span> / {length}</span></div>'
    )


def _wave(clips: Sequence[Clip], seconds: float) -> str:
    paths = "".join(
        f'<path class="c-{html.escape(clip.colour, quote=True)}" d="{_outline(clip.samples)}"/>' for clip in clips
    )
    return (
        f'<div class="wave" tabindex="0" role="slider" aria-label="Position" aria-valuemin="0" '
        f'aria-valuemax="{seconds:.1f}" aria-valuenow="0"><svg viewBox="0 0 {_COLUMNS} 200" preserveAspectRatio="none" '
        f'aria-hidden="true">{paths}</svg><div class="loop" hidden></div><div class="head"></div></div>'
    )


def _outline(samples: NDArray[np.floating]) -> str:
    _, low, high = envelope(samples, _COLUMNS)
    peak = (
        max(float(np.abs(low).max()), float(np.abs(high).max())) or 1.0
    )  # each fills the height: it is for finding places
    low, high = low / peak, high / peak
    there = " ".join(f"{at} {100 - 96 * value:.0f}" for at, value in enumerate(high))
    back = " ".join(f"{at} {100 - 96 * value:.0f}" for at, value in reversed(list(enumerate(low))))
    return f"M{there}L{back}Z"


def envelope(
    samples: NDArray[np.floating], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest sample ``(columns,)`` in each of ``columns`` equal stretches, and where those begin."""
    columns = max(1, min(columns, samples.size))
    edges = np.linspace(0, samples.size, columns, endpoint=False).astype(np.int64)
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    return edges.astype(np.float64), low.astype(np.float64), high.astype(np.float64)


def _options(count: int, quieter: str, *, matched: bool) -> str:
    state = " checked" if matched else ""
    return (
        '<div class="options"><label><input type="checkbox" class="looping">Loop</label>'
        f'<label><input type="checkbox" class="matched"{state}>Equal loudness</label>{quieter}'
        f'<span class="keys"><kbd>space</kbd> play · <kbd>1</kbd>–<kbd>{count}</kbd> switch · <kbd>L</kbd> loop · '
        "drag to mark a loop</span></div>"
    )

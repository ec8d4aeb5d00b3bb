"""The knobs of a twin on its page: every recorded position to hear and judge, and transfer curves along each knob."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.report.players import Clip, excerpt, players
from wavewright.report.probe import Tone
from wavewright.report.scales import Axis
from wavewright.report.svg import Series, chart, table

SECONDS = 4.0
"""Of each position to hear."""


@dataclass(frozen=True)
class Position:
    """One recorded position: its knobs in words, its three recordings ``(time,)``, its figures by name."""

    label: str
    dry: FloatArray
    wet: FloatArray
    twin: FloatArray
    figures: Mapping[str, float]


def knobs_section(positions: Sequence[Position], curves: Mapping[str, Mapping[str, Tone]], rate: int) -> str:
    """HTML: a table of all positions, a player for each, and for each knob its transfer curves by value.

    ``curves``: knob → value in words → the answer to one slow sine there.
    """
    rows = [[one.label, one.figures["esr"], one.figures["snr"], one.figures["mr_stft"]] for one in positions]
    parts = [table(["Position", "ESR", "SNR, dB", "MR-STFT"], rows)]
    charts = [_curves(knob, found) for knob, found in curves.items()]
    parts.append(f'<div class="pair">{"".join(charts)}</div>')
    for one in positions:
        part = excerpt(one.wet, rate, SECONDS)
        clips = [
            Clip(name, samples[part.start : part.stop], colour)
            for name, samples, colour in (("Dry", one.dry, "dry"), ("Wet", one.wet, "wet"), ("Twin", one.twin, "twin"))
        ]
        player = players(clips, rate, label=f"Dry, wet and twin at {one.label}", first=2)
        parts.append(f'<p class="note">{html.escape(one.label)}</p>{player}')
    return "".join(parts)


def _curves(knob: str, found: Mapping[str, Tone]) -> str:
    """Output against input over one period of a sine, a line for each value of a knob."""
    series = [
        Series(np.append(one.before, one.before[0]), np.append(one.after, one.after[0]), value, f"h{number}")
        for number, (value, one) in enumerate(found.items(), start=1)
    ]
    tone = next(iter(found.values()))
    return chart(
        series,
        Axis("input sample"),
        Axis("output sample"),
        title=f"Transfer curves along {knob}, at {tone.hz:.0f} Hz",
        describe="The twin's output against its input over one period, at values it was trained on and between them.",
        height=320,
    )

"""What the README of a pack tells: what lies in it, at which levels it works, and what to do with the gains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from wavewright.audio.recording import FloatArray
from wavewright.formats.nam_metadata import NamMetadata

SUMS = "SHA256SUMS"
"""The file of checksums, by which a pack is known."""


def readme(
    facts: NamMetadata,
    rate: int,
    latency: int,
    written: Mapping[str, Sequence[str]],
    left_out: Mapping[str, str],
    went_in: FloatArray,
    came_out: FloatArray,
) -> str:
    """The text. ``written`` holds what to say of each model file, ``left_out`` why formats are missing; sounds are
    ``(1, time)``."""
    lines = [f"{facts.name}", "=" * len(str(facts.name)), ""]
    device = " ".join(word for word in (facts.gear_make, facts.gear_model, facts.gear_type) if word)
    if device:
        lines.append(f"A model of {device}.")
    if facts.modeled_by:
        lines.append(f"Made by {facts.modeled_by}.")
    lines += [f"It plays at {rate:,} Hz, mono, {f'{latency} samples late' if latency else 'without latency'}.", ""]
    lines += ["Files", "-----", ""]
    for name, about in written.items():
        lines += [f"{name}: {about[0]}", *(f"    note: {note}" for note in about[1:])]
    lines += [
        "input.wav: a sound to try it with (32-bit float)",
        "expected.wav: what must come out of it, from the first sample, with every other effect switched off",
        f"{SUMS}: checksums of all that; `sha256sum -c {SUMS}` compares",
        *(f"There is no {name}: {' '.join(why.split())}" for name, why in left_out.items()),
        "",
        *_levels(facts, went_in, came_out),
        "",
    ]
    return "\n".join(lines)


def _levels(facts: NamMetadata, went_in: FloatArray, came_out: FloatArray) -> list[str]:
    """Gain staging in words and figures."""
    lines = ["Levels", "------", ""]
    lines.append(f"{'':14}{'peak':>12}{'RMS':>12}")
    for name, sound, reference in (
        ("input.wav", went_in, facts.input_level_dbu),
        ("expected.wav", came_out, facts.output_level_dbu),
    ):
        peak, mean = _decibels(float(np.abs(sound).max())), _decibels(float(np.sqrt(np.mean(np.square(sound)))))
        lines.append(f"{name:14}{peak:7.1f} dBFS{mean:7.1f} dBFS")
        if reference is not None:
            lines.append(f"{'':14}{peak + reference:7.1f} dBu {mean + reference:7.1f} dBu")
    margin = -_decibels(float(np.abs(came_out).max()))
    lines.append("")
    if margin >= 0:
        lines.append(f"Clip margin: {margin:.1f} dB are left between expected.wav and full scale.")
    else:
        lines.append(f"Clip margin: none, expected.wav is {-margin:.1f} dB beyond full scale. Turn the output down in")
        lines.append("front of a converter or an integer format.")
    if facts.loudness is not None:
        lines.append(
            f"Loudness: {facts.loudness:.1f} dBFS for pink noise at -15 dBFS; to stand at -18 dBFS beside other"
        )
        lines.append(f"models, turn its output by {-18 - facts.loudness:+.1f} dB.")
    lines += ["", *_staging(facts)]
    return lines


def _staging(facts: NamMetadata) -> list[str]:
    if facts.input_level_dbu is None:
        return [
            "Input gain: which level in dBu is full scale was not told when the model was made. Begin with no gain in",
            "front of the model and an instrument that peaks between -12 and -6 dBFS, then turn to taste.",
        ]
    lines = [
        f"Input gain: full scale at the model's input is {facts.input_level_dbu:g} dBu at the device's. With an",
        f"interface whose full scale is X dBu, put X - ({facts.input_level_dbu:g}) dB in front of the model.",
    ]
    if facts.output_level_dbu is not None:
        lines.append(f"Output: full scale at the model's output is {facts.output_level_dbu:g} dBu at the device's.")
    return lines


def _decibels(value: float) -> float:
    return 20 * math.log10(value) if value > 0 else -math.inf

"""Alignment: how late, how inverted and on how different a clock the wet recording follows the dry one.

What counts is the first arrival, not where the correlation is highest: a cabinet answers its loudest milliseconds after
its first sample, and a causal twin that is given its target too late can never catch up. A target a few samples early
costs it nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.warp import read_along, read_at
from wavewright.data.arrival import Arrival, first_arrival
from wavewright.data.clicks import ClickScan, find_clicks, scan_clicks
from wavewright.data.correlate import Line, coarse_lags, phase_lag, stretches
from wavewright.data.drift import refine_line, search_line, sharpen_line
from wavewright.data.wander import Wander, track, wanders
from wavewright.errors import PairError

TrackDrift = Literal["auto", "on", "off"]
"""Whether a delay that wanders is followed."""

SHORTEST_SECONDS = 0.1
ANCHOR_SECONDS = 300.0  # the first search keeps to as much as this, so that a drifting clock cannot blur it
EVIDENCE = 1.6  # mean coherence over chance that a true pair must show; unrelated recordings stay below 1.3
AGREEMENT = 0.3  # and the share of its stretches that must show one delay; by chance it is some hundredths
LONGEST_WHOLE = 1 << 25  # samples: longer pairs are not transformed whole
BLUR_OF_LEVEL = 32.0  # samples: a level rises no more sharply than this
SILENCE = 1e-6  # -120 dBFS: a recording that never rises above it holds nothing


@dataclass(frozen=True)
class Alignment:
    """How the wet recording lies to the dry one: sample ``n`` of the dry one is answered at ``n + delay`` of the wet.

    ``delay``: samples at the start, positive where the wet recording is late, with its sub-sample part.
    ``delay_samples``: the whole samples that training shifts by, never later than the first arrival by design.
    ``polarity``: -1 where the device inverts. ``drift_ppm``: by how many millionths the wet recording's clock counts
    more samples than the dry one's. ``confidence``: 0 to 1. ``uncertainty``: samples. ``evidence``: mean coherence over
    its value by chance. ``agreement``: share of the stretches that show this delay. ``clicks``: sync clicks used.
    ``wander``: what the delay does beside all that, where it is to be corrected.
    """

    delay: float
    delay_samples: int
    polarity: Literal[1, -1]
    drift_ppm: float
    confidence: float
    uncertainty: float
    method: Literal["clicks", "correlation"]
    evidence: float
    agreement: float
    clicks: int
    explanation: str
    wander: Wander | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the wander tells of itself (`Wander.to_dict`)."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "wander"}


@dataclass(frozen=True)
class _Match:
    line: Line
    slope_error: float
    evidence: float
    agreement: float
    count: int

    @property
    def strength(self) -> float:
        """What matches are chosen by: sound enough to tell, and agreement about where it lies."""
        return self.evidence * self.agreement


def align(dry: Recording, wet: Recording, track_drift: TrackDrift = "off") -> Alignment:
    """Find how ``wet`` follows ``dry``: from sync clicks where the dry recording has them, else from correlation.

    Both may be of any length and start, stereo recordings are represented by one channel (see `mono`). A clock that
    runs evenly faster or slower is always found. One that wanders is followed where ``track_drift`` says so: ``auto``
    where a wander is beyond doubt and its correction makes the pair fit better, ``on`` wherever it can be measured.

    Raises:
        PairError: the rates differ, one is silent or too short, or the two do not belong together.
    """
    if dry.rate != wet.rate:
        raise PairError(
            f"the dry recording is at {dry.rate} Hz and the wet one at {wet.rate} Hz: give both at one rate, "
            "or allow resampling (--resample)"
        )
    x, y = _checked(dry, "dry"), _checked(wet, "wet")
    emphasised, answer = _emphasised(x), _emphasised(y)
    match = _match(emphasised, answer, dry.rate, attempts=3)
    if track_drift == "on" or (track_drift == "auto" and wanders(emphasised, answer, dry.rate, match.line)):
        tracked = track(emphasised, answer, dry.rate, match.line)
        if tracked is not None and (tracked[1].matters or (track_drift == "on" and _holds(match))):
            return _along_wander(dry, wet, *tracked)
    follows = "waveform"
    if not _holds(match):
        # a full-wave rectifier's answer has no linear part, but follows the magnitude
        emphasised = _emphasised(np.abs(x))
        folded = _match(emphasised, answer, dry.rate, attempts=1)
        if not (_holds(folded) and folded.evidence > 2 * EVIDENCE):  # levels alone resemble each other sooner
            raise PairError(_strangers(max(match, folded, key=lambda one: one.strength)))
        match, follows = folded, "level"
    line = _steadied(match, len(x))
    found = stretches(emphasised, answer, line, (0, len(x)), _length(len(x), len(y), 2048), 6000, groups=16)
    arrival = first_arrival(found, dry.rate)
    scan = scan_clicks(find_clicks(x, dry.rate), y, _moved(line, arrival.pulse), dry.rate)
    return _told(line, match, arrival, scan, follows)


def apply(alignment: Alignment, dry: Recording, wet: Recording) -> tuple[Recording, Recording]:
    """``dry`` and ``wet`` cut to the samples both have, the wet one shifted to answer the dry one at the same sample.

    A clock that drifts or wanders is corrected by reading the wet recording at the dry one's pace. Polarity is left as
    it is: an inverting device inverts, and its twin must learn that. Without drift the samples are views, not copies.

    Raises:
        PairError: the recordings do not overlap at this delay.
    """
    shift, pace, wander = alignment.delay_samples, 1.0 + 1e-6 * alignment.drift_ppm, alignment.wander
    spare = 0 if wander is None else int(np.ceil(np.max(np.abs(wander.lags)))) + 1
    first = max(0, int(np.ceil((spare - shift) / pace)))
    last = min(dry.frames, int(np.floor((wet.frames - 1 - shift - spare) / pace)) + 1)
    if last <= first:
        raise PairError(
            f"at a delay of {shift} samples the dry recording ({dry.frames} samples) and the wet one "
            f"({wet.frames}) do not overlap: check that these are the files that were aligned"
        )
    frames = last - first
    if wander is not None:
        samples = read_along(wet.samples, lambda n: shift + (first + n) * pace + wander.at(first + n), frames)
    elif alignment.drift_ppm:
        samples = read_at(wet.samples, shift + first * pace, pace, frames)
    else:
        samples = wet.samples[:, first + shift : last + shift]
    return Recording(dry.samples[:, first:last], dry.rate), Recording(samples, wet.rate)


def mono(recording: Recording) -> tuple[FloatArray, str]:
    """One channel (time,) that stands for ``recording``, and in words what was done, empty for a mono recording."""
    samples = recording.samples
    if recording.channels == 1:
        return samples[0], ""
    power = np.array([float(np.mean(np.square(channel, dtype=np.float64))) for channel in samples])
    differs = max(float(np.mean(np.square(channel - samples[0], dtype=np.float64))) for channel in samples[1:])
    if differs <= 1e-6 * max(power[0], 1e-30):
        return samples.mean(
            axis=0, dtype=np.float32
        ), f"all {recording.channels} channels hold the same; their mean is used"
    if power[0] < 1e-6 * power.max():
        best = int(np.argmax(power))
        return samples[best], f"channel 1 of {recording.channels} is silent; channel {best + 1} is used"
    return samples[0], f"the {recording.channels} channels differ; channel 1 is used"


def _along_wander(dry: Recording, wet: Recording, line: Line, wander: Wander) -> Alignment:
    """The alignment of a recording whose delay wanders: straightened first, then aligned as any other.

    Raises:
        PairError: even straightened the two do not belong together.
    """
    straight = read_along(wet.samples, lambda n: n + line.along(n) + wander.at(n), dry.frames)
    rest = align(dry, Recording(straight, wet.rate))
    # sample n is answered at m = n + d of the straightened recording, which was read at m + line(m) + wander(m)
    d = rest.delay_samples
    start = d + line.at(d)
    whole = int(np.floor(start + 1e-6))
    moved = replace(wander, times=wander.times - d, lags=wander.lags + start - whole)
    us = 1e6 / dry.rate
    words = (
        f"the wet recording starts {abs(whole)} samples {'late' if whole >= 0 else 'early'}, in the mean; its delay "
        f"wanders by {wander.rms:.2f} samples rms ({us * wander.rms:.1f} µs), {wander.peak:.1f} at most, which is "
        f"corrected by resampling; {wander.residual:.2f} samples rms ({us * wander.residual:.1f} µs) remain"
    )
    return replace(
        rest,
        delay=round(start + rest.delay - d, 3),
        delay_samples=whole,
        drift_ppm=round(1e6 * line.slope + rest.drift_ppm, 3),
        explanation="; ".join([words, *rest.explanation.split("; ")[1:]]),
        wander=moved,
    )


def _checked(recording: Recording, name: str) -> FloatArray:
    x, _ = mono(recording)
    if recording.seconds < SHORTEST_SECONDS:
        raise PairError(
            f"the {name} recording has {recording.frames} samples ({recording.seconds:.3f} s): aligning needs at least "
            f"{SHORTEST_SECONDS} s; record a longer one"
        )
    if not np.isfinite(x).all():
        raise PairError(
            f"the {name} recording holds {int(np.sum(~np.isfinite(x)))} samples that are not finite; export it again"
        )
    low, high = float(x.min()), float(x.max())
    if high - low < SILENCE:
        what = "silent" if abs(low) < SILENCE else f"a constant {low:.3g}"
        raise PairError(f"the {name} recording is {what} (below -120 dBFS): check the cable, the channel and the level")
    return x


def _emphasised(x: FloatArray) -> FloatArray:
    """The same with its bass held back, which evens the spectrum out: both recordings alike, so H stays what it is."""
    y = x.copy()
    y[1:] -= np.float32(0.9) * x[:-1]
    y[0] = 0
    return y


def _length(dry: int, wet: int, most: int) -> int:
    """Samples in a stretch: a power of two up to ``most`` of which some two dozen fit."""
    fits = max(min(dry, wet) // 24, 256)
    return int(min(most, 2 ** int(np.log2(fits))))


def _match(dry: FloatArray, wet: FloatArray, rate: int, attempts: int) -> _Match:
    """The best of the likeliest lags, tried until one holds."""
    bounds = _anchor(dry, rate)
    lags: list[Callable[[], int]] = [
        partial(int, lag - bounds[0]) for lag in coarse_lags(dry[slice(*bounds)], wet, rate, 2, near=bounds[0])
    ]
    if len(dry) + len(wet) < LONGEST_WHOLE:
        lags.append(partial(phase_lag, dry, wet))
    best: _Match | None = None
    for lag in lags[:attempts]:
        match = _try(dry, wet, Line(float(lag())), bounds)
        if match and (best is None or match.strength > best.strength):
            best = match
        if best and _holds(best, 1.3):
            break
    if best is None:
        raise PairError(
            f"the dry recording ({len(dry) / rate:.2f} s) and the wet one ({len(wet) / rate:.2f} s) do not belong "
            "together: at the likeliest delays hardly any sound overlaps; check that these are two recordings of one "
            "performance"
        )
    return best


def _anchor(dry: FloatArray, rate: int) -> tuple[int, int]:
    """The loudest part of a long recording, no longer than ANCHOR_SECONDS."""
    most = round(ANCHOR_SECONDS * rate)
    if len(dry) <= most:
        return 0, len(dry)
    starts = np.linspace(0, len(dry) - most, 9).astype(int)
    loudness = [float(np.mean(np.abs(dry[start : start + most : 97]))) for start in starts]
    start = int(starts[int(np.argmax(loudness))])
    return start, start + most


def _try(dry: FloatArray, wet: FloatArray, line: Line, bounds: tuple[int, int]) -> _Match | None:
    """Follow ``line`` up: search around it, then let the stretches correct it; None where hardly anything overlaps."""
    found = stretches(dry, wet, line, bounds, _length(bounds[1] - bounds[0], len(wet), 16384), 96)
    if found.count < 8:
        return None
    line = search_line(found, line)
    match: _Match | None = None
    whole = (0, len(dry))
    for reach in (bounds,) if bounds == whole else (bounds, whole):
        for turn in range(6):
            found = stretches(dry, wet, line, reach, _length(len(dry), len(wet), 4096), 300)
            if found.count < 8:
                return match
            if turn == 0:
                line = sharpen_line(found, line)
                found = stretches(dry, wet, line, reach, _length(len(dry), len(wet), 4096), 300)
            evidence, before = found.evidence(), line
            line, error, agreement = refine_line(found, line)
            match = _Match(line, error, evidence, agreement, found.count)
            moved = max(abs(line.at(t) - before.at(t)) for t in reach)
            if moved < 0.5 or not _holds(match, 0.8):
                break
    return match


def _holds(match: _Match, strictness: float = 1.0) -> bool:
    """Whether the two recordings belong together. Few stretches may agree by chance, so more of them must."""
    needed = AGREEMENT + 0.5 / np.sqrt(match.count)
    return bool(match.evidence > strictness * EVIDENCE and match.agreement > strictness * needed)


def _steadied(match: _Match, frames: int) -> Line:
    """The line with whole samples and no slope where a slope is not beyond doubt or moves neither end by a sample."""
    line = match.line
    if abs(line.slope) * frames < 2.0 or abs(line.slope) < 4 * match.slope_error:
        return Line(float(round(line.at(frames / 2))))
    return line


def _moved(line: Line, by: float) -> Line:
    return Line(line.lag + by, line.slope)


def _strangers(match: _Match) -> str:
    return (
        f"the dry and the wet recording do not belong together: what they share is {match.evidence:.2f} times chance "
        f"(a true pair shows more than {EVIDENCE}), and {match.agreement:.0%} of the stretches agree on a delay "
        f"(more than {AGREEMENT:.0%} must); "
        "check that these are two recordings of one performance"
    )


def _told(line: Line, match: _Match, arrival: Arrival, scan: ClickScan | None, follows: str) -> Alignment:
    pulse = line.lag + arrival.pulse
    sure = min(1.0, match.evidence / (3 * EVIDENCE))
    method: Literal["clicks", "correlation"]
    if scan is not None:
        method, first, uncertainty, clicks = "clicks", pulse + scan.after, max(0.5, scan.spread), scan.count
        confidence = sure * (0.9 + 0.1 * match.agreement) / (1 + scan.spread / 20)
    else:
        method, first, uncertainty, clicks = "correlation", line.lag + arrival.first, arrival.uncertainty, 0
        if first < 0 <= line.lag + arrival.measured and not line.slope:
            first = 0.0  # plug-ins and simulations have no delay at all: the likeliest of what was measured
        uncertainty = max(uncertainty, BLUR_OF_LEVEL) if follows == "level" else uncertainty
        confidence = sure * (0.6 + 0.4 * match.agreement) / (1 + uncertainty / 40)
    whole = int(np.floor(first + 1e-6))
    # the pulse tells the sub-sample part where it is itself the first arrival
    delay = pulse if -0.5 <= pulse - whole <= 2.0 else float(whole)
    polarity: Literal[1, -1] = -1 if arrival.polarity < 0 and follows == "waveform" else 1
    words = [_delay_in_words(whole, pulse - whole, clicks, uncertainty)]
    if follows == "level":
        words.append("it follows the level, not the waveform, so its polarity has no meaning")
    elif polarity < 0:
        words.append("the device inverts, which the twin will learn")
    if line.slope:
        words.append(f"its clock runs {1e6 * line.slope:+.2f} ppm apart, which is corrected by resampling")
    return Alignment(
        delay=round(float(delay), 3),
        delay_samples=whole,
        polarity=polarity,
        drift_ppm=round(1e6 * line.slope, 3),
        confidence=round(float(confidence), 3),
        uncertainty=round(float(uncertainty), 1),
        method=method,
        evidence=round(match.evidence, 2),
        agreement=round(match.agreement, 3),
        clicks=clicks,
        explanation="; ".join(words),
    )


def _delay_in_words(delay: int, after: float, clicks: int, uncertainty: float) -> str:
    side = "late" if delay > 0 else "early"
    words = f"the wet recording starts {abs(delay)} samples {side}" if delay else "the wet recording is not delayed"
    if clicks:
        words += f", told by its first answer to {clicks} sync click{'s' if clicks > 1 else ''}"
    else:
        words += (
            f", told by correlation, as it answers no sync clicks; set to the early side, by up to {uncertainty:.0f}"
        )
    return words + (f"; its main pulse comes {after:.0f} samples after that" if after > 4 else "")

"""``check_pair``: do these two recordings belong together, and are they good enough, before an hour is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wavewright.audio.recording import Recording
from wavewright.audio.resample import resample
from wavewright.data.align import Alignment, TrackDrift, align, apply, mono
from wavewright.data.quality import Quality, inspect
from wavewright.data.repeats import Repeats, repeat_agreement

CLIPPED_SHARE = 1e-4  # a few peaks cut off do no harm
DC_SHARE = 0.003
NOISY_DBFS = -60.0
LOW_DBFS = -24.0
DULL_HZ = 8000.0
SILENT_SHARE = 0.5
SHORT_SECONDS = 60.0
LOST_SHARE = 0.02
UNSURE = 0.5
LOOSE_SAMPLES = 16.0
UNSTEADY_ESR = 0.003


@dataclass(frozen=True)
class PairReport:
    """What a check found. ``seconds``: how long both recordings overlap; ``warnings``: each with its remedy."""

    rate: int
    seconds: float
    alignment: Alignment
    dry: Quality
    wet: Quality
    repeats: Repeats | None
    resampled_from: int | None
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One line: fit for training, or with how many reservations."""
        if not self.warnings:
            return "The two recordings belong together and are fit for training."
        some = "one reservation" if len(self.warnings) == 1 else f"{len(self.warnings)} reservations"
        return f"The two recordings belong together; {some}:"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "rate": self.rate,
            "seconds": self.seconds,
            "alignment": self.alignment.to_dict(),
            "wander": self.alignment.wander.to_dict(self.rate) if self.alignment.wander else None,
            "dry": self.dry.to_dict(),
            "wet": self.wet.to_dict(),
            "repeats": self.repeats.to_dict() if self.repeats else None,
            "resampled_from": self.resampled_from,
            "warnings": list(self.warnings),
            "verdict": self.verdict,
        }

    def lines(self) -> list[str]:
        """The report for a terminal."""
        return [*_alignment_lines(self), "", *_quality_lines(self.dry, self.wet), "", *_closing_lines(self)]


def check_pair(
    dry: Recording, wet: Recording, *, allow_resample: bool = False, track_drift: TrackDrift = "auto"
) -> PairReport:
    """Align two recordings and measure both.

    With ``allow_resample`` a wet recording at another rate is brought to the dry one's first. ``track_drift``: whether
    a delay that wanders is followed, see `wavewright.data.align.align`.

    Raises:
        PairError: the rates differ and resampling is not allowed; one recording is silent, too short or holds samples
            that are not finite; the two do not belong together.
    """
    resampled_from = None
    if dry.rate != wet.rate and allow_resample:
        resampled_from, wet = wet.rate, resample(wet, dry.rate)
    alignment = align(dry, wet, track_drift)
    dry_part, wet_part = apply(alignment, dry, wet)
    qualities = inspect(dry), inspect(wet)
    repeats = repeat_agreement(mono(dry_part)[0], mono(wet_part)[0], dry.rate)
    seconds = round(dry_part.seconds, 3)
    warnings = (
        *_pair_warnings(alignment, dry, wet, dry_part.seconds, resampled_from, repeats),
        *_quality_warnings("dry", qualities[0]),
        *_quality_warnings("wet", qualities[1]),
    )
    return PairReport(dry.rate, seconds, alignment, *qualities, repeats, resampled_from, warnings)


def _pair_warnings(
    alignment: Alignment,
    dry: Recording,
    wet: Recording,
    seconds: float,
    resampled_from: int | None,
    repeats: Repeats | None,
) -> Iterator[str]:
    if resampled_from:
        yield f"the wet recording was resampled from {resampled_from} to {dry.rate} Hz: record both at one rate"
    for name, recording in (("dry", dry), ("wet", wet)):
        words = mono(recording)[1]
        if words and "differ" not in words:
            yield f"the {name} recording has {recording.channels} channels: {words}; record in mono"
    if alignment.drift_ppm:
        yield (
            f"the wet recording's clock runs {alignment.drift_ppm:+.2f} ppm apart and is corrected by resampling: "
            "play and record with one interface"
        )
    if alignment.wander:
        yield (
            f"the wet recording's delay wanders by {_samples(alignment.wander.rms, dry.rate)} rms, as tape or a "
            "loose clock does, and is corrected by resampling; "
            f"{_samples(alignment.wander.residual, dry.rate)} rms remain, which a twin cannot learn"
        )
    if alignment.confidence < UNSURE or (alignment.method == "correlation" and alignment.uncertainty > LOOSE_SAMPLES):
        yield (
            f"the delay is known to {alignment.uncertainty:.0f} samples only (confidence {alignment.confidence:.0%}): "
            "record again with sync clicks (wavewright signal)"
        )
    if seconds < SHORT_SECONDS:
        yield f"the recordings share {seconds:.1f} s of sound: two to three minutes give a better twin"
    lost = 1 - seconds / dry.seconds
    if lost > LOST_SHARE:
        yield f"{lost:.1%} of the dry recording has no answer in the wet one: record from before it starts to its end"
    if repeats and repeats.esr > UNSTEADY_ESR:
        yield (
            f"the device answers the same passage differently the second time (ESR {repeats.esr:.2g}): no twin will "
            f"be better than an ESR of about {repeats.best_esr:.2g}; look for noise or a slow modulation"
        )


def _samples(lag: float, rate: int) -> str:
    return f"{lag:.2f} samples ({1e6 * lag / rate:.1f} µs)"


def _quality_warnings(name: str, quality: Quality) -> Iterator[str]:
    if quality.non_finite:
        yield f"{quality.non_finite} samples of the {name} recording are not finite: export it again"
    if quality.full_scale > CLIPPED_SHARE:
        remedy = (
            "lower the interface's input gain and record again" if name == "wet" else "export it with more headroom"
        )
        yield f"{quality.full_scale:.1%} of the {name} samples sit at full scale: {remedy}"
    elif quality.flat_tops > CLIPPED_SHARE:
        yield (
            f"{quality.flat_tops:.1%} of the {name} samples lie in flat tops, {quality.peak:.1f} dBFS: if this is not "
            "the device's own clipping, lower the gain before the converter and record again"
        )
    if abs(quality.dc) > DC_SHARE:
        yield f"the {name} recording has a DC offset of {quality.dc:+.3f}: record through a coupling capacitor"
    if name == "wet" and quality.noise_floor is not None and quality.noise_floor > NOISY_DBFS and quality.silence > 0:
        yield f"the wet recording's noise floor is {quality.noise_floor:.0f} dBFS: look for hum or a ground loop"
    if quality.peak is not None and quality.peak < LOW_DBFS:
        yield f"the {name} recording peaks at {quality.peak:.1f} dBFS: raise the level and record again"
    if quality.silence > SILENT_SHARE:
        yield f"{quality.silence:.0%} of the {name} recording is silence: play more, there is little to learn from"
    if name == "dry" and 0 < quality.bandwidth < min(DULL_HZ, 0.4 * quality.rate):
        yield (
            f"the dry recording holds nothing above {quality.bandwidth:.0f} Hz: the twin cannot learn what the device "
            "does there; add brighter material (wavewright signal)"
        )


def _alignment_lines(report: PairReport) -> list[str]:
    found = report.alignment
    drift = f"{found.drift_ppm:+.2f} ppm" if found.drift_ppm else "none"
    how = f"{found.clicks} sync clicks" if found.method == "clicks" else "correlation"
    rows = [
        ("delay", f"{found.delay_samples} samples ({1000 * found.delay_samples / report.rate:.2f} ms), from {how}"),
        ("measured", f"{found.delay:.2f} samples, give or take {found.uncertainty:g}"),
        ("polarity", "inverted" if found.polarity < 0 else "as it went in"),
        ("drift", drift),
        ("wander", _wander_in_words(found, report.rate)),
        ("confidence", f"{found.confidence:.0%} ({found.agreement:.0%} of the stretches agree)"),
        ("overlap", f"{report.seconds:.1f} s at {report.rate} Hz"),
    ]
    return [f"{name:<12}{value}" for name, value in rows] + [f"  - {part}" for part in found.explanation.split("; ")]


def _wander_in_words(found: Alignment, rate: int) -> str:
    if found.wander is None:
        return "none that was to be corrected"
    before, after = _samples(found.wander.rms, rate), _samples(found.wander.residual, rate)
    return f"{before} rms, {found.wander.peak:.1f} at most; {after} rms remain once corrected"


def _quality_lines(dry: Quality, wet: Quality) -> list[str]:
    def level(value: float | None) -> str:
        return "silence" if value is None else f"{value:.1f} dBFS"

    rows: list[tuple[str, Callable[[Quality], str]]] = [
        ("length", lambda q: f"{q.seconds:.2f} s"),
        ("channels", lambda q: f"{q.channels}"),
        ("peak", lambda q: level(q.peak)),
        ("RMS", lambda q: level(q.rms)),
        ("full scale", lambda q: f"{q.full_scale:.2%}"),
        ("flat tops", lambda q: f"{q.flat_tops:.2%}"),
        ("DC", lambda q: f"{q.dc:+.4f}"),
        ("noise floor", lambda q: level(q.noise_floor)),
        ("silence", lambda q: f"{q.silence:.1%}"),
        ("bandwidth", lambda q: f"{q.bandwidth / 1000:.1f} kHz"),
    ]
    table = [("", "dry", "wet"), *((name, show(dry), show(wet)) for name, show in rows)]
    return [f"{name:<12}{one:>14}{two:>14}" for name, one, two in table]


def _closing_lines(report: PairReport) -> list[str]:
    lines = []
    if report.repeats:
        lines.append(
            f"{report.repeats.seconds:.1f} s are played twice; the wet answers differ by an ESR of "
            f"{report.repeats.esr:.2g}, so a twin can reach about {report.repeats.best_esr:.2g}."
        )
    return [*lines, report.verdict, *(f"  - {warning}" for warning in report.warnings)]

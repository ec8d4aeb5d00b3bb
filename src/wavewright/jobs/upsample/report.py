"""The page of an upsampler's run: held-out sounds, their band lost and put back, beside what they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from wavewright.atomic import refuse_existing
from wavewright.data.degrade import degradation_of
from wavewright.jobs.upsample import judge as upsample_judge
from wavewright.jobs.upsample import subjects as upsample_subjects
from wavewright.jobs.upsample.judge import Judged, ShapedNoise
from wavewright.jobs.upsample.upsampling import open_upsampler
from wavewright.report.page import Figure
from wavewright.report.upsampled import Heard, UpsamplerPage, upsampler_report
from wavewright.train.log import read_log

HEARD = 4
MEASURED = 24
"""How many of the held-out sounds are measured for the page; `wavewright evaluate` measures all."""

HEARD_SECONDS = 20.0
KIND = "chebyshev"
"""How the band is lost: the papers' way, so that the figures can be compared."""


def write(
    folder: Path,
    output: Path | None = None,
    *,
    title: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    force: bool = False,
) -> Path:
    """Write the page of the run at ``folder`` to ``output`` (its own report/index.html where None), and say where.

    Raises:
        RunError, ModelFileError: no run there, or one without a model or without its sounds.
        DataError: all that was held out is silent.
        OutputError: ``output`` exists already (without ``force``), or cannot be written.
    """
    if output is not None:
        refuse_existing(output, force=force)
    opened = open_upsampler(folder)
    assert opened.run is not None
    every = upsample_subjects.held_out(opened)
    subjects = every[:: -(-len(every) // MEASURED)]
    fitted = upsample_subjects.learned(opened)
    noise = ShapedNoise(fitted, opened.rate, opened.low_rate) if fitted else None
    verdict = upsample_judge.judge(opened, subjects, KIND, noise=noise, progress=progress)
    heard, named = [], {subject.name: subject for subject in subjects}
    for one in verdict.judged[:: -(-len(verdict.judged) // HEARD)]:
        subject = named[one.name]
        full = np.ascontiguousarray(next(subject.pieces())[: round(HEARD_SECONDS * opened.rate)])
        ways = upsample_judge.restored(opened, full, degradation_of(KIND, [0]))
        heard.append(Heard(subject.path.name, ways["resampler"], ways["model"], full, [_told(one)]))
    means = upsample_judge.means(verdict.judged)
    names = ("snr", "snr_patches", "lsd", "lsd10")
    page = UpsamplerPage(
        title=title or opened.name,
        rate=opened.rate,
        low_rate=opened.low_rate,
        kept=opened.kept,
        heard=heard,
        figures=[(way, one.snr, one.snr_patches, one.lsd, one.lsd10) for way, one in means.items()],
        columns=["File", "Seconds", "SNR, dB", "SNR of patches, dB", "LSD", "LSD10"],
        files=[
            [one.path.name, f"{one.seconds:.2f}", *(f"{getattr(one.ways['model'], name):.2f}" for name in names)]
            for one in verdict.judged
        ],
        history=read_log(opened.run.log),
        settings=opened.run.settings,
        headline=_headline(means, sum(weights.numel() for weights in opened.network.parameters())),
        notes=_notes(len(verdict.judged), len(every), bool(fitted)),
        run=str(folder),
    )
    place = output if output is not None else opened.run.report / "index.html"
    upsampler_report(place, page, force=True)
    return place


def _headline(means: dict[str, upsample_judge.Figures], weights: int) -> list[Figure]:
    model, ideal = means["model"], means["ideal low-pass"]
    noise = means.get("shaped noise")
    return [
        Figure("SNR", f"{model.snr:.2f} dB", f"ideal low-pass {ideal.snr:.2f}"),
        Figure("LSD10", f"{model.lsd10:.2f}", f"shaped noise {noise.lsd10:.2f}" if noise else f"low {ideal.lsd10:.2f}"),
        Figure("SNR of patches", f"{model.snr_patches:.2f} dB", f"ideal low-pass {ideal.snr_patches:.2f}"),
        Figure("Weights", f"{weights:,}", "numbers that were learned"),
    ]


def _told(one: Judged) -> str:
    model, low = one.ways["model"], one.ways["resampler"]
    return (
        f"{one.seconds:.1f} s; restored: SNR {model.snr:.2f} dB, LSD10 {model.lsd10:.2f}; "
        f"low: {low.snr:.2f} dB, {low.lsd10:.2f}"
    )


def _notes(measured: int, total: int, fitted: bool) -> list[str]:
    told = [
        f"The band was lost through a Chebyshev filter without phase, as in the papers; {measured} of {total} sounds."
    ]
    if fitted:
        told.append(
            "Shaped noise has the mean spectrum of the sounds learned, and follows the loudness of the low band."
        )
    return told

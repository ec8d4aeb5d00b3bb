"""``wavewright evaluate`` for a run of train upsample: how much of a lost band comes back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.jobs.upsample.settings import DEGRADATIONS

if TYPE_CHECKING:
    from wavewright.jobs.upsample.judge import Figures, Verdict

SHOWN = {"snr": "SNR", "lsd": "LSD", "lsd10": "LSD10"}


@dataclass(frozen=True)
class Arguments:
    """Take the upper band of full-band sounds away, put it back, and measure it beside what needs no network.

    Beside the model: a cubic spline, a resampler, an ideal low-pass, and noise of the shape of what was learned. Files
    of several channels are mixed down. With -o, each file is kept as .hr.wav (as it was), .lr.wav (its band lost) and
    .sr.wav (put back), all at the full rate, with a spectrogram of each, and the table as figures.csv.
    """

    run: Annotated[Path, POSITIONAL, option("a run of train upsample", metavar="RUN")]
    sources: Annotated[
        tuple[Path, ...],
        POSITIONAL,
        option("full-band sound files, and folders of them; absent: what the run has held out", metavar="[FOLDER …]"),
    ] = ()
    output: Annotated[
        Path | None, option("a folder for the sounds, their spectrograms and the table", short="-o", metavar="OUT")
    ] = None
    degrade: Annotated[
        Literal[DEGRADATIONS],  # type: ignore[valid-type]
        option("how the band is lost; mix draws another way for each file"),
    ] = "chebyshev"
    force: Annotated[bool, option("replace files that are there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "evaluate", words)
    from wavewright.cli.bar import Bar
    from wavewright.jobs.upsample import judge as upsample_judge
    from wavewright.jobs.upsample import subjects as upsample_subjects
    from wavewright.jobs.upsample.upsampling import open_upsampler

    voice, output = arguments.voice, arguments.output
    opened = open_upsampler(arguments.run)
    left: list[upsample_subjects.LeftOut] = []
    if arguments.sources:
        subjects, left = upsample_subjects.of_files(opened, arguments.sources, output)
    else:
        subjects = upsample_subjects.held_out(opened)
    fitted = upsample_subjects.learned(opened)
    noise = upsample_judge.ShapedNoise(fitted, opened.rate, opened.low_rate) if fitted else None
    with Bar("measuring", "files", voice) as bar:
        verdict = upsample_judge.judge(
            opened,
            subjects,
            arguments.degrade,
            left,
            noise=noise,
            output=output,
            force=arguments.force,
            progress=bar.update,
        )
    where = ", ".join(map(str, arguments.sources)) or "the sounds it has held out"
    found = upsample_judge.means(verdict.judged)
    voice.say(
        f"{arguments.run} on {where}: {len(verdict.judged)} sounds, {opened.low_rate} to {opened.rate} Hz, "
        f"band lost by {arguments.degrade}",
        *table(_files(verdict, found)),
        "",
        *table(_ways(found)),
        *_notes(verdict, fitted=bool(fitted)),
        *([f"sounds, spectrograms and figures.csv are in {output}"] if output is not None else []),
    )
    voice.result(
        {
            "rate": opened.rate,
            "low_rate": opened.low_rate,
            "degrade": arguments.degrade,
            "noise_fitted_on": "learned sounds" if fitted else None,
            "mean": {way: one.to_dict() for way, one in found.items()},
            "files": [
                {
                    "path": str(one.path),
                    "seconds": one.seconds,
                    "degrade": one.how.kind,
                    "note": one.note or None,
                    **{way: figures.to_dict() for way, figures in one.ways.items()},
                }
                for one in verdict.judged
            ],
            "left_out": [{"path": str(one.path), "why": one.why} for one in verdict.left_out],
        }
    )
    return 0


def _files(verdict: Verdict, found: dict[str, Figures]) -> list[list[str]]:
    """A row for each file, and the means: SNR, LSD and LSD10 of each way."""
    head = ["file", *(f"{way} {word}" if word == "SNR" else word for way in found for word in SHOWN.values())]
    rows = [(one.path.name, one.ways) for one in verdict.judged] + [("mean", found)]
    return [
        head,
        *([name, *(_written(getattr(ways[way], key)) for way in found for key in SHOWN)] for name, ways in rows),
    ]


def _ways(found: dict[str, Figures]) -> list[list[str]]:
    """A row for each way: the means, the SNR of patches beside that of whole files."""
    rows = [["mean of", "SNR, dB", "SNR of patches", "LSD", "LSD10"]]
    rows += [
        [way, *(_written(value) for value in (one.snr, one.snr_patches, one.lsd, one.lsd10))]
        for way, one in found.items()
    ]
    return rows


def _notes(verdict: Verdict, *, fitted: bool) -> list[str]:
    notes = [] if fitted else ["there is no row of shaped noise: what the model has learned is not here to shape it"]
    if verdict.left_out:
        notes.append(f"{len(verdict.left_out)} files left out; the first: {verdict.left_out[0].why}")
    odd = [one for one in verdict.judged if one.note]
    if odd:
        notes.append(f"{odd[0].note}" + (f"; so it is with {len(odd) - 1} more" if len(odd) > 1 else ""))
    return [f"note: {note}" for note in notes]


def _written(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"

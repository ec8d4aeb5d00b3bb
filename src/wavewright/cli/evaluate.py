"""``wavewright evaluate``: how near the twin comes to the device. Runs of other jobs go to files of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import APPENDED, POSITIONAL, option, parse
from wavewright.cli.jobs import file_for
from wavewright.errors import SettingsError

if TYPE_CHECKING:
    from wavewright.jobs.emulate.twin import Twin

NAMES = {
    "esr": ("ESR", "error energy over signal energy; 0 is perfect"),
    "snr": ("SNR, dB", "the same as a ratio in dB"),
    "si_sdr": ("SI-SDR, dB", "SNR after the best gain"),
    "mse": ("MSE", "mean squared error"),
    "rmse": ("RMSE", "its root"),
    "error_std": ("error std", "standard deviation of the error"),
    "reference_std": ("reference std", "standard deviation of the device's output"),
    "lsd": ("LSD", "log-spectral distance, natural logarithm"),
    "esr_whole": ("ESR, whole", "the same over everything, what does not count included"),
    "mr_stft": ("MR-STFT", "multi-resolution spectral distance"),
}


@dataclass(frozen=True)
class Arguments:
    """Measure a twin on its own held-out part, or on another dry and wet recording of the same device.

    Runs of other jobs have options of their own: `wavewright evaluate RUN --help` tells them.
    """

    model: Annotated[
        Path, POSITIONAL, option("a run folder, or a model file with a pair behind it", metavar="RUN|MODEL")
    ]
    recordings: Annotated[
        tuple[Path, ...], POSITIONAL, option("another dry and wet recording", metavar="[DRY WET]")
    ] = ()
    delay: Annotated[
        int | None, option("samples by which that wet file is late; found by correlation with the twin where absent")
    ] = None
    table: Annotated[
        bool, option("the errors of training and validation, epoch by epoch, as the run kept them, and the test's")
    ] = False
    knob: Annotated[
        tuple[str, ...], APPENDED, option("where a knob of the device stood for that pair", metavar="NAME=VALUE")
    ] = ()
    size: Annotated[Literal["lite", "full"] | None, option("which model of a container; full where absent")] = None
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    other = file_for("evaluate", words)
    if other is not None:
        return int(other.main(words))
    arguments = parse(Arguments, "evaluate", words)
    if len(arguments.recordings) not in (0, 2):
        raise SettingsError(
            [f"evaluate wants no recordings, or a dry and a wet one; {len(arguments.recordings)} were given"]
        )
    if arguments.table:
        return show_table(arguments)
    from wavewright.jobs.emulate import twin

    dry, wet = arguments.recordings or (None, None)
    opened = _turned(arguments, twin.open_twin(arguments.model, arguments.size))
    judgement = twin.evaluate(opened, dry, wet, arguments.delay)
    where = "the given pair" if arguments.recordings else "the held-out part"
    each = judgement.each
    rows = [["figure", "all" if each else "value", *each, ""]]
    rows += [
        [NAMES[name][0], f"{value:.5g}", *(f"{one[name]:.5g}" for one in each.values()), NAMES[name][1]]
        for name, value in judgement.figures.items()
    ]
    arguments.voice.say(
        f"{arguments.model} on {where}: {judgement.seconds:.2f} s"
        + (f", wet moved {judgement.delay} samples earlier" if judgement.delay else ""),
        *table(rows, left=(0, 2 + len(each))),
        *([f"note: {judgement.note}"] if judgement.note else []),
    )
    arguments.voice.result(judgement.to_dict())
    return 0


def _turned(arguments: Arguments, opened: Twin) -> Twin:
    """The twin with its knobs where they stood for the pair that was named; as it is where none was."""
    if not arguments.recordings:
        if arguments.knob:
            raise SettingsError(["--knob belongs to a pair of recordings: the held-out parts know their own values"])
        return opened
    return opened.turned(arguments.knob)


def show_table(arguments: Arguments) -> int:
    """The table of errors, epoch by epoch, and below it the errors on the given pair."""
    from wavewright.jobs.emulate import twin, twin_table
    from wavewright.metrics import error_table

    opened = twin.open_twin(arguments.model, arguments.size)
    dry, wet = arguments.recordings or (None, None)
    turned = _turned(arguments, opened)
    rows = twin_table.rows(opened)
    judged = None if dry is None else twin.evaluate(turned, dry, wet, arguments.delay)
    arguments.voice.say(*error_table.lines(rows, None if judged is None else judged.figures))
    shown = [
        {"line": " ".join(name.split()), **{column: row.get(column) for column in error_table.COLUMNS}}
        for name, row in rows
    ]
    arguments.voice.result({"table": shown, "test": None if judged is None else judged.to_dict()})
    return 0

"""``wavewright evaluate`` for a run of train generate: what held-out sounds cost, and how new sounds compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from wavewright.cli.console import Voice, table
from wavewright.cli.flags import POSITIONAL, option, parse
from wavewright.settings import setting

if TYPE_CHECKING:
    from wavewright.metrics.judgement import Judgement


@dataclass(frozen=True)
class Arguments:
    """Judge a generator: bits a sample on sounds it never heard, and its new sounds against the corpus."""

    run: Annotated[Path, POSITIONAL, option("the run folder", metavar="RUN")]
    folder: Annotated[
        Path | None, POSITIONAL, option("other sounds to predict; those held out where absent", metavar="[FOLDER]")
    ] = None
    count: int = setting(16, "new sounds to draw and compare; 0 for none", low=0)
    seed: int = setting(0, "of the new sounds", low=0)
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "evaluate", words)
    from wavewright.cli.bar import Bar
    from wavewright.jobs.generate import judge as generate_judge
    from wavewright.jobs.generate.generator import open_generator

    voice = arguments.voice
    opened = open_generator(arguments.run)
    predicted = generate_judge.predict(opened, arguments.folder)
    figures = generate_judge.figures_of_prediction(predicted)
    where = "the held-out sounds" if arguments.folder is None else str(arguments.folder)
    voice.say(f"{arguments.run} on {where}: {predicted.sounds} sounds, {predicted.seconds:.1f} s")
    voice.say(*table(_rows(figures), left=(0, 2)))
    if arguments.count:
        with Bar(f"drawing {arguments.count} sounds", "samples", voice, opened.rate) as bar:
            outputs = generate_judge.listen(opened, arguments.count, arguments.seed, bar.update)
        drawn = generate_judge.figures_of_outputs(outputs)
        voice.say(
            "",
            f"{arguments.count} new sounds against {outputs.judgement.reference}:",
            *beside_floors(outputs.judgement),
        )
        voice.say(*(f"{share:.0%} of them are {name}" for name, share in outputs.faults.items()))
        figures = {**figures, **drawn}
    voice.result(
        {
            "sounds": predicted.sounds,
            "seconds": predicted.seconds,
            **{name: value if math.isfinite(value) else None for name, (value, _) in figures.items()},
        }
    )
    return 0


def beside_floors(judgement: Judgement) -> list[str]:
    """The figures of new sounds as a table, each beside those of real sounds, of a Gaussian and of shuffled grains."""
    head = ["figure", "new", "real", "Gaussian", "grains", ""]
    return table(
        [head, *([row[0], *(_written(value) for value in row[1:5]), row[5]] for row in judgement.rows())], (0, 5)
    )


def _written(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _rows(figures: dict[str, tuple[float, str]]) -> list[list[Any]]:
    return [["figure", "value", ""], *([name, f"{value:.4g}", words] for name, (value, words) in figures.items())]

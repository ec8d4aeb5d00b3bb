"""The page of a generator's run: new sounds, each beside the nearest that was learned, figures and history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from wavewright.atomic import refuse_existing
from wavewright.jobs.frames import judge as frame_judge
from wavewright.jobs.frames.judge import FramePrediction
from wavewright.jobs.generate import judge as generate_judge
from wavewright.jobs.generate.generator import OpenFrames, OpenGenerator, open_generator
from wavewright.jobs.generate.judge import Outputs, Prediction
from wavewright.metrics import rhythm
from wavewright.metrics.judgement import Judgement
from wavewright.metrics.memorisation import Nearest
from wavewright.report.generated import GeneratorPage, Heard, Judged, Neighbour, curves_of, generator_report
from wavewright.train.log import read_log

NEW_SOUNDS = 12
REAL_SOUNDS = 6

TITLES = {
    "mmd": "MMD",
    "frechet": "Fréchet distance",
    "diversity": "Diversity",
    "movement": "Movement",
    "tail_db": "Tail",
    "rising": "Rising tails",
    "attack": "Attack",
    "decay": "Decay",
    "crest": "Crest",
    "centroid": "Brightness",
    "hiss": "Hiss",
    "intervals": "Rhythm",
    "copy": "Nearest copy",
    "copy_distance": "Nearest by spectrum",
    "copies": "Copies",
    "mmd_biased": "MMD, biased",
}
"""What the page calls the figures of `wavewright.metrics.judgement`."""


def write(
    folder: Path,
    output: Path | None = None,
    *,
    title: str | None = None,
    count: int = NEW_SOUNDS,
    progress: Callable[[int, int], None] | None = None,
    force: bool = False,
) -> Path:
    """Write the page of the run at ``folder`` to ``output`` (its own report/index.html where None), and say where.

    ``count`` sounds are drawn for it.

    Raises:
        RunError, ModelFileError: no run there, or one without a model.
        OutputError: ``output`` exists already (without ``force``), or cannot be written.
    """
    if output is not None:
        refuse_existing(output, force=force)
    opened = open_generator(folder)
    predicted = generate_judge.predict(opened)
    outputs = generate_judge.listen(opened, count, progress=progress)
    place = output if output is not None else opened.run.report / "index.html"
    rows = read_log(opened.run.log)
    loss, accuracy = curves_of(rows)
    material = opened.material
    page = GeneratorPage(
        title=title or opened.name,
        rate=opened.rate,
        outputs=[
            Heard(
                f"New {number}",
                drawn.sound,
                drawn.label,
                drawn.bits,
                drawn.faults,
                _neighbour(opened, nearest, len(drawn.sound)),
            )
            for number, (drawn, nearest) in enumerate(zip(outputs.drawn, outputs.nearest, strict=True), start=1)
        ],
        real=[
            Heard(sound.path.name, np.array(material.sound(sound)), sound.label)
            for sound in material.held_out[:: max(1, len(material.held_out) // REAL_SOUNDS)][:REAL_SOUNDS]
        ],
        figures=figures(predicted, outputs),
        loss=loss,
        accuracy=accuracy,
        floors=_floors(predicted),
        unit="bits a sample" if isinstance(predicted, Prediction) else frame_judge.MEANING[predicted.goal],
        rhythm={name: (rhythm.centres(), shares) for name, shares in outputs.judgement.intervals.items()},
        ordinary=[(one.correlation, one.distance) for one in outputs.held_out_nearest],
        events=[row for row in rows if "event" in row],
        settings=opened.run.settings,
        run=str(folder),
    )
    generator_report(place, page, force=True)
    return place


def _floors(predicted: Prediction | FramePrediction) -> dict[str, float]:
    """What the loss is drawn beside."""
    if isinstance(predicted, FramePrediction):
        return {"last frame again": predicted.repeated, "mean frame": predicted.mean}
    return {"linear predictor": predicted.beside.lpc, "how often codes occur": predicted.beside.unigram}


def figures(predicted: Prediction | FramePrediction, outputs: Outputs) -> list[Judged]:
    """Each figure beside that of real sounds, or of those who have learned next to nothing."""
    if isinstance(predicted, FramePrediction):
        cost = Judged(
            "Cost of a frame",
            predicted.cost,
            predicted.repeated,
            frame_judge.MEANING[predicted.goal],
            "last frame again",
        )
        return [cost, *judged(outputs.judgement), *_shares(outputs)]
    score = predicted.score
    rows = [
        Judged(
            "Bits a sample", score.bits, predicted.beside.lpc, "on held-out sounds; lower is better", "linear predictor"
        ),
        *judged(outputs.judgement),
    ]
    if score.accuracy is not None:
        rows.append(Judged("Guessed right", f"{score.accuracy:.1%}", None, "samples whose likeliest code was right"))
    if predicted.int8_bits is not None:
        rows.append(Judged("Cost of int8", predicted.int8_bits, None, "bits a sample more with int8 weights"))
    return rows + _shares(outputs)


def _shares(outputs: Outputs) -> list[Judged]:
    return [
        Judged(f"Share {name}", f"{share:.0%}", None, "of the new sounds, drawn once")
        for name, share in outputs.faults.items()
    ]


def judged(judgement: Judgement) -> list[Judged]:
    """What is known of new sounds, those who have learned next to nothing beside them."""
    return [
        Judged(
            TITLES[name],
            new,
            real if np.isfinite(real) else None,
            meaning,
            floors={"Gaussian": normal, "shuffled grains": shuffled},
        )
        for name, new, real, normal, shuffled, meaning in judgement.rows()
    ]


def _neighbour(opened: OpenGenerator | OpenFrames, nearest: Nearest, length: int) -> Neighbour:
    """The training sound under a new one, as long as that, silence where it has nothing."""
    sound = opened.material.learned[nearest.sound]
    under = nearest.aligned(opened.material.sound(sound), length)
    return Neighbour(sound.path.name, under, nearest.correlation, nearest.distance)

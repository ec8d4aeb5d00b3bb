"""Sound frame by frame: the recipe of "Deep Learning and Sound ~ 02" beside what was learned since, on every figure.

    python bench/frames.py [--steps 3000] [--document-steps 1000] [--count 64] [--seed 0] [--keep FOLDER]
                           [--only kicks,drums,amen,vowels,words,again] [--rows mixture,fft] [--drums FOLDER]
                           [--pattern GLOB] [--draws 8] [--speech FOLDER]

Three corpora: 250 built-in 808-like kicks (50 of them held out; another --seed makes other kicks), the kicks of a
folder of drums (three times, a third of them held out each time: figures are means over the three), and one amen
break, its end held out. Of these two a set of new sounds is a dozen, and figures are means over --draws sets. Rows:
Fourier transforms or raw frames, stacked LSTMs and squared error, silence learned behind each sound, one seed frame of
the corpus, with mean and deviation added back and without; then a mixture of normal distributions and codes. Each row
is trained for so many steps, and none of what is drawn is chosen; but "mixture" draws as it does where nothing else is
asked for, so what is nearer to a learned sound than any held-out one, what has a tail that rises where none learned
does, and what is silent, noise or stuck is drawn again.
"mixture, kept" is all of what was drawn first. The document's networks keep their last weights, for its author stopped
by the error on what was learned, which stands in the table. What they draw is half as long again as the longest sound,
as their author let them run on. With --keep the runs stay, and `wavewright report RUN` lets one hear them.
"again" prints what frames alone lose of held-out kicks. "vowels", one take at one pitch, its end held out, and "words",
200 of them, a fifth held out, are cut out of a folder of speech (`voices.py`); what suits a voice is told to the newer
networks there: `recipes_of_voices`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded

from voices import write_vowels, write_words
from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.audio.tempo import tempo_of
from wavewright.data.frame_kinds import frame_kind
from wavewright.data.frame_scaling import Scaling
from wavewright.errors import DataError
from wavewright.jobs.frames import sampling as frame_sampling
from wavewright.jobs.frames.demo import write_kicks
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import OpenFrames, open_generator
from wavewright.jobs.generate.settings import GenerateSettings, SampleSettings, settings_for
from wavewright.metrics.judgement import MEANING, Figures, Judge
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 16_000
SHOWN = (
    "rising", "tail_db", "mmd", "mmd_biased", "frechet", "attack", "decay", "crest", "centroid", "hiss", "intervals",
    "copy", "copies", "diversity", "movement",
)  # fmt: skip
TEMPERATURES = {"tokens": "0.7"}
FOLDS = 3
RUNS_ON = 1.5
"""Times the longest sound, which the document's networks are let run."""


@dataclass(frozen=True)
class Row:
    """What is known of one row: its figures, what the network missed of what it learned (mean square, or nats), the
    seconds of one core that training and a minute of sound took, and the share of loops within 1 % of the tempo learned
    (half and double count)."""

    figures: Figures
    missed: float
    training: float
    a_minute: float
    in_time: float

    @classmethod
    def mean(cls, rows: list[Row]) -> Row:
        """Over folds."""
        figures = {
            one.name: float(np.mean([getattr(row.figures, one.name) for row in rows])) for one in fields(Figures)
        }
        rest = ([getattr(row, name) for row in rows] for name in ("missed", "training", "a_minute", "in_time"))
        return cls(Figures(**figures), *(float(np.mean(values)) for values in rest))


def recipes(loop: bool) -> dict[str, tuple[str, GenerateSettings, bool]]:
    """Row → the run it needs, its settings, and whether mean and deviation are added back."""
    document = replace(settings_for("frame-lstm"), rate=RATE)
    raw = replace(document, frame=replace(document.frame, frames="raw"))
    ours = replace(settings_for("frame-mixture", loops=loop), rate=RATE, onset=not loop)
    ours = replace(ours, frame=replace(ours.frame, on_beat=loop))
    tokens = replace(settings_for("frame-tokens", loops=loop), rate=RATE, onset=not loop)
    tokens = replace(tokens, frame=replace(tokens.frame, on_beat=loop))
    return {
        "fft + LSTM + MSE": ("fft", document, True),
        "the same, not denormalised": ("fft", document, False),
        "raw + LSTM + MSE": ("raw", raw, True),
        "raw, not denormalised": ("raw", raw, False),
        "mixture": ("mixture", ours, True),
        "mixture, kept": ("mixture", ours, True),
        "tokens": ("tokens", tokens, True),
    }


def recipes_of_voices(take: bool) -> dict[str, tuple[str, GenerateSettings, bool]]:
    """The same for words, or for one ``take`` without an end: sound follows from the sound before, in codes of levels.
    A mixture that hears no frames stands beside one that does."""

    def ours(network: str, **told: Any) -> GenerateSettings:
        plain = settings_for(network)
        frame = replace(plain.frame, frames="levels", components=64, heard=1, ending=not take, varied=0, **told)
        return replace(plain, rate=RATE, onset=not take, frame=frame)

    # of a few seconds, further codebooks would be learned by heart
    codes = ours("frame-tokens", **({"input_noise": 0.5, "codebooks": 4, "character": 6} if take else {}))
    return {row: recipe for row, recipe in recipes(False).items() if recipe[0] in ("fft", "raw")} | {
        "mixture, deaf": ("mixture", ours("frame-mixture"), True),
        "mixture": ("heard", ours("frame-mixture", feedback=True, input_noise=0.3), True),
        "codes": ("tokens", codes, True),
    }


def trained(
    sources: list[Path], run: Path, settings: GenerateSettings, steps: int, seed: int
) -> tuple[OpenFrames, float]:
    """The run, trained if it is not there yet, and the processor seconds that took; NaN where it was."""
    began, there = time.process_time(), (run / "model.safetensors").is_file()
    if not there:
        looks = steps if settings.network == "frame-lstm" else 200
        train = replace(with_budget(settings.train, steps=steps), preview_minutes=None, validate_steps=looks, seed=seed)
        settings = replace(settings, train=replace(train, threads=1))
        generate.learn(generate.begin(sources, run, settings, Silent(), force=True), settings, Silent())
    opened = open_generator(run)
    assert isinstance(opened, OpenFrames)
    return opened, float("nan") if there else time.process_time() - began


def missed(run: Path, network: str) -> float:
    """What the network missed of the sounds it learned, when it was last asked."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    name = "train_mse" if network == "frame-lstm" else "train_nats"
    return [float(line[name]) for line in lines if name in line][-1]


def asked(row: str, opened: OpenFrames, count: int, denormalize: bool, seconds: float | None) -> SampleSettings:
    """What is drawn: the document began with a frame of the corpus and let the network run on."""
    redraw = SampleSettings().redraw if row == "mixture" else 0
    settings = SampleSettings(count=count, seconds=seconds, redraw=redraw, temperature=TEMPERATURES.get(row))
    if "MSE" in row or "denormalised" in row:
        longest = max(sound.length for sound in opened.material.learned) / opened.rate
        frame = replace(settings.frame, start="corpus", start_frames=1, denormalize=denormalize)
        return replace(settings, seconds=seconds or RUNS_ON * longest, frame=frame)
    if "kept" in row:
        return replace(settings, frame=replace(settings.frame, novel="never"))
    return settings


def drawn(opened: OpenFrames, settings: SampleSettings) -> list[FloatArray]:
    """What is asked for, each ``(time,)``."""
    wanted = frame_sampling.request(opened, settings)
    return [one.sound for one in frame_sampling.best(opened, wanted, lambda samples: None)]


def a_minute(opened: OpenFrames, settings: SampleSettings, seconds: float) -> float:
    """Processor seconds that a minute of sound takes, in sounds about so many ``seconds`` long: all there is to do from
    the open run to the last sample."""
    began = time.process_time()
    made = drawn(opened, replace(settings, count=max(1, round(60 / seconds)), seed=settings.seed + 1))
    return 60 * (time.process_time() - began) / (sum(len(one) for one in made) / opened.rate)


def in_time(made: list[FloatArray], opened: OpenFrames) -> float:
    """The share of new loops whose tempo is that of the first one learned."""
    learned = tempo_of(opened.material.sound(opened.material.learned[0]), opened.rate)
    found = []
    for sound in made:
        try:
            octaves = np.log2(tempo_of(sound, opened.rate) / learned)
        except DataError:
            octaves = 0.5
        found.append(abs(octaves - round(octaves)) < np.log2(1.01))
    return float(np.mean(found))


def rows_of(
    sources: list[Path],
    folder: Path,
    told: argparse.Namespace,
    loop: bool,
    held: dict[str, object],
    draws: int,
    voices: dict[str, tuple[str, GenerateSettings, bool]] | None = None,
) -> tuple[dict[str, Row], str]:
    """Every row on one split of one corpus, means over so many ``draws``, the floors behind them, and what figures are
    held against."""
    rows: dict[str, Row] = {}
    judge: Judge | None = None
    take = loop or (voices is not None and sources[0].is_file())
    seconds = 4.0 if take else None
    for row, (kind, plain, denormalize) in (voices or recipes(loop)).items():
        if told.rows and kind not in told.rows.split(","):
            continue
        plain = replace(plain, **held)  # type: ignore[arg-type]
        steps = told.document_steps if plain.network == "frame-lstm" else told.steps
        run = Path(f"{folder}-{kind}")
        opened, took = trained(sources, run, plain, steps, told.seed)
        if judge is None:
            material = opened.material
            learned, rest = ([material.sound(one) for one in part] for part in (material.learned, material.held_out))
            count = max(2, told.count // 6) if take else min(told.count, len(learned))
            length = round(seconds * opened.rate) if seconds else int(np.median([len(one) for one in learned]))
            judge = Judge(learned, rest, opened.rate, length, count)
        settings = asked(row, opened, count, denormalize, seconds)
        sets = [drawn(opened, replace(settings, seed=seed)) for seed in range(draws)]
        every = [sound for made in sets for sound in made]
        minute = a_minute(opened, settings, float(np.mean([len(one) for one in every])) / opened.rate)
        beat = in_time(every, opened) if loop else float("nan")
        gone = missed(run, plain.network)
        figures = (judge.figures(made, judge.search.nearest_all(made)) for made in sets)
        rows[row] = Row.mean([Row(each, gone, took, minute, beat) for each in figures])
        found = judge.judge(sets[0])  # with the floors
    assert judge is not None
    floors = {"real sounds": found.ordinary, "Gaussian": found.gaussian, "grains": found.grains}
    nothing = (float("nan"),) * 4
    return rows | {name: Row(figures, *nothing) for name, figures in floors.items()}, judge.reference


def show(name: str, rows: dict[str, Row], against: str) -> None:
    """The table of one corpus."""
    print(f"\n{name}: figures to {against}")
    print("| figure | " + " | ".join(rows) + " | |")
    print("|" + "---|" * (len(rows) + 2))
    for figure in SHOWN:
        values = [getattr(row.figures, figure) for row in rows.values()]
        if np.isfinite(values).any():
            print(f"| {figure} | " + " | ".join(f"{value:.3g}" for value in values) + f" | {MEANING[figure]} |")
    for label, part in (
        ("missed of what was learned", "missed"),
        ("training, s of one core", "training"),
        ("a minute of sound, s", "a_minute"),
        ("share in time", "in_time"),
    ):
        values = [getattr(row, part) for row in rows.values()]
        if not np.isfinite(values).any():
            continue
        told = " | ".join(f"{value:.3g}" if np.isfinite(value) else "" for value in values)
        print(f"| {label} | {told} | |", flush=True)


def again(seed: int, folder: Path) -> None:
    """Held-out kicks put together again from their own frames: what is lost before a network has learned anything."""
    write_kicks(folder, seed=seed)
    sounds = [files.read(path).samples[0] for path in sorted(folder.iterdir())]
    held, learned = sounds[::5], [sound for at, sound in enumerate(sounds) if at % 5]
    judge = Judge(learned, held, RATE, int(np.median([len(one) for one in learned])), len(held))
    print("\nheld-out kicks put together again | mmd_biased | attack, octaves")
    for hop in (64, 128, 256):
        kind = frame_kind("levels", hop, RATE)
        frames = np.concatenate([kind.analyse(sound) for sound in learned])
        ways = {"whole": Scaling.of(frames)}
        ways |= {"64 components": Scaling.of(frames, 64, 0, logarithmic=True)}
        ways |= {"weighed": Scaling.of(frames, 64, 0, kind.weights, logarithmic=True)}
        for name, scaling in ways.items():
            made = []
            for sound in held:
                kept = scaling.frames(scaling.numbers(kind.analyse(sound)))
                made.append(kind.synthesiser().push(kept, last=True)[: len(sound)])
            figures = judge.figures(made)
            print(f"{hop} samples, {name} | {figures.mmd_biased:.3g} | {figures.attack:.3g}", flush=True)


def parted(folder: Path, kicks: list[Path]) -> list[Path]:
    """Copies of the ``kicks``, their names beginning with the number of the fold in which they are held out."""
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(one, folder / f"{at % FOLDS}_{one.name}")) for at, one in enumerate(kicks)]


def main() -> None:
    """Train, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--document-steps", type=int, default=1000)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drums", type=Path, default=Path("../shared/audio/drums"))
    parser.add_argument("--pattern", default="bd_*", help="of the folder of drums, those learned")
    parser.add_argument(
        "--draws", type=int, default=8, help="sets of few sounds drawn by each row, of which the mean is told"
    )
    parser.add_argument("--speech", type=Path, default=Path("../shared/audio/speech/train"))
    parser.add_argument("--only", default="kicks,drums,amen")
    parser.add_argument("--rows", default="", help="of fft, raw, mixture, heard, tokens; all where absent")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; thrown away where absent")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = told.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        for name in told.only.split(","):
            if name == "again":
                again(told.seed, folder / "again")
            elif name == "kicks":
                sources = [write_kicks(folder / "sounds", seed=told.seed)]
                show(name, *rows_of(sources, folder / name, told, False, {"held_out": 0.2}, 1))
            elif name == "vowels":
                sources = [write_vowels(told.speech, folder / "vowels.wav", RATE)]
                show(
                    name, *rows_of(sources, folder / name, told, False, {"held_out": 0.25}, 1, recipes_of_voices(True))
                )
            elif name == "words":
                sources = [write_words(told.speech, folder / "spoken", RATE)]
                show(
                    name, *rows_of(sources, folder / name, told, False, {"held_out": 0.2}, 1, recipes_of_voices(False))
                )
            elif name == "drums":
                sources = parted(folder / "drums", sorted(told.drums.glob(told.pattern)))
                folds = [
                    rows_of(
                        sources, folder / f"{name}-{fold}", told, False, {"held_out_files": f"{fold}_*"}, told.draws
                    )
                    for fold in range(FOLDS)
                ]
                show(name, {row: Row.mean([rows[row] for rows, _ in folds]) for row in folds[0][0]}, folds[0][1])
            else:
                sources = [told.drums / "loop_amen_full.flac"]
                show(name, *rows_of(sources, folder / name, told, True, {"held_out": 0.25}, told.draws))


if __name__ == "__main__":
    main()

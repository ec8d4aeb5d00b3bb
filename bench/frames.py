"""Sound frame by frame: the recipe of "Deep Learning and Sound ~ 02" beside what was learned since, on every figure.

    python bench/frames.py [--steps 1500] [--count 48] [--keep FOLDER] [--only kicks,drums,amen] [--drums FOLDER]

Three corpora: 250 built-in 808-like kicks (50 of them held out), the kicks of a folder of drums (bd_*), and one amen
break. Five rows each: Fourier transforms or raw frames, stacked LSTMs and squared error, silence learned behind each
sound, one seed frame of the corpus, with mean and deviation added back and without; then a mixture of normal
distributions and codes. Each row is trained for so many steps, draws once, and none of what is drawn is chosen. What
is drawn for the document's rows is a quarter longer than the longest sound, as its author let them run. With --keep
the runs stay, and `wavewright report RUN` lets one hear them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded

from wavewright.jobs import frame_sampling, generate
from wavewright.jobs.frame_demo import write_kicks
from wavewright.jobs.frame_settings import FrameSettings
from wavewright.jobs.generate_settings import GenerateSettings, SampleSettings, settings_for
from wavewright.jobs.generator import OpenFrames, open_generator
from wavewright.metrics.judgement import MEANING, Figures, Judge
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 16_000
SHOWN = (
    "rising", "tail_db", "mmd", "mmd_biased", "frechet", "attack", "decay", "crest", "centroid", "hiss", "intervals",
    "copy", "copies", "diversity",
)  # fmt: skip
TEMPERATURES = {"tokens": "0.5"}
STEPS_OF_DOCUMENT = 0.2
"""Share of the steps for the document's rows: theirs are several times as dear."""


def recipes(loop: bool) -> dict[str, tuple[str, GenerateSettings, bool]]:
    """Row → the run it needs, its settings, and whether mean and deviation are added back."""
    document = replace(settings_for("frame-lstm"), rate=RATE)
    raw = replace(document, frame=replace(document.frame, frames="raw"))
    ours = replace(settings_for("frame-mixture"), rate=RATE, onset=not loop)
    drawn_on = FrameSettings(ending=not loop, on_beat=loop, components=64 if loop else 16)
    tokens = replace(ours, network="frame-tokens", frame=drawn_on)
    ours = replace(ours, frame=drawn_on) if loop else ours
    return {
        "fft + LSTM + MSE": ("fft", document, True),
        "the same, not denormalised": ("fft", document, False),
        "raw + LSTM + MSE": ("raw", raw, True),
        "raw, not denormalised": ("raw", raw, False),
        "mixture": ("mixture", ours, True),
        "tokens": ("tokens", tokens, True),
    }


def trained(sources: list[Path], run: Path, settings: GenerateSettings, steps: int) -> tuple[OpenFrames, float]:
    """The run, trained if it is not there yet, and the processor seconds that took."""
    began = time.process_time()
    if not (run / "model.safetensors").is_file():
        train = replace(with_budget(settings.train, steps=steps), threads=1, preview_minutes=None, validate_steps=200)
        settings = replace(settings, train=train)
        generate.learn(generate.begin(sources, run, settings, Silent(), force=True), settings, Silent())
    opened = open_generator(run)
    assert isinstance(opened, OpenFrames)
    return opened, time.process_time() - began


def asked(row: str, opened: OpenFrames, count: int, denormalize: bool, seconds: float | None) -> SampleSettings:
    """What is drawn: the document began with a frame of the corpus and let the network run on."""
    settings = SampleSettings(count=count, seconds=seconds, redraw=0, temperature=TEMPERATURES.get(row))
    if "MSE" in row or "denormalised" in row:
        longest = max(sound.length for sound in opened.material.learned) / opened.rate
        seconds = seconds or 1.25 * longest
        frame = replace(settings.frame, start="corpus", start_frames=1, denormalize=denormalize)
        return replace(settings, seconds=seconds, frame=frame)
    return settings


def table(name: str, sources: list[Path], folder: Path, told: argparse.Namespace, loop: bool, held_out: float) -> None:
    """One corpus: every row on every figure."""
    rows: dict[str, tuple[Figures, float, float]] = {}
    judge: Judge | None = None
    seconds = 4.0 if loop else None
    for row, (kind, plain, denormalize) in recipes(loop).items():
        plain = replace(plain, held_out=held_out)
        steps = round(told.steps * (STEPS_OF_DOCUMENT if plain.network == "frame-lstm" else 1))
        opened, took = trained(sources, folder / f"{name}-{kind}", plain, steps)
        count = max(2, told.count // 6) if loop else told.count
        settings = asked(row, opened, count, denormalize, seconds)
        assert opened.reference.sounds  # measured before the clock starts
        began = time.process_time()
        drawn = frame_sampling.best(opened, frame_sampling.request(opened, settings), lambda samples: None)
        a_minute = 60 * (time.process_time() - began) / (sum(len(one.sound) for one in drawn) / opened.rate)
        made = [one.sound for one in drawn]
        if judge is None:
            material = opened.material
            learned, held = ([material.sound(one) for one in part] for part in (material.learned, material.held_out))
            length = int(np.median([len(one) for one in (made if loop else learned)]))
            judge = Judge(learned, held, opened.rate, length, count)
        rows[row] = (judge.figures(made, judge.search.nearest_all(made)), took, a_minute)
        if row == "mixture":
            judgement = judge.judge(made)
            floors = {"real sounds": judgement.ordinary, "Gaussian": judgement.gaussian, "grains": judgement.grains}
    heads = [*rows, *floors]
    print(f"\n{name}: {sum(1 for _ in sources)} sources, figures to {judge.reference}")  # type: ignore[union-attr]
    print("| figure | " + " | ".join(heads) + " | |")
    print("|" + "---|" * (len(heads) + 2))
    for figure in SHOWN:
        values = [getattr(found, figure) for found in [*(one[0] for one in rows.values()), *floors.values()]]
        if np.isfinite(values[0]):
            print(f"| {figure} | " + " | ".join(f"{value:.3g}" for value in values) + f" | {MEANING[figure]} |")
    rest = " |" * (len(floors) + 2)
    print("| training, s of one core | " + " | ".join(f"{one[1]:.0f}" for one in rows.values()) + rest)
    print("| a minute of sound, s | " + " | ".join(f"{one[2]:.1f}" for one in rows.values()) + rest, flush=True)


def main() -> None:
    """Train, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--drums", type=Path, default=Path("../shared/audio/drums"))
    parser.add_argument("--only", default="kicks,drums,amen")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; thrown away where absent")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = told.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        corpora: dict[str, tuple[Callable[[], list[Path]], bool, float]] = {
            "kicks": (lambda: [write_kicks(folder / "kicks")], False, 0.2),
            "drums": (lambda: sorted(told.drums.glob("bd_*")), False, 0.2),
            "amen": (lambda: [told.drums / "loop_amen_full.flac"], True, 0.25),
        }
        for name in told.only.split(","):
            sources, loop, held_out = corpora[name]
            table(name, sources(), folder, told, loop, held_out)


if __name__ == "__main__":
    main()

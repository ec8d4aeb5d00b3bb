"""Spoken digits, learned sample by sample: bits a sample on takes that training never heard, and whether one can hear
which digit was asked for.

    python bench/digits.py [--folder DIGITS] [--minutes 30] [--threads 2] [--network NAME …] [--keep FOLDER [--judge]]

8 kHz, 256 codes of mu-law, no pre-emphasis; takes 5 to 7 of every speaker and digit are held out, every sample of them
counts, the first predicted from silence. The floors are fitted to the same training takes: how often each code occurs,
and a linear predictor of order 16 that adapts by recursive least squares. The network is told the digit, the speaker
and how far through the word it is (so also how long that is), of held-out takes as well. A tenth of the past is hidden
from it in training.

Then ten of each digit are drawn, the speakers in turn, and a recogniser that was fitted to the takes learned
(`digit_recogniser.py`) says which digit it hears; beside it, how often it is right about real takes held out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded: a busy machine would crawl

from digit_recogniser import Matrix, Recogniser, share_right
from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.data.controls import BETWEEN
from wavewright.jobs.generate import judge as generate_judge
from wavewright.jobs.generate import sampling
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import OpenGenerator, open_generator
from wavewright.jobs.generate.sample_request import request
from wavewright.jobs.generate.settings import SampleSettings, settings_for
from wavewright.train import model_file
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

HELD_OUT = "*_[567].wav"
WAVENET = 32, 8192, 0.006
"""Its channels, samples of a window, and learning rate: wider than its default, and therefore at a lower rate."""
EACH = 10
WAYS = (("1", None), ("0.9", None), ("0.8", None), ("0.9", 4 * EACH))
"""Temperatures, and of how many the likeliest ten are kept."""


def digit(label: str | None) -> str:
    """The digit in a label such as 7/george."""
    return str(label).split(BETWEEN)[0]


def recogniser(opened: OpenGenerator) -> tuple[Recogniser, Matrix]:
    """Fitted to the takes learned; and what it hears in those held out."""
    material = opened.material
    learned, held_out = (
        ([np.array(material.sound(sound)) for sound in part], [digit(sound.label) for sound in part])
        for part in (material.learned, material.held_out)
    )
    found = Recogniser(*learned, opened.rate)
    return found, found.heard(*held_out)


def drawn(opened: OpenGenerator, ears: Recogniser, temperature: str, draw: int | None, keep: Path | None) -> Matrix:
    """What is heard in `EACH` new sounds of each digit; they are kept in a folder where one is given."""
    sounds, meant = [], []
    for name in ears.digits:
        wanted = request(opened, SampleSettings(count=EACH, draw=draw, label=name, redraw=0, temperature=temperature))
        for number, one in enumerate(sampling.best(opened, wanted, lambda more: None)):
            sounds.append(one.sound)
            meant.append(name)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                path = keep / f"{str(one.label).replace(BETWEEN, '_')}_{number}.wav"
                files.write(path, Recording(one.sound[np.newaxis], opened.rate), subtype="PCM_16", force=True)
    return ears.heard(sounds, meant)


def told_of_drawn(opened: OpenGenerator, keep: Path | None) -> None:
    """How often the digit that was asked for is heard."""
    ears, real = recogniser(opened)
    print(f"{'  the digit meant is heard':<44}" + "".join(f"{name:>5}" for name in ears.digits) + "     all")

    def row(words: str, counts: Matrix) -> None:
        shares = np.diag(counts) / counts.sum(axis=1)
        print(
            f"  {words:<42}" + "".join(f"{share:>5.0%}" for share in shares) + f"{share_right(counts):>8.1%}",
            flush=True,
        )

    row("in real takes held out", real)
    for temperature, draw in WAYS:
        words = f"in new ones, temperature {temperature}" + (f", likeliest {EACH} of {draw}" if draw else "")
        folder = None if keep is None else keep / f"temperature_{temperature}_of_{draw or EACH}"
        row(words, drawn(opened, ears, temperature, draw, folder))


def main() -> None:
    """Train each network for the same time, print its figures, then the floors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("../shared/audio/digits"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", nargs="*", default=["sample-wavenet"])
    parser.add_argument("--keep", type=Path, help="a folder for the runs; they are thrown away where absent")
    parser.add_argument("--judge", action="store_true", help="train nothing; judge the runs that were kept")
    told = parser.parse_args()
    print(f"{told.minutes:g} minutes of training on {told.threads} threads, held out: {HELD_OUT}")
    print(f"{'':<22}{'weights':>10}{'steps':>8}{'bits a sample':>15}{'guessed right':>15}")
    with tempfile.TemporaryDirectory() as place:
        folder = told.keep or Path(place)
        for name in told.network:
            opened, steps = learned(told, name, folder / name)
            score = generate.judge(opened.network, opened.material.excerpts(opened.material.held_out))
            weights = sum(parameter.numel() for parameter in opened.network.parameters())
            right = "" if score.accuracy is None else f"{score.accuracy:.1%}"
            print(f"{name:<22}{weights:>10,}{steps:>8,}{score.bits:>15.3f}{right:>15}", flush=True)
            told_of_drawn(opened, None if told.keep is None else folder / f"{name}_drawn")
        floors = generate_judge.beside(opened.material, opened.material, opened.material.held_out)
    for words, bits in (
        ("linear predictor, adapting at its best", floors.lpc),
        ("the same as textbooks start it", floors.textbook_lpc),
        ("how often each code occurs", floors.unigram),
    ):
        print(f"{words:<40}{bits:>15.3f}")
    print(f"{score.samples:,} samples held out")


def learned(told: argparse.Namespace, name: str, run: Path) -> tuple[OpenGenerator, int]:
    """One network, trained, and in how many steps."""
    if not told.judge:
        plain = replace(settings_for(name), held_out_files=HELD_OUT, classes="name", class_part="0,1", position=True)
        plain = replace(plain, forget=0.1)
        train = replace(with_budget(plain.train, minutes=told.minutes), threads=told.threads, preview_minutes=None)
        if name == "sample-wavenet":
            size, window, rate = WAVENET
            plain, train = replace(plain, size=size, window=window), replace(train, learning_rate=rate)
        settings = replace(plain, train=train)
        generate.learn(generate.begin([told.folder], run, settings, Silent(), force=True), settings, Silent())
    opened = open_generator(run)
    assert isinstance(opened, OpenGenerator)
    return opened, model_file.load(opened.run.model).step


if __name__ == "__main__":
    main()

"""Spoken digits, learned sample by sample: bits a sample on takes that training never heard, beside the floors.

    python bench/digits.py [--folder DIGITS] [--minutes 30] [--threads 2] [--network NAME …] [--keep FOLDER]

8 kHz, 256 codes of mu-law, no pre-emphasis; takes 5 to 7 of every speaker and digit are held out, every sample of them
counts, the first predicted from silence. The floors are fitted to the same training takes: how often each code occurs,
and a linear predictor of order 16 that adapts by recursive least squares. The digit is told to the network (taken from
the file's name), so that it can be asked for one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded: a busy machine would crawl

from wavewright.jobs import generate, generate_judge
from wavewright.jobs.generate_settings import settings_for
from wavewright.jobs.generator import open_generator
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

HELD_OUT = "*_[567].wav"


def main() -> None:
    """Train each network for the same time, print its figures, then the floors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("../shared/audio/digits"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", nargs="*", default=["sample-wavenet"])
    parser.add_argument("--size", type=int, help="its width; its own where absent")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; they are thrown away where absent")
    told = parser.parse_args()
    print(f"{told.minutes:g} minutes of training on {told.threads} threads, held out: {HELD_OUT}")
    print(f"{'':<22}{'weights':>10}{'steps':>8}{'bits a sample':>15}{'guessed right':>15}")
    with tempfile.TemporaryDirectory() as place:
        folder = told.keep or Path(place)
        for name in told.network:
            plain = replace(settings_for(name), size=told.size, classes="name", held_out_files=HELD_OUT)
            train = replace(with_budget(plain.train, minutes=told.minutes), threads=told.threads, preview_minutes=None)
            settings = replace(plain, train=train)
            run = folder / name
            begun = generate.begin([told.folder], run, settings, Silent(), force=True)
            outcome = generate.learn(begun, settings, Silent())
            opened = open_generator(run)
            score = generate.judge(opened.network, opened.material.excerpts(opened.material.held_out))
            weights = sum(parameter.numel() for parameter in opened.network.parameters())
            right = "" if score.accuracy is None else f"{score.accuracy:.1%}"
            print(f"{name:<22}{weights:>10,}{outcome.step:>8,}{score.bits:>15.3f}{right:>15}", flush=True)
        floors = generate_judge.beside(opened.material, opened.material, opened.material.held_out)
    for words, bits in (
        ("linear predictor, adapting at its best", floors.lpc),
        ("the same as textbooks start it", floors.textbook_lpc),
        ("how often each code occurs", floors.unigram),
    ):
        print(f"{words:<40}{bits:>15.3f}")
    print(f"{score.samples:,} samples held out")


if __name__ == "__main__":
    main()

"""Kick drums, learned sample by sample: do new ones end in silence, and is any of them a copy?

    python bench/kicks.py [--folder ../shared/audio/drums] [--minutes 10] [--threads 2] [--count 32] [--keep FOLDER]

The kicks of the folder (bd_*) at 16 kHz, half a second of silence learned behind each; two of them are held out. New
ones are drawn once each, none of them chosen. A kick ends in silence where its last 50 ms lie below -60 dBFS; it is a
copy where it is nearer to a kick that was learned than any held-out kick is, and nearer than 0.95.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded

from wavewright.jobs.generate import judge as generate_judge
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import open_generator
from wavewright.jobs.generate.settings import GenerateSettings
from wavewright.report.generated import COPY
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

SILENCE_DB = -60.0
ENDING = 0.05


def main() -> None:
    """Train, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("../shared/audio/drums"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--keep", type=Path, help="a folder for the run; it is thrown away where absent")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = (told.keep or Path(place)) / "kicks"
        plain = GenerateSettings(onset=True, tail=0.5, pre_emphasis=0.85)
        train = replace(with_budget(plain.train, minutes=told.minutes), threads=told.threads, preview_minutes=None)
        settings = replace(plain, train=train)
        kicks = sorted(told.folder.glob("bd_*"))
        outcome = generate.learn(generate.begin(kicks, run, settings, Silent(), force=True), settings, Silent())
        opened = open_generator(run)
        outputs = generate_judge.listen(opened, told.count, seconds=1.2)
    ends = [np.sqrt(np.mean(one.sound[-round(ENDING * opened.rate) :] ** 2)) for one in outputs.drawn]
    silent = np.mean([20 * np.log10(max(float(end), 1e-9)) < SILENCE_DB for end in ends])
    ordinary = max(one.correlation for one in outputs.held_out_nearest)
    nearest = [one.correlation for one in outputs.nearest]
    print(f"{len(kicks)} kicks, {told.minutes:g} minutes of training on {told.threads} threads, {outcome.step} steps")
    print(f"bits a sample, held out                  {outcome.best or np.nan:8.3f}")
    print(f"share of {told.count} new kicks that end in silence {silent:8.1%}")
    print(f"copies                                   {sum(one > max(COPY, ordinary) for one in nearest):8d}")
    print(f"nearest to a learned kick, median / most {np.median(nearest):8.3f} / {max(nearest):.3f}")
    print(f"the same of held-out kicks, most         {ordinary:8.3f}")
    for name, (value, words) in generate_judge.figures_of_outputs(outputs).items():
        print(f"{name:<24}{value:10.4g}  {words}")


if __name__ == "__main__":
    main()

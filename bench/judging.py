"""What the figures of `wavewright evaluate` see: sounds with one defect each, beside good ones and both floors.

Built-in kicks of varied tune and decay, 225 to learn from and 25 held out. Judged are sixteen new kicks of the same
kind; the two floors; and sixteen kicks each with something wrong with it. With `--folder` the kicks are those of a
folder (`bd_*`, every fourth held out), and the new ones are missing.

    python bench/judging.py
    python bench/judging.py --folder ../shared/audio/drums
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.instruments import kick_808
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import resample
from wavewright.metrics import corpus_floors
from wavewright.metrics.judgement import Figures, Judge

RATE = 16_000
COUNT = 16
SHOWN = {
    "mmd": "MMD",
    "frechet": "Fréchet",
    "diversity": "divers.",
    "movement": "movem.",
    "rising": "rising",
    "attack": "attack",
    "decay": "decay",
    "crest": "crest",
    "centroid": "centroid",
    "hiss": "hiss",
    "copy": "copy",
    "copies": "copies",
}

Defect = Callable[[FloatArray, np.random.Generator], FloatArray]


def hum(x: FloatArray, random: np.random.Generator) -> FloatArray:
    """A tone that comes back behind the sound."""
    t = np.arange(x.size) / x.size
    return np.asarray(x + 0.2 * t**4 * np.sin(2 * np.pi * 55 * np.arange(x.size) / RATE), np.float32)


def stuck(x: FloatArray, random: np.random.Generator) -> FloatArray:
    """Its frame of 16 ms behind the first 64, again and again."""
    return np.asarray(np.resize(x[1024:1280], x.size), np.float32)


DEFECTS: dict[str, Defect] = {
    "noise at -40 dB": lambda x, random: np.asarray(x + 0.01 * random.standard_normal(x.size), np.float32),
    "a rising hum": hum,
    "attack in 30 ms": lambda x, random: x * np.minimum(1, np.arange(x.size) / (0.03 * RATE)),
    "decay twice as fast": lambda x, random: np.asarray(x * np.exp(-14 * np.arange(x.size) / RATE), np.float32),
    "one frame for ever": stuck,
    "clipped softly": lambda x, random: np.asarray(0.8 * np.tanh(10 * x), np.float32),
}


def built_in(count: int, seed: int) -> list[FloatArray]:
    """Kicks of varied tune and decay."""
    random = np.random.default_rng(seed)
    return [
        kick_808(
            0.5, RATE, 0.8, hz=random.uniform(42, 62), ring_seconds=random.uniform(0.35, 0.6), seed=1000 * seed + n
        )
        for n in range(count)
    ]


def of_folder(folder: Path) -> tuple[list[FloatArray], list[FloatArray]]:
    """Its kicks: those to learn from, those held out."""
    sounds = [resample(files.read(path), RATE).samples.mean(axis=0) for path in sorted(folder.glob("bd_*"))]
    return [one for n, one in enumerate(sounds) if n % 4], sounds[::4]


def main() -> None:
    """Judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    told = parser.parse_args()
    learned, held_out = of_folder(told.folder) if told.folder else (built_in(225, 0), built_in(25, 1))
    lengths = [learned[n % len(learned)].size for n in range(COUNT)]
    judge = Judge(learned, held_out, RATE, int(np.median(lengths)), COUNT)
    random = np.random.default_rng(0)
    good = [learned[n % len(learned)] for n in range(COUNT)] if told.folder else built_in(COUNT, 2)
    rows: dict[str, Figures] = {"learned, as many": judge.ordinary()}
    sets = {} if told.folder else {"new, of the same kind": good}
    sets |= {
        "floor: Gaussian": corpus_floors.gaussian(learned, RATE, lengths),
        "floor: shuffled grains": corpus_floors.grains(learned, RATE, lengths),
        "copies of learned ones": [-one for one in learned[:COUNT]],
        "one and the same": [good[0]] * COUNT,
    }
    sets |= {name: [made(one, random).astype(np.float32) for one in good] for name, made in DEFECTS.items()}
    for name, sounds in sets.items():
        rows[name] = judge.figures(sounds, judge.search.nearest_all(sounds))
    print(f"| {'':<24} | " + " | ".join(f"{head:>8}" for head in SHOWN.values()) + " |")
    print(f"|{'-' * 26}|" + "|".join(["-" * 9 + ":"] * len(SHOWN)) + "|")
    for name, figures in rows.items():
        print(f"| {name:<24} | " + " | ".join(f"{getattr(figures, key):8.3g}" for key in SHOWN) + " |")


if __name__ == "__main__":
    main()

"""An hour of sound to learn from: what it takes of memory and disk.

    python bench/hour.py [--folder SOUNDS] [--steps 50] [--network NAME …]

The hour is built from the sounds in a folder (of built-in instruments where none is given), each time at another speed
and level. A process of its own prepares and trains on it; its peak memory and the size of its run are printed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.music import drum_loop, riff
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample

RATE = 16_000
SECONDS = 3600
TRAIN = """
import sys
from wavewright.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def hour(sources: list[FloatArray], folder: Path) -> float:
    """Files of a minute or more, until they make an hour; gives the seconds written."""
    dice = np.random.default_rng(0)
    written, number = 0, 0
    while written < SECONDS * RATE:
        parts, frames = [], 0
        while frames < 60 * RATE:
            source = sources[int(dice.integers(len(sources)))]
            changed = resample(Recording(source[np.newaxis], round(RATE * dice.uniform(0.9, 1.1))), RATE)
            parts.append(changed.samples[0] * np.float32(dice.uniform(0.3, 1.0)))
            frames += len(parts[-1])
        sound = np.concatenate(parts)[np.newaxis]
        files.write(folder / f"part_{number:03d}.wav", Recording(sound, RATE), subtype="PCM_16")
        written, number = written + frames, number + 1
    return written / RATE


def main() -> None:
    """Build the hour, train on it in a child, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--network", nargs="*", default=["sample-wavenet", "audio-rnn", "sample-rnn"])
    told = parser.parse_args()
    if told.folder is None:
        sources = [riff(20.0, RATE, seed=1), drum_loop(20.0, RATE, seed=2)]
    else:
        found = files.find(told.folder)
        some = found[:: max(1, len(found) // 400)]
        sources = [resample(files.read(path), RATE).samples.mean(axis=0) for path in some]
    with tempfile.TemporaryDirectory() as place:
        sounds, run = Path(place) / "sounds", Path(place) / "run"
        sounds.mkdir()
        seconds = hour(sources, sounds)
        print(f"{seconds / 60:.1f} minutes of sound at {RATE} Hz, {told.steps} steps of training")
        print(f"{'network':<16}{'peak memory, MB':>16}{'run on disk, MB':>17}")
        for network in told.network:
            words = ["train", "generate", str(sounds), "-o", str(run), "--network", network, "--force", "--quiet"]
            subprocess.run([sys.executable, "-c", TRAIN, *words, "--steps", str(told.steps)], check=True)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
            disk = sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) / 1e6
            print(f"{network:<16}{peak:>16.0f}{disk:>17.0f}", flush=True)


if __name__ == "__main__":
    main()

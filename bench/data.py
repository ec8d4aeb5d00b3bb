"""How fast the data rooms are: preparing a store against real time, a random window of a warm one in microseconds.

The sounds are ten minutes of decaying bursts of noise, or those of a folder of yours. Bars: preparing at 200 times
real time a core; a window in 10 µs; the store no larger than the audio once in float32.

    python bench/data.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.data.sequences import Sequences
from wavewright.data.split import Region
from wavewright.data.store import Store
from wavewright.data.windows import Windows

CONTEXT, LENGTH, BATCH = 4092, 8192, 16


def built_in(folder: Path, rate: int = 48_000, seconds: int = 600) -> list[Path]:
    """Ten one-minute files, WAV and FLAC in turn: decaying bursts of noise, which compress about as music does."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(seconds // 60):
        envelope = np.tile(np.exp(-np.linspace(0, 8, rate)), 60)
        samples = (0.5 * random.standard_normal(60 * rate) * envelope).clip(-1, 1).astype(np.float32)
        paths.append(folder / f"{number}.{'wav' if number % 2 else 'flac'}")
        files.write(paths[-1], Recording(samples[np.newaxis], rate), subtype="PCM_16")
    return paths


def preparing(folder: Path, sources: list[Path], rate: int | None, words: str) -> Store:
    """Make a store, print how fast against the length of its sources, and how large."""
    for path in sources:
        path.read_bytes()  # the disk is not what is measured
    began, busy = time.perf_counter(), time.process_time()
    store = Store.create(folder / f"store-{rate}", sources, rate=rate, mono=True)
    took, busy = time.perf_counter() - began, time.process_time() - busy
    seconds = sum(item.frames / item.rate for item in store.items)
    size = (store.folder / "audio.f32").stat().st_size / (store.track().size * 4)
    speed = f"{seconds / busy:.0f} × real time a core ({seconds / took:.0f} × by the clock)"
    print(f"| preparing, {words} | {speed} | {size:.3f} × the audio in float32 |")
    return store


def a_window(store: Store) -> None:
    """Print what one random window costs: as a view, in a batch, in a sequence."""
    track = store.track()
    np.add.reduce(track, axis=None)  # warm
    regions = [Region(CONTEXT, track.shape[1], CONTEXT)]
    windows = Windows([track], regions, batch=BATCH, length=LENGTH, context=CONTEXT)
    sequences = Sequences([track], regions, batch=BATCH, chunk=LENGTH)
    windows.batch(0)
    shape = f"{CONTEXT + LENGTH} samples"
    for words, step in (
        (f"a random window of {shape}, in a batch of {BATCH}", windows.batch),
        (f"a chunk of {LENGTH} samples, in {BATCH} streams", sequences.chunk),
    ):
        steps = 200
        times = []
        for k in range(steps):
            began = time.perf_counter()
            step(k)
            times.append((time.perf_counter() - began) / BATCH * 1e6)
        print(f"| {words} | {np.median(times):.1f} µs | slowest of {steps}: {max(times):.1f} µs |")


def main() -> None:
    """Print the table."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", type=Path, help="a folder of sounds (default: built-in ones)")
    told = flags.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = built_in(folder) if told.data is None else files.find(told.data)
        print("| what | figure | |\n|---|---|---|")
        rates = {files.info(path).rate for path in sources}
        own = rates.pop() if len(rates) == 1 else 48_000
        store = preparing(folder, sources, own, f"at {own} Hz")
        other = 44_100 if own != 44_100 else 48_000
        preparing(folder, sources, other, f"resampled to {other} Hz")
        a_window(store)


if __name__ == "__main__":
    main()

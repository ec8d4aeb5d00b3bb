"""The experiment of "TensorFlow Signal Processing" repeated: learn an effect from sweeps, be tested on music.

    python bench/sweeps.py [--seconds 12] [--only NAME …] [--device low-pass|distortion …] [--shared ../shared/audio]

A sine, a square and a saw sweep from 20 Hz to 12 kHz go through a low-pass or a distortion; every network that makes
one sound of another learns from them for the same seconds of one processor core, and is tested on music that it never
saw: the built-in guitarist, and (where the folder of recordings is there) a guitar, a voice and a drum loop. The music
has the level that the author's piano had, 0.0402 RMS behind the low-pass, so that the figures may stand beside those
published.

Then the same for those networks that learned most, from the house's training signal of the same length in place of the
sweeps; and, for the filter bank, what a front end that was trained on one effect is worth for another.

The author's own files say more than his figures: the dry piano, as it is, is 0.0108 away from the wet one. With
--author and a clone of github.com/jshap70/TensorFlow-Signal-Processing the networks learn from his sweeps instead, and
are tested on his piano.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded

import numpy as np

from wavewright.audio import files
from wavewright.audio.devices import LowPass, SoftClipper
from wavewright.audio.music import riff
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.audio.signals import saw_sweep, sine_sweep, square_sweep
from wavewright.data.signal_settings import SignalSettings
from wavewright.data.training_signal import compose
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate import twin
from wavewright.jobs.emulate.settings import EmulateSettings, settings_for
from wavewright.jobs.trained import trained_network
from wavewright.metrics.waveform import ErrorSums
from wavewright.nets.names import NETWORK_NAMES
from wavewright.train import loop
from wavewright.train.log import read_log
from wavewright.train.progress import Silent
from wavewright.train.run import RunFolder
from wavewright.train.settings import with_budget

RATE = 44_100
LOWEST, HIGHEST = 20.0, 12_000.0
LEVEL = 0.4
TEST_RMS = 0.0402
"""Behind the low-pass: what the author's test recording has."""
HELD_OUT = 6.0

WINDOWS = ("window=22050", "width=200")
"""Of the regressors: half a second; a fifth of the published width, or the seconds would not even begin to train it."""

Device = Callable[[FloatArray, int], FloatArray]
DEVICES: dict[str, Device] = {"low-pass": LowPass(2_000.0, 2), "distortion": SoftClipper(24.0)}

PUBLISHED = {
    "low-pass": (
        ("the author's files: the dry sound as it is", 0.0108, ""),
        ("published: linear, 1,000 wide", 0.0345, "4,000 epochs, five hours"),
        ("published: convolution", 0.0095, "50 epochs"),
    ),
    "distortion": (),
}


@dataclass(frozen=True)
class Row:
    """One network after its training. ``errors``: RMSE and ESR for each test."""

    name: str
    weights: int
    seconds: float
    steps: int
    validation: float
    errors: tuple[tuple[float, float], ...]


def sweeps(longest: float = 18.0) -> FloatArray:
    """Sine, square and saw, once in ``longest`` seconds and once in 2: the end, which is held out. ``(1, time)``."""
    makers = (sine_sweep, square_sweep, saw_sweep)
    parts = [make(LOWEST, HIGHEST, seconds, RATE, LEVEL) for seconds in (longest, HELD_OUT / 3) for make in makers]
    return np.concatenate(parts)[np.newaxis]


def training_signal(frames: int) -> FloatArray:
    """The house's own: slices of music at many levels, a sweep, noise; as long as the sweeps."""
    settings = SignalSettings(seconds=frames / RATE, rate=RATE, sweep_seconds=4.0, noise_seconds=2.0)
    return compose(settings).samples[:, :frames]


def tests(shared: Path) -> dict[str, FloatArray]:
    """Music by name, ``(1, time)``, at the level of the author's test."""
    found = {"built-in guitar": riff(10.0, RATE, seed=1_000)[np.newaxis]}
    recordings = [shared / "amp" / "test_dry.flac", shared / "drums" / "loop_amen_full.flac"]
    recordings += sorted((shared / "speech" / "valid").glob("*"))[:1]
    heard = []
    for path in recordings:
        if path.is_file():
            sound = resample(files.read(path), RATE).samples[:1, : 7 * RATE]
            heard.append(sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9))
    if heard:
        found["recordings"] = np.concatenate(heard, axis=1)
    for name, x in found.items():
        behind = DEVICES["low-pass"](x, RATE)
        found[name] = (x * (TEST_RMS / np.sqrt(np.mean(behind**2)))).astype(np.float32)
    return found


def train(
    folder: Path, dry: FloatArray, device: Device, network: str, seconds: float, **changes: Any
) -> tuple[Path, EmulateSettings]:
    """A run of ``network`` on ``dry`` and what ``device`` makes of it."""
    return train_pair(folder, dry, device(dry, RATE), network, seconds, **changes)


def train_pair(
    folder: Path, dry: FloatArray, wet: FloatArray, network: str, seconds: float, **changes: Any
) -> tuple[Path, EmulateSettings]:
    """The same on two recordings that lie as they should."""
    for name, sound in (("dry", dry), ("wet", wet)):
        files.write(folder / f"{name}.wav", Recording(sound, RATE), subtype="FLOAT", force=True)
    plain = settings_for(network)
    net = WINDOWS if network.startswith("window-") else ()
    own = replace(plain.train, threads=1, preview_minutes=None, checkpoint_seconds=1e6)
    own = with_budget(own, minutes=max(seconds, 1.0) / 60)
    settings = replace(plain, net=net, delay=0, validation_seconds=HELD_OUT, table_epochs=None, train=own)
    settings = replace(settings, **changes)
    if settings.train.minutes is not None:
        settings = replace(settings, train=replace(settings.train, validate_seconds=max(2.0, seconds / 4)))
    run = folder / f"run-{time.monotonic_ns()}"
    with mock.patch.object(loop, "time", ProcessorTime):
        emulate.train(folder / "dry.wav", folder / "wet.wav", run, settings, Silent())
    return run, settings


class ProcessorTime:
    """The training's clock: seconds of this process's own, so that a busy machine favours nobody."""

    monotonic = staticmethod(time.process_time)


def row(name: str, run: Path, device: Device, music: Iterable[FloatArray]) -> Row:
    """How good the run has become."""
    opened = twin.open_twin(run)
    errors = []
    for x in music:
        sums = ErrorSums()
        sums.add(twin.play(opened.network, x), device(x, RATE))
        errors.append((sums.table.rmse, sums.esr))
    last = read_log(run / "log.jsonl")[-1]
    weights = sum(part.numel() for part in trained_network(RunFolder.open(run)).parameters())
    held_out = twin.evaluate(opened).figures["rmse"]
    return Row(name, weights, last["seconds"], last["step"], held_out, tuple(errors))


def untouched(device: Device, music: Iterable[FloatArray]) -> Row:
    """What a wire would be worth."""
    errors = []
    for x in music:
        sums = ErrorSums()
        sums.add(x, device(x, RATE))
        errors.append((sums.table.rmse, sums.esr))
    return Row("the dry sound as it is", 0, 0.0, 0, float("nan"), tuple(errors))


def show(title: str, rows: Sequence[Row], names: Sequence[str], published: Sequence[tuple[str, float, str]]) -> None:
    """One table, best first test first."""
    print(f"\n{title}\n")
    columns = "".join(f" | RMSE {name} | ESR" for name in names)
    print(f"| network | weights | minutes | steps | RMSE sweeps, held out{columns} |")
    print("|---|---|---|---|---|" + "---|---|" * len(names))
    for name, rmse, note in published:
        print(f"| {name} | | {note} | | | {rmse:.4f} | " + " | " * (2 * len(names) - 1))
    for one in sorted(rows, key=lambda one: one.errors[-1][0]):
        cells = "".join(f" | {rmse:.5f} | {esr:.5f}" for rmse, esr in one.errors)
        print(f"| {one.name} | {one.weights:,} | {one.seconds / 60:.2f} | {one.steps} | {one.validation:.5f}{cells} |")


def compared(told: argparse.Namespace, device_name: str) -> None:
    """Every network on the sweeps, the best on the training signal too."""
    device, music = DEVICES[device_name], tests(told.shared)
    names, sounds = list(music), list(music.values())

    def learned(network: str, dry: FloatArray) -> Row:
        with tempfile.TemporaryDirectory() as place:
            run, _ = train(Path(place), dry, device, network, told.seconds)
            done = row(network, run, device, sounds)
        print(f"# {device_name}, {network}: {done}", flush=True)
        return done

    dry = sweeps()
    rows = [learned(network, dry) for network in told.only]
    show(
        f"Learned from sweeps: {device_name}, {told.seconds:g} s of training each",
        [untouched(device, sounds), *rows],
        names,
        PUBLISHED[device_name],
    )
    best = [one.name for one in sorted(rows, key=lambda one: one.errors[-1][0])[: told.again]]
    if best:
        again = [learned(network, training_signal(dry.shape[1])) for network in best]
        show(f"The same, learned from the training signal: {device_name}", again, names, ())


def transferred(told: argparse.Namespace) -> None:
    """A front end learned from one low-pass, and only the middle learned for another: against beginning from nothing.

    The front end has learned for longer, which is paid once. The same steps each then; whole data and a quarter of it.
    A step counts where the error first is what beginning from nothing ends with on all the data, or ten times that.
    """
    first, second = LowPass(4_000.0, 1), LowPass(1_000.0, 2)
    steps = told.transfer_steps
    own = replace(with_budget(settings_for("conv-deconv").train, steps=steps), threads=1, preview_minutes=None)
    same = {"net": ("middle=dense",), "train": replace(own, validate_steps=10)}
    music = next(iter(tests(told.shared).values()))
    results: dict[tuple[str, str], tuple[list[dict[str, Any]], Row]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        longer = replace(with_budget(own, steps=told.front_end_steps), validate_steps=50)
        start, _ = train(folder, sweeps(), first, "conv-deconv", 0.0, **{**same, "train": longer})
        ways: dict[str, dict[str, Any]] = {
            "from nothing": {},
            "front end kept, middle learned": {"start_from": start, "freeze": ("frontend",)},
            "all of it learned on": {"start_from": start},
        }
        for data, dry in (("54 s", sweeps()), ("13.5 s", sweeps(4.5))):
            for way, more in ways.items():
                run, _ = train(folder, dry, second, "conv-deconv", 0.0, **same, **more)
                log = [line for line in read_log(run / "log.jsonl") if line.get("esr") is not None]
                results[way, data] = log, row(way, run, second, [music])
    goal = min(line["esr"] for line in results["from nothing", "54 s"][0])
    print(f"\nA front end learned from a 4 kHz low-pass, and what it is worth for one of 1 kHz: {steps} steps each\n")
    print(f"| | data | ESR sweeps, held out | RMSE music | steps, seconds to ESR {10 * goal:.4f} | to {goal:.4f} |")
    print("|---|---|---|---|---|---|")
    for (way, data), (log, done) in results.items():
        near, there = (
            next((f"{line['step']}, {line['seconds']:.1f}" for line in log if line["esr"] <= wanted), "not reached")
            for wanted in (10 * goal, goal)
        )
        best = min(line["esr"] for line in log)
        print(f"| {way} | {data} | {best:.5f} | {done.errors[0][0]:.5f} | {near} | {there} |", flush=True)


def on_the_authors_files(told: argparse.Namespace) -> None:
    """Learned from the sweeps of the author's repository, channel after channel as he did, and tested on his piano."""

    def channels(side: str, name: str) -> FloatArray:
        with np.load(told.author / "data" / "lowpass" / side / f"{name}.npz", allow_pickle=False) as kept:
            return np.asarray(kept["data"], np.float32)

    sides = ("pre", "post")
    there = [name for name in ("sin", "square", "plysaw") if (told.author / f"data/lowpass/pre/{name}.npz").is_file()]
    dry, wet = (np.concatenate([channels(side, name).reshape(1, -1) for name in there], axis=1) for side in sides)
    piano, behind = (channels(side, "beethoven_opus10_1") for side in sides)
    print(f"\nOn the author's files: {', '.join(there)}, then his piano, RMS {np.sqrt(np.mean(behind**2)):.4f}\n")
    print("| network | minutes | steps | RMSE piano | ESR |\n|---|---|---|---|---|")
    print(f"| the dry sound as it is | | | {np.sqrt(np.mean((piano - behind) ** 2)):.4f} | |")
    for network in told.only:
        with tempfile.TemporaryDirectory() as place:
            run, _ = train_pair(Path(place), dry, wet, network, told.seconds)
            last, sums = read_log(run / "log.jsonl")[-1], ErrorSums()
            sums.add(twin.play(twin.open_twin(run).network, piano), behind)
        figures = f"{sums.table.rmse:.5f} | {sums.esr:.5f}"
        print(f"| {network} | {last['seconds'] / 60:.2f} | {last['step']} | {figures} |", flush=True)


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="of training, for each network")
    parser.add_argument("--only", nargs="*", default=list(NETWORK_NAMES), choices=list(NETWORK_NAMES))
    parser.add_argument("--device", nargs="*", default=list(DEVICES), choices=list(DEVICES))
    parser.add_argument("--again", type=int, default=4, help="how many learn from the training signal as well")
    parser.add_argument("--front-end-steps", type=int, default=1500, help="of the front end itself")
    parser.add_argument("--transfer-steps", type=int, default=200, help="of each run with a front end; 0 for none")
    parser.add_argument("--shared", type=Path, default=Path("../shared/audio"), help="recordings to be tested on")
    parser.add_argument("--author", type=Path, help="a clone of his repository: learn from his own files instead")
    told = parser.parse_args()
    if told.author:
        on_the_authors_files(told)
        return
    for name in told.device if told.only else ():
        compared(told, name)
    if told.transfer_steps:
        transferred(told)


if __name__ == "__main__":
    main()

"""Missing bandwidth put back by every network and by what needs none: SNR, LSD and LSD10, and what each of them costs.

    python bench/upsample.py --results up.json [--minutes 6] [--factors 2,4,8] [--only "U-Net; TFiLM U-Net"]
    python bench/upsample.py --results up.json --table

One English speaker at 16 kHz: what is in ``train`` is learned from, what is in ``valid`` is judged, whole files, and
the mean over files is shown. Bandwidth is lost as in the papers, by a Chebyshev filter without phase, or with
``--degrade`` in any other way; a mix is another way for each file. Every network has the same minutes of one core's
own time, which are counted out in steps beforehand, so that a busy machine changes nothing but how long one waits; and
goes through the same training, use and judgement as with ``wavewright``. The perceptual one goes on from the network
of the fidelity row where that is in ``--keep``. Results are written after each network: what is there already is not
trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded

import torch

from wavewright import atomic
from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import resample
from wavewright.data.degrade import degradation_of
from wavewright.jobs.upsample import judge as upsample_judge
from wavewright.jobs.upsample import training as upsample
from wavewright.jobs.upsample import upsampling
from wavewright.jobs.upsample.settings import DEGRADATIONS, UpsampleSettings, low_rate_of
from wavewright.nets.contract import Network
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 16_000
HIGH_RATE = 48_000
"""Hz at which the spectral network's speed is shown as well."""
PLAYED_SECONDS = 30.0
TRIED_STEPS = 5
VALIDATIONS = 8
FIDELITY, PERCEPTUAL = "spectral, fidelity", "spectral, perceptual"
UNLEARNED = ("spline", "resampler", "ideal low-pass", "shaped noise")


@dataclass(frozen=True)
class Row:
    """One network of the table: what is said to the job, and at which other rate its speed is told."""

    settings: Mapping[str, Any]
    train: Mapping[str, Any]
    also_at: int | None = None


ROWS: dict[str, Row] = {
    "DNN": Row({"network": "patch-dnn"}, {}),
    "U-Net": Row({"network": "audio-unet", "batch": 4}, {"learning_rate": 2e-3}),
    "TFiLM U-Net": Row({"network": "tfilm-unet", "batch": 4}, {"learning_rate": 2e-3}),
    FIDELITY: Row({"network": "spectral-upsampler", "aim": "fidelity"}, {}, HIGH_RATE),
    PERCEPTUAL: Row({"network": "spectral-upsampler", "aim": "perceptual"}, {}, HIGH_RATE),
}


def settings_of(row: Row, factor: str, told: argparse.Namespace, start: Path | None) -> UpsampleSettings:
    """What ``train upsample`` would be told."""
    train = replace(UpsampleSettings().train, threads=1, preview_minutes=None, **row.train)
    words: dict[str, Any] = {"rate": RATE, "factor": factor, "degrade": told.degrade, **row.settings}
    if start is not None:
        words["start_from"] = str(start)
    return UpsampleSettings(**words, train=train)


def steps_in(task: upsample.UpsampleTask, minutes: float) -> int:
    """How many steps the first few tell that ``minutes`` of one core have."""
    took = []
    for step in range(TRIED_STEPS):
        began = time.process_time()
        task.loss(task.batch(step, 0, 1)).backward()  # type: ignore[no-untyped-call]
        took.append(time.process_time() - began)
    task.network.zero_grad()
    return max(VALIDATIONS, round(60 * minutes / float(np.median(took))))


def measure(row: str, factor: str, told: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train one network and judge it: everything the table shows of it, and of what needs no network."""
    run, start = (folder / f"{name}-{factor}".replace(", ", "-").replace(" ", "-") for name in (row, FIDELITY))
    settings = settings_of(ROWS[row], factor, told, start if row == PERCEPTUAL and start.is_dir() else None)
    torch.set_num_threads(1)
    begun = upsample.begin([told.speech / "train"], run, settings, Silent(), force=True)
    steps = steps_in(begun.task, told.minutes)
    train = replace(with_budget(settings.train, steps=steps), validate_steps=-(-steps // VALIDATIONS))
    began = time.process_time()
    outcome = upsample.learn(begun, replace(settings, train=train), Silent())
    took = time.process_time() - began
    upsampler = upsampling.open_upsampler(run)
    times = {str(RATE): times_real_time(upsampler)}
    if (rate := ROWS[row].also_at) is not None:
        low_rate = low_rate_of(settings, rate)
        untrained = upsample.new_network(replace(settings, rate=rate), rate, low_rate)
        times[str(rate)] = times_real_time(upsampling.Upsampler(untrained, rate, low_rate, row))
    return {
        "row": row,
        "factor": factor,
        "degrade": told.degrade,
        "weights": weights_of(upsampler.network),
        "asked": told.minutes,
        "minutes": took / 60,
        "steps": outcome.step,
        "best_step": outcome.best_step,
        "real_time": times,
        "ways": judged(upsampler, told),
    }


def judged(upsampler: upsampling.Upsampler, told: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The mean figures of each way over the judged files."""
    noise = upsample_judge.ShapedNoise(_sounds(told.speech / "train", 20), upsampler.rate, upsampler.low_rate)
    found = []
    for number, path in enumerate(files.find([told.speech / "valid"])[: told.files]):
        how = degradation_of(told.degrade, [number])
        found += upsample_judge.evaluate(upsampler, [path], how, noise=noise)
    return {
        way: {"snr": one.snr, "snr_patches": one.snr_patches, "lsd": one.lsd, "lsd10": one.lsd10}
        for way, one in upsample_judge.means(found).items()
    }


def _sounds(folder: Path, count: int) -> list[FloatArray]:
    return [resample(files.read(path), RATE).samples.mean(axis=0) for path in files.find([folder])[:count]]


def weights_of(network: Network) -> int:
    """How many numbers were learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def times_real_time(upsampler: upsampling.Upsampler) -> float:
    """Seconds of sound that one core brings back in a second of its own time."""
    sound = np.random.default_rng(0).standard_normal(round(PLAYED_SECONDS * upsampler.rate)).astype(np.float32) * 0.1
    upsampling.play(upsampler, sound[: len(sound) // 4])
    began = time.process_time()
    upsampling.play(upsampler, sound)
    return PLAYED_SECONDS / (time.process_time() - began)


def kept_results(path: Path) -> list[dict[str, Any]]:
    """What was measured before; nothing where there is no such file."""
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def show(results: Sequence[Mapping[str, Any]]) -> None:
    """A table for each factor and each way of losing bandwidth: first what needs no network."""
    order = list(ROWS)
    kinds = dict.fromkeys((one["factor"], one["degrade"]) for one in results)
    for factor, degrade in kinds:
        rows = sorted(
            (one for one in results if (one["factor"], one["degrade"]) == (factor, degrade)),
            key=lambda one: order.index(one["row"]),
        )
        print(f"\nr = {factor}, {RATE} Hz, {degrade}")
        print("| | SNR | of patches | LSD | LSD10 | weights | minutes | steps | × real time |")
        print("|---|---|---|---|---|---|---|---|---|")
        for way in UNLEARNED:
            if way in rows[0]["ways"]:
                print(f"| {way} | {_figures(rows[0]['ways'][way])} | | | | |")
        for one in rows:
            speed = ", ".join(
                f"{value:.1f}" + ("" if rate == str(RATE) else f" at {int(rate) // 1000} kHz")
                for rate, value in one["real_time"].items()
            )
            rest = f"{one['weights']:,} | {one['minutes']:.1f} | {one['steps']} | {speed}"
            print(f"| {one['row']} | {_figures(one['ways']['model'])} | {rest} |", flush=True)


def _figures(one: Mapping[str, float]) -> str:
    return f"{one['snr']:.2f} | {one['snr_patches']:.2f} | {one['lsd']:.2f} | {one['lsd10']:.2f}"


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="a JSON file that grows with each network")
    parser.add_argument("--table", action="store_true", help="print what is in it, and train nothing")
    parser.add_argument("--minutes", type=float, default=6.0, help="of training, for each network")
    parser.add_argument("--factors", default="2,4,8")
    parser.add_argument("--only", help="rows, split by semicolons: " + "; ".join(ROWS))
    parser.add_argument("--degrade", default="chebyshev", choices=DEGRADATIONS)
    parser.add_argument("--speech", type=Path, default=Path("../shared/audio/speech"), help="holds train and valid")
    parser.add_argument("--files", type=int, help="how many files are judged; absent for all")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; thrown away where absent")
    told = parser.parse_args()
    results = kept_results(told.results)
    rows = [row.strip() for row in told.only.split(";")] if told.only else list(ROWS)
    if unknown := [row for row in rows if row not in ROWS]:
        parser.error(f"--only {unknown[0]!r}: not one of {'; '.join(ROWS)}")
    with tempfile.TemporaryDirectory() as place:
        folder = told.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        for factor in () if told.table else told.factors.split(","):
            for row in rows:
                if any((one["row"], one["factor"], one["degrade"]) == (row, factor, told.degrade) for one in results):
                    continue
                results.append(measure(row, factor, told, folder))
                atomic.write_text(told.results, json.dumps(results, indent=1))
                show(results[-1:])
    show(results)


if __name__ == "__main__":
    main()

"""Race our training of a twin against the reference trainer's: ESR on a pair neither has seen, against seconds.

Both get the same aligned pair, network size, threads and minutes, one after the other, or `--together` so that the
noise of a busy machine falls on both (give each half of the cores then). Seconds are those of training, its own
validations and checkpoints included; imports, reading and the looking at the test pair are not. A figure is that of
the weights which the trainer itself would hand out at that moment: the best by its own validation.

    python bench/train_twin.py --minutes 15 --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording

PACKAGE, TORCH = "neural-amp-modeler==0.13.0", "torch==2.13.0"
SIZES = ("a1-standard", "a1-lite", "a1-feather", "a1-nano", "a2-full", "a2-lite")
NAMES = ("dry.flac", "wet.flac", "test_dry.flac", "test_wet.flac")
OURS = "from wavewright.cli.main import main; main()"
Row = dict[str, Any]


def flags() -> argparse.Namespace:
    """What can be said on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/audio/amp"), help=f"holds {', '.join(NAMES)}")
    parser.add_argument("--size", choices=SIZES, default="a1-standard")
    parser.add_argument("--minutes", type=float, default=15.0, help="of training, for each")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads, for each")
    parser.add_argument("--every", type=float, help="seconds between two figures (default: a tenth of the minutes)")
    parser.add_argument("--delay", type=int, help="samples by which the wet is late (default: found by wavewright)")
    parser.add_argument("--only", choices=("ours", "reference"), help="run one of the two")
    parser.add_argument("--together", action="store_true", help="run both at once")
    parser.add_argument("--reference-python", type=Path, help=f"a Python that has {PACKAGE} (default: one is set up)")
    parser.add_argument("--ours", default="", help='more flags for ours, such as "--learning-rate 0.01"')
    parser.add_argument("--out", type=Path, default=Path("train_twin.json"), help="all figures, as JSON")
    told = parser.parse_args()
    missing = [name for name in NAMES if not (told.data / name).is_file()]
    if missing:
        parser.error(f"--data {told.data} has no {', '.join(missing)}: name a folder with {', '.join(NAMES)}")
    told.every = told.every or told.minutes * 6
    return told


def lay_out(told: argparse.Namespace, folder: Path) -> int:
    """The four recordings as 24-bit WAV, the training pair aligned; gives the delay that was taken out."""
    dry, wet, test_dry, test_wet = (files.read(told.data / name) for name in NAMES)
    if told.delay is None:
        from wavewright.data.align import align

        told.delay = align(dry, wet).delay_samples
    x, y = dry.samples[:, max(0, -told.delay) :], wet.samples[:, max(0, told.delay) :]
    length = min(x.shape[1], y.shape[1])
    pair = (Recording(x[:, :length], dry.rate), Recording(y[:, :length], dry.rate))
    for name, recording in zip(NAMES, (*pair, test_dry, test_wet), strict=True):
        files.write((folder / name).with_suffix(".wav"), recording, subtype="PCM_24")
    return int(told.delay)


def reference_python(given: Path | None) -> Path:
    """A Python with the reference package: the one given, or one set up once in the user's cache."""
    if given is not None:
        return given
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "wavewright" / "reference-trainer"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        print(f"setting up {PACKAGE} in {folder} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        for wanted in (TORCH, PACKAGE):
            subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True)
        (folder / "complete").touch()
    return python


def run_reference(told: argparse.Namespace, folder: Path, python: Path) -> list[Row]:
    """Rows of seconds and ESR from the package, which `reference_trainer.py` drives."""
    out = folder / "reference.jsonl"
    driver = Path(__file__).with_name("reference_trainer.py")
    words = ["--out", out, "--size", told.size, "--seconds", told.minutes * 60, "--every", told.every]
    started(told, [python, driver, folder, *words, "--threads", told.threads], folder / "reference.log")
    return [json.loads(line) for line in out.read_text().splitlines()]


def run_ours(told: argparse.Namespace, folder: Path) -> list[Row]:
    """Rows of seconds and ESR of `wavewright train emulate`.

    Its model file is copied whenever it changes, and looked at when all is over: the training is what a user runs.
    """
    run, copies = folder / "run", folder / "models"
    copies.mkdir()
    over = threading.Event()

    def collect() -> None:
        model, last = run / "model.safetensors", 0
        while not over.wait(0.5):
            if model.is_file() and model.stat().st_mtime_ns != last:
                last = model.stat().st_mtime_ns
                shutil.copyfile(model, copies / f"{last}.safetensors")

    collector = threading.Thread(target=collect)
    collector.start()
    often = min(told.every / 3, 30)
    words = ["-o", run, "--network", told.size, "--minutes", told.minutes, "--threads", told.threads, "--delay", 0]
    words += ["--validate-seconds", often, "--checkpoint-seconds", often, *told.ours.split()]
    try:
        pair = (folder / "dry.wav", folder / "wet.wav")
        started(told, [sys.executable, "-c", OURS, "train", "emulate", *pair, *words], folder / "ours.log")
        time.sleep(1)
    finally:
        over.set()
        collector.join()
    return [look(path, run, folder) for path in sorted(copies.iterdir())]


def started(told: argparse.Namespace, words: list[Any], log: Path) -> None:
    """Run a trainer to its end, what it says going into ``log``."""
    environment = os.environ | {"OMP_NUM_THREADS": str(told.threads)}
    with log.open("w") as file:
        done = subprocess.run([*map(str, words)], stdout=file, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with status {done.returncode}:\n{log.read_text()[-2000:]}")


def look(model: Path, run: Path, folder: Path) -> Row:
    """Seconds of training and test ESR of one of our models, warmed up with silence as the reference is."""
    import torch

    from wavewright.nets import registry
    from wavewright.train import model_file
    from wavewright.train.log import read_log

    saved = model_file.load(model)
    network = registry.from_config(str(saved.kind), saved.config)
    network.load_state_dict(saved.weights)
    dry, wet = (files.read(folder / f"test_{name}.wav").samples for name in ("dry", "wet"))
    padded = np.pad(dry, ((0, 0), (network.receptive_field - 1, 0)))
    with torch.no_grad():
        output: FloatArray = network.eval().valid(torch.from_numpy(padded)[None])[0].numpy()
    seconds = next(row["seconds"] for row in read_log(run / "log.jsonl") if row["step"] >= saved.step)
    esr = float(np.square(output - wet, dtype=np.float64).sum() / np.square(wet, dtype=np.float64).sum())
    return {"seconds": seconds, "step": saved.step, "best_esr": esr}


def table(told: argparse.Namespace, results: dict[str, list[Row]]) -> str:
    """Both at the same moments, as Markdown."""
    moments = [told.every * (i + 1) for i in range(round(told.minutes * 60 / told.every))]
    lines = ["| seconds | " + " | ".join(f"{name}: ESR" for name in results) + " |", "|---" * (1 + len(results)) + "|"]
    for moment in moments:
        # The reference looks at the first step after the moment, hence the grace of one step.
        seen = [[row for row in rows if row["seconds"] <= moment + told.every / 3] for rows in results.values()]
        # Before its first validation the reference has no best: what it has is the weights as they stand.
        figures = [(rows[-1]["best_esr"] or rows[-1]["esr"]) if rows else None for rows in seen]
        lines.append(f"| {moment:.0f} | " + " | ".join("–" if f is None else f"{f:.4f}" for f in figures) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the race and print it."""
    told = flags()
    python = None if told.only == "ours" else reference_python(told.reference_python)
    with (
        tempfile.TemporaryDirectory(prefix="train-twin-") as name,
        ThreadPoolExecutor(2 if told.together else 1) as pool,
    ):
        folder = Path(name)
        delay = lay_out(told, folder)
        print(f"{told.size}, {told.minutes:g} minutes each, {told.threads} threads, delay {delay} samples", flush=True)
        races = {}
        if told.only != "reference":
            races["ours"] = pool.submit(run_ours, told, folder)
        if python is not None:
            races["reference"] = pool.submit(run_reference, told, folder, python)
        results = {name: race.result() for name, race in races.items()}
    print(table(told, results))
    settings = {name: str(value) for name, value in vars(told).items()}
    told.out.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")
    print(f"all figures: {told.out}")


if __name__ == "__main__":
    main()

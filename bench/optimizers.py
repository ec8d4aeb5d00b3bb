"""Adam beside SOAP: the same network, windows, schedule and number of steps; ESR on a pair that neither has seen.

python bench/optimizers.py --steps 1500
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from wavewright.cli.console import table
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate import twin
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

NAMES = ("dry.flac", "wet.flac", "test_dry.flac", "test_wet.flac")
RATES = {"adam": (0.002, 0.004, 0.008), "soap": (0.005, 0.01, 0.02)}


def flags() -> argparse.Namespace:
    """What can be said on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/audio/amp"), help=f"holds {', '.join(NAMES)}")
    parser.add_argument("--size", default="a1-standard")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args()
    missing = [name for name in NAMES if not (told.data / name).is_file()]
    if missing:
        parser.error(f"--data {told.data} has no {', '.join(missing)}: name a folder with {', '.join(NAMES)}")
    return told


def trained(told: argparse.Namespace, optimizer: str, rate: float, folder: Path) -> list[str]:
    """One run: its row of the table."""
    plain = EmulateSettings(network=told.size)
    budget = with_budget(plain.train, steps=told.steps)
    chosen = replace(
        plain,
        train=replace(budget, optimizer=optimizer, learning_rate=rate, threads=told.threads, preview_minutes=None),
    )
    dry, wet, test_dry, test_wet = (told.data / name for name in NAMES)
    outcome = emulate.train(dry, wet, folder, chosen, Silent())
    judged = twin.evaluate(twin.open_twin(folder), test_dry, test_wet, delay=0)
    return [optimizer, f"{rate:g}", f"{outcome.seconds:.0f}", f"{judged.figures['esr']:.4f}"]


def main() -> None:
    """Run them all and print the table."""
    told = flags()
    rows = [["optimiser", "rate", "seconds", "test ESR"]]
    with tempfile.TemporaryDirectory() as name:
        for optimizer, rates in RATES.items():
            for rate in rates:
                rows.append(trained(told, optimizer, rate, Path(name) / f"{optimizer}-{rate:g}"))
                print(" ".join(rows[-1]), flush=True)
    windows = EmulateSettings()
    print(
        f"\n{told.size}, {told.steps} steps of {windows.batch} windows of {windows.window} samples, cosine schedule\n"
    )
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()

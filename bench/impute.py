"""Gaps filled by learned and by simple ways: the same tables, splits and hidden values for all, errors and minutes.

The first 60 % of a table's times are learned from, the next 20 % validate, and of the last 20 % values are hidden, in
points and in blocks of 24 times: 10, 30 and 50 %. Errors are of the hidden values, in standard deviations of the part
learned from. Minutes are of one core (of processor time, so that a busy machine changes nothing).

With ``--peer PYTHON``, the Python of an environment that has package `pypots`, SAITS and BRITS are trained on windows
of the same table, the same values hidden in all six ways, and fill the same hidden values. They see a window of 48
times at once, as in the package's own benchmark of this table; each is stopped after ``--peer-minutes``.

With ``--steps 0`` nothing is trained: the first guess and the simple ways, in seconds.

    python bench/impute.py --data ../shared/tables --peer ../pypots/bin/python
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wavewright.cli.console import table as printed
from wavewright.data import masks, tables
from wavewright.data.masks import Mask
from wavewright.data.tables import Table
from wavewright.jobs.impute import imputing
from wavewright.jobs.impute import judge as impute_judge
from wavewright.jobs.impute import training as impute
from wavewright.jobs.impute.imputing import Imputer
from wavewright.jobs.impute.judge import BLOCK, HIDDEN, SHARES, SIMPLE, Score
from wavewright.jobs.impute.settings import ImputeSettings
from wavewright.jobs.impute.trust import WHOLE, Trust
from wavewright.jobs.runs import Begun
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

LEARNED, TESTED = 0.6, 0.8
STEPS = 48
"""Times of a window of the peers."""
STRIDE = 36
"""Times from one of their windows to the next, for each of the six ways to hide."""

Values = NDArray[np.float64]
Way = tuple[str, float]
Scores = dict[Way, Score]


@dataclass(frozen=True)
class Result:
    """One way to fill: its errors, the minutes it took to learn, and its weights."""

    name: str
    scores: Scores
    minutes: float = 0.0
    weights: int = 0


def flags() -> argparse.Namespace:
    """What can be said on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/tables"), help="the folder with the tables")
    parser.add_argument("--tables", nargs="+", default=["ETTh1.csv", "pollution.csv"])
    parser.add_argument("--steps", type=int, default=400, help="of training, for each of ours; 0: none")
    parser.add_argument("--networks", nargs="+", default=["tfilm-series", "series-gru", "series-linear"])
    parser.add_argument("--peer", type=Path, help="Python of an environment with pypots; ETTh1 alone")
    parser.add_argument("--peer-minutes", type=float, default=25.0)
    parser.add_argument("--keep", type=Path, help="a folder for the peers' windows and guesses, taken up if there")
    told = parser.parse_args()
    missing = [name for name in told.tables if not (told.data / name).is_file()]
    if missing:
        parser.error(f"--data {told.data} has no {missing[0]}")
    return told


def learned(path: Path, name: str, bridge: str, steps: int, folder: Path) -> tuple[Imputer, float, int]:
    """An imputer trained on the first 80 % of a table, the last quarter of that held out; its minutes and weights."""
    known = tables.read(path)
    part = folder / f"{path.stem}-learned.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    part.write_text("".join(lines[: 1 + int(TESTED * known.values.shape[1])]), encoding="utf-8")
    plain = ImputeSettings(network=name, bridge=bridge, held_out=1 - LEARNED / TESTED)
    train = replace(with_budget(plain.train, steps=max(1, steps)), threads=1, validate_steps=max(1, steps // 8))
    settings = replace(plain, train=train)
    run = folder / f"{path.stem}-{name}-{bridge}"
    start = time.process_time()
    begun = impute.begin(part, run, settings, Silent())
    if not steps:
        return untrained(begun, settings), 0.0, 0
    impute.learn(begun, settings, Silent())
    minutes = (time.process_time() - start) / 60
    imputer = imputing.open_imputer(run)
    return imputer, minutes, sum(one.numel() for one in imputer.network.parameters())


def untrained(begun: Begun[impute.ImputeTask], settings: ImputeSettings) -> Imputer:
    """Nothing but the first guess."""
    task, none = begun.task, Trust((0.0,) * len(WHOLE.shares))
    known = task.material
    facts = (known.table.names, known.scale, settings, known.bridge, begun.run)
    return Imputer(task.network, *facts, known.together, known.table.seconds, known.cycles, none)


def last_part(table: Table) -> Mask:
    """What is tested on."""
    held = np.ones(table.values.shape, bool)
    held[:, : int(TESTED * table.values.shape[1])] = False
    return held


def raced(path: Path, told: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """Ours and the simple ways."""
    simple: dict[str, Scores] = {}
    lines = [(name, "line") for name in told.networks if told.steps]
    for name, bridge in [(told.networks[0], "process"), *lines]:
        imputer, minutes, weights = learned(path, name, bridge, told.steps, folder)
        known = imputer.read(path)
        truth = imputer.material(known).scaled
        found: dict[str, Scores] = {}
        for trial in impute_judge.trials(imputer, known, last_part(known)):
            for way, score in trial.scores(truth).items():
                found.setdefault(way, {})[trial.shape, trial.share] = score
        simple.update({way: found[way] for way in SIMPLE})
        label = f"{name}, on a {'straight line' if bridge == 'line' else 'process'}"
        if told.steps:
            yield Result(label, found[name], minutes, weights)
        if "untrained bridge" in found:
            yield Result("the first guess alone", found["untrained bridge"])
    for way, scores in simple.items():
        yield Result(way, scores)


# ── the peers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def starts(count: int, stride: int) -> list[int]:
    """Where windows begin; the last ends where the series do."""
    places = list(range(0, count - STEPS + 1, stride))
    return places if places[-1] + STEPS == count else [*places, count - STEPS]


def windows(values: Values, stride: int) -> NDArray[np.float32]:
    """``(series, time)`` → ``(windows, STEPS, series)``."""
    return np.stack([values[:, at : at + STEPS].T for at in starts(values.shape[1], stride)]).astype(np.float32)


def write_windows(scaled: Values, held: Mask, path: Path) -> None:
    """What the peers learn from, validate on and fill."""
    count = scaled.shape[1]
    end, test = int(LEARNED * count), int(TESTED * count)
    given = ~np.isnan(scaled)
    train, valid, truth, out = [], [], [], {}
    for number, (shape, share) in enumerate((shape, share) for shape in HIDDEN for share in SHARES):
        dice = np.random.default_rng([7, number])
        hidden = masks.hidden(given[:, :end], share, shape, dice, BLOCK)
        train.append(windows(np.where(hidden, np.nan, scaled[:, :end]), STRIDE))
        hidden = masks.hidden(given[:, end:test], share, shape, dice, BLOCK)
        valid.append(windows(np.where(hidden, np.nan, scaled[:, end:test]), STEPS))
        truth.append(windows(scaled[:, end:test], STEPS))
        hidden = tested(given & held, shape, share)
        out[f"test_{shape}_{share}"] = windows(np.where(hidden, np.nan, scaled)[:, test:], STEPS)
    parts = {"train": train, "valid": valid, "valid_truth": truth}
    np.savez(path, **out, **{name: np.concatenate(part) for name, part in parts.items()})  # type: ignore[arg-type]


def tested(given: Mask, shape: str, share: float) -> Mask:
    """The values that `impute_judge.trials` hides."""
    dice = np.random.default_rng([0, HIDDEN.index(shape), round(1000 * share)])
    return masks.hidden(given, share, shape, dice, BLOCK)


def peer(name: str, path: Path, told: argparse.Namespace, folder: Path) -> Result:
    """SAITS or BRITS, trained by the Python of their own environment."""
    known = tables.read(path)
    count = known.values.shape[1]
    part = known.values[:, : int(LEARNED * count)]
    scaled = (known.values - part.mean(1, keepdims=True)) / part.std(1, keepdims=True)
    held = last_part(known)
    source, output = folder / "windows.npz", folder / f"{name}.npz"
    if not output.exists():
        write_windows(scaled, held, source)
        script = Path(__file__).with_name("impute_peer.py")
        words = [str(told.peer), str(script), name, str(source), str(output), "--minutes", str(told.peer_minutes)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: Scores = {}
    with np.load(output) as guesses:
        for shape, share in ((shape, share) for shape in HIDDEN for share in SHARES):
            filled = scaled.copy()
            begin = int(TESTED * count)
            for at, window in zip(starts(count - begin, STEPS), guesses[f"test_{shape}_{share}"], strict=True):
                filled[:, begin + at : begin + at + STEPS] = window.T
            error = (filled - scaled)[tested(known.given & held, shape, share)]
            found[shape, share] = Score(float(np.sqrt(np.square(error).mean())), float(np.abs(error).mean()))
        return Result(f"{name.upper()} (pypots)", found, float(guesses["seconds"]) / 60, int(guesses["weights"]))


def show(title: str, results: list[Result]) -> None:
    """Two tables, MAE and RMSE."""
    ways = [(shape, share) for shape in HIDDEN for share in SHARES]
    for figure in ("mae", "rmse"):
        head = [figure.upper(), *(f"{share:.0%} {shape}" for shape, share in ways), "minutes", "weights"]
        rows = [
            [
                one.name,
                *(f"{getattr(one.scores[way], figure):.4f}" for way in ways),
                f"{one.minutes:.2f}" if one.minutes else "",
                f"{one.weights:,}" if one.weights else "",
            ]
            for one in results
        ]
        print(title, *printed([head, *rows]), "", sep="\n", flush=True)


def main() -> None:
    """Print the tables."""
    told = flags()
    torch.set_num_threads(1)
    for name in told.tables:
        path = told.data / name
        with tempfile.TemporaryDirectory() as temporary:
            folder = told.keep or Path(temporary)
            results = list(raced(path, told, Path(temporary)))
            if name == "ETTh1.csv" and (told.peer or told.keep):
                results += [
                    peer(one, path, told, folder)
                    for one in ("saits", "brits")
                    if told.peer or (folder / f"{one}.npz").exists()
                ]
        show(name, results)


if __name__ == "__main__":
    main()

"""How well a knob is learned: ESR at the positions that were recorded, and at positions that were not.

Two devices. The Klon Centaur's gain stage, recorded at three positions of its gain: one network learns all three; a
second learns the outer two, and is asked for the one between. Then a built-in overdrive whose gain follows a
potentiometer in a feedback path, as 1 / (r + R (1 − p)): its network learns the same three positions, and those between
are worked out and compared. Every figure is of sound that training never heard.

    python bench/klon.py --data ../shared/audio/klon --minutes 4
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.devices import LowPass
from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.signal_settings import SignalSettings
from wavewright.data.training_signal import compose
from wavewright.jobs.emulate import pairs
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate import twin as twins
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.nets.knob_wavenet import KnobWaveNet
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

POSITIONS = (0.0, 0.5, 1.0)
BETWEEN = (0.25, 0.75)
RATE = 44_100
SMALLEST = 0.05
"""Of the built-in device: r over r + R, so that its gain goes from 1 to 20."""


Row = tuple[str, str]
"""A network's name, and how it hears its knob."""


def flags() -> argparse.Namespace:
    """What can be said on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/audio/klon"), help="dry.flac, wet_gain000.flac, …")
    parser.add_argument("--minutes", type=float, default=4.0, help="of training on three positions; half for two")
    parser.add_argument("--networks", nargs="+", default=["a1-standard"], help="names, each a row")
    parser.add_argument("--conditioning", nargs="+", default=["concat", "film"], help="concat, film; each a row")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("klon", "built-in"), help="one of the two devices")
    parser.add_argument("--keep", type=Path, help="a folder in which the runs stay")
    told = parser.parse_args()
    if told.only != "built-in" and not (told.data / "dry.flac").is_file():
        parser.error(f"--data {told.data} has no dry.flac: name the folder, or say --only built-in")
    return told


def learn(
    dry: Path, wets: dict[float, Path], folder: Path, told: argparse.Namespace, row: Row, share: float
) -> twins.Twin:
    """A twin of those positions, after its share of the minutes."""
    network, conditioning = row
    plain = EmulateSettings(network=network, conditioning=conditioning)
    train = replace(with_budget(plain.train, minutes=share * told.minutes), threads=told.threads, preview_minutes=None)
    values = ",".join(map(str, wets))
    capture = pairs.from_flags([dry, *wets.values()], [f"gain={values}"])
    emulate.train_capture(capture, folder, replace(plain, train=train), Silent(), force=True)
    return twins.open_twin(folder)


def klon(told: argparse.Namespace, row: Row, folder: Path) -> list[str]:
    """A row of the first table."""
    wets = {position: told.data / f"wet_gain{round(100 * position):03d}.flac" for position in POSITIONS}
    whole = learn(told.data / "dry.flac", wets, folder / f"klon-{'-'.join(row)}", told, row, 1.0)
    judged = twins.evaluate(whole).each
    outer = {position: wets[position] for position in (0.0, 1.0)}
    without = learn(told.data / "dry.flac", outer, folder / f"klon-outer-{'-'.join(row)}", told, row, 0.5)
    middle = next(part for part in twins.held_out_parts(whole) if part.values["gain"] == 0.5)
    guess = twins.as_recorded(twins.played(without, middle), middle.wet, middle.clipped)
    left_out = twins.judge(guess, middle.wet, RATE, 0, middle.counting, middle.clipped).figures["esr"]
    trained = [figures["esr"] for figures in judged.values()]
    return [*row, *(f"{esr:.4f}" for esr in trained), f"{left_out:.4f}", bend(whole)]


def overdrive(dry: FloatArray, position: float) -> FloatArray:
    """The built-in device: a gain that a potentiometer sets, soft clipping, a low-pass."""
    gain = 1 / (SMALLEST + (1 - SMALLEST) * (1 - position))
    driven = np.tanh(gain * dry) + 0.1 * np.tanh(0.5 * gain * dry) ** 2
    return LowPass(6_000.0, 1)(0.6 * driven.astype(np.float32), RATE)


def built_in(told: argparse.Namespace, row: Row, folder: Path) -> list[str]:
    """A row of the second table."""
    signal = compose(SignalSettings(seconds=60.0, rate=RATE))
    dry, wets = folder / "dry.wav", {position: folder / f"wet{position}.wav" for position in POSITIONS}
    files.write(dry, signal, subtype="FLOAT", force=True)
    for position, path in wets.items():
        files.write(path, Recording(overdrive(signal.samples, position), RATE), subtype="FLOAT", force=True)
    twin = learn(dry, wets, folder / f"built-in-{'-'.join(row)}", told, row, 0.5)
    part = twins.held_out_parts(twin)[0]
    figures = {}
    for position in sorted((*POSITIONS, *BETWEEN)):
        wanted = overdrive(part.dry, position)[:, part.context :]
        played = twins.play(twin.at({"gain": position}).network, part.dry)[:, part.context :]
        figures[position] = twins.judge(played, wanted, RATE, 0).figures["esr"]
    worst = max(figures[position] for position in BETWEEN) / max(figures[position] for position in POSITIONS)
    return [*row, *(f"{figures[position]:.4f}" for position in sorted(figures)), f"{worst:.2f}", bend(twin)]


def bend(twin: twins.Twin) -> str:
    """The taper that a WaveNet's knob has learned."""
    return f"{float(twin.network.bend.detach().exp()[0]):.2f}" if isinstance(twin.network, KnobWaveNet) else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as they stand in a page."""
    for line in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(line)} |", flush=True)


def main() -> None:
    """Print both tables."""
    told = flags()
    with tempfile.TemporaryDirectory() as temporary:
        folder = told.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [(network, how) for network in told.networks for how in told.conditioning]
        if told.only != "built-in":
            head = ["network", "knob by", *(f"ESR at {position:g}" for position in POSITIONS)]
            table([*head, "at 0.5, learned from 0 and 1", "taper a"], [klon(told, row, folder) for row in rows])
            print()
        if told.only != "klon":
            places = [f"ESR at {position:g}" for position in sorted((*POSITIONS, *BETWEEN))]
            head = ["network", "knob by", *places, "worst between / worst learned", "taper a"]
            table(head, [built_in(told, row, folder) for row in rows])


if __name__ == "__main__":
    main()

"""Train one imputer of package `pypots` on windows that `impute.py` wrote, and write down its guesses and its minutes.

Run by the Python of an environment that has the package (`impute.py` does so); nothing of wavewright is imported. The
networks, their training loop and its early stopping are the package's own; sizes are those of its own examples. The one
thing added is a bell that ends training after so many minutes of the processor (or on SIGTERM), as Ctrl-C would: the
best weights so far are kept.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pypots.imputation import BRITS, SAITS  # type: ignore[import-not-found,unused-ignore]
from pypots.optim import Adam  # type: ignore[import-not-found,unused-ignore]

SIZES: dict[str, dict[str, Any]] = {
    "saits": {"n_layers": 2, "d_model": 256, "n_heads": 4, "d_k": 64, "d_v": 64, "d_ffn": 128, "dropout": 0.1},
    "brits": {"rnn_hidden_size": 128},
}
PATIENCE = 10


def main() -> None:
    """Windows in, guesses and seconds out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(SIZES))
    parser.add_argument(
        "windows", type=Path, help=".npz: train, valid, valid_truth, and test_… (windows, times, series)"
    )
    parser.add_argument("output", type=Path, help=".npz to write: the same test_…, filled, and seconds")
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--epochs", type=int, default=100)
    told = parser.parse_args()
    torch.set_num_threads(1)
    data = dict(np.load(told.windows))
    _, steps, series = data["train"].shape
    network = {"saits": SAITS, "brits": BRITS}[told.name](
        n_steps=steps,
        n_features=series,
        batch_size=32,
        epochs=told.epochs,
        patience=PATIENCE,
        optimizer=Adam(lr=1e-3),
        device="cpu",
        **SIZES[told.name],
    )
    signal.signal(signal.SIGPROF, _ring)
    signal.signal(signal.SIGTERM, _ring)
    signal.setitimer(signal.ITIMER_PROF, 60 * told.minutes)
    start = time.process_time()
    network.fit({"X": data["train"]}, {"X": data["valid"], "X_ori": data["valid_truth"]})
    seconds = time.process_time() - start
    signal.setitimer(signal.ITIMER_PROF, 0)
    guesses = {
        name: np.asarray(network.predict({"X": windows})["imputation"])
        for name, windows in data.items()
        if name.startswith("test_")
    }
    weights = sum(one.numel() for one in network.model.parameters())
    np.savez(told.output, seconds=seconds, weights=weights, **guesses)  # type: ignore[arg-type,unused-ignore]


def _ring(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

"""Two processes follow the loss curve of one with the doubled batch, interrupted or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_task import TinyTask, new_run, settings

from wavewright.errors import RunError, SettingsError
from wavewright.train.distributed import choose_device
from wavewright.train.log import read_log
from wavewright.train.loop import train
from wavewright.train.run import RunFolder

SCRIPT = Path(__file__).with_name("two_processes.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def start(arguments: list[str]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def curve(run: Path) -> tuple[list[int], np.ndarray]:
    rows = [row for row in read_log(run / "log.jsonl") if "loss" in row]
    return [row["step"] for row in rows], np.array([[row["loss"], row["gradient"], row["esr"]] for row in rows])


def test_two_processes_are_one_with_the_doubled_batch(tmp_path: Path) -> None:
    told = settings(epochs=4, validate_steps=1, check_steps=10, optimizer="adam")
    one = TinyTask(batch=4, dropout=0.0, momentum=0.0, poison=(25,))
    train(one, told, new_run(tmp_path / "one", told))
    start([*TORCHRUN, str(SCRIPT), str(tmp_path / "two")])
    start([str(SCRIPT), "fork", str(tmp_path / "stopped"), "16"])
    steps, expected = curve(tmp_path / "one")
    assert steps == [step for step in range(1, 41) if step != 26]  # the poisoned one has no loss to show
    assert expected[0, 0] > 1.5 * expected[-1, 0]
    for name in ("two", "stopped"):
        found_steps, found = curve(tmp_path / name)
        assert found_steps == steps
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        ranks = [(tmp_path / f"{name}-weights-{rank}").read_bytes() for rank in (0, 1)]
        assert ranks[0] == ranks[1]
    assert (tmp_path / "two-weights-0").read_bytes() == (tmp_path / "stopped-weights-0").read_bytes()
    with pytest.raises(RunError, match=r"trained by 2 process.*torchrun --nproc-per-node 2"):
        train(TinyTask(), told, RunFolder.open(tmp_path / "two"), resume=True)


def test_devices() -> None:
    assert choose_device("cpu", 3) == torch.device("cpu")
    if torch.cuda.is_available():
        assert choose_device("auto", 0) == torch.device("cuda", 0)
        with pytest.raises(SettingsError, match="has no GPU"):
            choose_device("cuda", 4096)
    else:
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(SettingsError, match="sees no GPU"):
            choose_device("cuda")

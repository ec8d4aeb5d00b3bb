"""Killed at any moment, a run resumes to the weights of one that never was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from wavewright.train import model_file
from wavewright.train.log import read_log

DRIVER = Path(__file__).with_name("kill_driver.py")


def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(DRIVER), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] >= 20
    unharmed, killed = tmp_path / "unharmed", tmp_path / "killed"
    ends = [load_file(run / "last" / "checkpoint.safetensors") for run in (unharmed, killed)]
    assert ends[0].keys() == ends[1].keys()
    assert {name.split("/")[0] for name in ends[0]} >= {"best", "now"}
    for name, tensor in ends[0].items():  # weights, best weights, the optimiser's moments
        assert torch.equal(tensor, ends[1][name]), name
    models = [model_file.load(run / "model.safetensors") for run in (unharmed, killed)]
    assert models[0].step == models[1].step
    assert all(torch.equal(value, models[1].weights[name]) for name, value in models[0].weights.items())
    histories = [  # lines with neither are written by the clock, once a second
        [
            (row["step"], row.get("esr"), row.get("event"))
            for row in read_log(run / "log.jsonl")
            if "esr" in row or "event" in row
        ]
        for run in (unharmed, killed)
    ]
    assert histories[0] == histories[1]
    assert [event for _, _, event in histories[0] if event] == ["loss not finite"] * 2
    left = [path.name for path in killed.glob("**/.*")]
    assert left == []

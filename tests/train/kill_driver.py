"""Trains a run to its end in child processes that are killed at random moments. Started by test_train_kill.py.

A fork costs milliseconds where a fresh Python with torch costs seconds. This process itself never runs a backward
pass, after which torch would refuse to do so in its children.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo
from tiny_task import TinyTask, new_run, settings

from wavewright.train.loop import train
from wavewright.train.run import RunFolder

KILLS = 20


def main(folder: Path) -> None:
    """Train once unharmed and once killed twenty times; print what happened."""
    torch.set_num_threads(1)
    told = settings(epochs=50)

    def go_on(path: Path) -> None:
        run = RunFolder.open(path) if (path / "run.json").exists() else new_run(path, told, force=True)
        train(TinyTask(batch=2, poison=(120, 381)), told, run, resume=True)

    unharmed = time.monotonic()
    child(lambda: go_on(folder / "unharmed"), None)
    seconds = time.monotonic() - unharmed
    dice = random.Random(1)
    kills = 0
    for name in ("run", "log", "model", "checkpoint"):  # and surely once in the middle of each kind of write
        path = folder / "killed"
        assert not child(lambda path=path, name=name: (dying_write(path, name), go_on(path)), None)
        assert any(path.glob(f"**/.{name}.*")), name
    while not child(
        lambda: go_on(folder / "killed"), dice.uniform(0.0, 0.8 * seconds / KILLS) if kills < KILLS else None
    ):
        kills += 1
    print(json.dumps({"kills": kills}))


def dying_write(path: Path, name: str) -> None:
    """From now on the first new version of ``path/**/name.*`` is killed half-way."""
    whole = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if Path(target).stem == name:
            os.truncate(self, self.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, target)

    Path.replace = replace  # type: ignore[method-assign]


def child(work: Callable[[], None], delay: float | None) -> bool:
    """Run ``work`` in a fork, killed after ``delay`` seconds; whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    if delay is not None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status):
        raise SystemExit("a child failed; its traceback is above")
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))

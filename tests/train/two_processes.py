"""One process of a data-parallel run. Started by test_train_distributed.py, or by torchrun through it.

``two_processes.py RUN [stop_at]`` trains the run with a batch of 2 for each process; ``fork RUN stop_at`` does what
torchrun does, in forks: two processes, stopped after a step, then started again to the end.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import torch
import torch._dynamo
import torch.distributed  # what the first steps would import, once for all children
from tiny_task import TinyTask, new_run, settings

from wavewright.train.loop import train
from wavewright.train.run import RunFolder

TOLD = settings(epochs=4, validate_steps=1, check_steps=10, optimizer="adam")


def go(path: Path, stop_at: int | None = None) -> None:
    """Train ``path``, from wherever it stands; Ctrl-C comes to the second process at a step."""
    torch.set_num_threads(1)
    resume = (path / "last" / "checkpoint.safetensors").exists()
    run = RunFolder.open(path) if resume else new_run(path, TOLD)
    task = TinyTask(batch=2, dropout=0.0, momentum=0.0, poison=(25,))
    draw = task.batch

    def batch(step: int, rank: int, world: int) -> tuple[torch.Tensor, ...]:
        if step == stop_at and rank == world - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return draw(step, rank, world)

    task.batch = batch  # type: ignore[method-assign]
    outcome = train(task, TOLD, run, resume=resume)
    assert outcome.status == ("finished" if stop_at is None else "interrupted"), outcome
    own = torch.cat([value.reshape(-1) for value in task.network.state_dict().values()])
    (path.parent / f"{path.name}-weights-{os.environ.get('RANK', '0')}").write_bytes(own.numpy().tobytes())


def fork(path: Path, stop_at: int | None) -> None:
    """Two processes, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in (0, 1):
        pid = os.fork()
        if pid == 0:
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            os.environ.update({name: str(value) for name, value in place.items()})
            status = 1
            try:
                go(path, stop_at)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    ends = [os.waitpid(pid, 0)[1] for pid in children]
    assert ends == [0, 0], ends


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork(Path(sys.argv[2]), int(sys.argv[3]))
        fork(Path(sys.argv[2]), None)
    else:
        go(Path(sys.argv[1]))

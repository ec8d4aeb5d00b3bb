"""docs/adding-a-network.md, followed to the letter in a copy of the house."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import Recording

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "adding-a-network.md").read_text(encoding="utf-8")
RATE = 8_000


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, f"the page has lost its block {kind!r}"
    return found[1]


def inserted(path: Path, before: str, text: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, f"{path.name} has no single {before!r}"
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def test_the_page_leads_to_a_network_that_trains_and_plays(tmp_path: Path) -> None:
    package = tmp_path / "wavewright"
    package.mkdir()
    for room in (ROOT / "src" / "wavewright").iterdir():
        if room.name == "nets":
            shutil.copytree(room, package / "nets", ignore=shutil.ignore_patterns("__pycache__"))
        elif room.name != "__pycache__":  # a link, so that kernels come from where they were compiled
            (package / room.name).symlink_to(room)
    nets = package / "nets"
    (nets / "sagging_clipper.py").write_text(block("python"), encoding="utf-8")
    imported = "from wavewright.nets.sagging_clipper import SaggingClipper, SaggingClipperConfig\n"
    inserted(nets / "registry.py", "from wavewright.nets.wavenet import WaveNet\n", imported)
    inserted(nets / "registry.py", '}\n"""Architectures of one network each', block("text registry"))
    inserted(nets / "names.py", '}\n"""The networks that make one sound of another', block("text names"))

    dry = np.random.default_rng(0).uniform(-0.7, 0.7, (1, 12 * RATE)).astype(np.float32)
    files.write(tmp_path / "dry.wav", Recording(dry, RATE))
    files.write(tmp_path / "wet.wav", Recording((0.9 * np.tanh(2.0 * dry)).astype(np.float32), RATE))
    commands = [shlex.split(line)[1:] for line in block("text shell").splitlines()]
    code = f"from wavewright.cli.main import run\nfor words in {commands!r}:\n    assert run(words) == 0, words"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert files.info(tmp_path / "out.wav").frames == dry.shape[1]
    esr = re.search(r"^ESR +(\S+)", done.stdout, flags=re.MULTILINE)
    assert esr is not None
    assert float(esr[1]) < 0.05

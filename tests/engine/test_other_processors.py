"""The kernels as other processors get them: AVX2 plays and learns the same here; ARM's code is written and compiled."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from wavewright.engine.vector_code import VECTOR_BYTES, X86

DRIVER = Path(__file__).with_name("other_processors.py")
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2",
}


def run(*words: str, **environment: str) -> str:
    command = [sys.executable, str(DRIVER), *words]
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env={**os.environ, **threads, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not X86 or VECTOR_BYTES < 32, reason="this processor has no AVX2")
def test_avx2_gives_the_same_sound_gradients_and_codes(tmp_path: Path) -> None:
    run("play", str(tmp_path / "avx2.npz"), **AVX2)
    here, other = runpy.run_path(str(DRIVER))["play"](), dict(np.load(tmp_path / "avx2.npz"))
    assert (here.pop("width"), other.pop("width")) == (VECTOR_BYTES, 32)
    assert here.keys() == other.keys()
    for name, expected in here.items():
        close = 1e-6 if "gradient" not in name else 1e-5 * np.abs(expected).max()  # codes are whole numbers
        np.testing.assert_allclose(other[name], expected, rtol=0, atol=close, err_msg=name)


def test_the_code_for_arm() -> None:
    """NEON: fused multiply-adds, nothing spilled in the best tile, and no call but the kernels' own."""
    functions: dict[str, list[str]] = defaultdict(list)
    name = ""
    for line in run("arm").splitlines():
        if label := re.match(r"(\w+):", line):
            name = label[1] if not label[1].startswith("_") else name
        functions[name].append(line.strip())
    calls = {line.split()[1] for lines in functions.values() for line in lines if re.match(r"blr?\s", line)}
    assert calls
    assert all(call.startswith("wavewright_") for call in calls)
    for tile in ("wavewright_multiply_3_8", "wavewright_affine_8_float32"):
        assert sum("fmla" in line for line in functions[tile]) >= 24
        assert not [line for line in functions[tile] if re.match(r"st[rp]\s+q.*\[sp", line)]

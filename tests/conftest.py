"""What the tests share: where the real recordings lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # the tests run side by side, one to a core
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and model files; tests that need it are skipped where it is absent."""
    if not (SHARED / "audio").is_dir():
        pytest.skip(f"the real recordings are not at {SHARED}")
    return SHARED

"""The pages of upsamplers and imputers: whole, self-contained, escaped whatever files and series are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from outline import HOSTILE, Outline

from wavewright.errors import OutputError
from wavewright.report.imputed import Excerpt, ImputerPage, imputer_report
from wavewright.report.upsampled import Heard, UpsamplerPage, upsampler_report

ROWS = [{"step": 10 * n, "seconds": 9.0 * n, "loss": 1 / n, "mae": 1 / n, "snr": 1.0 * n} for n in range(1, 9)]


def upsampler(path: Path, *, force: bool = False) -> str:
    x = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
    page = UpsamplerPage(
        title=HOSTILE,
        rate=8000,
        low_rate=2000,
        kept=800.0,
        heard=[Heard(HOSTILE, x / 2, x, x, [HOSTILE])],
        figures=[(HOSTILE, 1.0, float("nan"), 2.0, 3.0)],
        columns=["File"],
        files=[[HOSTILE]],
        history=ROWS,
        settings={HOSTILE: HOSTILE, "train": {"steps": 3}},
        notes=[HOSTILE],
        run=HOSTILE,
    )
    upsampler_report(path, page, force=force)
    return path.read_text(encoding="utf-8")


def imputer(path: Path, *, force: bool = False) -> str:
    at = np.arange(50.0)
    truth, gap = np.sin(at), (at > 20) & (at < 30)
    hidden = Excerpt(
        HOSTILE, at, np.where(gap, np.nan, truth), np.where(gap, truth, np.nan), np.where(gap, 0.9 * truth, np.nan),
        np.where(gap, 0.0, np.nan),
    )  # fmt: skip
    page = ImputerPage(
        title=HOSTILE,
        excerpts=[hidden],
        gaps=[],
        axis=HOSTILE,
        scores={"30% in blocks": {"net": (0.2, 0.1), HOSTILE: (0.3, float("nan"))}},
        by_series=[(HOSTILE, 0.1, 0.2, 0.3)],
        network="net",
        rows=ROWS,
        about=[HOSTILE],
        settings={HOSTILE: HOSTILE, "train": {"steps": 3}},
        run=HOSTILE,
    )
    imputer_report(path, page, force=force)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("write", "names"), [
    (upsampler, ["listen", "figures", "spectrum", "training", "files", "settings", "next"]),
    (imputer, ["hidden", "errors", "series", "history", "settings"]),
])  # fmt: skip
def test_a_page_is_well_formed_escaped_and_overwrites_nothing(tmp_path: Path, write, names: list[str]) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "index.html"
    text = write(path)
    outline = Outline(text)
    assert [attrs["id"] for attrs in outline.of("section")] == names
    assert "<script>alert" not in text
    assert not [attrs for _, attrs in outline.seen if "onerror" in attrs or "example.org" in str(attrs.get("src"))]
    assert "alert(" in text.replace("&#x27;", "'"), "what it is called is not shown"
    with pytest.raises(OutputError, match="already exists"):
        write(path)
    assert write(path, force=True) == text

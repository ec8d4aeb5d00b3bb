"""The page as a whole: self-contained, escaped, refusing to overwrite; its sounds read back."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from outline import HOSTILE, Outline

from wavewright.errors import OutputError
from wavewright.report import history, page
from wavewright.report.page import Figure, Section
from wavewright.report.players import Clip, envelope, excerpt, players
from wavewright.report.probe import probe
from wavewright.report.sweeps import harmonics_of_sweep
from wavewright.report.twin import TwinPage, findings, twin_report

RATE = 16_000


def sounds(seconds: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    dry = (0.3 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)
    wet = np.tanh(3 * dry)
    return dry, wet, np.tanh(2.8 * dry)


def rows() -> list[dict[str, object]]:
    return [
        {"step": 10 * at, "seconds": 6.0 * at, "loss": 0.1 / (at + 1), "esr": 0.5 / (at + 1), "rate": 1e-3}
        for at in range(20)
    ]


def report(path: Path, **changes: object) -> str:
    dry, wet, twin = sounds()
    given: dict[str, object] = {
        "title": "Amp",
        "rate": RATE,
        "dry": dry,
        "wet": wet,
        "twin": twin,
        "history": rows(),
        "figures": {"esr": 0.002, "snr": 27.0},
        "check": {"verdict": "fine", "warnings": [], "alignment": {"delay_samples": 137}},
        "settings": {"minutes": 15.0, "loss": {"mse": 1.0}},
    }
    force = bool(changes.pop("force", False))
    twin_report(path, TwinPage(**(given | changes)), force=force)  # type: ignore[arg-type]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    measured = [probe(lambda x, g=gain: np.tanh(g * x), RATE, frequencies=6) for gain in (2.8, 3.0)]
    path = tmp_path_factory.mktemp("full") / "index.html"
    return report(path, probe=measured[0], device=measured[1], steps_per_epoch=40.0)


def test_the_page_is_well_formed_and_complete(full: str) -> None:
    outline = Outline(full)
    names = [attrs.get("id") for tag, attrs in outline.seen if tag == "section"]
    assert names == [
        "listen", "figures", "waveforms", "spectrograms", "training", "transfer", "harmonics", "data", "settings",
        "next",
    ]  # fmt: skip
    linked = {attrs["href"] for tag, attrs in outline.seen if tag == "a"}
    assert linked == {f"#{name}" for name in names}
    assert outline.count("audio") == 3
    assert outline.count("image") == 4
    unnamed = [
        attrs
        for tag, attrs in outline.seen
        if tag == "svg" and attrs.get("role") == "img" and not attrs.get("aria-label")
    ]
    assert unnamed == []
    assert len(full) < 6_000_000


def test_the_page_asks_for_nothing_outside(full: str) -> None:
    for tag, attrs in Outline(full).seen:
        for key in ("src", "href", "srcset", "poster", "action", "data"):
            value = attrs.get(key)
            assert value is None or value.startswith(("data:", "#")), (tag, key, value)
        assert tag not in ("link", "iframe", "object", "embed", "form", "base")
    assert not re.search(r"https?://|@import|url\(", full)
    assert "default-src 'none'" in full


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    text = report(
        tmp_path / "index.html",
        title=HOSTILE,
        run=HOSTILE,
        foot=HOSTILE,
        figures={"esr": 0.1, HOSTILE: HOSTILE},
        history=[*rows(), {"step": 400, "seconds": 130.0, "event": HOSTILE}],
        check={
            "verdict": HOSTILE,
            "warnings": [HOSTILE],
            HOSTILE: {HOSTILE: HOSTILE},
            "dry": {HOSTILE: 1},
            "wet": {},
            "x": [HOSTILE],
        },
        settings={HOSTILE: {HOSTILE: HOSTILE}, "path": HOSTILE},
    )
    outline = Outline(text)
    assert outline.count("script") == 1  # ours
    assert outline.count("img") == 0
    assert not any(key.startswith("on") for _, attrs in outline.seen for key in attrs)


def test_sounds_in_the_page_are_the_recordings(tmp_path: Path) -> None:
    text = report(tmp_path / "index.html")
    contents = re.findall(r'src="data:audio/flac;base64,([^"]+)"', text)
    for content, original in zip(contents, sounds(), strict=True):
        found, rate = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")
        peak = max(np.abs(sound).max() for sound in sounds())
        np.testing.assert_allclose(found, original * min(1.0, 0.999 / peak), atol=1 / 32768)
        assert rate == RATE


def test_the_least_there_can_be(tmp_path: Path) -> None:
    silent = np.zeros(100, np.float32)
    path = tmp_path / "index.html"
    twin_report(path, TwinPage(title="x", rate=RATE, dry=silent, wet=silent, twin=silent))
    outline = Outline(path.read_text(encoding="utf-8"))
    assert [attrs["id"] for tag, attrs in outline.seen if tag == "section"] == [
        "listen", "waveforms", "spectrograms", "transfer", "next",
    ]  # fmt: skip


def test_a_recorded_sweep_stands_in_for_the_device(tmp_path: Path) -> None:
    t = np.arange(4 * RATE) / RATE
    dry = (0.5 * np.sin(2 * np.pi * 50 / 0.9 * np.expm1(0.9 * t))).astype(np.float32)
    swept = harmonics_of_sweep(dry, np.tanh(3 * dry), RATE)
    measured = probe(lambda x: np.tanh(2.8 * x), RATE, frequencies=6)
    text = report(tmp_path / "index.html", probe=measured, device=swept)
    assert text.count("dashed: the device") == 1
    assert "(device about −6 dBFS)" in text


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        report(path)
    assert path.read_text() == "mine"
    assert "Amp" in report(path, force=True)
    with pytest.raises(ValueError, match="one length"):
        report(path, force=True, dry=np.zeros(5, np.float32))


def test_a_twin_that_is_worse_than_silence_is_told_in_plain_figures(tmp_path: Path) -> None:
    for esr, told in ((1.042, "104 % of"), (0.9999, "100 % of"), (0.5, "50 % of"), (0.01234, "1.2 % of")):
        assert told in report(tmp_path / f"{esr}.html", figures={"esr": esr}, shown="Channel 1 of 7.")
    assert "Channel 1 of 7." in (tmp_path / "0.5.html").read_text(encoding="utf-8")


def test_empty_sections_are_left_out_and_figures_lead() -> None:
    text = page.build("T", [Section("a", "A", "<p>body</p>"), Section("b", "B", "")], figures=[Figure("ESR", "0.01")])
    outline = Outline(text)
    assert outline.count("section") == 1
    assert outline.count("dl") == 1
    assert outline.count("script") == 0  # no sound, no script


def test_the_excerpt_is_the_loudest() -> None:
    samples = np.full(30 * RATE, 0.01, np.float32)
    samples[14 * RATE : 17 * RATE] = 0.5
    part = excerpt(samples, RATE, seconds=3)
    assert (part.start, part.stop) == (14 * RATE, 17 * RATE)
    assert excerpt(samples[:100], RATE).stop == 100
    assert excerpt(np.zeros(96_000 * 20, np.float32), 96_000).stop == 12 * 48_000  # six seconds of twice the rate


def test_levels_match_and_too_loud_is_turned_down_together() -> None:
    loud, soft = np.full(1000, 2.0, np.float32), np.full(1000, 0.5, np.float32)
    markup = players([Clip("a", loud), Clip("b", soft)], RATE, label="L")
    assert re.findall(r'data-level="([^"]+)"', markup) == ["0.25000", "1.00000"]
    assert "6.0 dB quieter" in markup
    contents = re.findall(r"base64,([^\"]+)", markup)
    found = [soundfile.read(io.BytesIO(base64.b64decode(content)))[0][0] for content in contents]
    assert found[0] / found[1] == pytest.approx(4, rel=1e-3)
    for wrong in ([], [Clip("a", loud), Clip("b", soft[:5])], [Clip("a", loud[:0])]):
        with pytest.raises(ValueError, match="must be one to nine"):
            players(wrong, RATE, label="L")


def test_the_envelope_holds_every_sample() -> None:
    samples = np.random.default_rng(0).standard_normal(1003)
    starts, low, high = envelope(samples, 10)
    edges = [*starts.astype(int), 1003]
    for at in range(10):
        stretch = samples[edges[at] : edges[at + 1]]
        assert (low[at], high[at]) == (stretch.min(), stretch.max())


def test_history_knows_the_best_and_whether_it_still_falls() -> None:
    assert history.best(rows()) == (0.5 / 20, 6.0 * 19 / 60)
    assert history.still_improving(rows())
    flat = [{"step": at, "seconds": float(at), "esr": 0.01} for at in range(20)]
    assert not history.still_improving(flat)
    assert history.curves([]) == ""
    broken = [{"step": 1, "seconds": None, "loss": None, "esr": "x"}, {"step": 2, "loss": float("nan")}]
    assert history.curves(broken) == ""
    assert history.best(broken) is None


def test_findings_show_both_recordings_side_by_side() -> None:
    text = findings(
        {"verdict": "no", "warnings": ["w"], "dry": {"peak": 0.5}, "wet": {"peak": 0.25, "dc": 0.0}, "drift": 1.5}
    )
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", text)
    assert cells == ["", "Dry", "Wet", "Peak", "0.5", "0.25", "DC", "–", "0", "Drift", "1.5"]

"""The job impute from the command line: the way through it, and every mistake in one sentence with status 2."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from wavewright.cli.main import run
from wavewright.jobs.impute import demo as impute_demo
from wavewright.train import memory

TINY = [
    "--steps",
    "3",
    "--window",
    "32",
    "--batch",
    "2",
    "--size",
    "4",
    "--layers",
    "1",
    "--copies",
    "1",
    "--threads",
    "1",
]


def table(path: Path, count: int = 160, head: str = "date,a,b") -> Path:
    dice = np.random.default_rng(0)
    day = np.sin(2 * np.pi * np.arange(count) / 24) + 0.1 * dice.standard_normal(count)
    lines = [head]
    for place, value in enumerate(day):
        when = np.datetime64("2024-01-01T00:00") + np.timedelta64(place, "h")
        lines.append(f"{when},{value:.3f},{'' if 20 <= place < 26 else f'{2 * value:.3f}'}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_whole_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, folder, filled = table(tmp_path / "t.csv"), tmp_path / "run", tmp_path / "f.csv"
    assert run(["train", "impute", str(source), "-o", str(folder), *TINY, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "finished"
    assert run(["render", str(folder), str(source), "-o", str(filled)]) == 0
    assert "6 values filled" in capsys.readouterr().out
    before, after = (path.read_text().splitlines() for path in (source, filled))
    assert [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == list(
        range(21, 27)
    )
    assert run(["evaluate", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {f"{shape} {share:g}" for shape in ("points", "blocks") for share in (0.1, 0.3, 0.5)}
    assert {"tfilm-series", "untrained bridge", "mean", "last value", "linear", "spline", "seasonal"} == set(
        found["points 0.1"]
    )
    assert run(["evaluate", str(folder), str(source)]) == 0
    assert "30% in blocks" in capsys.readouterr().out
    assert run(["report", str(folder)]) == 0
    assert (folder / "report" / "index.html").is_file()
    assert run(["render", str(folder), str(source), "-o", str(filled)]) == 2
    assert "already exists; pass --force" in capsys.readouterr().err
    assert run(["train", "impute", "-o", str(folder), "--resume", "--steps", "4"]) == 0
    capsys.readouterr()
    assert run(["info", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["network"], told["series"], told["heard"]) == ("audio-unet", "a, b", "together")
    assert (told["every"], told["trained_on"]) == ("3600 s", str(source))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a run on it."""
    folder = tmp_path_factory.mktemp("finished")
    assert run(["train", "impute", str(table(folder / "t.csv")), "-o", str(folder / "run"), *TINY, "--quiet"]) == 0
    return folder


@pytest.fixture
def kept(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged; its table stays where it was."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert run([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_what_evaluate_cannot_measure_is_told(kept: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one_row = tmp_path / "one.csv"
    one_row.write_text("date,a,b\n2024-01-01,1,2\n")
    assert "too little to hide some of it" in refused(capsys, "evaluate", kept, one_row)
    assert "--seed = -1: must be at least 0" in refused(capsys, "evaluate", kept, "--seed", -1)
    one_row.write_text("date,a,b\n2024-01-01,1e200,2\n2024-01-02,2,3\n")
    assert "numbers beyond 1e+100" in refused(capsys, "evaluate", kept, one_row)
    short = table(tmp_path / "short.csv", 4)  # 10 % of four values: none is hidden
    assert run(["evaluate", str(kept), str(short), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["points 0.1"]["linear"]["mae"] is None
    assert found["points 0.5"]["linear"]["mae"] > 0
    own = json.loads((kept / "run.json").read_text())
    (moved := tmp_path / "moved.csv").write_bytes(Path(own["data"][0]["path"]).read_bytes() + b"2024-02-01,1,2\n")
    own["data"][0]["path"] = str(moved)
    (kept / "run.json").write_text(json.dumps(own))
    assert "has changed since it was begun" in refused(capsys, "evaluate", kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("date,a,b\n", "has no rows below its names"),
        ("date,c,d\n2024-01-01,1,2\n", "lacks a, b"),
        ("a,b\n1,2\n3,4\n", "has no dates, and the run learned days or years"),
        ("date,a,b\n2024-01-01T00:00,1,2\n2024-01-01T00:01,1,2\n2024-01-01T00:02,1,2\n", "has a date every 60 s"),
        ("date,a,b\n2024-01-01,x,2\n", "holds 'x', which is no number"),
        ("date,a,b\n2024-01-01,1\n", "row 2 has 2 cells, the first has 3"),
        ("date,a,b\n2024-01-01,1,2\n2024-01-01,3,4\n", "have the same date"),
        ('date,a,b\n2024-01-01,"1,2\n', "mend its quotes"),
        ("date,a,b\n2024-01-01,1,2\n2024-01-01T01:00,1,2\n9999-01-01,1,2\n", "would leave"),
        ("date,a,a\n2024-01-01,1,2\n", "two columns named 'a'"),
        ("date,a,b\n0000-01-01,1,2\n", "is no date such as 2016-07-01"),
    ],
)
def test_tables_that_cannot_be_filled_are_told(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (path := tmp_path / "t.csv").write_text(text)
    for command in (["render", finished / "run", path, "-o", tmp_path / "f.csv"], ["evaluate", finished / "run", path]):
        assert said in refused(capsys, *command)
    assert not (tmp_path / "f.csv").exists()


def test_outputs_that_cannot_be_written_are_told(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, run_, there = finished / "t.csv", finished / "run", table(tmp_path / "there.csv")
    before = there.read_bytes()
    for output, said in (
        (there, "already exists; pass --force"),
        (tmp_path / "f.parquet", "its name must end in .csv"),
        (tmp_path / "no" / "f.csv", "does not exist; create it first"),
        (tmp_path, "is a folder"),
    ):
        assert said in refused(capsys, "render", run_, source, "-o", output)
    assert "is the input itself" in refused(capsys, "render", run_, there, "-o", there, "--force")
    assert "no such file" in refused(capsys, "render", run_, tmp_path / "x.csv", "-o", tmp_path / "f.csv").lower()
    for output, said in ((there, "is a file; name a folder"), (tmp_path, "is not empty")):
        assert said in refused(capsys, "demo", "impute", "-o", output)
        assert said in refused(capsys, "train", "impute", source, "-o", output, *TINY)
    assert "resume it with train impute" in refused(capsys, "train", "upsample", "-o", run_, "--resume")
    assert there.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("series", None, "series is missing or wrong"),
        ("series", ["a"], "do not belong together"),
        ("scale", {"mean": [0.0, 0.0]}, "scale is missing or wrong"),
        ("scale", {name: [1.0] for name in ("mean", "deviation", "lowest", "highest")}, "scale is missing"),
        ("scale", {name: [0.0, 0.0] for name in ("mean", "deviation", "lowest", "highest")}, "scale is missing"),
        ("cycles", ["day"], "cycles is missing or wrong"),
        ("cycles", [86400.0, 1.0, 2.0], "do not belong together"),
        ("seconds", -5, "seconds is missing or wrong"),
        ("together", None, "do not belong together"),
    ],
)
def test_a_damaged_run_is_told(
    kept: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, value: object, words: str
) -> None:
    info = json.loads((kept / "run.json").read_text())
    info["extra"][name] = value
    (kept / "run.json").write_text(json.dumps(info))
    source = info["data"][0]["path"]
    for command in (["info", kept], ["evaluate", kept], ["render", kept, source, "-o", tmp_path / "f.csv"]):
        assert words in refused(capsys, *command)
    assert not (tmp_path / "f.csv").exists()


def test_a_run_that_lost_its_first_guess_finds_it_again(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (kept / "data" / "bridge.npz").read_bytes()
    (kept / "data" / "bridge.npz").unlink()
    assert "bridge.npz" in refused(capsys, "info", kept)
    assert run(["train", "impute", "-o", str(kept), "--resume"]) == 0
    assert (kept / "data" / "bridge.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("date,a\n2024-01-01,1\n", [], "has 1 times, of which 0 are learned from: a window needs 32"),
        ("date,a\n2024-01-01,x\n2024-01-02,y\n", [], "has no column of numbers"),
        ("date,a\n2024-01-01,1\n2024-01-01,2\n", [], "rows 2 and 3 have the same date"),
        ("date,a,b\n2024-01-01,1,\n2024-01-02,2,NA\n", [], "series 'b' is all gaps"),
        ("date,a\n2024-01-01,-999\n", ["--sentinels", "-999"], "series 'a' is all gaps"),
        ("date,a\nsoon,1\n", [], "'soon' in date is no date"),
        ("1,2\n3,4\n", [], "holds values and no names"),
        ("", [], "is empty"),
        ("date,a\n2024-01-01,1\n", ["--columns", "aa"], "has no column 'aa': did you mean 'a'"),
        ("date,a\n2024-01-01,1\n", ["--keys", "a"], "name its column of values by --value"),
        ("date,a\n2024-01-01,1\n", ["--network", "lstm"], "invalid choice|lstm"),
    ],
)
def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, flags: list[str], words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    try:
        status = run(["train", "impute", str(path), "-o", str(tmp_path / "run"), *TINY, *flags])
    except SystemExit as error:
        status = int(error.code or 0)
    said = capsys.readouterr()
    assert status == 2
    assert any(word in said.err + said.out for word in words.split("|"))
    assert "Traceback" not in said.err
    assert not (tmp_path / "run").exists()


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(impute_demo, "HOURS", 24 * 21)
    monkeypatch.setattr(impute_demo, "SETTINGS", {"copies": 1, "size": 4, "layers": 1, "window": 64})
    assert run(["demo", "impute", "-o", str(tmp_path / "demo"), "--minutes", "0.005", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert Path(done["report"]).is_file()
    filled = np.genfromtxt(done["filled"], delimiter=",", skip_header=1)[:, 1:]
    assert filled.shape == (24 * 21, 5)
    assert np.isfinite(filled).all()


def test_the_station_is_the_same_each_time() -> None:
    np.testing.assert_array_equal(impute_demo.station(), impute_demo.station())
    assert 0.05 < impute_demo.gaps().mean() < 0.2


def test_what_would_not_fit_into_memory_is_told_before_it_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(tmp_path / "t.csv")
    monkeypatch.setattr(memory, "available", lambda: 200e3)
    words = ["train", "impute", source, "-o", tmp_path / "run", *TINY]
    assert "copies = 1000: so many of 256 values take" in refused(capsys, *words, "--copies", 1000)
    large = refused(capsys, *words, "--network", "series-gru", "--size", 4096, "--layers", 16)
    assert "network series-gru has 4," in large
    assert "choose a smaller one (--size, --layers)" in large
    assert not (tmp_path / "run").exists()

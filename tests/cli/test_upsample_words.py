"""The words of upsampling: train, render, evaluate, report, info, demo; wrong ones get a clear sentence, status 2."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import Call, refused

from wavewright.audio import files
from wavewright.audio.degradation import Degradation, lowered
from wavewright.audio.music import riff
from wavewright.audio.recording import Recording
from wavewright.cli.main import run
from wavewright.jobs.upsample import demo as upsample_demo
from wavewright.jobs.upsample.settings import UpsampleSettings

RATE = 8000
SMALL = ("--size", "8", "--layers", "1", "--batch", "2", "--patch", "1024", "--threads", "1", "--steps", "2")


@pytest.fixture
def sounds(tmp_path: Path) -> str:
    """Five short riffs."""
    (tmp_path / "sounds").mkdir()
    for number in range(5):
        x = Recording(riff(0.6, RATE, seed=number)[np.newaxis], RATE)
        files.write(tmp_path / "sounds" / f"riff_{number}.wav", x, subtype="PCM_16")
    return "sounds"


def test_from_a_folder_to_files_figures_and_a_page(call: Call, sounds: str, tmp_path: Path) -> None:
    begun = call("train", "upsample", sounds, "-o", "run", *SMALL)
    assert begun.status == 0, begun.said
    assert "5 sounds" in begun.out + begun.err
    assert "SNR" in begun.out
    assert "LSD10" in begun.out
    again = json.loads(call("train", "upsample", "-o", "run", "--resume", "--steps", "3", "--json").out)
    assert again["steps"] == 3
    assert np.isfinite([again["snr"], again["lsd10"]]).all()
    further = ("--start-from", "run", "--aim", "fidelity", "--steps", "1")
    assert call("train", "upsample", sounds, "-o", "second", *further).status == 0

    low = lowered(riff(1.0, RATE, seed=9), RATE, RATE // 4, Degradation())
    files.write("old.wav", Recording(low[np.newaxis], RATE // 4))
    done = json.loads(call("render", "run", "old.wav", "-o", "new.flac", "--json").out)["rendered"][0]
    assert (done["rate"], done["above"]) == (RATE, 800)
    assert files.info("new.flac").frames == RATE
    told = call("render", "-o", "full.wav", "run", f"{sounds}/riff_0.wav")
    assert "nothing added" in told.out
    assert "full-band" in told.out

    measured = call("evaluate", "run")
    for way in ("model", "spline", "resampler", "ideal low-pass", "shaped noise", "SNR of patches", "mean"):
        assert way in measured.out
    figures = json.loads(call("evaluate", "run", sounds, "-o", "out", "--degrade", "brick-wall", "--json").out)
    assert len(figures["files"]) == 5
    assert figures["mean"]["resampler"] == figures["mean"]["ideal low-pass"]
    assert {path.suffix for path in Path("out").iterdir()} == {".wav", ".png", ".csv"}

    facts = json.loads(call("info", "run", "--json").out)
    assert (facts["rate"], facts["low_rate"], facts["network"]) == (RATE, RATE // 4, "spectral-upsampler")
    assert {"snr", "lsd10", "weights"} <= facts.keys()
    page = json.loads(call("report", "run", "--json").out)["report"]
    assert "<audio" in Path(page).read_text(encoding="utf-8")

    refused(call("render", "run", "old.wav", "-o", "old.wav", "--force"), "is the input itself")
    refused(call("render", "run", "old.wav", "-o", "new.flac"), "already exists", "--force")
    refused(call("render", "run", "-o", "x.wav"), "at least one sound file")
    refused(call("render", "run", "old.wav", "-o", "x.wav", "--output-rate", "900"), "must be above 2000 Hz")
    refused(call("render", "run", "old.wav", "-o", "x.wav", "--edge", "9000"), "edge = 9000")
    refused(call("evaluate", "run", "old.wav"), "at 2000 Hz, below the full rate of 8000")
    refused(call("evaluate", "run", sounds, "-o", "out"), "already exists")
    refused(call("train", "upsample", sounds, "-o", "run", *SMALL), "not empty", "--resume")
    refused(call("train", "upsample", sounds, "-o", "run", "--resume"), "leave --force and the folders away")
    refused(call("train", "upsample", "-o", "run", "--resume", "--size", "12"), "size = 12", "begun with 8")
    refused(call("train", "generate", "-o", "run", "--resume"), "belongs to the job upsample")
    for command in (("sample", "run", "-o", "x.wav"), ("export", "run", "--to", "nam", "-o", "x.nam")):
        refused(call(*command), "belongs to the job upsample")
    Path("run/run.json").write_text("{")
    for command in (
        ("render", "run", "old.wav", "-o", "x.wav"),
        ("evaluate", "run"),
        ("report", "run"),
        ("info", "run"),
    ):
        refused(call(*command), "run.json cannot be read")
    assert not Path("x.wav").exists()


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        ((), ("a folder of full-band sounds",)),
        (("nowhere",), ("nowhere does not exist",)),
        (("sounds", "--factor", "four"), ("factor = 'four'", "44.1/16")),
        (("sounds", "--factor", "1"), ("must be above 1",)),
        (("sounds", "--factor", "20"), ("a low rate of 400 Hz", "at least 500")),
        (("sounds", "--low-rate", "8000"), ("a low rate of 8000 Hz", "at most 7600")),
        (("sounds", "--rate", "16000"), ("5 of 5 files are below the full rate", "--allow-upsampled")),
        (("sounds", "--split", "folder"), ("all sounds lie in one folder", "--split file")),
        (("sounds", "--held-out-names", "x*"), ("matches none of the 5",)),
        (("sounds", "--patch", "20000"), ("shorter than a patch", "--patch")),
        (("sounds", "--share", "0", "--batch", "0"), ("--share = 0.0", "--batch = 0")),
        (("sounds", "--start-from", "nowhere"), ("nowhere", "no such folder")),
        (("sounds", "--network", "tfilm"), ("tfilm-unet",)),
        (("sounds", "--network", "audio-unet", "--size", "4096", "--layers", "8"), ("weights", "at most")),
        (("sounds", "--network", "patch-dnn", "--layers", "1"), ("layers = 1",)),
    ],
)
def test_wrong_words_are_told_and_leave_nothing(
    call: Call, sounds: str, words: tuple[str, ...], phrases: tuple[str, ...]
) -> None:
    refused(call("train", "upsample", *words, "-o", "run", "--steps", "1"), *phrases)
    assert not [path for path in Path().iterdir() if path.name != sounds]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and beside it sounds that nobody can use."""
    place = tmp_path_factory.mktemp("finished")
    for folder in ("sounds", "silent", "low", "text", "empty"):
        (place / folder).mkdir()
    for number in range(3):
        x = Recording(riff(0.6, RATE, seed=number)[np.newaxis], RATE)
        files.write(place / "sounds" / f"{number}.wav", x)
    files.write(place / "silent" / "a.wav", Recording(np.zeros((1, RATE), np.float32), RATE))
    files.write(place / "low" / "a.wav", Recording(riff(1.0, 1000, seed=1)[np.newaxis], 1000))
    soundfile.write(place / "nan.wav", np.full(RATE // 4, np.nan), RATE // 4, subtype="FLOAT")
    files.write(place / "old.wav", Recording(riff(1.0, RATE // 4, seed=1)[np.newaxis], RATE // 4))
    (place / "text" / "a.wav").write_text("no sound")
    assert run(["train", "upsample", str(place / "sounds"), "-o", str(place / "run"), *SMALL, "--quiet"]) == 0
    return place


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (("render", "RUN", "nowhere.wav", "-o", "x.wav"), ("nowhere.wav does not exist",)),
        (("render", "RUN", "text/a.wav", "-o", "x.wav"), ("is not a sound file, whatever its name",)),
        (("render", "RUN", "empty", "-o", "x.wav"), ("holds no sound file",)),
        (("render", "RUN", "nan.wav", "-o", "x.wav"), ("2000 samples that are not finite",)),
        (("render", "RUN", "old.wav", "-o", "x.xyz"), ("unknown sound format '.xyz'",)),
        (("render", "RUN", "old.wav", "-o", "no/x.wav"), ("the folder no does not exist",)),
        (("render", "RUN", "old.wav", "sounds", "-o", "x.wav"), ("4 files cannot all become x.wav",)),
        (("render", "RUN", "old.wav", "-o", "x.wav", "--edge", "nan"), ("--edge = nan: must be a finite number",)),
        (("render", "RUN", "old.wav", "-o", "x.wav", "--subtype", "PCM_99"), ("no subtype 'PCM_99'",)),
        (("render", "RUN", "old.wav", "-o", "x.mp3", "--output-rate", "23456"), ("cannot hold a rate of 23456",)),
        (("evaluate", "RUN", "silent"), ("none of 1 sounds can be measured", "is silent")),
        (("evaluate", "RUN", "low"), ("at 1000 Hz, below the full rate of 8000",)),
        (("evaluate", "RUN", "text"), ("is not a sound file",)),
        (("evaluate", "RUN", "empty"), ("holds no sound file",)),
        (("evaluate", "RUN", "-o", "old.wav"), ("old.wav cannot be made", "choose another place")),
        (("report", "RUN", "-o", "old.wav"), ("already exists", "--force")),
        (("export", "RUN", "--to", "nam", "-o", "x.nam"), ("belongs to the job upsample",)),
        (("live", "RUN"), ("belongs to the job upsample",)),
        (("demo", "upsample", "-o", "old.wav"), ("is a file; name a folder",)),
        (("demo", "upsample", "-o", "x", "--minutes", "nan"), ("must be a finite number",)),
    ],
)
def test_wrong_words_on_a_run_are_told_and_leave_nothing(
    call: Call, finished: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], phrases: tuple[str, ...]
) -> None:
    monkeypatch.chdir(finished)
    before = sorted(finished.rglob("*"))
    refused(call(*("run" if word == "RUN" else word for word in words)), *phrases)
    assert sorted(finished.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("low_rate", True, "damaged (rates)"),
        ("low_rate", None, "damaged (rates)"),
        ("sources", 5, "damaged (sources is missing or wrong)"),
        ("held_out", 5, "damaged (held_out is missing or wrong)"),
    ],
)
def test_a_damaged_run_is_told(
    call: Call, finished: Path, tmp_path: Path, name: str, value: object, words: str
) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    info = json.loads((finished / "run" / "run.json").read_text())
    info["extra"][name] = value
    (tmp_path / "run" / "run.json").write_text(json.dumps(info))
    refused(call("info", "run"), words)


def test_defaults_on_the_command_line_are_those_of_the_settings(call: Call) -> None:
    shown = " ".join(call("train", "upsample", "--help").out.replace("│", " ").split())
    assert f"(default: {UpsampleSettings().train.learning_rate})" in shown
    assert "--degrade {mix,chebyshev" in shown


def test_the_demo(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsample_demo, "TUNES", 6)
    monkeypatch.setattr(upsample_demo, "STEPS", 6)
    refused(call("demo", "upsample", "-o", "show", "--minutes", "0"), "minutes = 0")
    assert not Path("show").exists()
    done = json.loads(call("demo", "upsample", "-o", "show", "--minutes", "0.001", "--json").out)
    assert files.info(done["old"]).rate == 4000
    assert files.info(done["restored"]).rate == 16_000
    assert "<audio" in Path(done["report"]).read_text(encoding="utf-8")

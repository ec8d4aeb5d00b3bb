"""A run is a folder: what is refused, what is kept, what is removed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.errors import DataError, ModelFileError, OutputError, RunError, SettingsError
from wavewright.train import model_file
from wavewright.train.run import RunFolder, changed_files, refuse_place


def create(path: Path, **others: object) -> RunFolder:
    return RunFolder.create(path, job="tiny", settings={"train": {"seed": 1}}, **others)  # type: ignore[arg-type]


def test_what_is_told_is_found_again(tmp_path: Path) -> None:
    data = tmp_path / "dry.wav"
    data.write_bytes(b"sound")
    made = create(
        tmp_path / "deep" / "run", network=("wavenet", {"size": 3}), rate=48000, data=[data], extra={"delay": 137}
    )
    run = RunFolder.open(tmp_path / "deep" / "run")
    assert run.info == made.info
    assert run.job == "tiny"
    assert run.rate == 48000
    assert run.settings == {"train": {"seed": 1}}
    assert run.info["extra"] == {"delay": 137}
    assert "torch" in run.info["versions"]
    assert run.previews.is_dir()
    assert run.report.is_dir()


def test_a_folder_that_holds_something_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    for begin in (lambda: create(tmp_path), lambda: refuse_place(tmp_path)):
        with pytest.raises(RunError, match="not empty"):
            begin()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_force_removes_a_run_and_nothing_else(tmp_path: Path) -> None:
    run = create(tmp_path)
    run.log.write_text("old")
    (run.previews / "step-1.wav").write_text("old")
    run.checkpoint.write_text("old")
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="--resume"):
        create(tmp_path)
    create(tmp_path, force=True)
    assert not run.log.exists()
    assert not run.checkpoint.exists()
    assert list(run.previews.iterdir()) == []
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_force_in_a_folder_that_is_no_run_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "mine.wav").write_text("precious")
    create(tmp_path, force=True)
    assert (tmp_path / "previews" / "mine.wav").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="is a file"):
        create(file)
    for path in (file / "run", Path("/proc/nothing/run")):
        with pytest.raises(OutputError, match=str(path)):
            create(path)


def test_a_missing_data_file_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.wav"):
        create(tmp_path / "run", data=[tmp_path / "gone.wav"])
    assert not (tmp_path / "run").exists()


def test_changed_data_is_named(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav", "d.wav")]
    for file in files:
        file.write_bytes(b"12345678")
    run = create(tmp_path / "run", data=files)
    assert changed_files(run) == []
    run.refuse_changed_data()
    files[1].write_bytes(b"12345679")
    files[2].write_bytes(b"1234567")
    files[3].unlink()
    run = RunFolder.open(run.path)
    assert changed_files(run) == [path.resolve() for path in files[1:]]
    with pytest.raises(DataError, match=r"b\.wav.*c\.wav.*d\.wav"):
        run.refuse_changed_data()


def test_resuming_settles_on_settings_or_refuses(tmp_path: Path) -> None:
    run = create(tmp_path)
    with pytest.raises(SettingsError, match=r"train\.seed = 2.*begun with 1"):
        run.settle({"train": {"seed": 2}})
    run.settle({"train": {"seed": 1, "minutes": 9.0}})
    assert RunFolder.open(tmp_path).settings["train"]["minutes"] == 9.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": 2}',
        b'{"format": 1, "job": "tiny"}',
        b'{"format": 1, "job": "tiny", "settings": {}, "data": [{"path": 3}]}',
        b"[" * 200_000,
        b" " * (17 * 2**20),
    ],
)
def test_a_damaged_run_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        RunFolder.open(tmp_path)


@trials(deadline=None, max_examples=30)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["format", "job", "settings", "data", "rate", "network"]), inner)
        ),
    )
)
def test_any_run_json_opens_or_is_refused(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.mktemp("run")
    whole = {"format": 1, "job": "tiny", "settings": {}, "data": []}
    (path / "run.json").write_text(json.dumps({**whole, **content} if isinstance(content, dict) else content))
    try:
        run = RunFolder.open(path)
    except RunError:
        return
    assert isinstance(run.job, str)
    assert isinstance(changed_files(run), list)
    assert run.rate is None or isinstance(run.rate, int)


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run\.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunError, match="no such folder"):
        RunFolder.open(tmp_path / "gone")


def test_one_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    run = create(tmp_path)
    program = f"""
from pathlib import Path
from wavewright.errors import RunError
from wavewright.train.run import RunFolder
try:
    with RunFolder.open(Path({str(tmp_path)!r})).claimed():
        print("in")
except RunError as error:
    print(error)
"""

    def other() -> str:
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    with run.claimed():
        assert "another process" in other()
    assert other() == "in\n"


def test_claiming_sweeps_what_a_kill_left(tmp_path: Path) -> None:
    run = create(tmp_path)
    ours = [tmp_path / ".model.x1.safetensors", tmp_path / "last" / ".checkpoint.x2.safetensors"]
    stale = [*ours, tmp_path / ".tmpAb12Cd", tmp_path / "last" / ".tmptuRW46"]  # the latter as safetensors names them
    others = [tmp_path / ".gitignore", run.previews / ".mine"]
    for path in stale + others:
        path.write_text("")
    with run.claimed():
        assert [path.exists() for path in stale + others] == [False] * 4 + [True] * 2


def test_a_model_file_stands_alone(tmp_path: Path) -> None:
    run = create(tmp_path, network=("wavenet", {"size": 3}), rate=44100)
    weights = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(5)}
    model_file.save(run.model, weights, run.info, step=7, figures={"esr": 0.5})
    model = model_file.load(run.model)
    assert (model.kind, model.config, model.job, model.rate) == ("wavenet", {"size": 3}, "tiny", 44100)
    assert (model.step, model.figures) == (7, {"esr": 0.5})
    assert all(torch.equal(value, model.weights[name]) for name, value in weights.items())
    with pytest.raises(ModelFileError, match="no such file"):
        model_file.load(tmp_path / "gone.safetensors")


def test_a_model_file_is_the_same_without_torch(tmp_path: Path) -> None:
    run = create(tmp_path, network=("wavenet", {"size": 3}), rate=44100)
    weights = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(5),
        "c": torch.tensor([True, False]),
        "d": torch.arange(3, dtype=torch.uint8),
        "e": torch.tensor(0.5, dtype=torch.float64),
    }
    model_file.save(run.model, weights, run.info, step=7, figures={"esr": 0.5})
    plain, whole = model_file.load_plain(run.model), model_file.load(run.model)
    assert (plain.kind, plain.config, plain.rate, plain.figures) == (
        whole.kind,
        whole.config,
        whole.rate,
        whole.figures,
    )
    assert plain.weights.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(plain.weights[name], value.numpy(), strict=True)
    content = bytearray(run.model.read_bytes())
    content[-1] ^= 1
    run.model.write_bytes(content)
    for read in (model_file.load, model_file.load_plain):
        with pytest.raises(ModelFileError, match="does not match its seal"):
            read(run.model)


def test_other_processes_of_a_run_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    run = create(tmp_path / "run", data=[tmp_path / "gone.wav"])
    assert run.job == "tiny"
    run.settle(run.settings)
    assert not (tmp_path / "run").exists()

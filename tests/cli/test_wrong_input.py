"""Wrong input gets one clear sentence and exit status 2, before any work, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command_line import Call, refused

from wavewright.audio import files
from wavewright.audio.music import riff
from wavewright.audio.recording import Recording
from wavewright.formats import nam
from wavewright.nets import registry

RATE = 48_000


@pytest.fixture(scope="module")
def guitar() -> Recording:
    return Recording(riff(12.0, RATE, seed=3)[np.newaxis], RATE)


@pytest.fixture
def pair(tmp_path: Path, guitar: Recording) -> tuple[str, str]:
    """A dry recording, and a wet one: clipped, a little late."""
    files.write(tmp_path / "dry.wav", guitar)
    wet = np.tanh(4 * np.pad(guitar.samples, ((0, 0), (20, 0))))
    files.write(tmp_path / "wet.wav", Recording(wet, RATE))
    return "dry.wav", "wet.wav"


def test_an_unknown_command_gets_a_suggestion(call: Call) -> None:
    refused(call("rendr"), "rendr", "did you mean 'render'?")


def test_an_unknown_job_gets_a_suggestion(call: Call) -> None:
    refused(call("train", "emulat"), "did you mean 'emulate'?")


def test_an_unknown_option_gets_a_suggestion(call: Call, pair: tuple[str, str]) -> None:
    refused(call("train", "emulate", *pair, "-o", "run", "--minuts", "1"), "--minuts", "Perhaps you meant", "--minutes")


def test_options_out_of_range_are_told_together(call: Call, pair: tuple[str, str]) -> None:
    answer = call("train", "emulate", *pair, "-o", "run", "--minutes", "-1", "--batch", "0")
    refused(answer, "--minutes = -1.0: must be above 0", "--batch = 0: must be at least 1")
    assert not Path("run").exists()


def test_a_recipe_with_an_unknown_key_gets_a_suggestion(call: Call, pair: tuple[str, str]) -> None:
    Path("recipe.toml").write_text('netwrk = "a1-nano"\n[train]\nminuts = 3\n')
    answer = call("train", "emulate", *pair, "-o", "run", "--recipe", "recipe.toml")
    refused(answer, "netwrk: did you mean 'network'?", "train.minuts: did you mean 'minutes'?")


def bad_files(folder: Path, good: Recording) -> dict[str, tuple[Path, Sequence[str]]]:
    """Each kind of file that cannot be used, and what must be said of it."""
    files.write(folder / "good.wav", good, subtype="PCM_16")
    whole = (folder / "good.wav").read_bytes()
    made: dict[str, tuple[Path, Sequence[str]]] = {"missing": (folder / "missing.wav", ["missing.wav"])}

    def put(name: str, content: bytes, *phrases: str) -> None:
        path = folder / f"{name}.wav"
        path.write_bytes(content)
        made[name] = (path, [path.name, *phrases])

    put("empty", b"", "empty")
    put("text", b"this is no sound, whatever its name says\n" * 50)
    put("truncated", whole[: len(whole) // 2], "truncated")
    soundfile.write(folder / "nothing.wav", np.zeros(0), RATE)
    made["zero-length"] = (folder / "nothing.wav", ["nothing.wav"])
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        broken = good.samples.copy()
        broken[0, 777] = value
        soundfile.write(folder / f"{name}.wav", broken[0], RATE, subtype="FLOAT")
        made[name] = (folder / f"{name}.wav", [f"{name}.wav", "777"])
    files.write(folder / "silence.wav", Recording(np.zeros_like(good.samples), RATE))
    made["silence"] = (folder / "silence.wav", ["silen"])
    return made


KINDS = ["missing", "empty", "text", "truncated", "zero-length", "nan", "infinite", "silence"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["dry", "wet"])
def test_recordings_that_cannot_be_used(
    call: Call, tmp_path: Path, guitar: Recording, pair: tuple[str, str], kind: str, side: str
) -> None:
    path, phrases = bad_files(tmp_path, guitar)[kind]
    words = (str(path), pair[1]) if side == "dry" else (pair[0], str(path))
    refused(call("train", "emulate", *words, "-o", "run", "--steps", "2"), *phrases)
    assert not Path("run").exists()
    refused(call("check", *words), *phrases)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "silence"])
def test_rendering_what_cannot_be_read(call: Call, tmp_path: Path, guitar: Recording, kind: str) -> None:
    path, phrases = bad_files(tmp_path, guitar)[kind]
    nam.save(tmp_path / "m.nam", registry.build("a1-nano"), RATE)
    refused(call("render", "m.nam", str(path), "-o", "out.wav"), *phrases)
    assert not Path("out.wav").exists()


def test_unequal_rates_want_permission(call: Call, tmp_path: Path, guitar: Recording, pair: tuple[str, str]) -> None:
    files.write(tmp_path / "other.wav", Recording(guitar.samples, 44_100))
    refused(call("train", "emulate", pair[0], "other.wav", "-o", "run"), "48000 Hz", "44100 Hz", "--resample")
    nam.save(tmp_path / "m.nam", registry.build("a1-nano"), RATE)
    refused(call("render", "m.nam", "other.wav", "-o", "out.wav"), "44100 Hz", "48000 Hz", "--resample")


def test_recordings_that_do_not_belong_together(call: Call, tmp_path: Path, pair: tuple[str, str]) -> None:
    files.write(tmp_path / "other.wav", Recording(np.tanh(4 * riff(12.0, RATE, seed=77)[np.newaxis]), RATE))
    refused(call("train", "emulate", pair[0], "other.wav", "-o", "run"), "do not belong together")
    assert not Path("run").exists()


def test_recordings_shorter_than_the_receptive_field(call: Call, tmp_path: Path, guitar: Recording) -> None:
    short = guitar.samples[:, RATE : RATE + 9000]
    files.write(tmp_path / "a.wav", Recording(short, RATE))
    files.write(tmp_path / "b.wav", Recording(np.tanh(3 * short), RATE))
    refused(call("train", "emulate", "a.wav", "b.wav", "-o", "run"), "samples", "record more")
    assert not Path("run").exists()


def test_one_file_twice(call: Call, pair: tuple[str, str]) -> None:
    refused(call("check", pair[0], pair[0]), "dry and wet are both")


def test_an_output_folder_that_holds_something(call: Call, tmp_path: Path, pair: tuple[str, str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    refused(call("train", "emulate", *pair, "-o", "run"), "not empty")
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"


def test_an_output_folder_below_a_file(call: Call, pair: tuple[str, str]) -> None:
    refused(call("train", "emulate", *pair, "-o", "dry.wav/run"), "dry.wav")


def test_an_output_file_that_is_there(call: Call, tmp_path: Path, pair: tuple[str, str]) -> None:
    nam.save(tmp_path / "m.nam", registry.build("a1-nano"), RATE)
    before = (tmp_path / "wet.wav").read_bytes()
    refused(call("render", "m.nam", "dry.wav", "-o", "wet.wav"), "wet.wav", "--force")
    assert (tmp_path / "wet.wav").read_bytes() == before
    refused(call("render", "m.nam", "dry.wav", "-o", "dry.wav", "--force"), "input itself")


def test_no_run_there(call: Call) -> None:
    refused(call("report", "nowhere"), "nowhere")
    refused(call("train", "emulate", "-o", "nowhere", "--resume"), "nowhere")
    refused(call("evaluate", "nowhere.nam"), "nowhere.nam")


def broken_nams(folder: Path) -> dict[str, tuple[Path, Sequence[str]]]:
    """Model files that must be refused, and what must be said of them."""
    nam.save(folder / "good.nam", registry.build("a1-nano"), RATE)
    good = json.loads((folder / "good.nam").read_text())
    made: dict[str, tuple[Path, Sequence[str]]] = {}

    def put(name: str, content: str, *phrases: str) -> None:
        path = folder / f"{name}.nam"
        path.write_text(content)
        made[name] = (path, [path.name, *phrases])

    put("too-few", json.dumps({**good, "weights": good["weights"][:-3]}), "839", "842")
    put("too-many", json.dumps({**good, "weights": [*good["weights"], 0.0]}), "843", "842")
    put("wrong-type", json.dumps({**good, "weights": "heavy"}), "weights")
    put("not-a-number", json.dumps({**good, "weights": [float("nan"), *good["weights"][1:]]}))
    put("newer", json.dumps({**good, "version": "0.9.0"}), "0.9.0")
    put("other", json.dumps({**good, "architecture": "Perceptron"}), "Perceptron")
    put("no-json", "{'version': ")
    put("deep", "[" * 200_000)
    return made


@pytest.mark.parametrize(
    "kind", ["too-few", "too-many", "wrong-type", "not-a-number", "newer", "other", "no-json", "deep"]
)
def test_model_files_that_cannot_be_used(call: Call, tmp_path: Path, pair: tuple[str, str], kind: str) -> None:
    path, phrases = broken_nams(tmp_path)[kind]
    refused(call("render", path.name, pair[0], "-o", "out.wav"), *phrases)
    refused(call("info", path.name), *phrases)
    assert not Path("out.wav").exists()


def test_a_model_file_of_300_megabytes(call: Call, tmp_path: Path, pair: tuple[str, str]) -> None:
    with (tmp_path / "huge.nam").open("wb") as huge:
        for _ in range(300):
            huge.write(b'{"a":[' * 174_763)
    refused(call("render", "huge.nam", pair[0], "-o", "out.wav"), "huge.nam", "MB")


def test_a_device_that_is_not_there_is_told_before_any_work(call: Call, pair: tuple[str, str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    refused(call("train", "emulate", *pair, "-o", "run", "--device", "cuda"), "torch sees no GPU")
    assert not Path("run").exists()


def test_two_budgets_are_refused(call: Call, pair: tuple[str, str]) -> None:
    refused(call("train", "emulate", *pair, "-o", "run", "--minutes", "1", "--epochs", "2"), "one budget")
    assert not Path("run").exists()


def test_a_damaged_checkpoint_is_named(call: Call, pair: tuple[str, str]) -> None:
    words = ("train", "emulate", *pair, "-o", "run", "--network", "a1-nano", "--validation-seconds", "1")
    assert call(*words, "--steps", "2", "--quiet").status == 0
    checkpoint = Path("run/last/checkpoint.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    refused(call("train", "emulate", "-o", "run", "--resume", "--steps", "4"), "checkpoint.safetensors", "damaged")
    Path("run/model.safetensors").write_bytes(b"junk")
    refused(call("evaluate", "run"), "model.safetensors", "damaged")
    Path("run/run.json").write_text("{")
    refused(call("report", "run"), "run.json")


def test_a_resumed_run_takes_another_kind_of_budget(call: Call, pair: tuple[str, str]) -> None:
    words = ("train", "emulate", *pair, "-o", "run", "--network", "a1-nano", "--validation-seconds", "1")
    assert call(*words, "--steps", "2", "--quiet").status == 0
    answer = call("train", "emulate", "-o", "run", "--resume", "--epochs", "1", "--json")
    assert answer.status == 0
    assert json.loads(answer.out)["steps"] > 2
    refused(call("train", "emulate", "-o", "run", "--resume", "--batch", "2"), "batch = 2", "begun with 4")

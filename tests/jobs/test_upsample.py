"""The job upsample: splits without leakage, exact resuming, other weights to begin with, wrong sounds refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from upsample_runs import RATE, settings, sound, trained, tree

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.data.corpus import Corpus
from wavewright.data.degrade import DegradedPatches
from wavewright.data.split import Region
from wavewright.errors import AudioFileError, DataError, ModelFileError, RunError, SettingsError
from wavewright.jobs.runs import Begun
from wavewright.jobs.upsample import training as upsample
from wavewright.jobs.upsample.material import Material, material_of, notes, prepare
from wavewright.jobs.upsample.settings import DEGRADATIONS, UpsampleSettings, low_rate_of, starting_from
from wavewright.jobs.upsample.upsampling import open_upsampler
from wavewright.train import model_file
from wavewright.train.progress import Silent
from wavewright.train.run import RunFolder
from wavewright.train.settings import with_budget


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("vctk"))


def names(sounds: object) -> set[str]:
    return {one.path.name for one in sounds}  # type: ignore[attr-defined]


def begun(sources: list[Path], folder: Path, told: UpsampleSettings) -> Begun[upsample.UpsampleTask]:
    return upsample.begin(sources, folder, told, Silent())


# ── splits ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_recipe_for_one_speaker(corpus: Path, tmp_path: Path) -> None:
    told = settings(held_out_names="p225_00[34]*")
    found = prepare([corpus / "wav48" / "p225"], tmp_path / "store", told)
    assert names(found.held_out) == {"p225_003.wav", "p225_004.wav"}
    assert names(found.learned) == {"p225_001.wav", "p225_002.wav"}
    assert (found.rate, found.low_rate) == (RATE, RATE // 4)


@pytest.mark.parametrize("pattern", [None, "p22[67]"])
def test_the_recipe_for_many_speakers(corpus: Path, tmp_path: Path, pattern: str | None) -> None:
    found = prepare([corpus], tmp_path / "store", settings(split="folder", held_out_names=pattern))
    held, learned = ({one.path.parent.name for one in side} for side in (found.held_out, found.learned))
    assert held
    assert learned
    assert not held & learned, "a speaker is on both sides"
    assert held | learned == {"p225", "p226", "p227"}
    assert pattern is None or held == {"p226", "p227"}
    assert len(found.held_out) + len(found.learned) == 12


def test_folders_above_folders_are_split_for_speakers_with_sessions(tmp_path: Path) -> None:
    for speaker in ("anna", "ben"):
        for session in ("one", "two"):
            place = tmp_path / "sounds" / speaker / session
            place.mkdir(parents=True)
            for take in range(2):
                x = sound(hash_of(speaker, session, take))
                files.write(place / f"{take}.wav", Recording(x[np.newaxis], RATE))
    found = prepare([tmp_path / "sounds"], tmp_path / "store", settings(split="parent"))
    held, learned = ({one.path.parent.parent.name for one in side} for side in (found.held_out, found.learned))
    assert sorted((*held, *learned)) == ["anna", "ben"]


def hash_of(*words: object) -> int:
    return sum(ord(letter) * (place + 1) for place, letter in enumerate("/".join(map(str, words))))


@pytest.mark.parametrize("split", ["file", "folder"])
def test_a_copy_of_what_is_held_out_is_not_learned(corpus: Path, tmp_path: Path, split: str) -> None:
    shutil.copytree(corpus / "wav48", tmp_path / "sounds")
    for speaker in ("p226", "p227"):  # every sound of one speaker lies in another's folder too
        for path in (tmp_path / "sounds" / "p225").glob("p225*"):
            shutil.copy(path, tmp_path / "sounds" / speaker / f"again_{speaker}_{path.name}")
    found = prepare([tmp_path / "sounds"], tmp_path / "store", settings(split=split, held_out_names=None))
    held, learned = ({one.sha256 for one in side} for side in (found.held_out, found.learned))
    assert held
    assert learned
    assert not held & learned


def test_more_folders_than_a_network_has_classes(tmp_path: Path) -> None:
    for number in range(260):
        (tmp_path / f"album{number}").mkdir()
        files.write(tmp_path / f"album{number}" / "a.wav", Recording(sound(number, 0.02)[np.newaxis] + 0.01, RATE))
    found = prepare([tmp_path], tmp_path / "store", settings())
    assert len(found.learned) + len(found.held_out) == 260


def test_any_format_rate_and_channels_become_one_store(tmp_path: Path) -> None:
    place = tmp_path / "sounds" / "deep" / "down"
    place.mkdir(parents=True)
    x = sound(1, 1.0, 16_000)
    files.write(place / "a.flac", Recording(np.stack([x, -0.5 * x]), 16_000))
    files.write(place / "b.ogg", Recording(x[np.newaxis], 16_000))
    files.write(place.parent / "c.mp3", Recording(x[np.newaxis], 16_000))
    files.write(place / "d.aiff", Recording(sound(2, 1.0, 22_050)[np.newaxis], 22_050))
    (place / "e.wav").write_bytes(b"this is no sound")
    found = prepare([tmp_path / "sounds"], tmp_path / "store", settings(rate=16_000))
    assert names((*found.learned, *found.held_out)) == {"a.flac", "b.ogg", "c.mp3", "d.aiff"}
    assert any("e.wav" in note for note in notes(found))


# ── training ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("network", ["spectral-upsampler", "tfilm-unet", "audio-unet", "patch-dnn"])
def test_every_network_trains_and_resumes_to_the_same_weights(corpus: Path, tmp_path: Path, network: str) -> None:
    told = settings(network, train={"steps": 4, "validate_steps": 2})
    whole = begun([corpus], tmp_path / "whole", told)
    outcome = upsample.learn(whole, told, Silent())
    assert outcome.step == 4
    assert np.isfinite(outcome.figures["snr"])
    assert outcome.figures["distance"] > 0
    short = replace(told, train=replace(told.train, steps=2, schedule="constant"))
    long = replace(short, train=replace(short.train, steps=4))
    upsample.learn(begun([corpus], tmp_path / "parts", short), short, Silent())
    assert upsample.resume(tmp_path / "parts", long, Silent()).step == 4
    upsample.learn(begun([corpus], tmp_path / "once", long), long, Silent())
    parts, once = (model_file.load(tmp_path / name / "model.safetensors").weights for name in ("parts", "once"))
    assert parts.keys() == once.keys()
    for name, value in parts.items():
        assert torch.equal(value, once[name]), name


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_every_way_of_losing_bandwidth_is_learned_from(corpus: Path, tmp_path: Path, kind: str) -> None:
    told = settings(degrade=kind, train={"steps": 1})
    if kind in ("mp3", "ogg"):
        told = replace(told, factor="2")  # codecs know no rate as low as a quarter of this one
    task = begun([corpus / "wav48" / "p225"], tmp_path / "run", told).task
    low, full, band = task.batch(0, 0, 1)
    assert low.shape == full.shape == (2, 1, 1024)
    assert bool((band == 1).all())
    assert bool(torch.isfinite(low).all())
    assert not torch.equal(low, full)
    upper = torch.fft.rfft(low)[..., round(1024 * low_rate_of(told, RATE) / RATE / 2) + 40 :].abs().max()
    assert float(upper) < 0.3 * float(torch.fft.rfft(full)[..., 300:].abs().max())


@pytest.mark.parametrize("factor", ["2", "4", "6", "8", "44.1/16", "1.5"])
def test_any_factor_learns(corpus: Path, tmp_path: Path, factor: str) -> None:
    told = settings(factor=factor, rate=RATE, degrade="chebyshev", train={"steps": 1})
    outcome = upsample.learn(begun([corpus / "wav48" / "p225"], tmp_path / "run", told), told, Silent())
    assert np.isfinite(outcome.figures["lsd10"])
    assert open_upsampler(tmp_path / "run").low_rate == low_rate_of(told, RATE)


def test_a_run_goes_on_from_other_weights_and_stands_alone(corpus: Path, tmp_path: Path) -> None:
    first = trained(tmp_path / "first", degrade="chebyshev", patch=3000, held_out=0.2)
    told = replace(starting_from(first), train=with_budget(settings().train, steps=2))
    assert (told.rate, told.degrade, told.patch, told.start_from) == (RATE, "chebyshev", 3000, str(first))
    assert told.train.steps == 2
    sources = [tmp_path / "first" / "corpus"]
    task = begun(sources, tmp_path / "second", told).task
    for name, value in model_file.load(first / "model.safetensors").weights.items():
        assert torch.equal(dict(task.network.state_dict())[name], value)
    upsample.learn(Begun(RunFolder.open(tmp_path / "second"), task), told, Silent())
    shutil.rmtree(first)
    longer = replace(told, train=replace(told.train, steps=3))
    assert upsample.resume(tmp_path / "second", longer, Silent()).step == 3


def test_other_weights_must_fit(tmp_path: Path) -> None:
    first = trained(tmp_path / "first")
    sources = [tmp_path / "first" / "corpus"]
    with pytest.raises(ModelFileError, match="channels = 8, here it is 12"):
        begun(sources, tmp_path / "a", settings(start_from=str(first), size=12))
    with pytest.raises(ModelFileError, match="kind spectral-upsampler"):
        begun(sources, tmp_path / "b", settings("patch-dnn", start_from=str(first)))
    with pytest.raises(RunError, match="no run at"):
        begun(sources, tmp_path / "c", settings(start_from=str(tmp_path / "nowhere")))
    with pytest.raises(RunError, match=r"no run\.json"):
        starting_from(tmp_path)
    assert not any((tmp_path / name).exists() for name in "abc")


def test_a_share_of_the_patches_is_the_same_one_in_every_epoch() -> None:
    track = (np.arange(20_000)[np.newaxis] / 20_000).astype(np.float32)

    def patches(share: float) -> DegradedPatches:
        return DegradedPatches(
            track,
            [Region(0, 20_000)],
            rate=RATE,
            low_rate=2000,
            kind="brick-wall",
            batch=1,
            length=1000,
            hop=500,
            share=share,
            seed=3,
        )

    some = patches(0.25)
    assert some.count == round(0.25 * patches(1.0).count)

    def epoch(number: int) -> list[float]:
        return [float(some.batch(number * some.count + step)[1][0, 0, 0]) for step in range(some.count)]

    first = epoch(0)
    assert len(set(first)) == some.count
    assert sorted(first) == sorted(epoch(1)) == sorted(epoch(5))
    assert len({tuple(epoch(number)) for number in range(6)}) > 1, "always in the same order"


# ── wrong input ───────────────────────────────────────────────────────────────────────────────────────────────────


def refused(error: type[Exception], match: str, sources: list[Path], place: Path, told: UpsampleSettings) -> None:
    with pytest.raises(error, match=match):
        begun(sources, place / "run", told)
    assert not [*place.glob("run*"), *place.glob(".run*")], "something was left behind"


def test_sounds_that_cannot_be_learned_from_are_refused_and_leave_nothing(corpus: Path, tmp_path: Path) -> None:
    def put(folder: str, *sounds: np.ndarray, rate: int = RATE) -> Path:
        place = tmp_path / folder
        place.mkdir()
        for number, x in enumerate(sounds):
            files.write(place / f"{number}.wav", Recording(x[np.newaxis], rate))
        return place

    runs = tmp_path / "runs"
    runs.mkdir()
    low = put("low", sound(1), rate=4000)
    mixed = [corpus, low]
    refused(DataError, "1 of 13 files are below the full rate of 8000 Hz.*--allow-upsampled", mixed, runs, settings())
    refused(DataError, "below the full rate of 16000", [corpus], runs, settings(rate=16_000))
    refused(DataError, "silent", [put("silent", np.zeros(9000, np.float32))], runs, settings())
    short = put("short", *(0.1 + sound(n, 0.05) for n in range(4)))
    refused(DataError, "all .* sounds are shorter than a patch of 1024 samples", [short], runs, settings())
    (tmp_path / "empty").mkdir()
    refused(AudioFileError, "holds no sound file", [tmp_path / "empty"], runs, settings())
    refused(AudioFileError, "does not exist", [tmp_path / "nowhere"], runs, settings())
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "a.wav").write_bytes(b"RIFF")
    refused(DataError, "none of 1 sound files can be used", [tmp_path / "torn"], runs, settings())
    one = [corpus / "wav48" / "p225"]
    refused(DataError, "all sounds lie in one folder, 'p225'", one, runs, settings(split="folder"))
    refused(DataError, "'p3..' holds 0 of 3 folders", [corpus], runs, settings(split="folder", held_out_names="p3??"))
    refused(DataError, "matches none of the 12", [corpus], runs, settings(held_out_names="nobody*"))
    for told, match in (
        (settings(factor="1"), "must be above 1"),
        (settings(factor="four"), "must be a number or a ratio"),
        (settings(factor="32"), "a low rate of 250 Hz"),
        (settings(low_rate=8000), "a low rate of 8000 Hz"),
        (settings(low_rate=20_000), "a low rate of 20000 Hz"),
        (settings(train={"epochs": 2}), "one budget"),
    ):
        refused(SettingsError, match, [corpus], runs, told)


def test_sounds_below_the_full_rate_teach_as_far_up_as_they_go_where_that_is_allowed(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "low").mkdir()
    files.write(tmp_path / "low" / "a.wav", Recording(sound(1, 1.0, 4000)[np.newaxis], 4000))
    told = settings(allow_upsampled=True, rate=RATE, train={"steps": 1})
    found = begun([corpus, tmp_path / "low"], tmp_path / "run", told).task.material
    bands = {one.path.name: found.band(one) for one in (*found.learned, *found.held_out)}
    assert bands["a.wav"] == 0.5
    assert bands["p225_001.wav"] == 1.0


def test_a_patch_too_short_for_the_aim_is_refused_before_anything_is_read(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upsample, "prepare", lambda *_: pytest.fail("sounds were read"))
    told = settings(aim="perceptual", patch=1024)
    refused(SettingsError, "patch = 1024: too short to compare spectra of 2048 samples", [corpus], tmp_path, told)


def test_a_sound_whose_middle_is_silent_spoils_no_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsample, "VALIDATED_SECONDS", 1.5)
    (tmp_path / "sounds").mkdir()
    (tmp_path / "other").mkdir()
    for number in range(6):
        x = sound(number, 1.0)
        if number < 2:
            x[RATE // 10 : -RATE // 10] = 0
        files.write(tmp_path / "sounds" / f"{number}.wav", Recording(x[np.newaxis], RATE))
    told = settings(held_out_names="[02].wav")
    outcome = upsample.learn(begun([tmp_path / "sounds"], tmp_path / "run", told), told, Silent())
    assert np.isfinite(list(outcome.figures.values())).all()
    assert outcome.best is not None
    deaf = replace(told, held_out_names="[01].wav")
    refused(DataError, r"listen to is silent, the middle of .*0\.wav", [tmp_path / "sounds"], tmp_path / "other", deaf)


def test_an_upper_band_that_is_empty_is_told(tmp_path: Path) -> None:
    for number in range(4):
        x = sound(number, 1.0)
        X = np.fft.rfft(x)
        X[len(X) // 2 :] = 0
        files.write(tmp_path / f"{number}.wav", Recording(np.fft.irfft(X, len(x)).astype(np.float32)[np.newaxis], RATE))
    told = notes(prepare([tmp_path], tmp_path / "store", settings()))
    assert len(told) == 1
    assert "4 of 4 sounds looked at hold nothing near 4,000 Hz" in told[0]


def test_a_store_is_used_where_it_lies(corpus: Path, tmp_path: Path) -> None:
    Corpus.create(tmp_path / "store", [corpus], rate=RATE)
    told = settings(train={"steps": 1})
    run = begun([tmp_path / "store"], tmp_path / "run", told).run
    assert not (run.path / "data").exists()
    found = material_of(Corpus.open(tmp_path / "store"), told)
    assert isinstance(found, Material)
    assert len(found.learned) + len(found.held_out) == 12
    with pytest.raises(DataError, match=r"store .* is at 8000 Hz, not 4000"):
        begun([tmp_path / "store"], tmp_path / "other", settings(rate=4000))


def test_runs_that_are_damaged_or_of_another_job(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with pytest.raises(SettingsError, match="size"):
        upsample.resume(run, settings(size=12), Silent())
    told = json.loads((run / "run.json").read_text())
    for change, error, match in (
        ({"job": "emulate"}, RunError, "belongs to the job emulate"),
        ({"extra": {}}, RunError, "damaged"),
        ({"extra": {"low_rate": "low"}}, RunError, "damaged"),
        ({"rate": None}, RunError, "damaged"),
    ):
        (run / "run.json").write_text(json.dumps(told | change))
        with pytest.raises(error, match=match):
            open_upsampler(run)
    (run / "run.json").write_text(json.dumps(told))
    (run / "model.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(ModelFileError):
        open_upsampler(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"no model\.safetensors yet"):
        open_upsampler(run)

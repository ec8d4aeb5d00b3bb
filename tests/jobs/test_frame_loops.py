"""Loops frame by frame: the place in the bar in training and of what is held out, versions, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wavewright.audio import files
from wavewright.audio.music import drum_loop
from wavewright.audio.recording import Recording
from wavewright.data.new_characters import PARTIAL
from wavewright.errors import DataError, SettingsError
from wavewright.jobs.frames import versions
from wavewright.jobs.frames.material import FrameMaterial, fitted
from wavewright.jobs.frames.settings import FrameSettings
from wavewright.jobs.generate import judge as generate_judge
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import OpenFrames, open_generator
from wavewright.jobs.generate.settings import GenerateSettings
from wavewright.jobs.material import prepare
from wavewright.train.progress import Silent
from wavewright.train.settings import TrainSettings

RATE = 8000
FRAMES = FrameSettings(frame_size=64, on_beat=True, character=0, components=8)


def settings(**others: object) -> GenerateSettings:
    return GenerateSettings(
        network="frame-mixture",
        size=8,
        layers=1,
        held_out=0.1,
        window=32,
        batch=2,
        frame=replace(FRAMES, **others),  # type: ignore[arg-type]
        train=TrainSettings(steps=3, threads=1, preview_minutes=None, device="cpu"),
    )


def loop(folder: Path, seconds: float = 8.0, tempo: float = 120.0, seed: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    sound = drum_loop(seconds, RATE, beats_per_minute=tempo, seed=seed)
    files.write(folder / f"loop{seed}.wav", Recording(sound[None], RATE))
    return folder


def measured(folder: Path, store: Path, **others: object) -> FrameMaterial:
    told = settings(**others)
    return fitted(prepare([folder], store, told), told)


def test_what_is_held_out_of_a_loop_goes_on_in_its_bar(tmp_path: Path) -> None:
    found = measured(loop(tmp_path / "sounds"), tmp_path / "store")
    (whole,), (end,) = found.material.learned, found.material.held_out
    bars = []
    for sound in (whole, end):
        frames = found.frames([sound])
        beat = frames.controls[0].beat
        assert beat is not None
        bars.append(beat)
    a_frame = 2 * 64 / RATE  # beats
    assert bars[0].first == pytest.approx(0, abs=1e-6)
    assert bars[0].step == pytest.approx(a_frame, rel=1e-3)
    assert bars[1].step == bars[0].step
    assert bars[1].first == pytest.approx(whole.length / RATE * 2, rel=1e-3)  # 7.2 s are 14.4 beats


def test_versions_are_learned_beside_the_sounds_themselves_and_keep_the_beat(tmp_path: Path) -> None:
    found = measured(loop(tmp_path / "sounds"), tmp_path / "store", varied=3)
    plain, more = found.frames(found.material.learned), found.cut(found.versions.all)
    assert len(plain.counts) == 1
    assert len(more.counts) == 4
    assert len(set(more.counts.tolist())) == 1  # as long as the loop: only their pitch differs
    assert len({one.beat for one in more.controls}) == 1
    again = measured(tmp_path / "sounds", tmp_path / "again", varied=3)
    for one, other in zip(found.versions.all, again.versions.all, strict=True):
        assert np.array_equal(one.sound, other.sound)
    free = measured(tmp_path / "sounds", tmp_path / "other", varied=3, on_beat=False)
    speeds = [len(free.versions.all[0].sound) / len(one.sound) for one in free.versions.all[1:]]
    assert speeds == sorted(speeds)  # evenly from the slowest to the fastest
    assert 1 / 1.31 < speeds[0] < 0.93 < speeds[1] < 1.07 < speeds[2] < 1.31


def test_a_few_sounds_are_brought_to_many_unless_frames_are_heard(tmp_path: Path) -> None:
    folder = loop(tmp_path / "sounds")
    assert measured(folder, tmp_path / "a", feedback=False).versions.each == versions.MOST_EACH
    assert measured(folder, tmp_path / "b", feedback=True).versions.each == 0
    assert measured(folder, tmp_path / "c", feedback=False, varied=0).versions.each == 0


def test_each_beat_of_a_version_has_a_character_and_a_place(tmp_path: Path) -> None:
    found = measured(loop(tmp_path / "sounds"), tmp_path / "store", varied=1, character=4)
    known = found.learned(np.zeros((40, 4), np.float32))
    one = found.versions.all[0]
    pieces, places = found.versions.pieces(one), found.versions.places(one)
    assert np.array_equal(np.concatenate(pieces), one.sound)
    assert len(pieces) == len(places) == 15  # 7.2 s are 14.4 beats
    assert places == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, PARTIAL]
    assert known.places[:15].tolist() == places
    assert known.versions.tolist() == [0] * 15 + [1] * 15
    assert found.controls_of(one).character.shape == (15, 4)


def test_a_lower_version_keeps_its_top() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    for semitones in (-5.0, 5.0):
        power = np.abs(np.fft.rfft(versions.moved(noise, RATE, semitones))) ** 2
        levels = [part.mean() for part in np.array_split(power[100:3900], 8)]
        assert 10 * np.log10(max(levels) / min(levels)) < 4.5


def test_so_many_versions_as_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MOST_VARIED", 100_000)
    with pytest.raises(SettingsError, match="varied = 3"):
        measured(loop(tmp_path / "sounds"), tmp_path / "store", varied=3)


def test_a_loop_shorter_than_a_beat_is_refused_by_name(tmp_path: Path) -> None:
    loop(tmp_path / "sounds", seed=1)
    short = drum_loop(0.4, RATE, beats_per_minute=120, seed=2)
    files.write(tmp_path / "sounds" / "short.wav", Recording(short[None], RATE))
    told = settings(on_beat=False, beats_per_minute=120.0)
    with pytest.raises(DataError, match=r"short\.wav: .*less than a beat at 120"):
        generate.begin([tmp_path / "sounds"], tmp_path / "run", told, Silent())
    assert not (tmp_path / "run").exists()


def test_a_single_loop_is_learned_drawn_and_judged_on_its_beat(tmp_path: Path) -> None:
    told = settings()
    begun = generate.begin([loop(tmp_path / "sounds")], tmp_path / "run", told, Silent())
    generate.learn(begun, told, Silent())
    opened = open_generator(tmp_path / "run")
    assert isinstance(opened, OpenFrames)
    predicted = generate_judge.predict(opened)
    assert np.isfinite(predicted.cost)  # type: ignore[union-attr]
    outputs = generate_judge.listen(opened, count=2, seconds=1.0)
    assert "intervals" in generate_judge.figures_of_outputs(outputs)


def test_the_hits_of_a_loop_are_learned_as_one_shots(tmp_path: Path) -> None:
    told = replace(settings(on_beat=False), sliced=True)
    generate.learn(generate.begin([loop(tmp_path / "sounds")], tmp_path / "run", told, Silent()), told, Silent())
    opened = open_generator(tmp_path / "run")
    assert isinstance(opened, OpenFrames)
    assert len(opened.material.learned) + len(opened.material.held_out) > 10  # eight seconds of drums
    assert max(sound.length for sound in opened.material.learned) < RATE
    with generate_judge._judged(opened, tmp_path / "sounds") as (_, sounds):
        assert len(sounds) > 10


def test_slices_on_a_beat_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="sliced, on_beat"):
        generate.begin([loop(tmp_path / "sounds")], tmp_path / "run", replace(settings(), sliced=True), Silent())

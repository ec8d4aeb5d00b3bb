"""New sound: the same from the same seed, joined to its prompt, judged, ranked, and refused where it cannot be."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from generator_runs import RATE, SIZES, trained

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.errors import DataError, OutputError, SettingsError
from wavewright.jobs.generate import sample_request, sampling
from wavewright.jobs.generate.generator import OpenGenerator, open_generator
from wavewright.jobs.generate.settings import SampleSettings
from wavewright.nets.sample_wavenet import SampleWaveNet

PLAIN = SampleSettings(seconds=0.1, redraw=0)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenGenerator:
    return open_generator(trained(tmp_path_factory.mktemp("plain"), pre_emphasis=0.8))


@pytest.fixture(scope="module")
def with_classes(tmp_path_factory: pytest.TempPathFactory) -> OpenGenerator:
    folder = tmp_path_factory.mktemp("classes")
    return open_generator(trained(folder, "sample-wavenet", classes="folder", onset=True, envelope=True))


def drawn(opened: OpenGenerator, folder: Path, settings: SampleSettings, **others: object) -> list[np.ndarray]:
    done = sampling.sample(opened, settings, folder, force=True, **others)  # type: ignore[arg-type]
    return [files.read(one.path).samples[0] for one in done.written]


def test_the_same_seed_gives_the_same_sound_however_many_are_drawn(opened: OpenGenerator, tmp_path: Path) -> None:
    one = drawn(opened, tmp_path / "one.wav", PLAIN)
    five = drawn(opened, tmp_path, replace(PLAIN, count=5))
    again = drawn(opened, tmp_path, replace(PLAIN, count=3, draw=None))
    other = drawn(opened, tmp_path / "other.wav", replace(PLAIN, seed=1))
    assert np.array_equal(one[0], five[0])
    assert all(np.array_equal(a, b) for a, b in zip(five, again, strict=False))
    assert len({sound.tobytes() for sound in five}) == 5
    assert not np.array_equal(one[0], other[0])
    assert all(len(sound) == round(0.1 * RATE) for sound in five)


def test_a_stream_is_the_same_sound_as_the_file(opened: OpenGenerator, tmp_path: Path) -> None:
    (whole,) = drawn(opened, tmp_path / "whole.wav", replace(PLAIN, seconds=3.0))
    out = io.BytesIO()
    sampling.stream(opened, replace(PLAIN, seconds=3.0), out)
    samples = np.frombuffer(out.getvalue()[44:], "<i2") / 32_768
    assert np.array_equal(samples.astype(np.float32), whole)
    # the header promises more than there is; a reader takes what comes
    read, rate = soundfile.read(io.BytesIO(out.getvalue()), dtype="float32")
    assert rate == RATE
    assert np.array_equal(read[: len(whole)], whole)


def test_a_long_sound_written_as_it_is_made_is_the_same(
    opened: OpenGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = drawn(opened, tmp_path, replace(PLAIN, seconds=2.5, count=2))
    monkeypatch.setattr(sampling, "LONGEST_JUDGED", 1.0)
    assert all(map(np.array_equal, held, drawn(opened, tmp_path, replace(PLAIN, seconds=2.5, count=2))))


def prompt(path: Path, rate: int, channels: int = 1, seconds: float = 0.5) -> Path:
    t = np.arange(round(seconds * rate)) / rate
    tone = 0.5 * np.cos(2 * np.pi * 60 * t)  # ends where it is loud: a reset would be heard
    files.write(path, Recording(np.tile(tone, (channels, 1)).astype(np.float32), rate))
    return path


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (11_025, 2)])
def test_a_prompt_is_written_first_and_goes_on_without_a_click(
    opened: OpenGenerator, tmp_path: Path, rate: int, channels: int
) -> None:
    told: list[str] = []
    asked = replace(PLAIN, prompt=prompt(tmp_path / "prompt.wav", rate, channels), temperature="0.01")
    (sound,) = drawn(opened, tmp_path / "on.wav", asked, tell=told.append)
    (alone,) = drawn(opened, tmp_path / "alone.wav", replace(asked, with_prompt=False))
    length = len(sound) - len(alone)
    assert length == pytest.approx(0.5 * RATE, abs=1)
    expected = 0.5 * np.cos(2 * np.pi * 60 * np.arange(length) / RATE)
    assert np.abs(sound[:length] - expected)[20:-20].max() < 1e-2
    assert np.array_equal(sound[length:], alone)
    # the first sample is the pre-emphasised one drawn, on top of where the prompt ended: x̂ = y + 0.8 x
    prompted = sample_request.request(opened, asked)
    codes, _ = next(sampling._blocks(opened, prompted, [(0, 0)]))
    y = opened.encoding.quantizer.decode(codes[0]) / opened.encoding.gain
    assert prompted.prompt is not None
    before = float(prompted.prompt.sound[-1])
    assert before > 0.3
    assert alone[0] == pytest.approx(y[0] + 0.8 * before, abs=1e-3)
    assert (len(told) > 0) == (rate != RATE)


def test_only_the_end_of_a_long_prompt_is_heard(opened: OpenGenerator, tmp_path: Path) -> None:
    asked = replace(PLAIN, prompt=prompt(tmp_path / "prompt.wav", RATE), prompt_seconds=0.1)
    (sound,) = drawn(opened, tmp_path / "on.wav", asked)
    assert len(sound) == round(0.2 * RATE)


def test_classes_come_in_turn_or_as_asked(with_classes: OpenGenerator, tmp_path: Path) -> None:
    loud = prompt(tmp_path / "loud.wav", RATE)
    turns = sampling.sample(with_classes, replace(PLAIN, count=3, envelope=loud), tmp_path)
    assert [one.drawn.label for one in turns.written] == ["high", "low", "high"]
    asked = sampling.sample(with_classes, replace(PLAIN, count=2, label="low", envelope=loud), tmp_path, force=True)
    assert [one.drawn.label for one in asked.written] == ["low", "low"]


def test_classes_of_two_parts_are_asked_for_by_either(tmp_path: Path) -> None:
    opened = open_generator(trained(tmp_path, classes="name", class_part="0,1", position=True))
    sound = replace(PLAIN, count=3)
    every, low, third = (
        [one.drawn.label for one in sampling.sample(opened, asked, tmp_path, force=True).written]
        for asked in (sound, replace(sound, label="low"), replace(sound, label="3"))
    )
    assert every == ["high/0", "low/1", "high/1"]
    assert low == ["low/1", "low/2", "low/3"]
    assert third == ["low/3", "high/3", "low/3"]
    with pytest.raises(SettingsError, match="its classes are high, low, 0, 1"):
        sampling.sample(opened, replace(sound, label="5"), tmp_path, force=True)


def test_every_file_is_told_how_long_it_becomes(
    opened: OpenGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .wav beyond 4 GiB must be an RF64 from its first byte on, so that its length has to be known."""
    told: list[tuple[int | None, files.Writer]] = []
    before = prompt(tmp_path / "prompt.wav", RATE)

    class Noted(files.Writer):
        def __init__(self, *words: Any, **others: Any) -> None:
            super().__init__(*words, **others)
            told.append((others["frames"], self))

    monkeypatch.setattr(files, "Writer", Noted)
    for longest in (60.0, 0.05):
        monkeypatch.setattr(sampling, "LONGEST_JUDGED", longest)
        for asked in (PLAIN, replace(PLAIN, prompt=before), replace(PLAIN, prompt=before, with_prompt=False)):
            told.clear()
            drawn(opened, tmp_path / "new.wav", asked)
            assert [frames for frames, _ in told] == [told[-1][1].frames] * 2  # refused early, then written


@pytest.mark.parametrize("network", SIZES)
def test_what_a_sound_costs_is_what_the_network_says_of_it(network: str, tmp_path: Path) -> None:
    opened = open_generator(trained(tmp_path, network, classes="folder", onset=True, position=True))
    wanted = sample_request.request(opened, replace(PLAIN, label="low"))
    codes, nats = next(sampling._blocks(opened, wanted, [(0, 0)]))
    quantizer, frames = opened.encoding.quantizer, codes.shape[1]
    before = quantizer.levels_of(np.concatenate([[quantizer.silence], codes[0, :-1]]).astype(quantizer.dtype))
    told = opened.controls.signal(frames, label="low", length=frames)
    x = torch.from_numpy(np.concatenate([before[np.newaxis], told])[np.newaxis].astype(np.float32))
    net = opened.network
    with torch.no_grad():
        state = net.state_of_silence(x[:, 1:, 0]) if isinstance(net, SampleWaveNet) else None
        cost = net.distribution.nats(net(x, state)[0], torch.from_numpy(codes.astype(np.int64)))
    assert np.abs(cost.numpy() - nats).max() < 1e-3


def test_the_likeliest_of_many_are_kept(opened: OpenGenerator, tmp_path: Path) -> None:
    every = sampling.sample(opened, replace(PLAIN, count=8), tmp_path)
    kept = sampling.sample(opened, replace(PLAIN, count=2, draw=8), tmp_path, force=True)
    good = [one.drawn for one in every.written if not one.drawn.faults] or [one.drawn for one in every.written]
    best = sorted(drawn.bits for drawn in good)[:2]
    assert sorted(one.drawn.bits for one in kept.written)[: len(best)] == pytest.approx(best)


def test_a_sound_that_fails_is_drawn_again(
    opened: OpenGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_faults", lambda opened, sound: ("silent",) if sound[0] < 0 else ())
    said: list[str] = []
    done = sampling.sample(opened, replace(PLAIN, count=12, redraw=30), tmp_path, tell=said.append)
    assert all(one.drawn.sound[0] >= 0 for one in done.written)
    assert any(one.drawn.attempts > 1 for one in done.written)
    assert any("drawn again: silent" in line for line in said)
    assert done.seconds == pytest.approx(12 * 0.1)  # what was thrown away is not told


def test_temperature_may_change_over_time(opened: OpenGenerator) -> None:
    wanted = sample_request.request(opened, replace(PLAIN, temperature="0:1.0,0.05:0.5"))
    assert wanted.temperature(0, 1, RATE) == 1.0
    assert wanted.temperature(100, 1, RATE) == pytest.approx(0.75)
    assert (wanted.temperature(350, 50, RATE) == 0.5).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": "0"}, "temperature"),
        ({"temperature": "-1"}, "temperature"),
        ({"count": 0}, "count"),
        ({"count": 4, "draw": 2}, "at least count = 4"),
        ({"label": "kick"}, "trained without classes"),
        ({"top_p": 0.0}, "top_p"),
        ({"seconds": 50.0, "count": 10_000}, "memory"),
        ({"seconds": 1e9}, "GB free"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    opened: OpenGenerator, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        sampling.sample(opened, replace(PLAIN, **changes), tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_unknown_classes_and_missing_envelopes_are_named(with_classes: OpenGenerator, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its classes are high, low"):
        sampling.sample(with_classes, replace(PLAIN, label="middle"), tmp_path)
    with pytest.raises((SettingsError, DataError), match="envelope"):
        sampling.sample(with_classes, PLAIN, tmp_path)


def test_a_silent_prompt_and_a_taken_place_are_refused(opened: OpenGenerator, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.wav"
    files.write(quiet, Recording(np.zeros((1, 500), np.float32), RATE))
    with pytest.raises(DataError, match="silent at its end"):
        sampling.sample(opened, replace(PLAIN, prompt=quiet), tmp_path / "out.wav")
    with pytest.raises(OutputError, match="--force"):
        sampling.sample(opened, PLAIN, quiet)
    with pytest.raises(SettingsError, match="one sound"):
        sampling.stream(opened, replace(PLAIN, count=2), io.BytesIO())


def test_several_sounds_go_into_a_folder_that_is_made_where_the_name_has_no_suffix(tmp_path: Path) -> None:
    assert sampling.places(tmp_path / "new.wav", 2) == [tmp_path / "new-01.wav", tmp_path / "new-02.wav"]
    assert not (tmp_path / "new").exists()
    assert sampling.places(tmp_path / "new", 2) == [tmp_path / "new" / "01.wav", tmp_path / "new" / "02.wav"]
    assert (tmp_path / "new").is_dir()
    assert sampling.places(tmp_path / "new", 1) == [tmp_path / "new" / "01.wav"]
    assert sampling.places(tmp_path / "one", 1) == [tmp_path / "one"]  # refused by the writer: no format
    assert sampling.places(tmp_path / "nowhere" / "new", 2)[0].parent == tmp_path / "nowhere" / "new"
    assert not (tmp_path / "nowhere").exists()  # the writer says so

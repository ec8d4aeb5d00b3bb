"""Pairs and their knobs: from flags, from a manifest; where knobs stand and how they move."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine.automation import Controls, Track
from wavewright.errors import DataError, SettingsError
from wavewright.jobs.emulate import pairs
from wavewright.jobs.emulate.knobs import controls_for, read_automation
from wavewright.jobs.emulate.pairs import Knob

GAIN, TONE = Knob("gain", 0.0, 10.0), Knob("tone", -1.0, 1.0)
NAMES = st.lists(st.sampled_from(["gain", "tone", "Bass-2", "mid_x", "p"]), min_size=1, max_size=4, unique=True)


def wets(count: int) -> list[Path]:
    return [Path("dry.wav"), *(Path(f"wet{number}.wav") for number in range(count))]


@given(names=NAMES, count=st.integers(2, 6), data=st.data())
@settings(deadline=None, max_examples=40)
def test_flags_and_manifest_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], count: int, data: st.DataObject
) -> None:
    values = {
        name: data.draw(st.lists(st.integers(-50, 50), min_size=count, max_size=count, unique=True)) for name in names
    }
    folder = tmp_path_factory.mktemp("manifest")
    recordings = [folder / path for path in wets(count)]
    flags = pairs.from_flags(recordings, [f"{name}={','.join(map(str, each))}" for name, each in values.items()])
    rows = [
        f'[[pair]]\ndry = "dry.wav"\nwet = "wet{at}.wav"\nknobs = {{ '
        + ", ".join(f"{name} = {values[name][at]}" for name in names)
        + " }\n"
        for at in range(count)
    ]
    (folder / "pairs.toml").write_text("\n".join(rows), encoding="utf-8")
    assert pairs.read_manifest(folder / "pairs.toml") == flags
    assert [knob.name for knob in flags.knobs] == names
    assert flags.files == recordings
    for pair in flags.pairs:
        positions = flags.positions(pair.knobs)
        assert all(0 <= position <= 1 for position in positions)
        for knob, position in zip(flags.knobs, positions, strict=True):
            assert knob.low + position * (knob.high - knob.low) == pytest.approx(pair.knobs[knob.name])


@pytest.mark.parametrize(
    ("count", "words", "told"),
    [
        (0, [], ["two recordings or more"]),
        (3, ["gain=0,1"], ["gain has 2 values, but there are 3 wet"]),
        (2, [], ["no knob that tells them apart"]),
        (2, ["gain=0,0"], ["stands at 0 in every recording"]),
        (3, ["gain=0,1,1"], ["wet1.wav and wet2.wav both say gain=1"]),
        (2, ["gain=0,1", "gain=0,1"], ["gain is given twice"]),
        (2, ["=0,1"], ["must be NAME=VALUE"]),
        (2, ["gain"], ["must be NAME=VALUE"]),
        (2, ["gain=0,x"], ["must be numbers"]),
        (2, ["gain=0,inf"], ["must be numbers"]),
        (3, ["gain=0,1", "tone=a,b,c"], ["gain has 2 values", "tone=a,b,c"]),
    ],
)
def test_flags_that_do_not_fit_are_told_all_at_once(count: int, words: list[str], told: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        pairs.from_flags(wets(count), words)
    for part in told:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pair = 3", "holds no pairs"),
        ("[[pair", "not TOML"),
        ('[[pair]]\ndry = "a"', "wet = None"),
        ('[[pair]]\ndry = "a"\nwet = "b"\nknob = { gain = 1 }', "did you mean 'knobs'"),
        ('[[pair]]\ndry = "a"\nwet = "b"\nknobs = 4', "must be a table"),
        ('[[pair]]\ndry = "a"\nwet = "b"\nknobs = { gain = "x" }', "gain = 'x'"),
        ('[[pair]]\ndry = "a"\nwet = "b"\nknobs = { "a b" = 1 }', "a letter first"),
        ('[[pairs]]\ndry = "a"', "did you mean 'pair'"),
        ('[[pair]]\ndry = "a"\nwet = "b"\n[[pair]]\ndry = "c"\nwet = "b"', "name each once"),
        (
            '[[pair]]\ndry="a"\nwet="b"\nknobs={gain=1}\n[[pair]]\ndry="a"\nwet="c"\nknobs={gian=2}',
            "did you mean 'gain'",
        ),
        ('[[pair]]\ndry="a"\nwet="b"\nknobs={gain=1}\n[[pair]]\ndry="a"\nwet="c"', "gain has no value"),
    ],
)
def test_manifests_that_say_nonsense_are_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "pairs.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told.replace("(", r"\(")):
        pairs.read_manifest(tmp_path / "pairs.toml")


@given(text=st.text(max_size=200))
@settings(deadline=None, max_examples=50)
def test_no_manifest_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "pairs.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(SettingsError):
        pairs.read_manifest(path)


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        pairs.read_manifest(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gian=3", "tone=0"], "did you mean 'gain'"),
        (["gain=3"], "tone -1 to 1 has no value"),
        (["gain=11", "tone=2"], "trained from 0 to 10"),
        (["gain=1,2", "tone=0"], "one value"),
        (["gain=1", "gain=2", "tone=0"], "given twice"),
        (["gain=nan", "tone=0"], "numbers"),
    ],
)
def test_values_a_twin_has_not_heard_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        controls_for([GAIN, TONE], words)


def test_a_twin_without_knobs_takes_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no knobs"):
        controls_for([], ["gain=1"])
    with pytest.raises(SettingsError, match="no knobs"):
        controls_for([], [], [tmp_path / "a.csv"])
    assert controls_for([], []).tracks == ()


POINTS = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 1000)), min_size=1, max_size=6)


@given(points=POINTS, cuts=st.lists(st.integers(1, 700), max_size=5))
@settings(deadline=None, max_examples=60)
def test_a_moving_knob_is_the_line_between_its_points_whatever_the_blocks(
    points: list[tuple[int, int]], cuts: list[int]
) -> None:
    """Against a plain loop over the samples."""
    rate, frames = 1000, 800
    times = np.cumsum([gap for gap, _ in points]) / rate
    track = Track(tuple(times), tuple(value / 1000 for _, value in points))
    whole = track.at(0, frames, rate)
    edges = sorted({0, frames, *cuts})
    blocks = [track.at(a, b - a, rate) for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    for sample in range(0, frames, 37):
        t = sample / rate
        later = next((at for at, time in enumerate(track.seconds) if time > t), None)
        if later is None:
            wanted = track.positions[-1]
        elif later == 0:
            wanted = track.positions[0]
        else:
            (t0, t1), (p0, p1) = track.seconds[later - 1 : later + 1], track.positions[later - 1 : later + 1]
            wanted = p0 + (p1 - p0) * (t - t0) / (t1 - t0)
        assert whole[sample] == pytest.approx(wanted, abs=1e-6)


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "moves.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_automation_file_is_read(tmp_path: Path) -> None:
    path = csv(tmp_path, "seconds, gain,tone\n0,0,-1\n\n1.5,10,1\n")
    assert read_automation(path, [GAIN, TONE]) == {
        "gain": Track((0.0, 1.5), (0.0, 1.0)),
        "tone": Track((0.0, 1.5), (0.0, 1.0)),
    }
    assert controls_for([GAIN, TONE], [], [path]).moves


def test_a_single_knob_needs_no_head_and_others_may_stand(tmp_path: Path) -> None:
    assert read_automation(csv(tmp_path, "0,5\n2,7.5\n"), [GAIN]) == {"gain": Track((0.0, 2.0), (0.5, 0.75))}
    controls = controls_for([GAIN, TONE], ["gain=5"], [csv(tmp_path, "seconds,tone\n1,0\n")])
    assert controls == Controls((Track((0.0,), (0.5,)), Track((1.0,), (0.5,))))
    assert not controls.moves


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no head"),
        ("seconds,gain\n", "holds no rows"),
        ("seconds,gian\n0,1\n", "did you mean 'gain'"),
        ("time,gain\n0,1\n", "first column is 'time'"),
        ("seconds\n0\n", "no column for a knob"),
        ("seconds,gain,gain\n0,1,1\n", "two columns"),
        ("seconds,gain\n0,1,2\n", "row 2.*2 numbers"),
        ("seconds,gain\n0,x\n", "row 2"),
        ("seconds,gain\n0,nan\n", "row 2"),
        ("seconds,gain\n0,1\n0,2\n", "row 3.*later"),
        ("seconds,gain\n-1,1\n", "0 or more"),
        ("seconds,gain\n0,11\n1,-1\n", "row 2.*row 3"),
        ("0,1\n", "no head"),
    ],
)
def test_automation_files_that_cannot_be_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=f"(?s){told}"):
        read_automation(csv(tmp_path, text), [GAIN, TONE])


def test_files_that_are_no_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_automation(tmp_path / "none.csv", [GAIN])
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00seconds")
    with pytest.raises(DataError, match="no CSV"):
        read_automation(tmp_path / "bytes.csv", [GAIN])


def test_one_knob_is_not_moved_twice(tmp_path: Path) -> None:
    path = csv(tmp_path, "seconds,gain\n0,1\n1,2\n")
    with pytest.raises(SettingsError, match="two automation files"):
        controls_for([GAIN], [], [path, path])
    with pytest.raises(SettingsError, match="an automation file moves this knob"):
        controls_for([GAIN], ["gain=2"], [path])

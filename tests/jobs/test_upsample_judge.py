"""Judging upsamplers: whole and per-patch SNR and LSD against slow plain loops; what is kept; the page."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from upsample_runs import LOW_RATE, RATE, loud, sound, trained

from wavewright.audio import files
from wavewright.audio.degradation import Degradation, degraded, lowered
from wavewright.audio.recording import FloatArray, Recording
from wavewright.errors import DataError, OutputError, RunError
from wavewright.jobs.upsample import judge as upsample_judge
from wavewright.jobs.upsample import report as upsample_report
from wavewright.jobs.upsample import subjects as upsample_subjects
from wavewright.jobs.upsample.judge import PATCH, SILENCE, Figures, ShapedNoise, Tally, evaluate, figures, judge, means
from wavewright.jobs.upsample.upsampling import open_upsampler


def plain(output: FloatArray, target: FloatArray) -> tuple[float, float, float]:
    """SNR of the whole, mean SNR of the patches that sound, and LSD: loop by loop, as the definitions read."""

    def snr(y: FloatArray, x: FloatArray) -> float:
        signal = noise = 0.0
        for a, b in zip(y.astype(float), x.astype(float), strict=True):
            signal += b * b
            noise += (b - a) ** 2
        return 10 * math.log10(signal / noise)

    patches = []
    for start in range(0, len(target), PATCH):
        x = target[start : start + PATCH]
        if math.sqrt(sum(float(b) ** 2 for b in x) / len(x)) > SILENCE:
            patches.append(snr(output[start : start + PATCH], x))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    frames = []
    for centre in range(0, len(target) + 1, 512):
        powers = []
        for side in (output, target):
            piece = np.zeros(2048)
            for at in range(2048):
                if 0 <= centre - 1024 + at < len(side):
                    piece[at] = side[centre - 1024 + at]
            powers.append(np.maximum(np.abs(np.fft.rfft(piece * window)) ** 2, 1e-8))
        frames.append(math.sqrt(np.mean((np.log(powers[1]) - np.log(powers[0])) ** 2)))
    return snr(output, target), sum(patches) / len(patches), sum(frames) / len(frames)


def noisy(target: FloatArray, seed: int = 0) -> FloatArray:
    """``target`` and an error that grows, so that patches differ."""
    dice = np.random.default_rng(seed)
    growing = np.linspace(0.01, 0.2, len(target))
    return (target + growing * dice.standard_normal(len(target))).astype(np.float32)


@pytest.mark.parametrize("time", [700, PATCH, PATCH + 1, 3 * PATCH - 100])
def test_figures_are_what_slow_loops_find(time: int) -> None:
    target = sound(3, 4.0)[1000 : 1000 + time] + np.float32(1e-3)
    if time > 2 * PATCH:
        target[PATCH : 2 * PATCH] = 0  # a patch of silence has no SNR, and spoils no mean
    found, (snr, patches, lsd) = figures(noisy(target), target), plain(noisy(target), target)
    assert found.snr == pytest.approx(snr, abs=1e-6)
    assert found.snr_patches == pytest.approx(patches, abs=1e-6)
    assert found.lsd == pytest.approx(lsd, rel=1e-6)
    assert found.lsd10 == pytest.approx(lsd / math.log(10), rel=1e-6)


@trials(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(0, PATCH), st.integers(0, 1000))
def test_pieces_tell_what_the_whole_tells(patches: int, rest: int, seed: int) -> None:
    target = np.random.default_rng(seed).standard_normal((patches + 1) * PATCH + rest).astype(np.float32)
    tally = Tally()
    for part in (slice(0, patches * PATCH), slice(patches * PATCH, None)):
        tally.add(noisy(target)[part], target[part])
    found, whole = tally.figures, figures(noisy(target), target)
    for name in ("snr", "snr_patches", "lsd"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-9)


def test_what_is_perfect_or_silent_has_figures_that_json_can_hold() -> None:
    x = sound(1)
    assert figures(x, x).snr == upsample_judge.MOST_SNR
    silent = figures(np.zeros(9000, np.float32), np.zeros(9000, np.float32))
    assert silent.to_dict()["snr"] is None


def test_the_spline_goes_through_its_samples_and_the_resampler_is_the_band_that_is_left() -> None:
    full, how = sound(2, 1.0), Degradation("brick-wall")
    samples = lowered(full, RATE, LOW_RATE, how)
    np.testing.assert_allclose(upsample_judge.spline(samples, RATE, LOW_RATE, len(full))[::4], samples, atol=1e-6)
    ways = upsample_judge.restored(loud(), full, how)
    np.testing.assert_allclose(ways["resampler"], degraded(full, RATE, LOW_RATE, how), atol=1e-6)
    np.testing.assert_array_equal(ways["resampler"], ways["ideal low-pass"])
    assert upsample_judge.spline(np.ones(1, np.float32), RATE, LOW_RATE, 4).tolist() == [1, 1, 1, 1]


def test_shaped_noise_has_the_loudness_of_what_it_was_fitted_to() -> None:
    dice = np.random.default_rng(0)
    swell = 1 + np.sin(2 * np.pi * np.arange(4 * RATE) / RATE)
    first, other = ((0.1 * swell * dice.standard_normal(4 * RATE)).astype(np.float32) for _ in range(2))
    low = degraded(other, RATE, LOW_RATE, Degradation("brick-wall"))
    y = ShapedNoise([first], RATE, LOW_RATE)(low)
    spectra = [np.abs(np.fft.rfft(x)) ** 2 for x in (y, other)]
    upper = slice(round(1.2 * LOW_RATE / 2 * 4), None)
    ratio = 10 * math.log10(spectra[0][upper].sum() / spectra[1][upper].sum())
    assert abs(ratio) < 1
    assert figures(y, other).lsd10 < 0.5 * figures(low, other).lsd10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Full-band sounds in two folders, two of one name, and what cannot be measured."""
    for number, name in enumerate(("one/a.wav", "two/a.flac", "two/b.wav")):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.stack([sound(number, 1.0), sound(number, 1.0)])
        files.write(path, Recording(x, RATE))
    files.write(tmp_path / "sounds" / "low.wav", Recording(sound(4, 1.0, 4000)[np.newaxis], 4000))
    files.write(tmp_path / "sounds" / "silent.wav", Recording(np.zeros((1, RATE), np.float32), RATE))
    (tmp_path / "sounds" / "torn.wav").write_bytes(b"RIFF")
    return tmp_path / "sounds"


def test_sounds_pictures_and_the_table_are_kept(folder: Path, tmp_path: Path) -> None:
    upsampler, out = loud(), tmp_path / "out"
    subjects, left = upsample_subjects.of_files(upsampler, [folder], out)
    verdict = judge(upsampler, subjects, "chebyshev", left, output=out)
    names = ["one_a", "two_a", "b"]
    wanted = {f"{name}.{kind}.{suffix}" for name in names for kind in ("hr", "lr", "sr") for suffix in ("wav", "png")}
    assert {path.name for path in out.iterdir()} == wanted | {"figures.csv"}
    assert {one.path.name for one in verdict.left_out} == {"low.wav", "silent.wav", "torn.wav"}
    hr, lr, sr = (files.read(out / f"b.{kind}.wav").samples[0] for kind in ("hr", "lr", "sr"))
    np.testing.assert_allclose(lr, degraded(hr, RATE, LOW_RATE, Degradation()), atol=1e-6)
    measured = next(one for one in verdict.judged if one.path.name == "b.wav")
    assert figures(sr, hr).snr == pytest.approx(measured.ways["model"].snr, abs=1e-6)
    assert figures(lr, hr).lsd == pytest.approx(measured.ways["resampler"].lsd, rel=1e-6)
    rows = list(csv.DictReader((out / "figures.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 4
    column = [float(row["model snr"]) for row in rows]
    assert column[-1] == pytest.approx(sum(column[:-1]) / 3, abs=1e-3)
    assert float(rows[-1]["spline lsd10"]) == pytest.approx(means(verdict.judged)["spline"].lsd10, abs=1e-3)
    with pytest.raises(OutputError, match="already exists"):
        judge(upsampler, subjects, "chebyshev", output=out)
    again, _ = upsample_subjects.of_files(upsampler, [folder, out], out)
    assert not [one for one in again if out in one.path.parents], "its own outputs are measured"


def test_long_sounds_are_measured_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(tmp_path / "a.wav", Recording(sound(1, 6.0)[np.newaxis], RATE))
    (whole,) = evaluate(loud(), [tmp_path / "a.wav"], "chebyshev")
    monkeypatch.setattr(upsample_subjects, "PIECE", PATCH)
    subjects, _ = upsample_subjects.of_files(loud(), [tmp_path / "a.wav"])
    assert [len(piece) for piece in subjects[0].pieces()] == [PATCH] * 4 + [6 * RATE - 4 * PATCH]
    (pieces,) = evaluate(loud(), [tmp_path / "a.wav"], "chebyshev")
    for way in whole.ways:
        assert pieces.ways[way].snr == pytest.approx(whole.ways[way].snr, abs=0.3)


def test_a_mix_loses_the_band_in_other_ways_and_the_same_ones_each_time(folder: Path) -> None:
    first, again = (evaluate(loud(), [folder], "mix") for _ in range(2))
    assert [one.how for one in first] == [one.how for one in again]
    assert len({one.how for one in first}) > 1
    assert first[0].ways == again[0].ways


def test_nothing_to_measure_is_refused(tmp_path: Path) -> None:
    files.write(tmp_path / "low.wav", Recording(sound(4, 1.0, 4000)[np.newaxis], 4000))
    with pytest.raises(DataError, match=r"none of 1 files can be measured.*at 4000 Hz, below the full rate of 8000"):
        evaluate(loud(), [tmp_path], "chebyshev")
    files.write(tmp_path / "low.wav", Recording(np.zeros((1, 9000), np.float32), RATE), force=True)
    with pytest.raises(DataError, match="silent"):
        evaluate(loud(), [tmp_path], "chebyshev")
    with pytest.raises(RunError, match="name full-band files or folders"):
        upsample_subjects.held_out(loud())


def test_the_page_of_a_run(tmp_path: Path) -> None:
    run = trained(tmp_path, train={"validate_steps": 1})
    opened = open_upsampler(run)
    assert {one.path.name for one in upsample_subjects.held_out(opened)} == {
        Path(path).name
        for path in opened.run.info["extra"]["held_out"]  # type: ignore[union-attr]
    }
    assert upsample_subjects.learned(opened)
    page = upsample_report.write(run, title="Old <tapes> & new").read_text(encoding="utf-8")
    assert page.count("<audio") == 3 * 4
    for words in ("Old &lt;tapes&gt; &amp; new", "shaped noise", "ideal low-pass", "Mean spectrum", "SNR on held-out"):
        assert words in page, words
    assert "http" not in page.replace("http-equiv", ""), "the page asks for something from outside"
    with pytest.raises(OutputError, match="already exists"):
        upsample_report.write(run, run / "run.json")


def test_the_page_tells_of_each_sound_its_own_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, sounds = trained(tmp_path), tmp_path / "sounds"
    sounds.mkdir()
    for name, x in (("a", np.zeros(RATE)), ("b", sound(1, 1.0)), ("c", sound(2, 2.0)), ("d", sound(3, 3.0))):
        files.write(sounds / f"{name}.wav", Recording(np.asarray(x, np.float32)[np.newaxis], RATE))
    monkeypatch.setattr(upsample_subjects, "held_out", lambda opened: upsample_subjects.of_files(opened, [sounds])[0])
    pages = []
    monkeypatch.setattr(upsample_report, "upsampler_report", lambda path, page, force: pages.append(page))
    upsample_report.write(run)
    assert [heard.name for heard in pages[0].heard] == ["b.wav", "c.wav", "d.wav"]  # a is silent, and left out
    for seconds, heard in enumerate(pages[0].heard, start=1):
        assert len(heard.full) == seconds * RATE
        assert heard.notes[0].startswith(f"{seconds}.0 s;")


def test_means_pass_over_what_has_no_figure() -> None:
    judged = [
        upsample_judge.Judged("a", Path("a"), 1.0, {"model": Figures(10.0, math.nan, 1.0)}),
        upsample_judge.Judged("b", Path("b"), 1.0, {"model": Figures(20.0, 5.0, 2.0)}),
    ]
    assert means(judged) == {"model": Figures(15.0, 5.0, 1.5)}

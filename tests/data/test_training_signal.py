"""The training signal: its clicks and parts where they are said to be, its slices from everywhere, cross-faded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.training_signal import SignalSettings, compose, compose_reported, crossfade_windows
from wavewright.errors import AudioFileError, DataError, SettingsError

RATE = 16_000
SHORT = SignalSettings(
    seconds=20, rate=RATE, sweep_seconds=2, noise_seconds=1, silence_seconds=1, slice_longest=2.0, slice_shortest=0.3
)
SLICES = slice(round(5.5 * RATE), round(18.5 * RATE))  # between the four seconds of the rest and the clicks


def save(path: Path, samples: FloatArray, rate: int = RATE) -> Path:
    path.parent.mkdir(exist_ok=True)
    files.write(path, Recording(np.atleast_2d(samples).astype(np.float32), rate))
    return path


def noise(seconds: float, rate: int = RATE, level: float = 0.3, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-level, level, round(seconds * rate)).astype(np.float32)


def tone(hz: float, seconds: float, rate: int) -> FloatArray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_the_windows_sum_to_constant_power() -> None:
    for frames in (1, 2, 17, 960):
        rising, falling = crossfade_windows(frames)
        np.testing.assert_allclose(rising**2 + falling**2, 1.0, atol=1e-6)
        np.testing.assert_allclose(rising, falling[::-1], atol=1e-6)


@pytest.mark.parametrize("settings", [SHORT, replace(SHORT, clicks=1, click_gap=0.75), replace(SHORT, rate=44_100)])
def test_clicks_stand_alone_where_they_are_said_to_be(settings: SignalSettings) -> None:
    signal = compose(settings)
    x, gap = signal.samples[0], round(settings.click_gap * settings.rate)
    start, end = settings.click_positions()
    assert (signal.rate, signal.channels, signal.frames) == (settings.rate, 1, settings.seconds * settings.rate)
    assert len(start) == len(end) == settings.clicks
    for at in start + end:
        assert x[at] == pytest.approx(10 ** (-1 / 20), rel=1e-5)
        assert not x[at - gap + 2 : at].any()  # the click before it may end there
        assert len(x[at + 2 : at + gap]) == gap - 2
        assert not x[at + 2 : at + gap].any()
    assert np.abs(x).max() < 0.99


def test_the_parts_follow_each_other() -> None:
    x = compose(SHORT).samples[0]
    sweep, ramp, hush = (x[round(a * RATE) : round(b * RATE)] for a, b in ((1.5, 3.5), (3.5, 4.5), (4.5, 5.5)))
    assert np.abs(sweep).max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    first, last = (np.abs(np.fft.rfft(part)).argmax() * RATE / 2000 for part in (sweep[:2000], sweep[-2000:]))
    assert first < 100 < 3000 < last
    assert np.abs(ramp[-1600:]).max() > 100 * np.abs(ramp[:1600]).max()
    assert not hush[: RATE // 2].any()
    assert np.abs(x[SLICES]).max() > 0.05


def test_same_seed_same_signal() -> None:
    np.testing.assert_array_equal(compose(SHORT).samples, compose(SHORT).samples)
    assert not np.array_equal(compose(SHORT).samples, compose(replace(SHORT, seed=1)).samples)


def test_joints_keep_the_power_of_what_they_join(tmp_path: Path) -> None:
    path = save(tmp_path / "noise.wav", noise(30.0))
    settings = replace(SHORT, quietest_db=-20, loudest_db=-20, crossfade=0.15)
    x = compose(settings, [path]).samples[0][SLICES][2400:-2400]
    level = 10 * np.log10((x[: len(x) // 800 * 800].reshape(-1, 800) ** 2).mean(axis=1))
    assert np.ptp(level) < 2.0  # a linear cross-fade would dip by 3 dB
    assert level.mean() == pytest.approx(20 * np.log10(0.1 / np.sqrt(3)), abs=0.2)


def test_levels_lie_in_the_asked_range(tmp_path: Path) -> None:
    path = save(tmp_path / "noise.wav", noise(30.0))
    settings = replace(SHORT, seconds=60, quietest_db=-40, loudest_db=-10, slice_shortest=1.0)
    x = compose(settings, [path]).samples[0][6 * RATE : 58 * RATE]
    level = 20 * np.log10(np.abs(x[: len(x) // 1600 * 1600].reshape(-1, 1600)).max(axis=1))
    assert level.min() > -41
    assert level.max() < -6.9  # two at -10 dB may meet
    assert level.min() < -32
    assert level.max() > -18


def test_files_of_any_rate_and_channel_count_are_heard_at_their_pitch(tmp_path: Path) -> None:
    save(tmp_path / "low.wav", tone(500, 4, 8000), 8000)
    save(tmp_path / "deep" / "high.flac", np.stack([tone(3000, 4, 44_100), 0 * tone(3000, 4, 44_100)]), 44_100)
    signal, report = compose_reported(SHORT, [tmp_path])
    power = np.abs(np.fft.rfft(signal.samples[0][SLICES])) ** 2
    hz = np.fft.rfftfreq(round(13 * RATE), 1 / RATE)
    near = (np.abs(hz - 500) < 20) | (np.abs(hz - 3000) < 20)
    assert power[near].sum() > 0.98 * power.sum()
    assert min(power[np.abs(hz - f) < 20].sum() for f in (500, 3000)) > 1e-3 * power.sum()
    assert (report.sources, report.skipped) == (2, {})
    assert report.slices >= 6


def test_files_are_read_by_the_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "long.wav", noise(60.0))
    asked: list[tuple[int, int]] = []
    read = files.read

    def watched(name: str, start: int, frames: int) -> Recording:
        asked.append((start, frames))
        return read(name, start, frames)

    monkeypatch.setattr(files, "read", watched)
    compose(SHORT, [path])
    assert max(frames for _, frames in asked) <= SHORT.slice_longest * RATE
    assert max(start for start, _ in asked) > 30 * RATE


def test_silent_parts_are_left_out(tmp_path: Path) -> None:
    path = save(
        tmp_path / "sparse.wav", np.concatenate([noise(3.0), np.zeros(5 * RATE), noise(3.0), np.zeros(2 * RATE)])
    )
    x = compose(SHORT, [path]).samples[0][SLICES]
    quiet = np.abs(x[: len(x) // 320 * 320].reshape(-1, 320)).max(axis=1) < 1e-4
    assert quiet.mean() < 0.05


def test_shots_shorter_than_a_cross_fade_are_used_too(tmp_path: Path) -> None:
    path = save(tmp_path / "tick.wav", noise(0.01))
    assert np.abs(compose(SHORT, [path]).samples[0][SLICES]).max() > 0.02


def test_one_bad_file_is_named_and_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "good.wav", noise(5.0))
    (tmp_path / "text.wav").write_text("not a sound")
    save(tmp_path / "silent.wav", np.zeros(5 * RATE))
    broken = noise(3.0)
    broken[:] = np.nan
    import soundfile

    soundfile.write(tmp_path / "broken.wav", broken, RATE, subtype="FLOAT")
    signal, report = compose_reported(replace(SHORT, seconds=60), [tmp_path])
    reasons = {Path(name).name: reason for name, reason in report.skipped.items()}
    assert set(reasons) == {"text.wav", "silent.wav", "broken.wav"}
    assert "is not a sound file" in reasons["text.wav"]
    assert "silent: below -60 dBFS" in reasons["silent.wav"]
    assert "not finite" in reasons["broken.wav"]
    assert report.sources == 1
    assert np.isfinite(signal.samples).all()


def test_nothing_to_cut_from_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"holds no sound file; looked for \.wav, \.flac"):
        compose(SHORT, [tmp_path])
    with pytest.raises(AudioFileError, match="does not exist"):
        compose(SHORT, [tmp_path / "gone"])
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(DataError, match=r"none of the 1 sound files can be used.*is not a sound file"):
        compose(SHORT, [tmp_path])
    save(tmp_path / "silent.wav", np.zeros(5 * RATE))
    with pytest.raises(DataError, match=r"no sound is left to cut slices from: .*silent"):
        compose(SHORT, [tmp_path / "silent.wav"])


def test_settings_at_odds_are_told_all_at_once() -> None:
    bad = replace(
        SHORT, seconds=6, slice_shortest=1.0, slice_longest=0.5, quietest_db=-10, loudest_db=-20, crossfade=0.9
    )
    with pytest.raises(SettingsError) as caught:
        compose(bad)
    assert len(caught.value.problems) == 4
    with pytest.raises(SettingsError, match="setting clicks = 0: must be at least 1"):
        compose(replace(SHORT, clicks=0))


def test_the_shortest_allowed_signal_works() -> None:
    with pytest.raises(SettingsError, match=r"seconds = 8\.9: must be at least 9"):
        compose(replace(SHORT, seconds=8.9))
    assert compose(replace(SHORT, seconds=9.0)).seconds == 9.0


def test_parts_may_be_left_out() -> None:
    bare = replace(SHORT, sweep_seconds=0.0, noise_seconds=0.0, silence_seconds=0.0)
    assert np.abs(compose(bare).samples[0][14 * RATE : 18 * RATE]).max() > 0.02

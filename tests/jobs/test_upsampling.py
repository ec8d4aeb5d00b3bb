"""Upsamplers at work on files: what was there stays, at any rate; chunks are the whole; what is odd is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from scipy import signal
from upsample_runs import LOW_RATE, RATE, loud, sound

from wavewright.audio import files
from wavewright.audio.degradation import Degradation, degraded, lowered
from wavewright.audio.recording import FloatArray, Recording
from wavewright.engine.render import RenderError
from wavewright.errors import AudioFileError, OutputError, SettingsError
from wavewright.jobs.upsample import upsampling
from wavewright.jobs.upsample.upsampling import Upsampler, play, render

KEPT = 0.8 * LOW_RATE / 2


def low(seconds: float = 2.0, seed: int = 5) -> FloatArray:
    """A sound ``(time,)`` at the full rate that has lost its upper band."""
    return degraded(sound(seed, seconds), RATE, LOW_RATE, Degradation())


def band(x: NDArray[np.floating], rate: int, below: float) -> NDArray[np.float64]:
    """``x`` ``(…, time)`` below a frequency, by a long windowed sinc of scipy's: no code of the house."""
    taps = signal.firwin(2047, below, window=("kaiser", 12.0), fs=rate)
    return np.asarray(signal.fftconvolve(x, taps.reshape((1,) * (x.ndim - 1) + (-1,)), mode="same", axes=-1))


def decibels(error: NDArray[np.floating], of: NDArray[np.floating]) -> float:
    return float(10 * np.log10(np.square(error).sum() / np.square(of).sum()))


def put(path: Path, x: FloatArray, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, np.asarray(x).T, rate, subtype=subtype)
    return path


def brought(upsampler: Upsampler, path: Path, **others: object) -> tuple[upsampling.Upsampled, FloatArray]:
    (done,) = render(upsampler, [path], path.parent / "out.wav", force=True, **others)  # type: ignore[arg-type]
    return done, files.read(done.output).samples


@pytest.mark.parametrize("network", ["spectral-upsampler", "audio-unet", "tfilm-unet", "patch-dnn"])
@pytest.mark.parametrize("kind", ["chebyshev", "subsample", "bessel"])
def test_below_the_cutoff_the_output_is_the_input(tmp_path: Path, network: str, kind: str) -> None:
    x = degraded(sound(5, 2.0), RATE, LOW_RATE, Degradation(kind))
    done, y = brought(loud(network), put(tmp_path / "a.wav", x))
    assert y.shape == (1, len(x))
    assert done.above == KEPT
    assert decibels(band(y[0] - x, RATE, 0.95 * KEPT), band(x, RATE, 0.95 * KEPT)) < -60
    assert decibels(y[0] - x, x) > -30, "the network wrote nothing, so that this says nothing"


@pytest.mark.parametrize("network", ["spectral-upsampler", "audio-unet", "patch-dnn"])
def test_chunks_are_the_whole(tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upsampler, x = loud(network), low(13.0)
    with torch.no_grad():
        padded = np.pad(x, (0, -len(x) % upsampler.network.multiple))
        whole = upsampler.crossed()(torch.from_numpy(padded).view(1, 1, -1))[0][0, 0, : len(x)].numpy()
    monkeypatch.setattr(upsampling, "BLOCK", 5000)
    _, y = brought(upsampler, put(tmp_path / "a.wav", x))
    inside = slice(RATE // 100, -RATE // 100)  # at its ends a sound has the fades that the network does not know of
    np.testing.assert_allclose(y[0, inside], whole[inside], atol=1e-4 * np.abs(whole).max())
    np.testing.assert_allclose(play(upsampler, x), y[0], atol=1e-5 * np.abs(whole).max())


def test_a_file_at_the_low_rate_comes_up_to_the_full_one(tmp_path: Path) -> None:
    full = sound(5, 2.0)
    samples = lowered(full, RATE, LOW_RATE, Degradation())
    done, y = brought(loud(), put(tmp_path / "a.wav", samples, LOW_RATE))
    assert (done.rate, y.shape) == (RATE, (1, 4 * len(samples)))
    x = degraded(full, RATE, LOW_RATE, Degradation())
    inside = slice(500, len(x) - 500)  # two resamplers end a sound in ways of their own
    error = band(y[0, : len(x)] - x, RATE, 0.95 * KEPT)
    assert decibels(error[inside], band(x, RATE, KEPT)[inside]) < -60


@pytest.mark.parametrize("rate", [11_025, 16_000, 44_100])
def test_a_file_of_a_higher_rate_keeps_it_and_loses_nothing(tmp_path: Path, rate: int) -> None:
    time = round(1.5 * rate)
    X = np.fft.rfft(np.random.default_rng(0).standard_normal(time))
    X[np.fft.rfftfreq(time, 1 / rate) > 0.95 * LOW_RATE / 2] = 0
    swell = 1 + np.sin(2 * np.pi * 2 * np.arange(time) / rate)
    x = (0.2 * np.fft.irfft(X, time) * swell).astype(np.float32)
    done, y = brought(loud(), put(tmp_path / "a.wav", x, rate))
    assert (done.rate, y.shape) == (rate, (1, time))
    assert decibels(band(y[0] - x, rate, 0.93 * KEPT), x) < -60
    upper = y[0] - band(y[0], rate, 1.3 * LOW_RATE)
    assert decibels(upper, x) > -40, "nothing was added"
    assert decibels(y[0] - band(y[0], rate, RATE / 2), x) < -40, "something was added where the network writes nothing"


def test_the_output_may_have_another_rate(tmp_path: Path) -> None:
    path = put(tmp_path / "a.wav", low())
    for rate in (4000, 6000, 22_050):
        done, y = brought(loud(), path, output_rate=rate)
        assert (done.rate, y.shape[1]) == (rate, 2 * rate)
        assert files.info(done.output).rate == rate
    with pytest.raises(SettingsError, match="output_rate = 2000: must be above 2000 Hz"):
        brought(loud(), path, output_rate=2000)


def test_what_a_file_holds_beyond_the_low_band_stays_its_own(tmp_path: Path) -> None:
    x = degraded(sound(5, 2.0), RATE, 5200, Degradation("brick-wall"))
    done, y = brought(loud(), put(tmp_path / "a.wav", x))
    assert 2400 < done.edge < 2750
    assert done.above is not None
    assert 2300 < done.above < 2700
    assert "holds sound up to" in done.note
    assert decibels(band(y[0] - x, RATE, 2300), band(x, RATE, 2300)) < -60
    assert decibels(y[0] - x, x) > -40
    told, z = brought(loud(), tmp_path / "a.wav", edge=1500.0)
    assert told.above == 1500
    assert decibels(band(z[0] - x, RATE, 1400), band(x, RATE, 1400)) < -60
    assert decibels(band(z[0] - x, RATE, 2300), band(x, RATE, 2300)) > -40, "the edge that was told did not count"


def test_a_full_band_file_is_recognised_and_stays_as_it_is(tmp_path: Path) -> None:
    x = sound(5, 2.0)
    done, y = brought(loud(), put(tmp_path / "a.wav", x))
    assert done.above is None
    assert "full-band" in done.note
    np.testing.assert_array_equal(y[0], x)
    higher = sound(5, 2.0, 16_000)
    done, y = brought(loud(), put(tmp_path / "b.wav", higher, 16_000))
    assert done.above is None
    np.testing.assert_array_equal(y[0], higher)


def test_a_band_that_ends_too_low_is_told(tmp_path: Path) -> None:
    x = degraded(sound(5, 2.0), RATE, 900, Degradation("brick-wall"))
    done, y = brought(loud(), put(tmp_path / "a.wav", x))
    assert "what lies between stays empty" in done.note
    assert decibels(band(y[0] - x, RATE, 0.95 * KEPT), x) < -60


@pytest.mark.parametrize("time", [1, 2, 3, 31, 100, 1023])
@pytest.mark.parametrize("rate", [LOW_RATE, RATE, 44_100])
def test_very_short_files(tmp_path: Path, time: int, rate: int) -> None:
    x = 0.5 * np.cos(np.arange(time, dtype=np.float32))
    done, y = brought(loud(), put(tmp_path / "a.wav", x, rate))
    assert y.shape == (1, round(time * done.rate / rate))
    assert np.isfinite(y).all()


def test_silence_dc_and_clipping(tmp_path: Path) -> None:
    done, y = brought(loud(), put(tmp_path / "a.wav", np.zeros(9000, np.float32)))
    assert "no sound to go by" in done.note
    assert not y.any()
    _, y = brought(loud(), put(tmp_path / "b.wav", np.full(9000, 0.25, np.float32)))
    assert abs(float(y[0, 4000:5000].mean()) - 0.25) < 1e-3
    x = np.clip(40 * low(), -1, 1).astype(np.float32)
    put(tmp_path / "c.wav", x, subtype="PCM_16")
    (done,) = render(loud(), [tmp_path / "c.wav"], tmp_path / "c.flac", subtype="PCM_16", edge=900.0)
    assert done.clipped > 0
    assert float(np.abs(files.read(tmp_path / "c.flac").samples).max()) <= 1


@pytest.mark.parametrize("channels", [2, 6])
def test_each_channel_is_brought_back_as_if_alone(tmp_path: Path, channels: int) -> None:
    x = np.stack([low(seed=number) * (0.5 + 0.1 * number) for number in range(channels)])
    _, y = brought(loud(), put(tmp_path / "all.wav", x))
    for number in range(channels):
        _, alone = brought(loud(), put(tmp_path / "one.wav", x[number]))
        np.testing.assert_allclose(y[number], alone[0], atol=1e-5)


def test_many_files_go_into_a_folder_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    out.mkdir()
    for number in range(3):
        put(place / f"{number}.wav", low(0.5, number))
    broken = low(0.5)
    broken[100] = np.nan
    put(place / "nan.wav", broken)
    with pytest.raises(RenderError, match=r"1 of 4 files failed(.|\n)*nan\.wav holds 1 samples that are not finite"):
        render(loud(), [place], out)
    assert sorted(path.name for path in out.iterdir()) == ["0.wav", "1.wav", "2.wav"]
    with pytest.raises(AudioFileError, match="not finite"):
        render(loud(), [place / "nan.wav"], tmp_path / "alone.wav")
    assert not (tmp_path / "alone.wav").exists()
    with pytest.raises(OutputError, match="already exists"):
        render(loud(), [place / "0.wav"], out)
    with pytest.raises(OutputError, match="is the input itself"):
        render(loud(), [place / "0.wav"], place, force=True)
    with pytest.raises(OutputError, match="cannot all become"):
        render(loud(), [place], tmp_path / "one.wav")


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    files.write(tmp_path / "a.wav", Recording(low(0.7)[np.newaxis], RATE))
    render(loud(), [tmp_path / "a.wav"], tmp_path / "b.wav", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == round(0.7 * RATE)

"""Files through a player: as from memory, whatever the threads; one bad file leaves the others alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.engine import render
from wavewright.engine.player import Player
from wavewright.engine.render import Failed, RenderError
from wavewright.errors import AudioFileError, DataError, OutputError
from wavewright.nets.contract import Network
from wavewright.nets.registry import build

RATE = 48_000
NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "wavenet": ("a1-nano", {}),
    "lstm": ("lstm", {"hidden_size": 24, "prewarm": 300}),
    "impulse response": ("linear", {"taps": 700}),
}


def network(name: str) -> Network:
    torch.manual_seed(3)
    kind, changes = NETS[name]
    return build(kind, **changes)


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.3).astype(np.float32)


def written(path: Path, x: np.ndarray, rate: int = RATE) -> Path:
    files.write(path, Recording(x, rate))
    return path


def rendered(
    net: Network, sources: Sequence[Path], output: Path, rate: int | None = RATE, **how: Any
) -> list[render.Rendered]:
    plans = render.plan(sources, output, rate, resample=True, force=True)
    return render.render_files(net, rate, plans, force=True, **how)


class Delayed(Network):
    """Gives its input back, ``latency`` samples late."""

    latency = 5

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    @property
    def receptive_field(self) -> int:
        return self.latency + 1

    def init_state(self, batch: int) -> tuple[torch.Tensor, ...]:
        return (torch.zeros(batch, 1, self.latency),)

    def forward(
        self, x: torch.Tensor, state: tuple[torch.Tensor, ...] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        (past,) = self.init_state(x.shape[0]) if state is None else state
        whole = torch.cat([past, x], dim=-1)
        return whole[..., : x.shape[-1]], (whole[..., x.shape[-1] :],)


class Looking(Network):
    """Not causal: the mean of a sample and of the one 40 samples later."""

    causal = False
    lookahead = 40
    receptive_field = 41

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(
        self, x: torch.Tensor, state: tuple[torch.Tensor, ...] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        later = torch.nn.functional.pad(x, (0, 40))[..., 40:]
        return (x + later) / 2, ()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", NETS)
def test_a_file_sounds_as_from_memory_on_any_number_of_threads(
    name: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "BLOCK", 1000)
    net, x = network(name), noise(5, 4321)
    (done,) = rendered(net, [written(tmp_path / "in.wav", x)], tmp_path / "out.wav", threads=threads)
    back = files.read(tmp_path / "out.wav")
    np.testing.assert_array_equal(back.samples, Player(net, channels=5).process(x))
    assert (back.rate, done.rate, done.seconds, done.clipped, done.non_finite) == (RATE, RATE, 4321 / RATE, 0, 0)


@pytest.mark.parametrize("samples", [1, 4, 2500])
def test_latency_is_taken_out(samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "BLOCK", 1000)
    x = noise(2, samples)
    rendered(Delayed(), [written(tmp_path / "in.wav", x)], tmp_path / "out.wav")
    np.testing.assert_array_equal(files.read(tmp_path / "out.wav").samples, x)


def test_a_network_that_looks_ahead_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "BLOCK", 1000)
    x = noise(2, 50_000)
    rendered(Looking(), [written(tmp_path / "in.wav", x)], tmp_path / "out.wav")
    expected = (x + np.pad(x, ((0, 0), (0, 40)))[:, 40:]) / 2
    np.testing.assert_allclose(files.read(tmp_path / "out.wav").samples, expected, rtol=0, atol=1e-6)


def test_a_file_of_another_rate_keeps_its_rate_and_its_length(tmp_path: Path) -> None:
    t = np.arange(44_100) / 44_100
    x = (0.4 * np.sin(2 * np.pi * 440 * t))[None].astype(np.float32)
    rendered(Delayed(), [written(tmp_path / "in.wav", x, 44_100)], tmp_path / "out.wav")
    back = files.read(tmp_path / "out.wav")
    assert (back.rate, back.frames) == (44_100, 44_100)
    np.testing.assert_allclose(back.samples[:, 2000:-2000], x[:, 2000:-2000], rtol=0, atol=1e-4)
    with pytest.raises(DataError, match="44100 Hz, the network at 48000 Hz"):
        render.plan([tmp_path / "in.wav"], tmp_path / "other.wav", RATE, resample=False, force=False)


def several(folder: Path, count: int) -> list[Path]:
    """Files of different lengths and channels."""
    return [written(folder / f"{at}.wav", noise(1 + at % 3, 3000 - 400 * at, seed=at)) for at in range(count)]


@pytest.mark.parametrize("threads", [2, 4, None])
def test_many_files_come_out_as_one_by_one_and_in_order(
    threads: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "BLOCK", 500)
    net, sources = network("lstm"), several(tmp_path, 6)
    for name in ("together", "alone"):
        (tmp_path / name).mkdir()
    told: list[tuple[int, int]] = []
    done = rendered(net, sources, tmp_path / "together", threads=threads, progress=lambda at, of: told.append((at, of)))
    assert [one.source for one in done] == sources
    assert [one.output for one in done] == [tmp_path / "together" / source.name for source in sources]
    for source in sources:
        (one,) = rendered(net, [source], tmp_path / "alone", threads=1)
        together = files.read(tmp_path / "together" / source.name).samples
        np.testing.assert_array_equal(together, files.read(one.output).samples)
    total = sum(files.info(source).frames for source in sources)
    assert told[-1] == (total, total)
    assert told == sorted(told)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_breaks_on_the_way_is_named_and_the_others_are_finished(tmp_path: Path, threads: int) -> None:
    sources = several(tmp_path, 4)
    broken = noise(1, 2000)
    broken[0, 1500] = np.nan
    soundfile.write(sources[1], broken.T, RATE, subtype="FLOAT")
    (tmp_path / "out").mkdir()
    with pytest.raises(
        RenderError, match=r"1 of 4 files failed:\n.*1\.wav holds 1 samples that are not finite"
    ) as error:
        rendered(network("lstm"), sources, tmp_path / "out", threads=threads)
    kinds = [isinstance(one, Failed) for one in error.value.done]
    assert kinds == [False, True, False, False]
    assert [one.source for one in error.value.done] == sources
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.wav", "2.wav", "3.wav"]
    with pytest.raises(AudioFileError, match="not finite"):
        rendered(network("lstm"), [sources[1]], tmp_path / "out")


def test_when_one_stops_all_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle: no file is left half-written, and no thread goes on."""
    monkeypatch.setattr(render, "BLOCK", 100)
    sources, calls = several(tmp_path, 6), 0

    def progress(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        rendered(network("lstm"), sources, tmp_path / "out", threads=2, progress=progress)
    assert list((tmp_path / "out").iterdir()) == []
    assert all("ThreadPool" not in thread.name for thread in threading.enumerate())


def test_a_disk_too_full_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path / "in.wav", noise(2, 200_000))
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(render.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OutputError, match=r"1\.0 MB left, and about 1\.7 MB are to be written"):
        render.plan([source], tmp_path / "out.wav", RATE, resample=False, force=False)
    render.plan([source], tmp_path / "out.wav", RATE, resample=False, force=False, subtype="PCM_16")


def test_what_a_format_cannot_hold_is_told_before_the_work(tmp_path: Path) -> None:
    source = written(tmp_path / "in.wav", noise(9, 100))
    with pytest.raises(OutputError, match="FLAC cannot hold 9 channels"):
        render.plan([source], tmp_path / "out.flac", RATE, resample=False, force=False)
    with pytest.raises(OutputError, match="no subtype"):
        render.plan([source], tmp_path / "out.wav", RATE, resample=False, force=False, subtype="PCM_12")


def test_a_long_file_goes_through_as_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a ten-hour file would: in and out beyond what a WAV counts."""
    monkeypatch.setattr(files, "_CHUNK_MOST", 4000)
    net, x = network("lstm"), noise(1, 3000)
    source = written(tmp_path / "in.wav", x)
    rendered(net, [source], tmp_path / "out.wav")
    assert [files.info(path).format for path in (source, tmp_path / "out.wav")] == ["RF64", "RF64"]
    np.testing.assert_array_equal(files.read(tmp_path / "out.wav").samples, Player(net).process(x))


def test_exact_activations_where_they_are_asked_for(tmp_path: Path) -> None:
    net, x = network("wavenet"), noise(2, 3000)
    source = written(tmp_path / "in.wav", x)
    for exact in (False, True):
        (one,) = rendered(net, [source], tmp_path / f"{exact}.wav", exact=exact)
        expected = Player(net, channels=2, exact=exact).process(x)
        np.testing.assert_array_equal(files.read(one.output).samples, expected)
    quick, right = (files.read(tmp_path / f"{exact}.wav").samples for exact in (False, True))
    assert 0 < np.abs(quick - right).max() < 1e-5

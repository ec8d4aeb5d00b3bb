"""A twin with a knob from end to end: learned at some positions, played at any, moved while it plays."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.cli.main import run as command
from wavewright.engine.automation import Controls, Track, still
from wavewright.engine.driven import DrivenPlayer
from wavewright.errors import DataError, PairError, SettingsError
from wavewright.jobs.emulate import pairs, playing, takes, twin
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.nets import standing
from wavewright.nets.contract import Network
from wavewright.nets.registry import from_config
from wavewright.train.progress import Silent
from wavewright.train.settings import with_budget

RATE = 8_000
VALUES = (0.0, 5.0, 10.0)


def device(dry: FloatArray, value: float) -> FloatArray:
    """An overdrive whose gain a knob from 0 to 10 sets."""
    return np.asarray(0.5 * np.tanh(0.5 * 16 ** (value / 10) * dry), np.float32)


def settings(network: str, steps: int, **more: object) -> EmulateSettings:
    plain = EmulateSettings(network=network, window=1024, validation_seconds=0.5, delay=0)
    train = replace(with_budget(plain.train, steps=steps), threads=1, validate_steps=steps, preview_minutes=None)
    return replace(plain, train=train, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("knob")
    noise = np.random.default_rng(0).standard_normal(5 * RATE)
    dry = (0.2 * np.convolve(noise, np.ones(8) / 4, "same")).astype(np.float32)[np.newaxis]
    files.write(folder / "dry.wav", Recording(dry, RATE), subtype="FLOAT")
    for number, value in enumerate(VALUES):
        files.write(folder / f"wet{number}.wav", Recording(device(dry, value), RATE), subtype="FLOAT")
    return [folder / name for name in ("dry.wav", "wet0.wav", "wet1.wav", "wet2.wav")]


def learned(recordings: list[Path], folder: Path, chosen: EmulateSettings) -> Path:
    capture = pairs.from_flags(recordings, [f"gain={','.join(map(str, VALUES))}"])
    emulate.train_capture(capture, folder, chosen, Silent())
    return folder


@pytest.fixture(scope="module")
def run(recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learned(recordings, tmp_path_factory.mktemp("runs") / "run", settings("a1-nano", 120))


@pytest.fixture(scope="module", params=["concat", "film", "lstm"])
def network(request: pytest.FixtureRequest) -> Network:
    """An untrained network with a knob that does a lot."""
    torch.manual_seed(3)
    name = "lstm" if request.param == "lstm" else "a1-nano"
    chosen = settings(name, 1, conditioning="concat" if name == "lstm" else request.param)
    net = emulate.new_network(chosen, knobs=1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "shapings" in name or "bend" in name or "weight_ih" in name:
                parameter.normal_()
    return net.eval()


def test_the_knob_is_learned_and_every_pair_is_judged(run: Path) -> None:
    judged = twin.evaluate(twin.open_twin(run))
    assert list(judged.each) == ["gain=0", "gain=5", "gain=10"]
    opened = twin.open_twin(run)
    for part in twin.held_out_parts(opened):  # each recording is that of its own position, and of no other
        at = {value: twin.play(opened.at({"gain": value}).network, part.dry)[:, part.context :] for value in VALUES}
        errors = {value: twin.judge(played, part.wet, RATE, 0).figures["esr"] for value, played in at.items()}
        assert min(errors, key=lambda value: errors[value]) == part.values["gain"]
        assert errors[part.values["gain"]] == pytest.approx(judged.each[part.label]["esr"], rel=1e-4)
    saved = json.loads((run / "run.json").read_text())["extra"]
    assert saved["knobs"] == [{"name": "gain", "low": 0.0, "high": 10.0}]
    assert [pair["knobs"] for pair in saved["pairs"]] == [{"gain": value} for value in VALUES]


def test_each_pair_keeps_its_own_end_out_of_training(recordings: list[Path]) -> None:
    capture = pairs.from_flags(recordings, ["gain=0,5,10"])
    chosen = settings("a1-nano", 1)
    material = takes.gather(capture, takes.prepare(capture, chosen))
    task = emulate.EmulateTask(emulate.new_network(chosen, knobs=1), material, chosen)
    for take, held_out in zip(task.takes, task.held_out, strict=True):
        assert take.stop == held_out.stop
        assert held_out.frames == 0.5 * RATE
    for step in range(40):
        for first in task.windows.positions(step):
            for held_out in task.held_out:
                assert first + 1024 <= held_out.first or first >= held_out.stop
    dry, wet = task.batch(0, 0, 1)
    assert set(dry[:, 1].flatten().tolist()) <= {0.0, 0.5, 1.0}
    for x, y in zip(dry, wet, strict=True):  # the knob that goes with a window is that of its pair
        value = VALUES[round(2 * float(x[1, 0]))]
        np.testing.assert_allclose(y[0], device(x[0, -1024:].numpy(), value), atol=1e-6)


def test_resuming_with_knobs_gives_the_same_weights(recordings: list[Path], tmp_path: Path) -> None:
    chosen = settings("a1-nano", 16, conditioning="film")
    whole = learned(recordings, tmp_path / "whole", chosen)

    class Impatient(emulate.EmulateTask):
        def batch(self, step: int, rank: int, world: int) -> tuple[torch.Tensor, ...]:
            if step == 7:
                signal.raise_signal(signal.SIGINT)
            return super().batch(step, rank, world)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulate, "EmulateTask", Impatient)
        parts = learned(recordings, tmp_path / "parts", chosen)
    assert emulate.resume(parts, chosen, Silent()).step == 16
    expected, found = load_file(whole / "last/checkpoint.safetensors"), load_file(parts / "last/checkpoint.safetensors")
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_other_recordings_are_not_resumed_with(recordings: list[Path], run: Path) -> None:
    with pytest.raises(DataError, match="begun with"):
        emulate.resume(run, settings("a1-nano", 150), Silent(), recordings[:2])


def test_a_network_without_a_place_for_knobs_is_refused_before_reading(recordings: list[Path], tmp_path: Path) -> None:
    capture = pairs.from_flags([recordings[0], tmp_path / "not there.wav", recordings[1]], ["gain=0,1"])
    with pytest.raises(SettingsError, match="takes no knobs"):
        emulate.train_capture(capture, tmp_path / "run", settings("linear", 1), Silent())
    assert not (tmp_path / "run").exists()


def test_wet_recordings_of_other_rates_are_refused_by_name(recordings: list[Path], tmp_path: Path) -> None:
    odd = tmp_path / "odd.wav"
    files.write(odd, Recording(files.read(recordings[1]).samples, 11_025))
    capture = pairs.from_flags([recordings[0], recordings[1], odd], ["gain=0,1"])
    with pytest.raises(PairError, match=r"odd\.wav.*11025"):
        emulate.train_capture(capture, tmp_path / "run", settings("a1-nano", 1), Silent())


@pytest.mark.parametrize("position", [0.0, 0.3, 1.0])
def test_a_knob_that_stands_still_is_the_folded_network(network: Network, position: float) -> None:
    sound = np.random.default_rng(1).standard_normal((2, 500)).astype(np.float32)
    driven = DrivenPlayer(network, 2, still([position]), RATE).process(sound)
    folded = twin.play(standing.at(network, [position]), sound)  # type: ignore[arg-type]
    np.testing.assert_allclose(driven, folded, atol=1e-5)


def test_a_moving_knob_is_followed_at_any_block_size(network: Network) -> None:
    """Against torch, in one go, with the knob as an input."""
    sound = 0.5 * np.random.default_rng(2).standard_normal((1, 160)).astype(np.float32)
    controls = Controls((Track((0.003, 0.01, 0.012), (0.1, 0.9, 0.4)),))
    knob = controls.at(0, 160, RATE)
    x = torch.from_numpy(np.concatenate([sound, knob]))[None]
    silence = torch.cat([torch.zeros(1, 1, network.prewarm), torch.full((1, 1, network.prewarm), controls.first[0])], 1)
    with torch.no_grad():
        _, state = network(silence)
        wanted = network(x, state)[0][0].numpy()
    for size in (1, 64, 160):
        player = DrivenPlayer(network, 1, controls, RATE)
        parts = [player.process(sound[:, at : at + size]) for at in range(0, 160, size)]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), wanted, atol=1e-5)


def test_a_slow_move_makes_no_steps(network: Network) -> None:
    """A knob that moves while a constant sounds: no sample differs from the one before by more than its share."""
    frames = 4000
    player = DrivenPlayer(network, 1, Controls((Track((0.0, frames / RATE), (0.0, 1.0)),)), RATE)
    assert player.process(np.zeros((1, 0), np.float32)).shape == (1, 0)
    sound = np.full((1, frames), 0.1, np.float32)
    ends = [float(twin.play(standing.at(network, [p]), np.full((1, 6000), 0.1, np.float32))[0, -1]) for p in (0.0, 1.0)]  # type: ignore[arg-type]
    y = player.process(sound)[0, 1000:]
    steps = np.abs(np.diff(y))
    assert steps.max() < 0.02 * (abs(ends[1] - ends[0]) + np.abs(y).max())


def test_render_turns_and_moves_the_knob(
    run: Path, recordings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, moves = tmp_path / "out.wav", tmp_path / "moves.csv"
    assert command(["render", str(run), str(recordings[0]), "-o", str(out), "--knob", "gain=2.5"]) == 0
    opened = twin.open_twin(run)
    dry = files.read(recordings[0]).samples
    np.testing.assert_allclose(files.read(out).samples, twin.play(opened.at({"gain": 2.5}).network, dry), atol=1e-5)
    moves.write_text("seconds,gain\n0,2.5\n1,2.5\n")
    for arguments in (["--automation", str(moves)], ["--knob", "gain=2.5", "--quiet"]):
        again = tmp_path / "again.wav"
        assert command(["render", str(run), str(recordings[0]), "-o", str(again), "--force", *arguments]) == 0
        np.testing.assert_array_equal(files.read(again).samples, files.read(out).samples)
    moves.write_text("seconds,gain\n0,0\n5,10\n")
    assert command(["render", str(run), str(recordings[0]), "-o", str(out), "--force", "--automation", str(moves)]) == 0
    moving = files.read(out).samples
    low, high = (twin.play(opened.at({"gain": value}).network, dry) for value in (0.0, 10.0))
    start, end = slice(0, RATE // 8), slice(-RATE // 8, None)
    assert np.square(moving - low)[:, start].sum() < 0.05 * np.square(high - low)[:, start].sum()
    assert np.square(moving - high)[:, end].sum() < 0.05 * np.square(high - low)[:, end].sum()
    capsys.readouterr()
    for arguments, told in (
        ([], "no value; add --knob gain=VALUE"),
        (["--knob", "gian=1"], "did you mean 'gain'"),
        (["--knob", "gain=11"], "trained from 0 to 10"),
    ):
        assert command(["render", str(run), str(recordings[0]), "-o", str(out), "--force", *arguments]) == 2
        assert told in capsys.readouterr().err


def test_evaluate_info_and_export_at_a_knob(
    run: Path, recordings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["evaluate", str(run)]) == 0
    assert "gain=5" in capsys.readouterr().out
    dry, _, middle, _ = map(str, recordings)
    assert command(["evaluate", str(run), dry, middle]) == 2
    assert "--knob gain=VALUE" in capsys.readouterr().err
    assert command(["evaluate", str(run), dry, middle, "--knob", "gain=5", "--json"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert command(["evaluate", str(run), dry, middle, "--knob", "gain=0", "--json"]) == 0
    assert here["esr"] < json.loads(capsys.readouterr().out)["esr"]
    assert command(["evaluate", str(run), dry, middle, "--table", "--knob", "gain=5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["esr"] == here["esr"]
    assert command(["evaluate", str(run), "--table", "--knob", "gain=5"]) == 2
    assert "--knob belongs to a pair" in capsys.readouterr().err
    assert command(["info", str(run)]) == 0
    assert "gain 0 to 10" in capsys.readouterr().out
    twin.export_nam(twin.open_twin(run).at({"gain": 7.0}), tmp_path / "seven.nam")
    sound = files.read(recordings[0]).samples[:, :2000]
    exported = twin.play(twin.open_twin(tmp_path / "seven.nam").network, sound)
    np.testing.assert_allclose(exported, twin.play(twin.open_twin(run).at({"gain": 7.0}).network, sound), atol=1e-6)


def test_training_tells_what_of_a_pair_is_used_and_what_to_do_next(
    recordings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry, low, _, high = recordings
    longer = files.read(high).samples
    files.write(tmp_path / "high.wav", Recording(np.pad(longer, ((0, 0), (0, 2 * RATE))), RATE), subtype="FLOAT")
    words = ["train", "emulate", *map(str, (dry, low, tmp_path / "high.wav")), "--knob", "gain=2,6"]
    few = ["--network", "a1-nano", "--steps", "1", "--threads", "1", "--validation-seconds", "0.5", "--delay", "0"]
    assert command([*words, *few, "-o", str(tmp_path / "run")]) == 0
    told = "".join(capsys.readouterr())
    assert "(gain=6): the wet recording is 2.0 s longer than the dry one; the 5.0 s that both hold are used" in told
    assert "note (gain=2): the wet" not in told
    assert f"wavewright export {tmp_path / 'run'} --knob gain=4 --to nam -o TWIN.nam" in told
    assert "held-out 0.5 s of every pair" in told


@pytest.mark.parametrize("wrong", [{"pairs": 3}, {"pairs": [{"dry": "x"}]}, {"knobs": "x"}, {"knobs": [{"name": "a"}]}])
def test_a_run_that_says_nonsense_of_its_pairs_is_refused(
    run: Path, tmp_path: Path, wrong: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    told["extra"] |= wrong
    (tmp_path / "run" / "run.json").write_text(json.dumps(told), encoding="utf-8")
    assert command(["evaluate", str(tmp_path / "run")]) == 2
    assert "run.json is damaged" in capsys.readouterr().err


def test_what_is_opened_without_a_value_keeps_its_knobs(run: Path) -> None:
    opened = playing.open_playable(run)
    assert [knob.name for knob in opened.knobs] == ["gain"]
    turned, controls = opened.at(["gain=3"])
    assert controls is None
    assert turned.network.in_channels == 1


def device_beyond(context: int, x: torch.Tensor) -> torch.Tensor:
    return 8 * x[..., context:]


def test_cut_off_samples_are_found_and_told(recordings: list[Path], tmp_path: Path) -> None:
    hot = np.clip(8 * files.read(recordings[0]).samples, -1, 1)
    files.write(tmp_path / "hot.wav", Recording(hot, RATE), subtype="FLOAT")
    capture = pairs.one_pair(recordings[0], tmp_path / "hot.wav")
    for cut_off in (True, False):
        chosen = settings("a1-nano", 1, cut_off=cut_off)
        made = takes.prepare(capture, chosen)
        assert any("cut off" in line for line in takes.notes(capture, made)) == cut_off
        task = emulate.EmulateTask(emulate.new_network(chosen), takes.gather(capture, made), chosen)
        true = partial(device_beyond, task.past)
        task.hear = task.sizes[""] = true
        # the device itself, heard without that converter, is without fault, and only so
        assert (float(task.loss(task.batch(0, 0, 1))) < 1e-3) == cut_off
        assert (task.validate()["esr"] < 1e-9) == cut_off


def test_runs_from_before_there_were_pairs_open_as_ever(run: Path, recordings: list[Path], tmp_path: Path) -> None:
    chosen = settings("a1-nano", 4)
    emulate.train(recordings[0], recordings[2], tmp_path / "run", chosen, Silent())
    place = tmp_path / "run" / "run.json"
    info = json.loads(place.read_text())
    before = twin.evaluate(twin.open_twin(tmp_path / "run")).figures
    for name in ("pairs", "knobs"):
        del info["extra"][name]
    for name in ("conditioning", "cut_off"):
        del info["settings"][name]
    place.write_text(json.dumps(info))
    assert twin.evaluate(twin.open_twin(tmp_path / "run")).figures == before
    assert emulate.resume(tmp_path / "run", chosen, Silent()).status == "finished"


def test_plain_values_bring_a_recurrent_network_with_a_knob_back() -> None:
    from wavewright.nets.registry import config_of

    net = emulate.new_network(settings("gru", 1), knobs=2)
    assert from_config(*config_of(net)).controls == 2


def test_the_page_has_every_position(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert command(["report", str(run), "-o", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    for value in (0, 5, 10):
        assert f"Dry, wet and twin at gain={value}" in text
    assert "This is gain=0; all of them are under Knobs." in text
    assert "Transfer curves along gain" in text
    assert "gain 2.5" in text  # between the positions, too

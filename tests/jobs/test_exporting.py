"""A twin leaves for other players: what is written plays the same, what cannot be written says why and what to do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.cli import export, info
from wavewright.errors import ModelFileError, OutputError, SettingsError
from wavewright.formats import aidax, nam, rtneural
from wavewright.jobs.emulate import exporting, packing, playing, twin
from wavewright.nets.registry import build
from wavewright.nets.slimmable import Slimmable

RATE = 16_000
TOLD = nam.NamMetadata(loudness=-18.0, gain=0.5)
"""What would be measured, which takes longer than the tests."""


def esr(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sum((found - expected) ** 2) / np.sum(expected.astype(np.float64) ** 2))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What users have: an LSTM that Proteus can play, a GRU, a WaveNet, a container, and a sound."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(5)
    aidax.save(folder / "lstm.json", build("lstm", hidden_size=40, skip=True, prewarm=50), RATE)
    rtneural.save(folder / "gru.json", build("gru", hidden_size=5, prewarm=50), RATE)
    told = replace(TOLD, gear_make="Maker", input_level_dbu=12.0)
    nam.save(folder / "wave.nam", build("a1-nano"), RATE, told)
    sizes = [(0.5, build("a1-nano")), (1.0, build("a1-feather"))]
    nam.save_container(folder / "sizes.nam", sizes, RATE)
    sound = (np.random.default_rng(2).standard_normal((1, 3000)) * 0.2).astype(np.float32)
    files.write(folder / "in.wav", Recording(sound, RATE), subtype="FLOAT")
    return folder


def rendered(model: Path, source: Path, target: Path) -> np.ndarray:
    playing.render(playing.open_playable(model), [source], target, force=True)
    return files.read(target).samples


CAN = {
    "lstm.json": ("rtneural", "aidax", "proteus", "onnx"),
    "gru.json": ("rtneural", "onnx"),
    "wave.nam": ("nam", "onnx"),
    "sizes.nam": ("nam", "onnx"),
}


@pytest.mark.parametrize("model", CAN)
def test_what_is_exported_is_rendered_as_before(models: Path, tmp_path: Path, model: str) -> None:
    opened = twin.open_twin(models / model)
    expected = rendered(models / model, models / "in.wav", tmp_path / "own.wav")
    for to, ending in exporting.FORMATS.items():
        target = tmp_path / f"{to}{ending}"
        if to in CAN[model]:
            done = exporting.export(opened, target, to, TOLD)
            assert esr(rendered(target, models / "in.wav", tmp_path / "out.wav"), expected) < 1e-9, to
            assert all(isinstance(note, str) for note in done.notes)
        else:
            with pytest.raises(ModelFileError, match=r"cannot be written as .*(train|use --to|holds)"):
                exporting.export(opened, target, to)
            assert not target.exists()


@pytest.mark.parametrize("to", ["rtneural", "aidax", "proteus"])
def test_knobs_keep_their_names_and_can_be_turned_or_fixed(models: Path, tmp_path: Path, to: str) -> None:
    """A file with its knob turned plays as one from which the knob was taken out."""
    torch.manual_seed(6)
    network = build("lstm", hidden_size=8, skip=True, input_size=2, controls=1, prewarm=50)
    rtneural.save(tmp_path / "source.json", network, RATE, knobs={"gain": (0.0, 10.0)})
    opened = twin.open_twin(tmp_path / "source.json")
    assert [(knob.name, knob.low, knob.high) for knob in opened.knobs] == [("gain", 0.0, 10.0)]
    exporting.export(opened, tmp_path / "turned.json", to)
    with pytest.raises(ModelFileError, match=r"knobs \(gain 0 to 10\) cannot be written as .nam.*--knob NAME=VALUE"):
        exporting.export(opened, tmp_path / "turned.nam", "nam")
    assert playing.open_playable(tmp_path / "turned.json").knobs == opened.knobs
    exporting.export(opened.turned(["gain=7.5"]), tmp_path / "fixed.json", to)
    fixed = rendered(tmp_path / "fixed.json", models / "in.wav", tmp_path / "fixed.wav")
    turned, moving = playing.open_playable(tmp_path / "turned.json").at(["gain=7.5"])
    assert moving is None
    playing.render(turned, [models / "in.wav"], tmp_path / "turned.wav")
    assert esr(files.read(tmp_path / "turned.wav").samples, fixed) < 1e-9
    other, _ = playing.open_playable(tmp_path / "turned.json").at(["gain=0"])
    playing.render(other, [models / "in.wav"], tmp_path / "other.wav")
    assert esr(files.read(tmp_path / "other.wav").samples, fixed) > 1e-6


SUGGESTED = {
    "a1-nano": "nam",
    "a2": "nam",
    "linear": "nam",
    "lstm": "nam",
    "gru": "rtneural",
    "gated-wavenet": "onnx",
    "conv-deconv": "",
}


@pytest.mark.parametrize("name", SUGGESTED)
def test_a_format_that_holds_the_network_is_suggested(tmp_path: Path, name: str) -> None:
    network = build(name).eval()
    one = twin.Twin(tmp_path, network.full if isinstance(network, Slimmable) else network, RATE, name)
    flags, to = exporting.suggested(one), SUGGESTED[name]
    assert flags.startswith(f"--to {to} -o") if to else not flags
    for other in ("nam", "onnx") if to == "onnx" else ("nam",):
        if other == to:
            assert exporting.export(one, tmp_path / "out", to, TOLD).path.is_file()
        else:
            with pytest.raises(ModelFileError, match=r"cannot be written as .nam, .*--network"):
                exporting.export(one, tmp_path / "out", other, TOLD)


def test_a_container_stays_one_unless_a_size_is_named(models: Path, tmp_path: Path) -> None:
    exporting.export(twin.open_twin(models / "sizes.nam"), tmp_path / "all.nam", "nam", TOLD)
    assert [part.max_value for part in nam.load(tmp_path / "all.nam").submodels] == [0.5, 1.0]
    exporting.export(twin.open_twin(models / "sizes.nam", "lite"), tmp_path / "lite.nam", "nam", TOLD)
    lite = nam.load(tmp_path / "lite.nam")
    assert lite.submodels == ()
    assert sum(value.size for value in lite.plain.weights.values()) == 842


def test_an_onnx_file_becomes_no_other(models: Path, tmp_path: Path) -> None:
    exporting.export(twin.open_twin(models / "gru.json"), tmp_path / "gru.onnx", "onnx", TOLD)
    with pytest.raises(ModelFileError, match="export its run"):
        exporting.export(twin.open_twin(tmp_path / "gru.onnx"), tmp_path / "gru.nam", "nam")


def test_what_a_file_knows_of_its_device_goes_on(models: Path, tmp_path: Path) -> None:
    exporting.export(twin.open_twin(models / "wave.nam"), tmp_path / "again.nam", "nam", replace(TOLD, name="New"))
    told = nam.load(tmp_path / "again.nam").metadata
    assert (told.name, told.gear_make, told.input_level_dbu) == ("New", "Maker", 12.0)


@pytest.mark.parametrize(
    ("name", "told"), [("a.json", "--to rtneural or --to aidax or --to proteus"), ("a", "end it with .nam or .onnx")]
)
def test_a_name_that_does_not_say_its_format(name: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        exporting.format_of(Path(name))


def test_the_command_tells_what_was_written_and_what_was_not(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main([str(models / "lstm.json"), "--to", "proteus", "-o", str(tmp_path / "p.json"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["to"] == "proteus"
    assert "44,100" in " ".join(told["notes"])
    assert info.main([str(tmp_path / "p.json")]) == 0
    assert "Proteus JSON" in capsys.readouterr().out
    assert export.main([str(models / "gru.json"), "--to", "pack", "-o", str(tmp_path / "pack")]) == 0
    assert "no aidax: 1 × 5 units cannot be written" in capsys.readouterr().out
    with pytest.raises(ModelFileError, match="train --network lstm"):
        export.main([str(models / "wave.nam"), "--to", "aidax", "-o", str(tmp_path / "a.json")])


# ── packs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["lstm.json", "sizes.nam"])
def test_every_file_of_a_pack_plays_what_is_expected(models: Path, tmp_path: Path, model: str) -> None:
    pack = packing.write(twin.open_twin(models / model), tmp_path / "pack", TOLD)
    found = sorted(path.name for path in pack.folder.iterdir())
    assert found == sorted(pack.files)
    expected = files.read(pack.folder / "expected.wav").samples
    assert np.abs(expected).max() > 1e-3
    played = [path for path in sorted(pack.folder.iterdir()) if path.suffix in (".nam", ".json", ".onnx")]
    assert len(played) == len(CAN[model])
    for path in played:
        assert esr(rendered(path, pack.folder / "input.wav", tmp_path / "out.wav"), expected) < 1e-9, path.name
    assert set(pack.left_out) == set(exporting.FORMATS) - set(CAN[model])
    sums = dict(reversed(line.split("  ")) for line in (pack.folder / "SHA256SUMS").read_text().splitlines())
    assert sorted(sums) == sorted({*found} - {"SHA256SUMS"})
    assert all(hashlib.sha256((pack.folder / name).read_bytes()).hexdigest() == told for name, told in sums.items())


def test_the_readme_tells_levels_that_can_be_checked(models: Path, tmp_path: Path) -> None:
    told = nam.NamMetadata(output_level_dbu=-3.0)
    pack = packing.write(twin.open_twin(models / "wave.nam"), tmp_path / "pack", told)
    text = (pack.folder / "README.txt").read_text()
    expected = files.read(pack.folder / "expected.wav").samples
    peak = 20 * np.log10(np.abs(expected).max())
    assert f"{peak:7.1f} dBFS" in text
    assert f"{peak - 3.0:7.1f} dBu" in text
    assert f"Clip margin: {-peak:.1f} dB" in text
    assert "12 dBu" in text
    assert "16,000 Hz" in text
    for name in pack.left_out:
        assert f"There is no {name}:" in text


def test_a_pack_replaces_a_pack_alone(models: Path, tmp_path: Path) -> None:
    opened, folder = twin.open_twin(models / "gru.json"), tmp_path / "pack"
    packing.write(opened, folder, TOLD)
    (folder / "input.wav").unlink()
    with pytest.raises(OutputError, match="--force"):
        packing.write(opened, folder, TOLD)
    packing.write(opened, folder, TOLD, force=True)
    assert (folder / "input.wav").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "song.wav").write_text("mine")
    with pytest.raises(OutputError, match=r"holds song.wav, which is of no pack"):
        packing.write(opened, mine, force=True)
    (folder / "song.wav").write_text("mine")
    with pytest.raises(OutputError, match=r"holds song.wav"):
        packing.write(opened, folder, TOLD, force=True)
    assert (folder / "song.wav").read_text() == "mine"
    with pytest.raises(OutputError, match="does not exist"):
        packing.write(opened, tmp_path / "none" / "pack")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "pack"]


def test_a_pack_that_fails_leaves_nothing(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(packing.pack_text, "readme", broken)
    with pytest.raises(KeyboardInterrupt):
        packing.write(twin.open_twin(models / "gru.json"), tmp_path / "pack", TOLD)
    assert list(tmp_path.iterdir()) == []

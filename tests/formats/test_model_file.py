"""Model files are told apart by what they hold, whatever they are called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError
from wavewright.formats import aidax, model_file, nam, onnx_export, proteus, rtneural
from wavewright.nets.registry import build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each format, all called alike."""
    place = tmp_path_factory.mktemp("models")
    told = nam.NamMetadata(loudness=-18.0, gain=0.5)  # not measured, which would take a while
    network = build("lstm", hidden_size=40, skip=True, prewarm=10)
    nam.save(place / "nam", build("a1-nano"), 48_000, told)
    nam.save_container(place / "container", [(0.5, build("a1-nano")), (1.0, build("a1-feather"))], 48_000)
    rtneural.save(place / "rtneural", build("gru", hidden_size=3, prewarm=10), 48_000)
    aidax.save(place / "aidax", network, 48_000)
    proteus.save(place / "proteus", network, 48_000)
    onnx_export.save(place / "onnx", network, 48_000, told)
    return place


FORMATS = {
    "nam": ".nam 0.5.4 WaveNet",
    "container": ".nam 0.7.0 SlimmableContainer",
    "rtneural": "RTNeural JSON",
    "aidax": "AIDA-X JSON",
    "proteus": "Proteus JSON",
    "onnx": "ONNX lstm",
}


@pytest.mark.parametrize("suffix", ["", ".nam", ".json"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_what_it_holds(folder: Path, tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes((folder / name).read_bytes())
    model = model_file.load(path)
    assert (model.format, model.rate) == (FORMATS[name], 48_000)
    assert [part.up_to for part in model.models] == ([0.5, 1.0] if name == "container" else [])
    assert np.isfinite(Player(model.network).process(np.zeros((1, 99), np.float32))).all()


def test_what_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for content, told in (
        (b"", "is empty"),
        (b"[1]", "holds a JSON list"),
        (b"RIFF\x00\xff", "is not text"),
        (json.dumps({"a": 1}).encode(), "no model of a known format"),
        (json.dumps({"version": "0.5.4"}).encode(), "lacks 'architecture'"),
        (json.dumps({"layers": []}).encode(), "lacks 'in_shape'"),
        (json.dumps({"state_dict": {}}).encode(), "lacks 'model_data'"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=told):
            model_file.load(path)
    with pytest.raises(ModelFileError, match="No such file"):
        model_file.load(tmp_path / "none.json")

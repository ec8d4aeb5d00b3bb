"""What runs of all jobs do alike: facts of run.json, going on, networks that would not fit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from wavewright.errors import DataError, RunError, SettingsError
from wavewright.jobs.runs import new_network, refuse_settings, reopened
from wavewright.nets import registry
from wavewright.settings import setting, to_mapping
from wavewright.train import memory
from wavewright.train.run import RunFolder
from wavewright.train.settings import TrainSettings


@dataclass(frozen=True)
class Told:
    """Settings of a job that there is not."""

    size: int = setting(4, "its width", low=1)
    later: float = setting(0.5, "a setting that was not there when the run was begun")
    train: TrainSettings = field(default_factory=TrainSettings)


def begun(folder: Path) -> tuple[RunFolder, Path]:
    """A run of the job "paint" on one file."""
    file = folder / "sound.wav"
    file.write_bytes(b"sound")
    extra = {"series": ["a", "b"], "seconds": 3600.0}
    return RunFolder.create(folder / "run", job="paint", settings=to_mapping(Told()), data=[file], extra=extra), file


def test_facts_are_read_or_their_damage_is_told(tmp_path: Path) -> None:
    run, _ = begun(tmp_path)
    assert RunFolder.open(run.path).fact("series", tuple) == ("a", "b")
    for name, read in (("series", float), ("absent", float), ("seconds", list), ("seconds", lambda x: x[0])):
        with pytest.raises(RunError, match=rf"damaged \({name} is missing or wrong\)"):
            run.fact(name, read)
    kept = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(kept | {"extra": []}))
    with pytest.raises(RunError, match="extra is not a table"):
        RunFolder.open(run.path)
    del kept["extra"]
    (run.path / "run.json").write_text(json.dumps(kept))
    with pytest.raises(RunError, match="series is missing"):
        RunFolder.open(run.path).fact("series", tuple)


def test_a_run_from_before_a_setting_goes_on_with_its_default(tmp_path: Path) -> None:
    run, file = begun(tmp_path)
    kept = json.loads((run.path / "run.json").read_text())
    del kept["settings"]["later"]
    (run.path / "run.json").write_text(json.dumps(kept))
    longer = replace(Told(), train=TrainSettings(minutes=3))
    assert reopened(run.path, "paint", longer, [file]).settings == to_mapping(longer)
    assert RunFolder.open(run.path).settings["train"]["minutes"] == 3
    with pytest.raises(SettingsError, match=r"later = 0\.7, but the run was begun with 0\.5"):
        reopened(run.path, "paint", Told(later=0.7))
    with pytest.raises(RunError, match="belongs to the job paint, not draw"):
        reopened(run.path, "draw", Told())
    with pytest.raises(DataError, match="was begun with"):
        reopened(run.path, "paint", Told(), [tmp_path / "other.wav"])
    file.write_bytes(b"other")
    with pytest.raises(DataError, match="has changed"):
        reopened(run.path, "paint", Told())


def test_all_that_is_wrong_with_settings_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_settings(Told(size=0, train=TrainSettings(minutes=-1)), ["and this"])
    assert len(caught.value.problems) == 3
    assert caught.value.problems[-1] == "and this"


def test_a_network_comes_from_its_seed_alone_and_not_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (new_network("series-gru", seed, hidden=8, layers=None) for seed in (3, 3, 4))
    torch.manual_seed(3)
    plain = registry.build("series-gru", hidden=8)
    for one, same, different, built in zip(*(net.parameters() for net in (first, again, other, plain)), strict=True):
        assert torch.equal(one, same)
        assert torch.equal(one, built)
        assert not torch.equal(one, different)
    weights = sum(parameter.numel() for parameter in first.parameters())
    monkeypatch.setattr(memory, "available", lambda: 4.0 * memory.COPIES * weights - 1)
    with pytest.raises(SettingsError, match=f"series-gru has {weights:,} weights"):
        new_network("series-gru", 3, hidden=8)

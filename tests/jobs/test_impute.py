"""The job impute whole: tiny runs on made series, their laws, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wavewright.data import tables
from wavewright.data.bridge import kinds, sides
from wavewright.data.tables import TableSettings
from wavewright.errors import DataError, OutputError, RunError, SettingsError
from wavewright.jobs.impute import imputing
from wavewright.jobs.impute import judge as impute_judge
from wavewright.jobs.impute import report as impute_report
from wavewright.jobs.impute import training as impute
from wavewright.jobs.impute.settings import ImputeSettings
from wavewright.jobs.impute.trust import NAMES, Trust
from wavewright.train import model_file
from wavewright.train.progress import Silent
from wavewright.train.settings import TrainSettings

TINY = ImputeSettings(
    window=48,
    batch=4,
    size=4,
    layers=1,
    copies=2,
    train=TrainSettings(optimizer="adam", learning_rate=2e-3, steps=6, threads=1),
)
COUNT = 360


def series(scale: float = 1.0) -> np.ndarray:
    """Three series of hours that know of one another, with gaps."""
    dice = np.random.default_rng(3)
    t = np.arange(COUNT)
    day = np.sin(2 * np.pi * t / 24)
    values = np.stack([day, 5 + 3 * day + np.cos(t / 9), -day]) + 0.1 * dice.standard_normal((3, COUNT))
    values[0, 40:52] = np.nan
    values[:, 200:203] = np.nan
    values[dice.random(values.shape) < 0.05] = np.nan
    return scale * values


def written(path: Path, values: np.ndarray, names: str = "a,b,c", start: int = 0, dates: bool = True) -> Path:
    lines = [f"date,{names},note" if dates else f"{names},note"]
    for place, row in enumerate(values.T):
        when = np.datetime64("2024-01-01T00:00") + np.timedelta64(start + place, "h")
        cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
        lines.append(",".join([*([str(when)] if dates else []), *cells, f'"row {place}, kept"']))
    path.write_text("\n".join(lines) + "\n")
    return path


def trained(folder: Path, table: Path, settings: ImputeSettings = TINY, name: str = "run") -> Path:
    run = folder / name
    impute.learn(impute.begin(table, run, settings, Silent()), settings, Silent())
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table and a run that learned it."""
    folder = tmp_path_factory.mktemp("impute")
    table = written(folder / "table.csv", series())
    return table, trained(folder, table)


def test_only_gaps_change(whole: tuple[Path, Path], tmp_path: Path) -> None:
    table, run = whole
    done = imputing.render(imputing.open_imputer(run), table, tmp_path / "filled.csv")
    before = table.read_text().splitlines()
    after = (tmp_path / "filled.csv").read_text().splitlines()
    assert len(before) == len(after)
    filled = 0
    for old, new in zip(before, after, strict=True):
        for was, is_ in zip(old.split(","), new.split(","), strict=True):
            if was:
                assert is_ == was
            else:
                assert np.isfinite(float(is_))
                filled += 1
    assert filled == done.filled == np.isnan(series()).sum()


def test_a_run_stopped_and_resumed_is_the_run_never_stopped(whole: tuple[Path, Path], tmp_path: Path) -> None:
    table, _ = whole
    half = replace(TINY, train=replace(TINY.train, steps=3, schedule="constant"))
    full = replace(half, train=replace(half.train, steps=6))
    there = trained(tmp_path, table, half)
    impute.resume(there, full, Silent())
    never = trained(tmp_path, table, full, "never")
    kept, other = (model_file.load(one / "model.safetensors").weights for one in (there, never))
    assert kept.keys() == other.keys()
    assert all(torch.equal(kept[name], other[name]) for name in kept)


def test_what_is_filled_scales_with_the_values(whole: tuple[Path, Path], tmp_path: Path) -> None:
    table, run = whole
    thousandfold = written(tmp_path / "scaled.csv", series(1024.0))
    other = imputing.open_imputer(trained(tmp_path, thousandfold))
    imputer = imputing.open_imputer(run)
    one, many = imputer.fill(imputer.read(table)), other.fill(other.read(thousandfold))
    np.testing.assert_allclose(many / 1024, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", [slice(0, 30), slice(100, 101), slice(0, 200)])
def test_other_tables_in_any_order_of_columns(whole: tuple[Path, Path], tmp_path: Path, part: slice) -> None:
    _, run = whole
    imputer = imputing.open_imputer(run)
    values = series()[:, part].copy()
    values[0, 0] = np.nan
    straight = imputer.read(written(tmp_path / "straight.csv", values, start=part.start))
    turned = imputer.read(written(tmp_path / "turned.csv", values[[2, 0, 1]], "c,a,b", start=part.start))
    np.testing.assert_array_equal(straight.values, turned.values)
    filled = imputer.fill(straight)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[straight.given], values[straight.given])


def test_a_column_without_a_value_is_filled_from_the_others(whole: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = whole
    values = series()
    truth = values[2].copy()
    values[2] = np.nan
    imputer = imputing.open_imputer(run)
    filled = imputer.fill(imputer.read(written(tmp_path / "t.csv", values)))
    known = ~np.isnan(truth)
    assert np.corrcoef(filled[2, known], truth[known])[0, 1] > 0.8


def test_times_without_a_row_are_written_where_asked(whole: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = whole
    path = written(tmp_path / "t.csv", series())
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:50] + lines[60:]) + "\n")
    imputer = imputing.open_imputer(run)
    done = imputing.render(imputer, path, tmp_path / "cells.csv")
    assert done.absent == 30
    imputing.render(imputer, path, tmp_path / "grid.csv", grid=True)
    grid = tables.read(tmp_path / "grid.csv")
    assert grid.values.shape == (3, COUNT)
    assert not np.isnan(grid.values).any()
    given = imputer.read(path)
    np.testing.assert_array_equal(grid.values[given.given], given.values[given.given])


def test_each_series_by_itself_and_whole_series_held_out(tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", series())
    run = trained(tmp_path, table, replace(TINY, group="each", hold="series", held_out=0.34, hide="points"))
    imputer = imputing.open_imputer(run)
    assert imputer.network.out_channels == 1
    known = imputer.read(table)
    assert imputer.material(known).held.any(axis=1).tolist() == [False, False, True]
    other = imputer.read(written(tmp_path / "o.csv", series()[:2], "x,y"))
    assert np.isfinite(imputer.fill(other)).all()


@pytest.mark.parametrize("network", ["series-gru", "series-linear", "unet-series", "tfilm-series"])
@pytest.mark.parametrize("bridge", ["line", "process"])
def test_every_network_by_name(tmp_path: Path, network: str, bridge: str) -> None:
    table = written(tmp_path / "t.csv", series(), dates=False)
    size = 9 if network == "series-linear" else 4
    settings = replace(TINY, network=network, bridge=bridge, size=size, train=replace(TINY.train, steps=2))
    imputer = imputing.open_imputer(trained(tmp_path, table, settings))
    assert np.isfinite(imputer.fill(imputer.read(table))).all()


def test_the_judge_is_fair(whole: tuple[Path, Path]) -> None:
    table, run = whole
    imputer = imputing.open_imputer(run)
    known = imputer.read(table)
    material = imputer.material(known)
    for trial in impute_judge.trials(imputer, known, material.held):
        assert not (trial.hidden & ~(material.held & known.given)).any()
        assert set(impute_judge.SIMPLE) < set(trial.guesses)
        scores = trial.scores(material.scaled)
        error = (trial.guesses["mean"] - material.scaled)[trial.hidden]
        assert scores["mean"].mae == pytest.approx(np.abs(error).mean())
        changed = known.values.copy()
        changed[trial.hidden] += 100  # what is hidden is not peeped at
        again = replace(known, values=changed)
        (same,) = [
            one
            for one in impute_judge.trials(imputer, again, material.held)
            if (one.shape, one.share) == (trial.shape, trial.share)
        ]
        for way, guess in trial.guesses.items():
            np.testing.assert_allclose(same.guesses[way][trial.hidden], guess[trial.hidden], err_msg=way)
        break


def test_the_page_stands_alone(whole: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = whole
    page = impute_report.write(run, tmp_path / "page.html").read_text()
    for word in ("Hidden, and filled again", "Real gaps", "seasonal", "tfilm-series", "<path"):
        assert word in page
    assert "http" not in page.split("<body>")[1]


FAVORITA = "id,date,store_nbr,item_nbr,unit_sales,onpromotion\n"


def test_the_retail_recipe_on_a_miniature(tmp_path: Path) -> None:
    dice, lines, number = np.random.default_rng(0), [], 0
    expected: dict[tuple[int, int], list[float]] = {}
    for day in range(90):
        for item in range(8):
            for store in (1, 2):
                if dice.random() < 0.15 or (item == 7 and day > 20):
                    continue
                sold = float(np.round(5 + item + 3 * np.sin(2 * np.pi * day / 7) + dice.random(), 3))
                when = np.datetime64("2013-01-01") + np.timedelta64(day, "D")
                lines.append(f"{number},{when},{store},{100 + item},{sold},\n")
                expected.setdefault((item, day), []).append(sold)
                number += 1
    path = tmp_path / "train.csv"
    path.write_text(FAVORITA + "".join(lines))
    told = TableSettings(
        date="date",
        keys=("item_nbr",),
        value="unit_sales",
        combine="mean",
        before="2013-03-22",
        least_given=60,
    )
    table = tables.read(path, told)
    assert table.names == tuple(str(100 + item) for item in range(7))
    assert table.values.shape == (7, 80)
    for (item, day), sold in expected.items():
        if item < 7 and day < 80:
            assert table.values[item, day] == pytest.approx(np.mean(sold))
    settings = replace(
        TINY, table=told, group="each", hold="series", hide="points", least_hidden=0.1, most_hidden=0.1, window=32
    )
    imputer = imputing.open_imputer(trained(tmp_path, path, settings))
    assert np.isfinite(imputer.fill(imputer.read(path))).all()
    done = imputing.render(imputer, path, tmp_path / "whole.csv")
    assert done.filled == np.isnan(table.values).sum()


def test_runs_and_outputs_that_cannot_be(whole: tuple[Path, Path], tmp_path: Path) -> None:
    table, run = whole
    imputer = imputing.open_imputer(run)
    (tmp_path / "there.csv").write_text("")
    with pytest.raises(OutputError, match="already exists"):
        imputing.render(imputer, table, tmp_path / "there.csv")
    with pytest.raises(OutputError, match=r"must end in \.csv"):
        imputing.render(imputer, table, tmp_path / "filled.parquet")
    with pytest.raises(OutputError, match="is the input itself"):
        imputing.render(imputer, table, table, force=True)
    with pytest.raises(DataError, match="lacks b: run run was trained on the series a, b, c together"):
        imputer.read(written(tmp_path / "less.csv", series()[[0, 2]], "a,c"))
    with pytest.raises(DataError, match="has no dates, and the run learned days"):
        imputer.fill(imputer.read(written(tmp_path / "undated.csv", series(), dates=False)))
    fine = written(tmp_path / "fine.csv", series())
    text = fine.read_text().splitlines()
    fine.write_text(
        "\n".join([text[0], *(line.replace(":00,", f":{m:02d},", 1) for line in text[1:3] for m in (0, 30))])
    )
    with pytest.raises(DataError, match="every 1800 s, the run learned from one every 3600 s"):
        imputer.read(fine)
    (run / "data" / "bridge.npz").rename(tmp_path / "kept")
    try:
        with pytest.raises(RunError, match="the run is damaged"):
            imputing.open_imputer(run)
    finally:
        (tmp_path / "kept").rename(run / "data" / "bridge.npz")
    with pytest.raises(RunError, match="there is no such folder"):
        imputing.open_imputer(tmp_path / "none")


def test_a_run_of_another_job(whole: tuple[Path, Path], tmp_path: Path) -> None:
    text = (whole[1] / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace('"job": "impute"', '"job": "emulate"'))
    with pytest.raises(RunError, match="belongs to the job emulate"):
        imputing.open_imputer(tmp_path)
    with pytest.raises(RunError, match="belongs to the job emulate"):
        impute.resume(tmp_path, TINY, Silent())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window": 320}, "a window needs 320"),
        ({"least_hidden": 0.5, "most_hidden": 0.2}, "the least must not be above the most"),
        ({"group": "together", "hold": "series"}, "cannot be held out"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    table = written(tmp_path / "t.csv", series())
    with pytest.raises((DataError, SettingsError), match=words):
        impute.begin(table, tmp_path / "run", replace(TINY, **changes), Silent())  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_series_that_begins_after_what_is_learned(tmp_path: Path) -> None:
    values = series()
    values[1, : COUNT * 4 // 5] = np.nan
    with pytest.raises(DataError, match="series 'b' has no value among the 288 times"):
        impute.begin(written(tmp_path / "t.csv", values), tmp_path / "run", TINY, Silent())


def test_a_series_that_never_moves(tmp_path: Path) -> None:
    values = series()
    values[1] = np.where(np.isnan(values[1]), np.nan, 7.0)
    table = written(tmp_path / "t.csv", values)
    imputer = imputing.open_imputer(trained(tmp_path, table))
    np.testing.assert_allclose(imputer.fill(imputer.read(table))[1], 7.0, atol=0.5)


@pytest.mark.parametrize(("share", "trust"), [(0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (-1.0, 0.0)])
def test_a_network_is_trusted_as_far_as_it_helps(
    whole: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, share: float, trust: float
) -> None:
    table, run = whole
    imputer = imputing.open_imputer(run)
    material = imputer.material(imputer.read(table))
    task = impute.ImputeTask(imputer.network, material, imputer.settings)
    bridge = np.concatenate([np.abs(bridged - material.scaled)[mask] for bridged, _, mask in task._judged]).mean()

    def knows(self: object, network: object, bridged: np.ndarray, shown: object, mask: object) -> np.ndarray:
        return bridged + share * (material.scaled - bridged)

    monkeypatch.setattr(type(material), "corrected", knows)
    figures = task.validate()
    lengths = {name for _, shown, mask in task._judged for name in np.array(NAMES)[kinds(shown)[mask] % len(NAMES)]}
    assert len(lengths) > 3
    assert all(figures[name] == pytest.approx(trust) for name in lengths)
    assert figures["mae"] == pytest.approx(abs(1 - trust * share) * bridge, abs=1e-9)


def test_no_trust_leaves_the_first_guess(whole: tuple[Path, Path]) -> None:
    table, run = whole
    imputer = imputing.open_imputer(run)
    known = imputer.read(table)
    material = imputer.material(known)
    bridged = material.bridged(material.scaled, known.given)
    kept = material.corrected(imputer.network, bridged, known.given, ~known.given, Trust((0.0,) * len(NAMES)))
    assert np.allclose(
        kept[~known.given], material.scale.within(bridged, np.where(known.given, material.scaled, np.nan))[~known.given]
    )


def test_each_length_of_gap_has_a_trust_of_its_own(whole: tuple[Path, Path]) -> None:
    table, run = whole
    imputer = imputing.open_imputer(run)
    assert imputer.trust == Trust.told(model_file.load(imputer.run.model).figures)
    known = imputer.read(table)
    material = imputer.material(known)
    bridged = material.bridged(material.scaled, known.given)
    all_of_it = material.corrected(imputer.network, bridged, known.given, ~known.given)
    single = Trust((1.0,) + (0.0,) * (len(NAMES) - 1))
    some = material.corrected(imputer.network, bridged, known.given, ~known.given, single)
    before, behind = sides(known.given)
    alone = ~known.given & (before + behind == 2)
    assert alone.sum() > 5
    np.testing.assert_array_equal(some[alone], all_of_it[alone])
    longer = ~known.given & ~alone
    np.testing.assert_allclose(some[longer], bridged[longer], atol=1e-12)
    assert np.abs(all_of_it - bridged)[longer].max() > 0

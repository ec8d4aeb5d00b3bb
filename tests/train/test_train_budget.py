"""Laws of budget, schedule and settings."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.errors import SettingsError
from wavewright.settings import from_mapping, to_mapping
from wavewright.train.budget import Budget, budget_of, rhythm_of
from wavewright.train.optimizers import BUILDERS
from wavewright.train.schedule import LAST, rate_share
from wavewright.train.settings import (
    FREE_ON_RESUME,
    OPTIMIZERS,
    TrainSettings,
    checked_training,
    differences,
    has_budget,
    refuse_differences,
    with_budget,
)


@trials(deadline=None, max_examples=30)
@given(st.floats(0.01, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_the_rate_rises_then_falls(warm_up: float, one: float, other: float) -> None:
    early, late = sorted((one, other))
    first, second = (rate_share("cosine", p, warm_up) for p in (early, late))
    if late < warm_up:
        assert first <= second
    if early >= warm_up:
        assert first >= second
    assert 0 < second <= 1


def test_the_rate_at_its_corners() -> None:
    assert rate_share("cosine", 0.1, 0.1) == 1.0
    assert rate_share("cosine", 1.0, 0.1) == pytest.approx(LAST)
    assert rate_share("cosine", 0.5, 0.0) == pytest.approx((1 + LAST) / 2)
    assert rate_share("constant", 1.0, 0.1) == 1.0
    assert rate_share("cosine", 0.1 - 1e-9, 0.1) == pytest.approx(1.0)


def test_progress_follows_steps_or_the_clock() -> None:
    epochs = budget_of(TrainSettings(epochs=3), steps_per_epoch=10)
    assert epochs == Budget(30, None, 10)
    assert epochs.progress(15, elapsed=1e6) == 0.5
    assert not epochs.spent(29, elapsed=1e6)
    assert epochs.spent(30, elapsed=0)
    assert epochs == budget_of(TrainSettings(steps=30), 10)
    minutes = budget_of(TrainSettings(minutes=2.0), 10)
    assert minutes.progress(10**6, elapsed=30) == 0.25
    assert not minutes.spent(10**6, 119.9)
    assert minutes.spent(0, 120.0)
    assert minutes.progress(0, 500.0) == 1.0


@trials(deadline=None, max_examples=30)
@given(st.integers(0, 10**9))
def test_without_an_end_progress_grows_and_never_ends(step: int) -> None:
    budget = budget_of(TrainSettings(until=0.01), 10)
    assert not budget.spent(step, 1e9)
    assert 0 <= budget.progress(step, 0) < budget.progress(step + 10**4, 0) < 1


def test_the_clock_places_validations_only_under_minutes() -> None:
    def rhythm(told: TrainSettings) -> list[int]:
        it = rhythm_of(told, budget_of(told, 10))
        return [step for step in range(1, 41) if it.due(step, seconds_since=1e9)]

    assert rhythm(TrainSettings(epochs=4)) == rhythm(TrainSettings(until=0.1)) == [10, 20, 30, 40]
    assert rhythm(TrainSettings(steps=40, validate_steps=15)) == [15, 30]
    assert len(rhythm(TrainSettings(minutes=1.0))) == 40
    assert rhythm(TrainSettings(minutes=1.0, validate_steps=20)) == [20, 40]


def test_seconds_left() -> None:
    assert Budget(100, None, 10).seconds_left(60, 9.0, steps_per_second=2.0) == 20.0
    assert Budget(100, None, 10).seconds_left(60, 9.0, steps_per_second=0.0) is None
    assert Budget(None, 60.0, 10).seconds_left(60, 9.0, steps_per_second=2.0) == 51.0
    assert Budget(None, None, 10).seconds_left(60, 9.0, steps_per_second=2.0) is None


def test_budgets_in_words() -> None:
    assert [Budget(*args).words for args in ((30, None, 10), (35, None, 10), (None, 90.0, 10), (None, None, 10))] == [
        "3 epochs",
        "35 steps",
        "1.5 minutes",
        "no end but the goal",
    ]


def test_two_budgets_are_refused_with_everything_else_that_is_wrong() -> None:
    with pytest.raises(SettingsError) as refusal:
        checked_training(TrainSettings(minutes=1.0, epochs=2, learning_rate=-1.0, optimizer="adma"))
    assert len(refusal.value.problems) == 3
    assert "minutes = 1.0, epochs = 2" in str(refusal.value)
    assert "did you mean 'adam'" in str(refusal.value)


def test_a_new_budget_replaces_the_old_one_whole() -> None:
    told = with_budget(TrainSettings(minutes=5.0, seed=3), epochs=7, until=0.1)
    assert told == TrainSettings(epochs=7, until=0.1, seed=3)
    assert has_budget(told)
    assert not has_budget(TrainSettings())
    assert budget_of(TrainSettings(), 10).seconds == 900


def test_what_a_resumed_run_may_change() -> None:
    told = TrainSettings(minutes=5.0)
    stored = {"train": to_mapping(told), "other": {"sizes": [1, 2]}}
    free = replace(told, minutes=None, epochs=9, device="cpu", threads=2, checkpoint_seconds=1.0)
    assert differences(stored, {"train": to_mapping(free), "other": {"sizes": (1, 2)}}) == []
    bound = {"train": to_mapping(replace(told, seed=4, learning_rate=0.1)), "other": {"sizes": (1, 3)}}
    with pytest.raises(SettingsError) as refusal:
        refuse_differences(stored, bound)
    words = str(refusal.value)
    assert "train.seed = 4, but the run was begun with 0" in words
    assert "train.learning_rate" in words
    assert "other.sizes" in words
    assert len(refusal.value.problems) == 4  # and the remedy
    assert set(to_mapping(told)) > FREE_ON_RESUME


def test_settings_go_through_a_recipe_and_back() -> None:
    told = TrainSettings(epochs=3, gradient_clip=None, precision="bfloat16")
    assert from_mapping(TrainSettings, to_mapping(told)) == told


def test_every_optimizer_can_be_asked_for() -> None:
    assert set(OPTIMIZERS) == set(BUILDERS)


def test_settings_and_run_folder_do_not_import_torch() -> None:
    rooms = ", ".join(f"wavewright.train.{name}" for name in ("settings", "run", "budget", "schedule"))
    program = f"import sys, {rooms}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)

"""The loop: budgets, resumption, interruption, the guard, full disks."""

from __future__ import annotations

import dataclasses
import math
import os
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_task import CarryingTask, Telling, TinyTask, new_run, settings

from wavewright.errors import OutputError, RunError, SettingsError
from wavewright.train import checkpoint, model_file
from wavewright.train import loop as loop_module
from wavewright.train.log import read_log
from wavewright.train.loop import train
from wavewright.train.run import RunFolder
from wavewright.train.settings import TrainSettings


def weights(task: TinyTask) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in task.network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def at_step(task: TinyTask, step: int, act: Callable[[], None]) -> TinyTask:
    """The task with something happening as a step's batch is drawn."""
    draw = task.batch

    def batch(number: int, rank: int, world: int) -> tuple[torch.Tensor, ...]:
        if number == step:
            act()
        return draw(number, rank, world)

    task.batch = batch  # type: ignore[method-assign]
    return task


def test_the_pace_of_frames_is_told_in_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavewright.train.progress.REPORT_SECONDS", 0.0)
    for hop in (None, 7):
        told, task, telling = settings(), TinyTask(batch=4, time=32), Telling()
        if hop is not None:
            task.hop = hop  # type: ignore[attr-defined]
        train(task, told, new_run(tmp_path / f"{hop}", told, rate=8000), reporter=telling)
        seen = [one for one in telling.shown if one.steps_per_second]
        assert seen
        for one in seen:
            assert one.samples_per_second == pytest.approx(one.steps_per_second * 4 * 32 * (hop or 1))


def test_it_learns_and_keeps_the_best(tmp_path: Path) -> None:
    told = settings(epochs=40)
    run, task, telling = new_run(tmp_path / "run", told, rate=8000), TinyTask(), Telling()
    first = _validated(task)
    outcome = train(task, told, run, reporter=telling)
    assert outcome.status == "finished"
    assert outcome.step == 400
    assert outcome.best is not None
    assert outcome.best < first / 10
    rows = [row for row in read_log(run.log) if "esr" in row]
    assert [row["step"] for row in rows] == list(range(10, 401, 10))
    assert outcome.best == min(row["esr"] for row in rows)
    assert outcome.figures["esr"] == outcome.best
    saved = model_file.load(run.model)
    assert (saved.step, saved.figures["esr"]) == (outcome.best_step, outcome.best)
    again = TinyTask()
    again.network.load_state_dict(saved.weights)
    assert _validated(again) == outcome.best
    assert telling.closed
    assert [path.name for path in task.previews] == ["step-00000400.wav"]


def _validated(task: TinyTask) -> float:
    task.network.eval()
    with torch.no_grad():
        return task.validate()["esr"]


def test_the_rate_follows_the_schedule(tmp_path: Path) -> None:
    told = settings(epochs=4, warm_up=0.25)
    run = new_run(tmp_path / "run", told)
    train(TinyTask(), told, run)
    rates = [row["rate"] for row in read_log(run.log)]
    assert rates[0] == pytest.approx(0.01 * (0.1 + 0.9 * 9 / 10))  # the rate of the tenth step, number 9
    assert rates[-1] < 0.01 * 0.01
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("step", [1, 7, 10, 33])
def test_ctrl_c_finishes_the_step_and_resumes_exactly(tmp_path: Path, step: int) -> None:
    told = settings(checkpoint_seconds=1e6)
    straight = TinyTask()
    train(straight, told, new_run(tmp_path / "straight", told))
    run, telling = new_run(tmp_path / "run", told), Telling()
    before = signal.getsignal(signal.SIGINT)
    task = at_step(TinyTask(), step, lambda: os.kill(os.getpid(), signal.SIGINT))
    outcome = train(task, told, run, reporter=telling)
    assert (outcome.status, outcome.step) == ("interrupted", step + 1)
    assert "--resume" in telling.said[-1]
    assert signal.getsignal(signal.SIGINT) is before
    resumed = TinyTask()
    outcome = train(resumed, told, RunFolder.open(run.path), resume=True)
    assert (outcome.status, outcome.step) == ("finished", 40)
    assert same(weights(resumed), weights(straight))
    models = [model_file.load(tmp_path / name / "model.safetensors") for name in ("straight", "run")]
    assert same(models[0].weights, models[1].weights)


def test_what_steps_carry_on_survives_an_interruption(tmp_path: Path) -> None:
    told = settings(epochs=4)
    straight = CarryingTask()
    train(straight, told, new_run(tmp_path / "straight", told))
    run, stop = new_run(tmp_path / "run", told), threading.Event()
    train(at_step(CarryingTask(), 17, stop.set), told, run, stop=stop)
    resumed = CarryingTask()
    train(resumed, told, RunFolder.open(run.path), resume=True)
    assert same(weights(resumed), weights(straight))
    assert torch.equal(resumed.memory, straight.memory)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    told = settings()

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(at_step(TinyTask(), 13, twice), told, new_run(tmp_path / "run", told))


def test_another_thread_can_stop_it(tmp_path: Path) -> None:
    told, stop, outcomes = settings(), threading.Event(), []
    run, task = new_run(tmp_path / "run", told), at_step(TinyTask(), 13, stop.set)
    thread = threading.Thread(target=lambda: outcomes.append(train(task, told, run, stop=stop)))
    thread.start()
    thread.join()
    assert [(outcome.status, outcome.step) for outcome in outcomes] == [("interrupted", 14)]


def test_an_interruption_between_a_bad_loss_and_its_discovery_changes_nothing(tmp_path: Path) -> None:
    told = settings(check_steps=10)
    straight = TinyTask(poison=(12,))
    train(straight, told, new_run(tmp_path / "straight", told))
    run, stop = new_run(tmp_path / "run", told), threading.Event()
    assert train(at_step(TinyTask(poison=(12,)), 15, stop.set), told, run, stop=stop).step == 16
    resumed = TinyTask(poison=(12,))
    train(resumed, told, run, resume=True)
    assert same(weights(resumed), weights(straight))
    assert all(value.isfinite().all() for value in weights(resumed).values())


def test_a_loss_that_is_not_finite_rolls_back_and_halves_the_rate(tmp_path: Path) -> None:
    told = settings(epochs=4, schedule="constant", warm_up=0.0)
    run, telling, task = new_run(tmp_path / "run", told), Telling(), TinyTask(poison=(12, 27))
    outcome = train(task, told, run, reporter=telling)
    assert outcome.status == "finished"
    assert all(value.isfinite().all() for value in weights(task).values())
    events = [row for row in read_log(run.log) if "event" in row]
    assert [(row["step"], row["back_to"], row["rate_share"]) for row in events] == [(15, 10, 0.5), (30, 25, 0.25)]
    assert read_log(run.log)[-1]["rate"] == 0.0025
    assert "back to the weights of step 10, highest rate now 0.005" in telling.said[0]
    steps = [row["step"] for row in read_log(run.log)]
    assert steps == sorted(set(steps))


def test_a_rollback_brings_back_weights_and_optimizer(tmp_path: Path) -> None:
    """Windows 5…9 poisoned and the rate alike again: as if those steps had not been."""
    told = settings(steps=10, schedule="constant", warm_up=0.0, validate_steps=10)
    run, short = new_run(tmp_path / "run", told), new_run(tmp_path / "short", settings(steps=5))
    rolled = TinyTask(poison=(5,))
    train(rolled, told, run)
    stopped = TinyTask()
    train(stopped, dataclasses.replace(told, steps=5), short)
    assert same(weights(rolled), weights(stopped))
    kept = [checkpoint.read(it.checkpoint, TinyTask().network).now for it in (run, short)]
    for index, state in kept[0].optimizer["state"].items():
        assert same(state, kept[1].optimizer["state"][index])


def test_a_gradient_that_is_not_finite_is_noticed_under_a_finite_loss(tmp_path: Path) -> None:
    class Steep(TinyTask):
        steep = False

        def loss(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
            root = self.network.first.bias.sum().abs().mul(0).sqrt()  # 0, with a slope of 0 / 0
            return super().loss(batch) + (root if self.steep else 0)

    told, task = settings(epochs=1, check_steps=1, optimizer="adam", gradient_clip=None), Steep()
    run = new_run(tmp_path / "run", told)
    at_step(task, 3, lambda: setattr(task, "steep", True))
    at_step(task, 4, lambda: setattr(task, "steep", False))
    assert train(task, told, run).status == "finished"
    events = [(row["step"], row["event"]) for row in read_log(run.log) if "event" in row]
    assert events == [(4, "gradient not finite")]
    assert all(value.isfinite().all() for value in weights(task).values())


def test_after_many_rollbacks_it_gives_up_with_the_best_kept(tmp_path: Path) -> None:
    told = settings(epochs=20, optimizer="adam")
    run = new_run(tmp_path / "run", told)
    with pytest.raises(RunError, match=r"loss not finite for the 8th time, at step 55.*learning_rate below 0\.01"):
        train(TinyTask(poison=range(15, 200)), told, run)
    assert model_file.load(run.model).step == 20  # whose weights are those of step 15
    kept = checkpoint.read(run.checkpoint, TinyTask().network)
    assert all(value.isfinite().all() for value in kept.now.weights.values())


def test_an_optimizer_that_fails_on_nan_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky(torch.optim.Adam):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    self.state[parameter]["half"] = torch.ones(1)  # what a failure leaves behind must not be met again
                    torch.linalg.eigh(parameter.grad.reshape(-1, 1) @ parameter.grad.reshape(1, -1))
                    del self.state[parameter]["half"]
            super().step()

    monkeypatch.setitem(loop_module.optimizers.BUILDERS, "adam", lambda net, rate, _: Picky(net.parameters(), lr=rate))
    told = settings(epochs=1, optimizer="adam")
    run, task = new_run(tmp_path / "run", told), TinyTask(poison=(3,))
    assert train(task, told, run).status == "finished"
    assert [(row["step"], row["event"]) for row in read_log(run.log) if "event" in row] == [(4, "loss not finite")]
    assert all(value.isfinite().all() for value in weights(task).values())


def test_minutes_end_by_the_clock_and_go_on_where_they_stood(tmp_path: Path) -> None:
    told = settings(minutes=1.5 / 60, validate_seconds=0.1, checkpoint_seconds=0.0)
    run, stop, telling = new_run(tmp_path / "run", told), threading.Event(), Telling()
    # a busy machine has to get so far in time
    outcome = train(at_step(TinyTask(), 5, stop.set), told, run, stop=stop)
    assert outcome.status == "interrupted"
    first = outcome.seconds
    assert 0 < first < 1.5
    outcome = train(TinyTask(), told, run, resume=True, reporter=telling)
    assert outcome.status == "finished"
    assert outcome.step > 6
    assert outcome.seconds >= 1.5
    rows = read_log(run.log)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert sum("esr" in row for row in rows) >= 2
    rates = {row["step"]: row["rate"] for row in rows}
    assert rates[max(rates)] < 0.2 * max(rates.values())


def test_it_stops_as_soon_as_the_goal_is_reached(tmp_path: Path) -> None:
    told = settings(until=0.2)
    run, task = new_run(tmp_path / "run", told), TinyTask()
    outcome = train(task, told, run)
    assert outcome.status == "reached"
    assert outcome.best is not None
    assert outcome.best <= 0.2
    figures = [row["esr"] for row in read_log(run.log) if "esr" in row]
    assert all(figure > 0.2 for figure in figures[:-1])
    assert outcome.step == outcome.best_step == len(figures) * 10
    again = train(TinyTask(), told, run, resume=True)
    assert (again.status, again.step) == ("reached", outcome.step)


def test_a_finished_run_can_be_extended(tmp_path: Path) -> None:
    told, telling = settings(epochs=4), Telling()
    run = new_run(tmp_path / "run", told)
    train(TinyTask(), told, run)
    task = TinyTask()
    assert train(task, told, run, resume=True).step == 40
    assert task.validations == 0
    outcome = train(TinyTask(), settings(epochs=8), run, resume=True, reporter=telling)
    assert (outcome.status, outcome.step) == ("finished", 80)
    assert "budget is now 8 epochs in all (was 4 epochs): the rate stands at 0.00" in telling.said[1]
    assert [row["step"] for row in read_log(run.log) if "esr" in row] == list(range(10, 81, 10))


def test_other_settings_are_refused_each_by_name(tmp_path: Path) -> None:
    told = settings()
    run = new_run(tmp_path / "run", told)
    train(TinyTask(), told, run)
    before = run.checkpoint.read_bytes()
    other = dataclasses.replace(told, learning_rate=0.5, seed=9, threads=1, epochs=9)
    with pytest.raises(SettingsError) as refusal:
        train(TinyTask(), other, run, resume=True)
    assert "learning_rate = 0.5" in str(refusal.value)
    assert "seed = 9" in str(refusal.value)
    assert "threads" not in str(refusal.value).splitlines()[0]
    assert len(refusal.value.problems) == 3
    assert run.checkpoint.read_bytes() == before


def test_what_cannot_be_resumed_is_said(tmp_path: Path) -> None:
    told, telling = settings(), Telling()
    run = new_run(tmp_path / "run", told)
    assert train(TinyTask(), told, run, resume=True, reporter=telling).status == "finished"
    assert "no checkpoint yet" in telling.said[0]
    with pytest.raises(RunError, match="--resume goes on with it"):
        train(TinyTask(), told, run)
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged"):
        train(TinyTask(), told, run, resume=True)


def test_wrong_settings_are_refused_before_any_work(tmp_path: Path) -> None:
    task, told = TinyTask(), settings()
    run = new_run(tmp_path / "run", told)
    at_step(task, 0, lambda: pytest.fail("training began"))
    with pytest.raises(SettingsError, match="epochs"):
        train(task, dataclasses.replace(told, minutes=1.0), run)
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="sees no GPU"):
            train(task, dataclasses.replace(told, device="cuda"), run)


def test_a_full_disk_stops_it_with_the_last_checkpoint_whole(tmp_path: Path) -> None:
    """The system itself refuses to write beyond a limit, as on a full disk."""
    told = settings()
    straight = TinyTask()
    train(straight, told, new_run(tmp_path / "straight", told))
    run = new_run(tmp_path / "run", told)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    task = at_step(TinyTask(), 17, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1])))
    try:
        with pytest.raises(OutputError, match=r"could not write .*safetensors: .*free some space"):
            train(task, told, run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert checkpoint.read(run.checkpoint, TinyTask().network).counters.step == 15
    resumed = TinyTask()
    train(resumed, told, run, resume=True)
    assert same(weights(resumed), weights(straight))
    assert not list(run.path.glob("**/.*"))


def test_a_preview_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    class Full(TinyTask):
        def preview(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    told, telling = settings(preview_minutes=1e-9), Telling()
    run = new_run(tmp_path / "run", told)
    assert train(Full(), told, run, reporter=telling).status == "finished"
    assert "step-00000005.wav could not be written ([Errno 28] No space left on device)" in telling.said[0]
    assert list(run.previews.iterdir()) == []


def test_previews_come_by_the_clock_and_disturb_nothing(tmp_path: Path) -> None:
    told = settings(preview_minutes=None)
    silent, task = TinyTask(), TinyTask()
    train(silent, told, new_run(tmp_path / "silent", told))
    train(task, dataclasses.replace(told, preview_minutes=1e-9), new_run(tmp_path / "run", told))
    assert silent.previews == []
    assert len(task.previews) == 9  # at each look, and at the end
    assert same(weights(silent), weights(task))


def test_how_often_it_is_validated_or_looked_at_disturbs_nothing(tmp_path: Path) -> None:
    ends = []
    for index, others in enumerate(({}, {"validate_steps": 3}, {"check_steps": 1}, {"checkpoint_seconds": 1e6})):
        told, task = settings(**others), TinyTask()
        train(task, told, new_run(tmp_path / str(index), told))
        ends.append(weights(task))
    assert all(same(ends[0], end) for end in ends[1:])


def test_a_figure_that_is_not_finite_is_never_the_best(tmp_path: Path) -> None:
    class Vague(TinyTask):
        def validate(self) -> dict[str, float]:
            figures = super().validate()
            return figures if self.validations == 2 else {**figures, "esr": math.nan}

    told = settings()
    outcome = train(Vague(), told, new_run(tmp_path / "run", told))
    assert outcome.best_step == 20
    assert outcome.best is not None
    assert math.isfinite(outcome.best)


def test_bfloat16_computes_coarsely_and_keeps_weights_whole(tmp_path: Path) -> None:
    ends = []
    for precision in ("float32", "bfloat16"):
        told, task = settings(precision=precision, epochs=15), TinyTask()
        outcome = train(task, told, new_run(tmp_path / precision, told))
        assert outcome.best is not None
        assert outcome.best < 0.5
        ends.append(weights(task))
    assert not same(*ends)
    assert all(value.dtype == torch.float32 for value in ends[1].values())


def test_a_compiled_step_is_asked_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function: (seen.append(function), function)[1])
    told, task, plain = settings(compile=True), TinyTask(), TinyTask()
    train(task, told, new_run(tmp_path / "run", told))
    assert seen == [task.loss]
    train(plain, settings(), new_run(tmp_path / "plain", settings()))
    assert same(weights(task), weights(plain))  # compiling beforehand left no trace


def test_the_number_of_threads_is_set(tmp_path: Path) -> None:
    told = settings(threads=2, epochs=1)
    train(TinyTask(), told, new_run(tmp_path / "run", told))
    assert torch.get_num_threads() == 2


def test_default_settings_are_allowed() -> None:
    assert loop_module.checked_training(TrainSettings()) == TrainSettings()

"""The one training loop of the house.

Read `_Training.go` first: it is the loop. What makes resumption exact: a step depends on nothing but the weights, the
optimiser's state and its own number; the clock decides only under a budget in minutes, and what it decides is agreed
upon by all processes. What the clock may decide under any budget (writing, reporting) touches no weight.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from wavewright.errors import RunError, WavewrightError
from wavewright.settings import to_mapping
from wavewright.train import checkpoint, model_file, optimizers
from wavewright.train.arithmetic import prepare_arithmetic, reseed
from wavewright.train.budget import budget_of, rhythm_of
from wavewright.train.checkpoint import Checkpoint, Counters
from wavewright.train.distributed import Team, joined
from wavewright.train.interrupt import Interrupt
from wavewright.train.log import RunLog
from wavewright.train.progress import Reporter, Silent, Standing
from wavewright.train.run import RunFolder
from wavewright.train.schedule import rate_share
from wavewright.train.settings import TrainSettings, checked_training, refuse_differences
from wavewright.train.snapshot import Snapshot, weights_of
from wavewright.train.task import Task

MOST_ROLLBACKS = 8
"""Rollbacks after which the guard gives up; the rate is then 1/256 of what was asked."""

LOG_SECONDS = 1.0
REPORT_SECONDS = 0.25

_GO_ON, _INTERRUPTED, _REACHED = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    """How training ended, and how good the best weights are."""

    status: Literal["finished", "reached", "interrupted"]
    goal: str
    best: float | None
    """The goal's best figure; None where nothing was validated (and in all processes but the first)."""
    best_step: int
    figures: dict[str, float] = field(repr=False)
    """All figures of the best validation."""
    step: int
    seconds: float
    """Of training, over all resumptions."""


def train(
    task: Task,
    settings: TrainSettings,
    run: RunFolder,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Train ``task.network`` until the budget is spent, the goal is reached, or Ctrl-C; leave everything in ``run``.

    Args:
        resume: go on from the run's checkpoint (or from the start, if it was ended before its first).
        reporter: who is told of the progress; nobody by default.
        stop: setting it from another thread is like Ctrl-C.

    Raises:
        SettingsError: settings out of range, a device that is not there, or other settings than the run was begun with.
        RunError: the checkpoint is damaged or of another network, the run is in use, the loss stays not finite.
        OutputError: the disk is full. The last checkpoint is whole.
    """
    checked_training(settings)
    if not resume and run.checkpoint.exists():
        raise RunError(f"run {run} has been trained before; --resume goes on with it, --force begins anew")
    with joined(settings.device) as team, Interrupt(stop) as interrupt, run.claimed(team.writes):
        team.wait()
        training = _Training(task, settings, run, team, reporter or Silent(), interrupt)
        try:
            training.begin(resume)
            return training.go()
        finally:
            training.close()


class _Training:
    """One session of training: from a start or a checkpoint to an end or an interruption."""

    def __init__(
        self, task: Task, settings: TrainSettings, run: RunFolder, team: Team, reporter: Reporter, interrupt: Interrupt
    ) -> None:
        self.task, self.settings, self.run, self.team = task, settings, run, team
        self.reporter, self.interrupt = reporter, interrupt
        self.budget = budget_of(settings, task.steps_per_epoch)
        self.rhythm = rhythm_of(settings, self.budget)
        self.autocast = prepare_arithmetic(settings, team.device)
        self.network = task.network.to(team.device).train()
        self.optimizer = optimizers.build(
            settings.optimizer, self.network, settings.learning_rate, settings.weight_decay
        )
        self.highest_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.buffers = [buffer for buffer in self.network.buffers() if buffer.is_floating_point()]
        self.loss_of: Callable[[tuple[Tensor, ...]], Tensor] = (
            torch.compile(task.loss) if settings.compile else task.loss
        )
        self.counters = Counters()
        self.best: dict[str, Tensor] = {}
        self.best_is_written = True
        self.good = Snapshot.take(0, self.network, self.optimizer)
        self.sums = torch.zeros(2, device=team.device)  # losses, gradient norms; read only every so often
        self.count = 0
        self.log: RunLog | None = None
        self.row: dict[str, Any] = {}
        self.unlogged = (0.0, 0.0, 0)

    def begin(self, resume: bool) -> None:
        """Take up the checkpoint, if there is one to go on from, and start the clocks."""
        if resume and self.run.checkpoint.exists():
            self._take_up(checkpoint.read(self.run.checkpoint, self.network))
        elif resume:
            self.reporter.say(f"run {self.run} has no checkpoint yet: training begins at its first step")
        self.team.share([*self.parameters, *self.buffers])
        if self.team.writes:
            board = self.run.tensorboard if self.settings.tensorboard else None
            self.log = RunLog(self.run.log, self.counters.step, tensorboard=board)
        elapsed = self.counters.elapsed
        self.started = time.monotonic() - elapsed
        self.logged = self.saved = self.previewed = elapsed
        self.reported = (time.monotonic(), self.counters.step)
        self.speed = 0.0

    def go(self) -> Outcome:
        """The loop."""
        now = self.counters
        while True:
            now.elapsed, word = self.team.agree(time.monotonic() - self.started, self._word())
            if word != _GO_ON or self.budget.spent(now.step, now.elapsed):
                return self._end(word)
            self._step()
            now.step += 1
            validating = self.rhythm.due(now.step, now.elapsed - now.validated)
            if validating or now.step % self.settings.check_steps == 0:
                self._look()
                if validating:
                    self._validate()
                self._log(due=validating or now.elapsed - self.logged >= LOG_SECONDS)
                if now.elapsed - self.saved >= self.settings.checkpoint_seconds:
                    self._save()
                self._preview_if_due()
            self._report()

    def _step(self) -> None:
        """One optimiser step. On a GPU nothing here waits for it."""
        step, team = self.counters.step, self.team
        self._set_rate()
        reseed(self.settings.seed, step, team.rank, team.device)
        team.share(self.buffers)
        batch = tuple(part.to(team.device, non_blocking=True) for part in self.task.batch(step, team.rank, team.world))
        with self.autocast():
            loss = self.loss_of(batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        mean_loss = team.average(self.parameters, loss.detach())
        limit = self.settings.gradient_clip or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, limit)
        self.optimizer.step()
        self.sums += torch.stack((mean_loss.float(), norm.float()))
        self.count += 1
        self.samples = batch[0].shape[0] * batch[0].shape[-1] * team.world

    def _set_rate(self) -> None:
        progress = self.budget.progress(self.counters.step, self.counters.elapsed)
        share = rate_share(self.settings.schedule, progress, self.settings.warm_up) * self.counters.rate_share
        for group, highest in zip(self.optimizer.param_groups, self.highest_rates, strict=True):
            group["lr"] = highest * share

    def _look(self) -> None:
        """Read the loss since the last look: finite, and the weights count as good; or go back to the last good ones."""
        loss, norm = self.sums.tolist()
        count, step = self.count, self.counters.step
        self.sums.zero_()
        self.count = 0
        if math.isfinite(loss) and math.isfinite(norm):
            self.good = Snapshot.take(step, self.network, self.optimizer)
            before = self.unlogged
            self.unlogged = (before[0] + loss, before[1] + norm, before[2] + count)
            return
        what = "loss" if not math.isfinite(loss) else "gradient"
        self.counters.rollbacks += 1
        self.counters.rate_share /= 2
        self.good.restore(self.network, self.optimizer)
        self.row |= {"event": f"{what} not finite", "back_to": self.good.step, "rate_share": self.counters.rate_share}
        if self.counters.rollbacks >= MOST_ROLLBACKS:
            self._give_up(what)
        rate = self.settings.learning_rate * self.counters.rate_share
        self.reporter.say(
            f"step {step}: the {what} is not finite; back to the weights of step {self.good.step}, rate halved to {rate:.3g}"
        )

    def _give_up(self, what: str) -> None:
        self._log(due=True)
        self._save()
        raise RunError(
            f"run {self.run}: the {what} was not finite {MOST_ROLLBACKS} times, the last at step {self.counters.step}; "
            f"begin anew with a learning_rate below {self.settings.learning_rate:g}, or look at the data"
        )

    def _validate(self) -> None:
        """Figures of the present weights, in the first process; the best weights are kept."""
        now = self.counters
        now.validated, now.validated_step = now.elapsed, now.step
        if not self.team.writes:
            return
        self.network.eval()
        with torch.no_grad():
            figures = {name: float(value) for name, value in self.task.validate().items()}
        self.network.train()
        figure = figures[self.task.goal]
        self.row |= figures
        if math.isfinite(figure) and (now.best is None or figure < now.best):
            now.best, now.best_step, now.best_figures = figure, now.step, figures
            self.best = weights_of(self.network)
            self.best_is_written = False

    def _log(self, *, due: bool) -> None:
        """One line for this step, if it is ``due`` or something happened."""
        if self.log is None or not (due or self.row):
            return
        loss, norm, count = self.unlogged
        means = {"loss": loss / count, "gradient": norm / count} if count else {}
        now = self.counters
        rate = self.optimizer.param_groups[0]["lr"]
        self.log.add({"step": now.step, "seconds": round(now.elapsed, 3), **means, "rate": rate, **self.row})
        self.row, self.unlogged, self.logged = {}, (0.0, 0.0, 0), now.elapsed

    def _save(self) -> None:
        """Write best and last, each whole or not at all."""
        self.saved = self.counters.elapsed
        if not self.team.writes:
            return
        now = self.counters
        if not self.best_is_written:
            model_file.save(self.run.model, self.best, self.run.info, now.best_step, now.best_figures)
            self.best_is_written = True
        at_good = self.count == 0  # the snapshot of the last look is what the network holds
        loss, norm = self.sums.tolist()
        state = Checkpoint(
            replace(now, pending=(loss, norm, self.count)),
            self.good if at_good else Snapshot.take(now.step, self.network, self.optimizer),
            None if at_good else self.good,
            self.best,
            to_mapping(self.settings),
            self.team.world,
        )
        checkpoint.write(self.run.checkpoint, state)

    def _take_up(self, kept: Checkpoint) -> None:
        """Stand where ``kept`` stood."""
        refuse_differences(kept.settings, to_mapping(self.settings))
        if kept.world != self.team.world:
            raise RunError(
                f"run {self.run} was trained by {kept.world} processes and cannot go on with {self.team.world}; "
                f"start it with torchrun --nproc-per-node {kept.world}"
            )
        self.counters = kept.counters
        self.best = {name: value.to(self.team.device) for name, value in kept.best.items()}
        self.best_is_written = not self.best
        if kept.good is not None:
            kept.good.restore(self.network, self.optimizer)
            self.good = Snapshot.take(kept.good.step, self.network, self.optimizer)
        kept.now.restore(self.network, self.optimizer)
        if kept.good is None:
            self.good = Snapshot.take(kept.now.step, self.network, self.optimizer)
        loss, norm, self.count = kept.counters.pending
        self.sums = torch.tensor([loss, norm], device=self.team.device)
        self._say_how_it_goes_on(kept)

    def _say_how_it_goes_on(self, kept: Checkpoint) -> None:
        now, name = self.counters, self.task.goal.upper()
        best = "" if now.best is None else f", best {name} {now.best:.5g} at step {now.best_step}"
        self.reporter.say(f"run {self.run} goes on after step {now.step} and {now.elapsed:.0f} s{best}")
        before = budget_of(
            replace(self.settings, **{key: kept.settings[key] for key in _BUDGET}), self.task.steps_per_epoch
        )
        if before != self.budget:
            rates = [
                self.settings.learning_rate
                * rate_share(self.settings.schedule, budget.progress(now.step, now.elapsed), self.settings.warm_up)
                for budget in (before, self.budget)
            ]
            self.reporter.say(
                f"the budget is now {self.budget.words} (was {before.words}): "
                f"the rate goes on from {rates[1]:.3g} (was {rates[0]:.3g}) and follows the longer or shorter curve to its end"
            )

    def _word(self) -> int:
        until, best = self.settings.until_esr, self.counters.best
        if until is not None and best is not None and best <= until:
            return _REACHED
        return _INTERRUPTED if self.interrupt.asked else _GO_ON

    def _end(self, word: int) -> Outcome:
        """The last validation, preview and checkpoint; after Ctrl-C the checkpoint alone."""
        now = self.counters
        spent = self.budget.spent(now.step, now.elapsed)
        status: Literal["finished", "reached", "interrupted"] = (
            "reached" if word == _REACHED else "finished" if spent else "interrupted"
        )
        if status != "interrupted" and now.validated_step != now.step:
            self._look()
            self._validate()
            self._log(due=True)
        self._save()
        if status != "interrupted":
            self._preview_if_due(end=True)
        else:
            self.reporter.say(f"stopped after step {now.step}; the same command with --resume goes on from there")
        self.team.wait()
        return Outcome(status, self.task.goal, now.best, now.best_step, now.best_figures, now.step, now.elapsed)

    def _preview_if_due(self, *, end: bool = False) -> None:
        """A preview is a comfort: where it cannot be written, training goes on without."""
        minutes, now = self.settings.preview_minutes, self.counters
        if minutes is None or not self.team.writes or not (end or now.elapsed - self.previewed >= minutes * 60):
            return
        self.previewed = now.elapsed
        path = self.run.previews / f"step-{now.step:08d}.wav"
        self.network.eval()
        try:
            with torch.no_grad():
                self.task.preview(path)
        except (OSError, WavewrightError) as error:
            path.unlink(missing_ok=True)
            self.reporter.say(f"the preview {path.name} could not be written ({error}); training goes on without")
        self.network.train()

    def _report(self) -> None:
        moment = time.monotonic()
        before, step = self.reported
        now = self.counters
        if not self.team.writes or moment - before < REPORT_SECONDS:
            return
        speed = (now.step - step) / (moment - before)
        self.speed = speed if self.speed == 0 else 0.8 * self.speed + 0.2 * speed
        self.reported = (moment, now.step)
        loss, count = (float(self.sums[0]), self.count) if self.count else (self.unlogged[0], self.unlogged[2])
        standing = Standing(
            step=now.step,
            progress=self.budget.progress(now.step, now.elapsed),
            loss=loss / max(count, 1),
            goal=self.task.goal,
            best=now.best,
            steps_per_second=self.speed,
            samples_per_second=self.speed * self.samples,
            rate=self.run.rate,
            seconds_left=self.budget.seconds_left(now.step, now.elapsed, self.speed),
        )
        self.reporter.show(standing)

    def close(self) -> None:
        """Close the log and the bar, whatever happened."""
        self.reporter.close()
        if self.log is not None:
            self.log.close()


_BUDGET = ("minutes", "epochs", "steps", "until_esr")

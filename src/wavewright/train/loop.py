"""The one training loop of the house.

Read `_Training.go` first: it is the loop. What makes resumption exact: a step depends on nothing but the weights, the
optimiser's state and its own number; the clock decides only under a budget in minutes, and what it decides is agreed
upon by all processes. What the clock may decide under any budget (writing, reporting) touches no weight.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
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
from wavewright.train.guard import Guard
from wavewright.train.interrupt import Interrupt
from wavewright.train.log import RunLog
from wavewright.train.progress import Pace, Reporter, Silent, Standing
from wavewright.train.resuming import how_it_goes_on, refuse_other_run
from wavewright.train.run import RunFolder
from wavewright.train.schedule import rate_share
from wavewright.train.settings import TrainSettings, checked_training
from wavewright.train.snapshot import weights_of
from wavewright.train.task import Carrying, Framed, Task, Telling

MOST_ROLLBACKS = 8
"""Rollbacks after which training gives up; the rate would then be 1/256 of what was asked."""

LOG_SECONDS = 1.0
"""Least seconds of training between lines of the log, validations apart."""

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
    reporter = reporter or Silent()
    try:
        checked_training(settings)
        if not resume and run.checkpoint.exists():
            raise RunError(f"run {run} has been trained before; --resume goes on with it, --force begins anew")
        with joined(settings.device) as team, Interrupt(stop) as interrupt, run.claimed(team.writes):
            team.wait()
            training = _Training(task, settings, run, team, reporter if team.writes else Silent(), interrupt)
            try:
                training.begin(resume)
                return training.go()
            finally:
                training.close()
    finally:
        reporter.close()


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
        self.parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.buffers = [buffer for buffer in self.network.buffers() if buffer.is_floating_point()]
        self.optimizer = optimizers.build(
            settings.optimizer, self.network, settings.learning_rate, settings.weight_decay
        )
        self.highest_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.loss_of: Callable[[tuple[Tensor, ...]], Tensor] = (
            torch.compile(task.loss) if settings.compile else task.loss
        )
        self.counters = Counters()
        self.best: dict[str, Tensor] = {}
        self.best_is_written = True
        self.log: RunLog | None = None
        self.news: dict[str, Any] = {}  # what this step has for the log: figures, events
        self.samples = 0

    def begin(self, resume: bool) -> None:
        """Take up the checkpoint, if there is one to go on from, and start the clocks."""
        self.team.share([*self.parameters, *self.buffers])
        self.guard = Guard(self.network, self.optimizer, self.team.device)
        if resume and self.run.checkpoint.exists():
            self._take_up(checkpoint.read(self.run.checkpoint, self.network))
        elif resume:
            self.reporter.say(f"run {self.run} has no checkpoint yet: training begins at its first step")
        if self.team.writes:
            board = self.run.tensorboard if self.settings.tensorboard else None
            self.log = RunLog(self.run.log, self.counters.step, tensorboard=board)
        if self.settings.compile:
            self._compile()
        self.team.wait()  # nobody trains before all have read the checkpoint
        elapsed = self.counters.elapsed
        self.started = time.monotonic() - elapsed
        self.logged = self.saved = self.previewed = elapsed
        self.pace = Pace(self.counters.step)

    def _compile(self) -> None:
        """Have the step compiled before the clock starts, and leave no trace of it in network or gradients."""
        self.reporter.say("compiling the training step, which takes a minute")
        before = self.guard.present(self.counters.step)
        with self.autocast():
            loss = self.loss_of(self._batch())
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad()
        before.restore(self.network, self.optimizer)

    def _batch(self) -> tuple[Tensor, ...]:
        step, team = self.counters.step, self.team
        batch = self.task.batch(step, team.rank, team.world)
        return tuple(part.to(team.device, non_blocking=True) for part in batch)

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
            if validating or now.step % self.settings.check_steps == 0 or self.guard.urgent:
                self._look()
                if validating:
                    self._validate()
                self._log(due=validating or now.elapsed - self.logged >= LOG_SECONDS)
                if now.elapsed - self.saved >= self.settings.checkpoint_seconds:
                    self._save()
                if now.elapsed - self.previewed >= (self.settings.preview_minutes or math.inf) * 60:
                    self._preview()
            if self.team.writes and self.pace.due(now.step):
                self.reporter.show(self._standing())

    def _step(self) -> None:
        """One optimiser step. On a GPU nothing here waits for it."""
        team = self.team
        rate = self._rate_share()
        for group, highest in zip(self.optimizer.param_groups, self.highest_rates, strict=True):
            group["lr"] = highest * rate
        reseed(self.settings.seed, self.counters.step, team.rank, team.device)
        team.share(self.buffers)
        batch = self._batch()
        with self.autocast():
            loss = self.loss_of(batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        mean_loss = team.average(self.parameters, loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip or math.inf)
        self.guard.add(mean_loss, norm)
        try:
            self.optimizer.step()
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # how a second-order optimiser meets NaN
            self.guard.add_failure()
        self.samples = batch[0].shape[0] * batch[0].shape[-1] * team.world

    def _rate_share(self) -> float:
        progress = self.budget.progress(self.counters.step, self.counters.elapsed)
        return rate_share(self.settings.schedule, progress, self.settings.warm_up) * self.counters.rate_share

    def _look(self) -> None:
        """Have the guard look at the steps since it last did; where it had to go back, halve the rate and say so."""
        now = self.counters
        look = self.guard.look(now.step)
        if self.log is not None:
            self.log.note(look)
        if look.wrong is None:
            return
        now.rollbacks += 1
        now.rate_share /= 2
        back_to = self.guard.good.step
        self.news |= {"event": f"{look.wrong} not finite", "back_to": back_to, "rate_share": now.rate_share}
        rate = self.settings.learning_rate * now.rate_share
        self.reporter.say(
            f"step {now.step}: the {look.wrong} is not finite; "
            f"back to the weights of step {back_to}, highest rate now {rate:.3g}"
        )
        if now.rollbacks >= MOST_ROLLBACKS:
            self._log(due=True)
            self._save()
            raise RunError(
                f"run {self.run}: {look.wrong} not finite for the {MOST_ROLLBACKS}th time, at step {now.step}; begin "
                f"anew with a learning_rate below {self.settings.learning_rate:g}, or look for a defect in the data"
            )

    def _validate(self) -> None:
        """Figures of the present weights, in the first process; the best weights are kept."""
        now = self.counters
        now.validated, now.validated_step = now.elapsed, now.step
        if not self.team.writes:
            return
        with self._listening():
            figures = {name: float(value) for name, value in self.task.validate().items()}
        figure = figures[self.task.goal]
        self.news |= figures
        if math.isfinite(figure) and (now.best is None or figure < now.best):
            now.best, now.best_step, now.best_figures = figure, now.step, figures
            self.best = weights_of(self.network)
            self.best_is_written = False

    def _log(self, *, due: bool) -> None:
        """One line for this step, if it is ``due`` or there is news."""
        if self.log is None or not (due or self.news):
            return
        now = self.counters
        self.log.line(now.step, now.elapsed, self.optimizer.param_groups[0]["lr"], self.news)
        self.news, self.logged = {}, now.elapsed

    def _save(self) -> None:
        """Write best and last, each whole or not at all."""
        now = self.counters
        self.saved = now.elapsed
        carried = self.task.carried() if isinstance(self.task, Carrying) else {}
        carried = {name: self.team.gather(value.to(self.team.device)) for name, value in carried.items()}
        if not self.team.writes:
            return
        if not self.best_is_written:
            model_file.save(self.run.model, self.best, self.run.info, now.best_step, now.best_figures)
            self.best_is_written = True
        guard, pending = self.guard, self.guard.pending()
        between_looks = pending.count > 0
        state = Checkpoint(
            counters=replace(now, pending=(pending.loss, pending.gradient, pending.count)),
            now=guard.present(now.step) if between_looks else guard.good,
            good=guard.good if between_looks else None,
            best=self.best,
            settings=to_mapping(self.settings),
            world=self.team.world,
            carried=carried,
        )
        checkpoint.write(self.run.checkpoint, state)

    def _take_up(self, kept: Checkpoint) -> None:
        """Stand where ``kept`` stood."""
        refuse_other_run(kept, self.settings, self.team.world, self.run.path)
        self.counters = kept.counters
        self.best = {name: value.to(self.team.device) for name, value in kept.best.items()}
        self.best_is_written = not self.best
        self.guard.take_up(kept.now, kept.good, kept.counters.pending)
        if isinstance(self.task, Carrying):
            self.task.carry({name: value[self.team.rank] for name, value in kept.carried.items()})
        for sentence in how_it_goes_on(kept, self.settings, self.budget, self.task.goal, self.run.path):
            self.reporter.say(sentence)

    def _word(self) -> int:
        """What this process has to say about going on."""
        until, best = self.settings.until, self.counters.best
        if until is not None and best is not None and best <= until:
            return _REACHED
        return _INTERRUPTED if self.interrupt.asked else _GO_ON

    def _end(self, word: int) -> Outcome:
        """The last validation, checkpoint and preview; after Ctrl-C the checkpoint alone."""
        now = self.counters
        status: Literal["finished", "reached", "interrupted"] = "interrupted"
        if word == _REACHED:
            status = "reached"
        elif self.budget.spent(now.step, now.elapsed):
            status = "finished"
        if status != "interrupted" and now.validated_step != now.step:
            self._look()
            self._validate()
            self._log(due=True)
        self._save()
        if status == "interrupted":
            self.reporter.say(f"stopped after step {now.step}; the same command with --resume goes on from there")
        elif self.settings.preview_minutes is not None:
            self._preview()
        self.team.wait()
        return Outcome(status, self.task.goal, now.best, now.best_step, now.best_figures, now.step, now.elapsed)

    def _preview(self) -> None:
        """A preview is a comfort: where it cannot be written, training goes on without."""
        self.previewed = self.counters.elapsed
        if not self.team.writes:
            return
        path = self.run.previews / f"step-{self.counters.step:08d}.wav"
        try:
            with self._listening():
                self.task.preview(path)
        except (OSError, WavewrightError) as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self.reporter.say(f"the preview {path.name} could not be written ({error}); training goes on without")

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """The network in evaluation mode, without gradients."""
        self.network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.network.train()

    def _standing(self) -> Standing:
        now, speed = self.counters, self.pace.steps_per_second
        recent = self.guard.pending() if self.guard.count else self.guard.last
        hop = self.task.hop if isinstance(self.task, Framed) else 1
        return Standing(
            step=now.step,
            progress=self.budget.progress(now.step, now.elapsed),
            loss=recent.loss / max(1, recent.count),
            goal=self.task.goal,
            best=now.best,
            steps_per_second=speed,
            samples_per_second=speed * self.samples * hop,
            rate=self.run.rate,
            seconds_left=self.budget.seconds_left(now.step, now.elapsed, speed),
            told=self.task.words(now.best_figures) if isinstance(self.task, Telling) and now.best_figures else None,
        )

    def close(self) -> None:
        """Close the log, whatever happened."""
        if self.log is not None:
            self.log.close()

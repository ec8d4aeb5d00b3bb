"""How long a run goes on, and how far it has come: the one number in [0, 1] that the schedule follows."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.train.settings import DEFAULT_MINUTES, TrainSettings

OPEN_HALFWAY = 50
"""Epochs after which a run without an end (`until` alone) counts as half done, so that its rate falls too."""


@dataclass(frozen=True)
class Budget:
    """The end of a run: after ``steps``, after ``seconds``, or (neither) only when validation is good enough."""

    steps: int | None
    seconds: float | None
    steps_per_epoch: int

    def progress(self, step: int, elapsed: float) -> float:
        """Share of the budget used after ``step`` steps and ``elapsed`` seconds, in [0, 1].

        Without an end it is ``e / (e + OPEN_HALFWAY)`` for ``e`` epochs, which never reaches 1.

        >>> Budget(steps=200, seconds=None, steps_per_epoch=10).progress(50, elapsed=3.0)
        0.25
        """
        if self.steps is not None:
            return min(1.0, step / self.steps)
        if self.seconds is not None:
            return min(1.0, elapsed / self.seconds)
        epochs = step / self.steps_per_epoch
        return epochs / (epochs + OPEN_HALFWAY)

    def spent(self, step: int, elapsed: float) -> bool:
        """Whether nothing is left."""
        if self.steps is not None:
            return step >= self.steps
        return self.seconds is not None and elapsed >= self.seconds

    def seconds_left(self, step: int, elapsed: float, steps_per_second: float) -> float | None:
        """Seconds until the end at the present speed; None where that cannot be known."""
        if self.seconds is not None:
            return max(0.0, self.seconds - elapsed)
        if self.steps is not None and steps_per_second > 0:
            return max(0, self.steps - step) / steps_per_second
        return None

    @property
    def words(self) -> str:
        """The budget as a user would say it."""
        if self.seconds is not None:
            return f"{self.seconds / 60:g} minutes"
        if self.steps is None:
            return "no end but the goal"
        epochs, rest = divmod(self.steps, self.steps_per_epoch)
        return f"{self.steps} steps" if rest else f"{epochs} epochs"


def budget_of(settings: TrainSettings, steps_per_epoch: int) -> Budget:
    """The budget that ``settings`` ask for; with none given, `DEFAULT_MINUTES` minutes."""
    if settings.steps is not None:
        return Budget(settings.steps, None, steps_per_epoch)
    if settings.epochs is not None:
        return Budget(settings.epochs * steps_per_epoch, None, steps_per_epoch)
    if settings.minutes is not None:
        return Budget(None, settings.minutes * 60, steps_per_epoch)
    if settings.until is not None:
        return Budget(None, None, steps_per_epoch)
    return Budget(None, DEFAULT_MINUTES * 60, steps_per_epoch)


@dataclass(frozen=True)
class ValidationRhythm:
    """When to validate. By steps wherever the end is in steps, so that the best weights do not hang on the clock."""

    steps: int | None
    seconds: float

    def due(self, step: int, seconds_since: float) -> bool:
        """Whether it is time after ``step`` steps, ``seconds_since`` seconds of training after the last one."""
        return step % self.steps == 0 if self.steps is not None else seconds_since >= self.seconds


def rhythm_of(settings: TrainSettings, budget: Budget) -> ValidationRhythm:
    """Every ``validate_steps`` where asked; each epoch; under a budget in minutes, every ``validate_seconds``."""
    by_epoch = None if budget.seconds is not None else budget.steps_per_epoch
    return ValidationRhythm(settings.validate_steps or by_epoch, settings.validate_seconds)

"""What the commands ``train JOB`` share: who is told, what is refused, how sounds are learned, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wavewright.cli.console import Voice
from wavewright.errors import SettingsError

if TYPE_CHECKING:
    from wavewright.train.loop import Outcome
    from wavewright.train.progress import Reporter


class FromSounds(Protocol):
    """The arguments of a command that learns from a folder of sounds."""

    @property
    def sources(self) -> tuple[Path, ...]:
        """Sound files, folders of them, or a store; none where a run goes on."""
        ...

    @property
    def output(self) -> Path:
        """The run."""
        ...

    @property
    def resume(self) -> bool:
        """Whether the run goes on."""
        ...

    @property
    def force(self) -> bool:
        """Whether an earlier run there is replaced."""
        ...

    @property
    def settings(self) -> Any:
        """Those of the job."""
        ...


def refuse_sources(arguments: FromSounds, job: str, wanted: str) -> None:
    """Raise `SettingsError` where no sounds are named to begin with, or some to go on with."""
    if not arguments.sources and not arguments.resume:
        raise SettingsError([f"train {job} wants {wanted}; none was given"])
    if arguments.resume and (arguments.force or arguments.sources):
        raise SettingsError(["--resume goes on with a run and its own sounds; leave --force and the folders away"])


def listeners(voice: Voice) -> tuple[Voice, Reporter]:
    """Who is told of the end, and who of the progress; started under torchrun, the first process speaks for all."""
    from wavewright.train.progress import reporter_for
    from wavewright.train.run import own_rank

    voice = voice if own_rank() == 0 else Voice(quiet=True)
    return voice, reporter_for(quiet=not voice.speaks)


def learn_sounds(training: Any, arguments: FromSounds, voice: Voice, reporter: Reporter) -> Outcome:
    """Train a job whose file ``training`` has ``begin``, ``learn`` and ``resume``, with a bar over the preparing."""
    from wavewright.cli.bar import Bar

    run, settings = arguments.output, arguments.settings
    outcome: Outcome
    if arguments.resume:
        outcome = training.resume(run, settings, reporter)
        return outcome
    with Bar("preparing", "files", voice) as bar:
        begun = training.begin(arguments.sources, run, settings, reporter, force=arguments.force, progress=bar.update)
    outcome = training.learn(begun, settings, reporter)
    return outcome


def finish(
    voice: Voice,
    job: str,
    run: Path,
    outcome: Outcome,
    told: Callable[[], Sequence[str]],
    found: Mapping[str, Any],
) -> int:
    """Tell how it ended, people in the lines of ``told``, machines what was ``found``; gives the exit status."""
    interrupted = outcome.status == "interrupted"
    if interrupted:
        voice.say(f"stopped after {outcome.step} steps; go on with: wavewright train {job} -o {run} --resume")
    elif outcome.best is not None and voice.speaks:
        voice.say(*told())
    voice.result(
        {
            "run": str(run),
            "status": outcome.status,
            **found,
            "best_step": outcome.best_step,
            "steps": outcome.step,
            "seconds": outcome.seconds,
        }
    )
    return 130 if interrupted else 0

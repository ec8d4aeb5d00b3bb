"""The command line: find the command, let its own file read the flags, and turn errors into one clear sentence.

Only the file of the command that was asked for is imported, so that help and mistakes answer at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from wavewright import __version__
from wavewright.errors import WavewrightError
from wavewright.settings import did_you_mean

COMMANDS = {
    "demo": "the whole way on built-in sounds: data, training, result, report",
    "signal": "write a training signal to play through the device",
    "check": "alignment and quality of a dry and a wet recording, before an hour is lost",
    "prepare": "the data step by itself: resampled, checked, memory-mapped, reusable",
    "train": "learn: train emulate DRY WET, train generate FOLDER, train upsample FOLDER, train impute TABLE",
    "render": "a run at work: files through a twin, bandwidth put back, the gaps of a table filled",
    "sample": "draw new sound from a run of train generate",
    "evaluate": "the figures of a run, on its own held-out part or on another pair",
    "report": "the page of a run: players, plots, history",
    "export": "write a model file that other players read",
    "live": "play a twin through the sound card",
    "info": "what a run, a model file or a sound file holds",
}
"""Every command and its line in the help; the file of the same name in this folder reads its flags and runs it."""


def usage() -> str:
    """The page that ``wavewright --help`` prints."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{line}" for name, line in COMMANDS.items()]
    return "\n".join(
        [
            f"wavewright {__version__}: learns sound from recordings",
            "",
            "usage: wavewright COMMAND …        (wavewright COMMAND --help tells its options)",
            "",
            *lines,
            "",
            "First steps: `wavewright demo` shows the whole way on built-in sounds;",
            "`wavewright signal training.wav` makes what to play through your own device.",
        ]
    )


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status: 0, 2 for a mistake that can be mended, 130 for Ctrl-C."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(__version__)
        return 0
    # Threads that wait for each other actively make a busy machine crawl (a tenth of the training speed was measured);
    # asleep, they cost nothing. Read once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    name, rest = arguments[0], arguments[1:]
    try:
        if name not in COMMANDS:
            raise WavewrightError(f"unknown command {name!r}: {did_you_mean(name, COMMANDS)}")
        command = importlib.import_module(f"wavewright.cli.{name}")
        return int(command.main(rest))
    except WavewrightError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("stopped", status=130)
    except BrokenPipeError:  # the reader of our output has left: nothing more to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def main() -> NoReturn:
    """Entry point of the ``wavewright`` program."""
    raise SystemExit(run(sys.argv[1:]))


def _fail(message: str, status: int = 2) -> int:
    for line in message.splitlines():
        print(f"wavewright: {line}", file=sys.stderr)
    return status

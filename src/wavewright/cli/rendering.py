"""What the commands ``render`` of twins and of upsamplers share: a bar, a row for each file, what failed told last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wavewright.cli.console import Voice

if TYPE_CHECKING:
    from wavewright.engine.render import Failed, Progress, Written


def render(
    voice: Voice,
    name: str,
    rate: int | None,
    play: Callable[[Progress], Sequence[Written | Failed]],
    tell: Callable[[Any], dict[str, object]],
) -> int:
    """Have files played through what is called ``name`` at ``rate`` Hz; gives the exit status.

    ``tell`` tells people of one file that was written, and gives what machines are told of it beside `facts`.

    Raises:
        RenderError: of several files some failed; told once the others have been.
    """
    from wavewright.cli.bar import Bar
    from wavewright.engine.render import Failed, RenderError

    problem: RenderError | None = None
    with Bar(f"rendering through {name}", "samples", voice, rate) as bar:
        try:
            done = play(bar.update)
        except RenderError as error:
            done, problem = error.done, error
    rows: list[dict[str, object]] = []
    for one in done:
        if isinstance(one, Failed):
            rows.append({"input": str(one.source), "output": None, "error": str(one.error)})
        else:
            rows.append(facts(one) | tell(one))
    voice.result({"rendered": rows})
    if problem is not None:
        raise problem
    return 0


def facts(one: Written) -> dict[str, object]:
    """What machines are told of any file that was written."""
    return {
        "input": str(one.source),
        "output": str(one.output),
        "rate": one.rate,
        "seconds": one.seconds,
        "times_real_time": one.times_real_time,
        "clipped": one.clipped,
    }


def clipped(one: Written) -> list[str]:
    """A line on samples beyond full scale; none where there are none."""
    return [f"  {one.clipped} samples lay beyond full scale and were clipped; --subtype FLOAT keeps them"][
        : one.clipped
    ]

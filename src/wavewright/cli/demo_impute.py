"""``wavewright demo impute``: a table with gaps becomes whole."""

from __future__ import annotations

from pathlib import Path

from wavewright.cli.console import Voice


def show(output: Path, minutes: float, force: bool, voice: Voice) -> int:
    """Run the demo into the folder ``output``; gives its exit status."""
    from wavewright.jobs.impute.demo import impute_demo
    from wavewright.train.progress import reporter_for

    done = impute_demo(output, voice.say, reporter_for(quiet=not voice.speaks), minutes=minutes, force=force)
    way, error = done.best_simple
    voice.say(
        "",
        f"{done.count:,} gaps filled. Hidden blocks were missed by {done.mae:.3f} standard deviations on average; by "
        f"{error:.3f} with the best simple way ({way}).",
        f"Open {done.page} in a browser. With a table of your own:",
        "",
        "  wavewright train impute TABLE.csv -o myrun",
        "  wavewright render myrun TABLE.csv -o filled.csv",
        "  wavewright evaluate myrun",
        "  wavewright report myrun",
    )
    voice.result(
        {
            "folder": str(done.folder),
            "run": str(done.run),
            "table": str(done.table),
            "filled": str(done.filled),
            "gaps": done.count,
            "mae": done.mae,
            "best_simple": {way: error},
            "report": str(done.page),
        }
    )
    return 0

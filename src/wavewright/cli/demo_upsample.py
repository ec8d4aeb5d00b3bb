"""``wavewright demo upsample``: tunes that lose their upper band, and get it back."""

from __future__ import annotations

from pathlib import Path

from wavewright.cli.console import Voice


def show(folder: Path, minutes: float, force: bool, voice: Voice) -> int:
    """Show it; gives the exit status."""
    from wavewright.jobs.upsample.demo import upsample_demo
    from wavewright.train.progress import reporter_for

    done = upsample_demo(folder, voice.say, reporter_for(quiet=not voice.speaks), minutes=minutes, force=force)
    voice.say(
        "",
        f"On tunes it never heard: SNR {done.snr:.2f} dB, LSD10 {done.lsd10:.2f}.",
        f"Open {done.page} in a browser, or play {done.old} and {done.new}. With sounds of your own:",
        "",
        "  wavewright train upsample FOLDER -o myrun                full-band sounds, any formats, any tree of folders",
        "  wavewright render myrun old.wav -o restored.wav          any length, rate and channels",
        "  wavewright evaluate myrun OTHER_SOUNDS -o measured       figures beside what needs no network",
        "  wavewright report myrun",
    )
    voice.result(
        {
            "folder": str(done.folder),
            "run": str(done.run),
            "snr": done.snr,
            "lsd10": done.lsd10,
            "old": str(done.old),
            "restored": str(done.new),
            "report": str(done.page),
        }
    )
    return 0

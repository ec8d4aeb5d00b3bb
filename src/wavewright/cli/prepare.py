"""``wavewright prepare``: the data step by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wavewright.cli.console import Voice
from wavewright.cli.flags import POSITIONAL, option, parse


@dataclass(frozen=True)
class Arguments:
    """Read, check and lay down sound files as a store: float32, once, mapped into memory, with a manifest of hashes."""

    sources: Annotated[tuple[Path, ...], POSITIONAL, option("sound files, and folders of them", metavar="FOLDER …")]
    output: Annotated[Path, option("the store: a new folder", short="-o", metavar="STORE")]
    rate: Annotated[int | None, option("sample rate in Hz; files of another are resampled", metavar="HZ")] = None
    mono: Annotated[bool, option("mix all channels down to one")] = False
    force: Annotated[bool, option("replace a store that is there already", short="-f")] = False
    voice: Voice = field(default_factory=Voice)


def main(words: Sequence[str]) -> int:
    """Run the command; gives its exit status."""
    arguments = parse(Arguments, "prepare", words)
    from wavewright.cli.bar import Bar
    from wavewright.data.store import Store

    with Bar("preparing", "files", arguments.voice) as bar:
        store = Store.create(
            arguments.output,
            arguments.sources,
            rate=arguments.rate,
            mono=arguments.mono,
            force=arguments.force,
            progress=bar.update,
        )
    frames = store.track().shape[1]
    arguments.voice.say(f"{arguments.output}: {len(store.items)} files, {frames / store.rate:.1f} s at {store.rate} Hz")
    arguments.voice.result(
        {"store": str(arguments.output), "files": len(store.items), "frames": frames, "rate": store.rate}
    )
    return 0

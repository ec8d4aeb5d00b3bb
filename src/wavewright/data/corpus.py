"""A corpus: sounds of one rate, mono, one behind the other in a store, each with its file, its label and its place.

Any folder becomes one, whatever the formats, rates and channels in it. Files that cannot be used are left out and
named; what a whole corpus lacks is told before anything is learned from it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.data import store as stores
from wavewright.data.controls import BETWEEN
from wavewright.data.encoding import peak
from wavewright.data.manifest import Item
from wavewright.data.store import Store
from wavewright.errors import AudioFileError, DataError, SettingsError
from wavewright.settings import checked, setting

SILENCE = 1e-4  # −80 dBFS: a sound that never rises above it holds nothing, and µ-law hears less than this as zero
MOST_LABELS = 256  # each is a channel of a network's input

LABEL_KINDS = ("none", "folder", "name")


@dataclass(frozen=True)
class Labels:
    """Where a sound's label comes from: nowhere, the folder it lies in, or some ``parts`` of its file name.

    A name's parts lie between underscores, dashes and spaces, the suffix is none of them; they count from 0. A label of
    several parts has a stroke between them.

    Example:
        >>> Labels("name", (1,)).of(Path("digits/3_george_12.wav"))
        'george'
        >>> Labels("name", (0, 1)).of(Path("digits/3_george_12.wav"))
        '3/george'
        >>> Labels("folder").of(Path("drums/kick/808.wav"))
        'kick'
    """

    kind: str = setting("none", "where it comes from", choices=LABEL_KINDS)
    parts: tuple[int, ...] = setting((0,), "which parts of the name")

    def __post_init__(self) -> None:
        checked(self)
        if not self.parts or min(self.parts) < 0 or len(set(self.parts)) < len(self.parts):
            raise SettingsError([f"setting parts = {self.parts}: must be one or more numbers from 0 on, none twice"])

    def of(self, path: Path) -> str | None:
        """The label of a file.

        Raises:
            DataError: its name has no such part, or it lies in no folder that has a name.
        """
        if self.kind == "none":
            return None
        if self.kind == "folder":
            if not path.parent.name:
                raise DataError(f"{path} lies in no folder that could name its class; take the class from file names")
            return path.parent.name
        parts = [part for part in re.split(r"[_\-\u2013\s]+", path.stem) if part]
        if max(self.parts) >= len(parts):
            raise DataError(
                f"{path}: its name has {len(parts)} parts ({', '.join(parts)}), part {max(self.parts)} is asked for as "
                "its class (they count from 0); rename it, leave it out, or ask for another part"
            )
        return BETWEEN.join(parts[number] for number in self.parts)


@dataclass(frozen=True)
class Sound:
    """A sound: the file it came from, its ``label``, and where it lies in the track, in samples."""

    path: Path
    label: str | None
    start: int
    length: int
    sha256: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why in a sentence."""

    path: Path
    why: str


@dataclass(frozen=True)
class Corpus:
    """A ``store`` of mono sound, its ``sounds`` in order, and the files ``skipped`` on the way."""

    store: Store
    sounds: tuple[Sound, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return self.store.rate

    @property
    def track(self) -> FloatArray:
        """All sound ``(1, frames)``, mapped from the disk."""
        return self.store.track(self.store.tracks[0])

    @property
    def seconds(self) -> float:
        """Length of all sounds together."""
        return sum(sound.length for sound in self.sounds) / self.rate

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label there is, sorted; empty where sounds have none."""
        return tuple(sorted({sound.label for sound in self.sounds if sound.label is not None}))

    def peak(self, pre_emphasis: float = 0.0) -> float:
        """The largest magnitude of any sound after pre-emphasis: what `Encoding.fitted` wants to know."""
        return peak(self.track, self.sounds, pre_emphasis)

    def refuse_shorter(self, needed: int, what: str) -> None:
        """Raise `DataError` where no sound has ``needed`` samples; ``what`` says what needs them."""
        longest = max(self.sounds, key=lambda sound: sound.length)
        if longest.length < needed:
            raise DataError(
                f"{what} needs {needed} samples ({needed / self.rate:.3g} s), and all {len(self.sounds)} sounds are "
                f"shorter: the longest is {longest.path} with {longest.length} ({longest.length / self.rate:.3g} s); "
                "choose less, give longer sounds, or learn short ones with the silence behind them (--tail 0.3)"
            )

    @classmethod
    def create(
        cls,
        folder: Path,
        sources: Sequence[Path],
        *,
        rate: int | None = None,
        highest: int | None = None,
        labels: Labels = Labels(),
        force: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Corpus:
        """Lay a corpus down as a new store in ``folder``, resampled, mixed down, in blocks.

        Args:
            folder: the new store.
            sources: sound files and folders of them; or one store, which is used where it lies.
            rate: Hz to bring all sounds to; where None, the rate most files have.
            highest: the most that rate may be where it is not given.
            labels: where the sounds' labels come from.
            force: replace a store that is there already.
            progress: called with the number of files done and their total.

        Raises:
            AudioFileError: a source does not exist, or a folder holds no sound file.
            DataError: no file can be used, all are silent, or what `Labels.of` and `open` refuse.
            OutputError: ``folder`` holds something already, or cannot be written.
        """
        if len(sources) == 1 and is_store(sources[0]):
            return cls.open(sources[0], labels=labels, rate=rate)
        found = files.find(list(sources))
        _refuse_many({labels.of(path) for path in found})  # before an hour of audio is converted
        skipped: list[Skipped] = []
        store = Store.create(
            folder,
            found,
            rate=usual_rate(found, highest) if rate is None else rate,
            mono=True,
            force=force,
            progress=progress,
            skip=lambda path, error: skipped.append(Skipped(path, str(error))),
        )
        return _of(store, labels, skipped)

    @classmethod
    def open(cls, folder: Path, *, labels: Labels = Labels(), rate: int | None = None) -> Corpus:
        """The corpus in an existing store, such as ``wavewright prepare`` makes; nothing is copied.

        Raises:
            DataError: no store, or one of several tracks or channels, or of another ``rate`` than is asked for; only
                silence in it; or more labels than `MOST_LABELS`.
        """
        store = Store.open(folder)
        channels = [track.channels for track in store.manifest.tracks]
        if channels != [1]:
            raise DataError(
                f"store {folder} has tracks of {channels} channels, one of 1 is needed; prepare it anew with --mono"
            )
        if rate not in (None, store.rate):
            raise DataError(
                f"store {folder} is at {store.rate} Hz, not {rate}; prepare it anew at that rate, or ask for its own"
            )
        return _of(store, labels, [])


def hold_out(
    sounds: Sequence[Sound], share: float = 0.1, seed: int = 0, pattern: str | None = None
) -> tuple[tuple[Sound, ...], tuple[Sound, ...]]:
    """Sounds to train on, and sounds to judge by that training never hears: whole files, in their order.

    Each label gives about ``share`` of its files: those whose names come first in a random order that hangs on ``seed``
    and the name alone, so that a file more or less moves no more than one other of its label from side to side. Or
    those are held out whose names match ``pattern``, such as ``"*_[567].wav"``. Copies of one file stay together. A
    corpus of a single file has its end held out.

    Example:
        >>> takes = [Sound(Path(f"{word}_{n}.wav"), word, 0, 9) for word in ("yes", "no") for n in range(20)]
        >>> train, held = hold_out(takes, share=0.1)
        >>> len(train), sorted(sound.label for sound in held)
        (36, ['no', 'no', 'yes', 'yes'])

    Raises:
        DataError: ``pattern`` matches no file, or all of them.
        ValueError: ``share`` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share = {share}: must lie between 0 and 1")
    files_of: dict[str, list[Sound]] = {}
    for sound in sounds:
        files_of.setdefault(sound.sha256 or f"{sound.path}", []).append(sound)
    groups = list(files_of.values())
    if pattern is not None:
        chosen = _matching(groups, pattern)
    elif len(groups) == 1:
        return _cut(groups[0][0], share)
    else:
        chosen = _drawn(groups, share, seed)
    held = {id(sound) for group in chosen for sound in group}
    return tuple(sound for sound in sounds if id(sound) not in held), tuple(
        sound for sound in sounds if id(sound) in held
    )


def _matching(groups: list[list[Sound]], pattern: str) -> list[list[Sound]]:
    chosen = [group for group in groups if any(fnmatchcase(sound.path.name, pattern) for sound in group)]
    if not 0 < len(chosen) < len(groups):
        raise DataError(
            f"the pattern {pattern!r} matches {'all' if chosen else 'none'} of the {len(groups)} files, one of which "
            f"is named {groups[0][0].path.name!r}; it must match some of them and leave others to train on"
        )
    return chosen


def _drawn(groups: list[list[Sound]], share: float, seed: int) -> list[list[Sound]]:
    """The first of each label in the random order; one in all cases, and never the only file of a label if possible."""
    labelled: dict[str, list[tuple[float, list[Sound]]]] = {}
    for group in groups:
        name = min(sound.path.name for sound in group)
        labelled.setdefault(f"{group[0].label}", []).append((_chance(seed, "file", name), group))
    chosen: list[list[Sound]] = []
    for label, members in labelled.items():
        members.sort(key=lambda member: (member[0], member[1][0].sha256, member[1][0].path))
        # what is left of a whole number counts as its chance, so that small labels give their share together
        count = int(share * len(members) + _chance(seed, "label", label))
        chosen += [group for _, group in members[: min(count, len(members) - 1)]]
    if not chosen:
        spare = [members[0] for members in labelled.values() if len(members) > 1]
        chosen = [min(spare or [members[0] for members in labelled.values()], key=lambda member: member[0])[1]]
    return chosen


def _cut(sound: Sound, share: float) -> tuple[tuple[Sound, ...], tuple[Sound, ...]]:
    kept = sound.length - max(1, round(share * sound.length))
    if kept < 1:
        raise DataError(f"{sound.path} is the only sound, and has {sound.length} samples; give longer or more sounds")
    return (replace(sound, length=kept),), (replace(sound, start=sound.start + kept, length=sound.length - kept),)


def _chance(*words: object) -> float:
    """A number in [0, 1) that looks random and hangs on ``words`` alone."""
    digest = hashlib.blake2b("/".join(map(str, words)).encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def is_store(path: Path) -> bool:
    """Whether ``path`` is a store, and not a folder of sounds."""
    return (path / stores.MANIFEST).is_file() and (path / stores.AUDIO).is_file()


def usual_rate(paths: Sequence[Path], highest: int | None = None) -> int:
    """The rate in Hz that most of the files have, the higher one where two are as frequent; ``highest`` at most.

    Raises:
        DataError: none of the files can be read.
    """
    rates: Counter[int] = Counter()
    first: AudioFileError | None = None
    for path in paths:
        try:
            rates[files.info(path).rate] += 1
        except AudioFileError as error:
            first = first or error
    if not rates:
        raise DataError(f"none of {len(paths)} sound files can be used; the first: {first}")
    usual = max(rates, key=lambda rate: (rates[rate], rate))
    return usual if highest is None else min(usual, highest)


def _of(store: Store, labels: Labels, skipped: list[Skipped]) -> Corpus:
    """The sounds of a store; silent ones are left out, and told among the skipped."""
    track = store.track(store.tracks[0])
    sounds: list[Sound] = []
    for item in store.items:
        sound = _sound(item, labels)
        if peak(track, [sound]) < SILENCE:
            skipped.append(Skipped(sound.path, f"{sound.path} is silent: it never rises above −80 dBFS"))
        else:
            sounds.append(sound)
    if not sounds:
        raise DataError(
            f"all {len(store.items)} sounds are silent (none rises above −80 dBFS): check the recordings and their "
            f"levels; the first is {store.items[0].path}"
            if store.items
            else f"store {store.folder} holds no sound; prepare it anew"
        )
    _refuse_many({sound.label for sound in sounds})
    return Corpus(store, tuple(sounds), tuple(skipped))


def _refuse_many(labels: set[str | None]) -> None:
    names = {part for label in labels if label for part in enumerate(label.split(BETWEEN))}
    if len(names) > MOST_LABELS:
        told = ", ".join(sorted(map(str, labels))[:3])
        raise DataError(
            f"the sounds have {len(names)} classes ({told}, …), at most {MOST_LABELS} can be learned; take the class "
            "from the folder, or from another part of the name"
        )


def _sound(item: Item, labels: Labels) -> Sound:
    path = Path(item.path)
    return Sound(path, labels.of(path), item.start, item.length, item.sha256)

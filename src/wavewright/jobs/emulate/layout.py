"""Sound in several channels: which of them a twin hears, and by how many networks they are played.

- ``mono``: one channel stands for all (see `wavewright.data.align.mono`).
- ``shared``: one network, learned from all channels, plays each of them. For devices that treat channels alike.
- ``each``: a network for each channel. For devices whose channels differ.
- ``joint``: one network with all channels as inputs and outputs. For what crosses channels: ping-pong, width, leslie.

``auto`` takes ``mono`` where all channels say the same, or the wet recording has one; ``each`` where one dry channel
becomes several that differ; else ``shared``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.align import mono
from wavewright.errors import PairError

MOST = 64


@dataclass(frozen=True)
class Layout:
    """How the channels of all pairs are laid out: its name, and how many channels there are."""

    name: str
    channels: int
    remark: str = ""

    @property
    def words(self) -> str:
        """What is done, for who trains; empty where there is nothing to say."""
        many = f"{self.channels} channels"
        return {
            "shared": f"{many}: one network plays them all (--channels each, or joint where the device crosses them)",
            "each": f"{many}: a network for each of them (--channels joint where the device crosses them)",
            "joint": f"{many}: one network hears and plays them together",
        }.get(self.name, self.remark)


MONO = Layout("mono", 1)


def layout_of(asked: str, pairs: Sequence[tuple[Recording, Recording]]) -> Layout:
    """What becomes of the channels of ``pairs`` (dry, wet), which all are treated alike.

    Raises:
        PairError: recordings whose channels do not go together, or not as was asked.
    """
    counts = {(dry.channels, wet.channels) for dry, wet in pairs}
    if asked == "mono" or counts == {(1, 1)}:
        differs = any("differ" in mono(recording)[1] for pair in pairs for recording in pair)
        return Layout("mono", 1, "the channels differ; channel 1 stands for all") if differs else MONO
    if len(counts) > 1:
        told = ", ".join(f"{dry} to {wet}" for dry, wet in sorted(counts))
        raise PairError(f"the pairs have different channels ({told}): record all alike, or take --channels mono")
    ((dry, wet),) = counts
    same = all(_all_same(recording) for pair in pairs for recording in pair)
    if asked == "auto" and (same or wet == 1):
        return MONO
    if wet == 1 or (dry != 1 and dry != wet):
        raise PairError(
            f"the dry recording has {dry} channels and the wet one {wet}: a twin gives as many as it hears; record "
            "the wet one with as many, or take --channels mono"
        )
    if wet > MOST:
        raise PairError(f"{wet} channels: at most {MOST} can be learned at once; choose some of them")
    name = ("each" if dry == 1 else "shared") if asked == "auto" else asked
    if name == "shared" and dry == 1:
        raise PairError(
            f"one dry channel becomes {wet}: a shared network would give {wet} times the same; take --channels each"
        )
    return Layout(name, wet)


def laid(recording: Recording, layout: Layout) -> FloatArray:
    """The channels ``(channels, time)`` that training is given; one dry channel goes to all."""
    if layout.name == "mono":
        return mono(recording)[0][np.newaxis]
    if recording.channels == 1:
        return np.repeat(recording.samples, layout.channels, axis=0)
    return recording.samples


def _all_same(recording: Recording) -> bool:
    return recording.channels == 1 or "hold the same" in mono(recording)[1]

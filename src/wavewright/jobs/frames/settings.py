"""What the networks that go frame by frame can be told, in training and in sampling. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wavewright.settings import setting

FRAME_KINDS = ("levels", "mdct", "raw", "fft", "log-mel", "mfcc")
STARTS = ("none", "corpus", "mix")
NOVEL = ("quick", "always", "never")
MEMORIES = ("growing", "fixed", "sliding", "trimmed")
HIGHEST_FRAME_RATE = 22_050
"""Hz to which a corpus of a higher rate is brought where none is asked for: it is frames that cost, not samples."""


@dataclass(frozen=True)
class FrameSettings:
    """How sound is cut into frames, and what the networks that go frame by frame are told of them."""

    frames: str = setting("raw", "frame networks: what a frame holds", choices=FRAME_KINDS)
    frame_size: int = setting(128, "frame networks: samples from frame to frame", low=2, high=65_536)
    lap: float = setting(
        0.5, "raw and mdct frames: share of a frame over which neighbours fade into one another", low=0, high=1
    )
    bands: int = setting(80, "log-mel and mfcc frames: bands of the mel scale", low=8, high=1024)
    coefficients: int = setting(40, "mfcc frames: coefficients kept", low=2, high=1024)
    components: int = setting(
        16,
        "frame networks: principal components kept of a frame, what they leave told as noise; 0 for all",
        low=0,
        high=4096,
    )
    feedback: bool = setting(
        True,
        "frame networks: hear the frames before; without (--no-feedback) a sound follows from its character, its age "
        "and what is drawn alone, and no error can grow",
    )
    heard: int = setting(4, "frame networks: frames heard beside the memory", low=1, high=16)
    mixtures: int = setting(2, "frame-mixture: normal distributions in the mixture", low=1, high=64)
    level: bool = setting(True, "frame networks: tell each frame against the level of those before it")
    character: int = setting(6, "frame networks: numbers that tell the character of a whole sound", low=0, high=64)
    ending: bool = setting(True, "frame networks: learn where sounds end, and not the silence behind them")
    input_noise: float = setting(
        0.1, "frame networks: noise on the frames heard in training, so that errors are forgiven", low=0, high=2
    )
    own_frames: float = setting(
        0.0, "frame networks: share of the frames heard in training that the network made itself", low=0, high=1
    )
    beats_per_minute: float | None = setting(
        None, "frame networks: the tempo of loops; the place in the bar is learned, too", low=20, high=400
    )
    on_beat: bool = setting(False, "frame networks: learn loops with their place in the bar, the tempo estimated")
    varied: int | None = setting(
        None,
        "frame networks: further versions of each sound, a tape played faster or slower, or loops higher or lower; "
        "absent: as many as bring a few sounds to 240, if no frames are heard",
        low=0,
        high=64,
    )
    tokens: int = setting(64, "frame-tokens: codes in each codebook", low=2, high=1024)
    codebooks: int = setting(4, "frame-tokens: codebooks, each telling what the one before it left", low=1, high=16)


@dataclass(frozen=True)
class FrameSampleSettings:
    """What else can be asked of a network that goes frame by frame."""

    denormalize: bool = setting(
        True, "frame networks: add mean and deviation back (--no-denormalize leaves them away, as an effect)"
    )
    start: str = setting(
        "none", "frame networks: begin with nothing, with a learned sound's frames, or with two minds", choices=STARTS
    )
    start_frames: int = setting(4, "frame networks: how many frames of a sound they begin with", low=1, high=100_000)
    mix: tuple[Path, ...] = setting((), "frame networks: two sound files, to begin between the two")
    memory: str = setting(
        "growing",
        "frame networks: remember all, only the beginning (fixed), only the last frames (sliding), or all until there "
        "is too much of it (trimmed)",
        choices=MEMORIES,
    )
    memory_frames: int = setting(64, "frame networks: how many frames the memory reaches", low=1, high=1_000_000)
    novel: str = setting(
        "quick",
        "frame networks: draw again what is nearer to a learned sound than any held-out one: where looking for it is "
        "quick, always or never",
        choices=NOVEL,
    )
    past_end: bool = setting(False, "frame networks: go on when the sound is over, as long as asked")


def one_shots() -> FrameSettings:
    """What suits one-shots: the levels of a fine spectrum, which follow from a sound's character and its age alone."""
    return FrameSettings(
        frames="levels", feedback=False, components=64, heard=1, mixtures=1, character=12, input_noise=0.0
    )


def loops() -> FrameSettings:
    """What suits loops: the same, as it follows from the place in the bar; more components, for there is more than one
    drum, and no end."""
    return FrameSettings(
        frames="levels",
        feedback=False,
        components=128,
        heard=1,
        mixtures=1,
        character=16,
        ending=False,
        input_noise=0.0,
    )


def codes() -> FrameSettings:
    """What suits codes: levels again, of which those that are off by a little are a little too loud or too soft."""
    return FrameSettings(frames="levels", components=64, heard=1, codebooks=8, character=12)


def document_recipe() -> FrameSettings:
    """How "Deep Learning and Sound ~ 02" went about it: Fourier transforms, no ending, no noise, no character."""
    return FrameSettings(
        frames="fft",
        components=0,
        lap=0.0,
        frame_size=256,
        heard=1,
        mixtures=1,
        level=False,
        character=0,
        ending=False,
        input_noise=0.0,
        own_frames=0.0,
        varied=0,
    )

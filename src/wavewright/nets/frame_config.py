"""The settings of networks that continue sound frame by frame. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import setting


@dataclass(frozen=True)
class FrameLSTMConfig:
    """A stack of LSTMs between dense layers that are the same at every frame.

    ``features`` numbers of a frame as it is cut from sound become ``numbers`` for the network: as many, or fewer.
    """

    features: int = setting(256, "numbers of a frame as it is cut from sound", low=1, high=65_536)
    numbers: int = setting(256, "numbers of a frame that the network hears and says", low=1, high=65_536)
    components: int = setting(0, "principal components among them; 0 where all features are kept", low=0, high=4096)
    bands: int = setting(0, "bands of what the components leave", low=0, high=256)
    heard: int = setting(1, "frames before the next one that it hears beside its memory", low=1, high=16)
    controls: int = setting(0, "further inputs: class, character of the whole sound, beat", low=0, high=4096)
    hidden_size: int = setting(256, "units of each layer", low=1, high=8192)
    num_layers: int = setting(2, "layers on top of one another", low=1, high=16)
    mixtures: int = setting(0, "normal distributions in the mixture; 0 predicts one frame", low=0, high=64)
    codebooks: int = setting(0, "codebooks that tell a frame together; 0 where frames are no codes", low=0, high=64)
    tokens: int = setting(0, "codes in each", low=0, high=4096)
    profile: int = setting(0, "levels that a whole sound's character is taken from", low=0, high=1_000_000)
    sounds: int = setting(0, "sounds whose character is kept, to draw new ones between them", low=0, high=1_000_000)
    character: int = setting(0, "numbers that tell a whole sound's character", low=0, high=256)

"""Settings said as words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from wavewright.errors import SettingsError
from wavewright.settings import from_words, setting


@dataclass(frozen=True)
class Example:
    """Settings of every kind that words can say, and of one that they cannot."""

    width: int = setting(1, "")
    rate: float = setting(0.5, "")
    shared: bool = setting(False, "")
    middle: str = setting("none", "")
    sizes: tuple[int, ...] = setting((1,), "")
    nested: tuple[str, ...] = setting((), "")


def test_words_say_values_of_every_type() -> None:
    words = ["width=3", "rate=1e-3", "shared=true", "middle=a=b", "sizes=16,64", "width=4"]
    told = from_words(Example, words, "it")
    assert told == {"width": 4, "rate": 0.001, "shared": True, "middle": "a=b", "sizes": (16, 64)}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        from_words(Example, ["widht=3", "rate", "sizes=1,x", "shared=1", "nested=a", "width=2.5"], "network it")
    told = caught.value.problems
    assert "did you mean 'width'" in told[0]
    assert "write it as name=value" in told[1]
    assert told[2] == "network it, setting sizes = '1,x': must be whole numbers with commas between"
    assert told[3] == "network it, setting shared = '1': must be true or false"
    assert told[4].startswith("network it has no setting nested")
    assert told[5] == "network it, setting width = '2.5': must be a whole number"

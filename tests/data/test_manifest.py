"""Manifests: what is written comes back, and anything else is refused by file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data.manifest import LARGEST, Item, Manifest, Track, hash_file, load, parse
from wavewright.errors import DataError

PATH = Path("store/manifest.json")
GOOD = Manifest(
    48_000,
    (Track("dry", 1, 500, 0), Track("wet", 2, 500, 500)),
    (Item("/sounds/ä.wav", "0" * 64, 44_100, 2, 459, "wet", 100, 400, ("resampled", "mixed")),),
)


def test_what_is_written_comes_back() -> None:
    assert parse(GOOD.to_json(), PATH) == GOOD
    assert GOOD.samples == 1500


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        (("schema",), "other", "field schema must be 'wavewright-store'"),
        (("version",), 2, "field version = 2, this wavewright reads 1"),
        (("rate",), 0, "field rate = 0 must be a whole number of at least 1"),
        (("rate",), 48e3, "field rate = 48000.0"),
        (("rate",), True, "field rate = True"),
        (("tracks",), {}, "field tracks must be a list"),
        (("tracks", 0), 7, r"field tracks\[0\] must be an object"),
        (("tracks", 1, "offset"), 501, r"field tracks\[1\].offset = 501, must be 500"),
        (("tracks", 1, "name"), "dry", r"field tracks\[1\].name = 'dry' appears twice"),
        (("tracks", 0, "channels"), 0, r"field tracks\[0\].channels = 0"),
        (("tracks", 0, "frames"), -1, r"field tracks\[0\].frames = -1"),
        (("tracks", 0, "frames"), 10**30, r"field tracks\[0\].frames = 1000"),
        (("items", 0, "path"), None, r"field items\[0\].path = None must be text"),
        (("items", 0, "track"), "amp", r"field items\[0\].track = 'amp' is none of \['dry', 'wet'\]"),
        (("items", 0, "length"), 401, r"field items\[0\].length = 401 from 100 runs past the 500 samples"),
        (("items", 0, "done"), "mixed", r"field items\[0\].done must be a list"),
        (("items", 0, "done"), [1], r"field items\[0\].done = 1 must be text"),
    ],
)
def test_a_wrong_field_is_named(where: tuple[str | int, ...], value: Any, told: str) -> None:
    content: Any = json.loads(GOOD.to_json())
    place = content
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    with pytest.raises(DataError, match=told) as caught:
        parse(json.dumps(content), PATH)
    assert str(PATH) in str(caught.value)


@pytest.mark.parametrize("field", ["rate", "tracks", "items"])
def test_a_missing_field_is_named(field: str) -> None:
    content = json.loads(GOOD.to_json())
    del content[field]
    with pytest.raises(DataError, match=f"field {field}"):
        parse(json.dumps(content), PATH)


@settings(deadline=None, max_examples=30)
@given(cut=st.integers(0, len(GOOD.to_json()) - 2))
def test_a_truncated_manifest_is_refused(cut: int) -> None:
    with pytest.raises(DataError, match="is not JSON"):
        parse(GOOD.to_json()[:cut], PATH)


def test_what_is_no_manifest_at_all(tmp_path: Path) -> None:
    for text in ("[" * 100_000, "[]", "null", '"text"'):
        with pytest.raises(DataError, match="manifest store"):
            parse(text, PATH)
    place = tmp_path / "manifest.json"
    with pytest.raises(DataError, match="No such file"):
        load(place)
    place.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not text"):
        load(place)
    with place.open("wb") as sparse:
        sparse.truncate(LARGEST + 1)
    with pytest.raises(DataError, match=f"has {LARGEST + 1} bytes, at most {LARGEST}"):
        load(place)


def test_hashing_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        hash_file(tmp_path / "gone.wav")

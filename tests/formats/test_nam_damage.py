"""Files from strangers: whatever they hold, they give a working network or one clear sentence, in little memory."""

from __future__ import annotations

import copy
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError
from wavewright.formats import nam, strict_json
from wavewright.nets.registry import build

Content = dict[str, Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("valid")
    nam.save(folder / "a1.nam", build("a1-nano"), 48_000, nam.NamMetadata(-20.0, 0.5, name="a"))
    nam.save(folder / "lstm.nam", build("lstm", hidden_size=3), 48_000, nam.NamMetadata(-20.0, 0.5))
    nam.save_container(folder / "a2.nam", [(0.5, build("a2-lite")), (1.0, build("a1-nano"))], 48_000)
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


def change(content: Content, *path: str | int, to: Any) -> Content:
    inner: Any = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return content


DAMAGE: dict[str, tuple[Callable[[Content], Content], str]] = {
    "too few weights": (lambda c: change(c, "weights", to=c["weights"][:-1]), "841 weights, but .* 842"),
    "too many weights": (lambda c: change(c, "weights", to=[*c["weights"], 0.5]), "843 weights, but .* 842"),
    "no weights": (lambda c: {k: v for k, v in c.items() if k != "weights"}, "lacks 'weights'"),
    "weight of another type": (lambda c: change(c, "weights", 7, to="0.5"), r"weights\[7\] is '0.5', a string"),
    "null weight": (lambda c: change(c, "weights", 7, to=None), r"weights\[7\] is None, a null"),
    "boolean weight": (lambda c: change(c, "weights", 7, to=True), r"weights\[7\] is True, a boolean"),
    "NaN weight": (lambda c: change(c, "weights", 7, to=float("nan")), "holds NaN"),
    "infinite weight": (lambda c: change(c, "weights", 7, to=float("-inf")), "holds -Infinity"),
    "weight beyond 32 bits": (lambda c: change(c, "weights", 7, to=1e39), r"weights\[7\] is 1e\+39"),
    "newer minor version": (lambda c: change(c, "version", to="0.8.0"), "version 0.8.0, newer than 0.7"),
    "newer major version": (lambda c: change(c, "version", to="1.0.0"), "version 1.0.0, newer"),
    "older version": (lambda c: change(c, "version", to="0.4.9"), "version 0.4.9, older"),
    "no version": (lambda c: change(c, "version", to="new"), "version 'new': must be three numbers"),
    "version of another type": (lambda c: change(c, "version", to=0.5), "version is 0.5: must be a string"),
    "unknown architecture": (lambda c: change(c, "architecture", to="ConvNet"), "'ConvNet', which is not supported"),
    "config of another type": (lambda c: change(c, "config", to=[1]), "config is a list of 1: must be an object"),
    "layers of another type": (lambda c: change(c, "config", "layers", to=3), "layers is 3: must be a list"),
    "no layers": (lambda c: change(c, "config", "layers", to=[]), "at least one layer array"),
    "channels of another type": (
        lambda c: change(c, "config", "layers", 0, "channels", to=4.0),
        r"layers\[0\].channels is 4.0: must be a whole number",
    ),
    "huge channels": (lambda c: change(c, "config", "layers", 0, "channels", to=10**12), "arrays|weights"),
    "huge dilation": (lambda c: change(c, "config", "layers", 0, "dilations", 0, to=10**15), "receptive field"),
    "huge head": (lambda c: change(c, "config", "layers", 1, "head_size", to=10**15), "weights: at most"),
    "unknown activation": (lambda c: change(c, "config", "layers", 0, "activation", to="Sine"), "activation 'Sine'"),
    "rate null": (lambda c: change(c, "sample_rate", to=None), "sample_rate is None: must be a number"),
    "rate negative": (lambda c: change(c, "sample_rate", to=-1), "sample_rate -1"),
    "metadata of another type": (lambda c: change(c, "metadata", "loudness", to="loud"), "metadata.loudness is 'loud'"),
    "half a character": (lambda c: change(c, "metadata", "name", to="\ud800"), "lone surrogate"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_in_a_sentence(files: dict[str, bytes], tmp_path: Path, damage: str) -> None:
    alter, told = DAMAGE[damage]
    path = tmp_path / "net.nam"
    path.write_text(json.dumps(alter(json.loads(files["a1"]))))
    with pytest.raises(ModelFileError, match=told) as caught:
        nam.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message.splitlines()) <= 2
    assert len(message) < 500 + len(str(path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"[1]", "holds a JSON list"),
        (b"{", "is not JSON"),
        (b"RIFF\x00\xff\xfe", "is not text in UTF-8"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number of 5000 digits"),
        (b"[" * 3_000_000, "nests deeper than 32"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nests deeper than 32"),
        (b"[" + b"{}," * 5_000_000 + b"1]", "more than 4,000,000 values"),
        (b'"' + b'\\"' * 3_000_000, "is not JSON"),
    ],
    ids=lambda value: None if isinstance(value, str) else value[:8].decode("latin-1").strip() + f"-{len(value)}",
)
def test_what_is_no_model_file(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "net.nam"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=told):
        nam.load(path)


def test_brackets_inside_strings_do_not_nest() -> None:
    assert strict_json.parse(json.dumps({"a": "[" * 100 + '\\"{'}).encode())["a"][:3] == "[[["


def test_300_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "net.nam"
    with path.open("wb") as file:
        file.write(b"[")
        file.truncate(300 * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="too large for a model file: 300 MB; at most 64 MB"):
            nam.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read: No such file"):
        nam.load(tmp_path / "none.nam")
    with pytest.raises(ModelFileError, match="cannot be read: Is a directory"):
        nam.load(tmp_path)


def test_containers_of_containers_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    outer = json.loads(files["a2"])
    outer["config"]["submodels"][0]["model"] = copy.deepcopy(outer)
    path = tmp_path / "net.nam"
    path.write_text(json.dumps(outer))
    with pytest.raises(ModelFileError, match=r"submodels\[0\] holds a container within a container"):
        nam.load(path)


def assert_refused_or_plays(content: bytes, folder: Path) -> None:
    """Load ``content``: it gives a network that plays or a short `ModelFileError`; any other exception escapes."""
    path = folder / "fuzzed.nam"
    path.write_bytes(content)
    told = ""
    try:
        model = nam.load(path)
    except ModelFileError as error:
        told = str(error)
    if told:
        assert len(told.splitlines()) <= 2
    elif model.net.prewarm < 20_000:
        assert Player(model.net).process(np.zeros((1, 8), np.float32)).shape == (1, 8)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a JSON value; of long lists, the first three."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else []
    return [path] * bool(path) + [place for key, part in inner for place in places(part, (*path, key))]


@settings(deadline=None, max_examples=30)
@given(name=st.sampled_from(["a1", "lstm", "a2"]), seed=st.integers(0, 2**32), value=VALUES)
def test_mutated_values(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, value: Any
) -> None:
    """Twenty mutations for each example: a value replaced, or its key taken out."""
    content = json.loads(files[name])
    found, chance = places(content), random.Random(seed)
    folder = tmp_path_factory.getbasetemp()
    for _ in range(20):
        mutated = copy.deepcopy(content)
        *way, last = chance.choice(found)
        inner: Any = mutated
        for key in way:
            inner = inner[key]
        if chance.random() < 0.4:
            del inner[last]
        else:
            inner[last] = value
        assert_refused_or_plays(json.dumps(mutated).encode(), folder)


@settings(deadline=None, max_examples=30)
@given(
    name=st.sampled_from(["a1", "lstm", "a2"]),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4),
    end=st.floats(0.01, 1.0),
)
def test_flipped_and_cut_bytes(
    files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    flips: list[tuple[float, int]],
    end: float,
) -> None:
    head = bytearray(files[name])
    reach = min(len(head), 2500)
    for where, bits in flips:
        head[int(where * reach)] ^= bits
    assert_refused_or_plays(bytes(head), tmp_path_factory.getbasetemp())
    assert_refused_or_plays(bytes(head[: int(end * len(head))]), tmp_path_factory.getbasetemp())

"""RTNeural's, AIDA-X's and Proteus' JSON: another reader hears the same, what is written comes back, damage is told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reader import play_proteus, play_rtneural

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, OutputError
from wavewright.formats import aidax, model_file, nam, proteus, rtneural
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.nets.contract import Network
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.registry import build

PREWARM = 200
SAMPLES = 700


def net(kind: str, **changes: Any) -> Network:
    """A network with an audible output, and a bias that silence must settle."""
    torch.manual_seed(3)
    made = build(kind, **{"hidden_size": 8, "prewarm": PREWARM, **changes})
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.7)
        made.start.zero_()
    return made


def noise(samples: int = SAMPLES) -> np.ndarray:
    return (np.random.default_rng(8).standard_normal(samples) * 0.3).astype(np.float32)


def play(network: Network | PlainNetwork, x: np.ndarray) -> np.ndarray:
    block = np.zeros((network.in_channels, x.size), np.float32)
    block[0] = x
    return Player(network, inputs=network.in_channels).process(block)[0].astype(np.float64)


def esr(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sum((found - expected) ** 2) / np.sum(expected**2))


SAVERS = {"rtneural": rtneural.save, "aidax": aidax.save, "proteus": proteus.save}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "skip": {"skip": True},
    "skip with a gain": {"skip": True, "skip_gain": 0.37},
    "knobs": {"input_size": 3, "controls": 2, "skip": True},
    "layers of an odd size": {"hidden_size": 5, "num_layers": 3},
}


def holds(to: str, shape: str) -> bool:
    return {
        "rtneural": True,
        "aidax": shape != "layers of an odd size",
        "proteus": shape in ("skip", "knobs"),
    }[to]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("to", SAVERS)
def test_every_reader_hears_the_network(tmp_path: Path, to: str, shape: str, kind: str) -> None:
    network, path = net(kind, **SHAPES[shape]), tmp_path / "net.json"
    if not holds(to, shape):
        with pytest.raises(ModelFileError, match=r"cannot be written as .*(train|use --to)"):
            SAVERS[to](path, network, 48_000)
        assert not path.exists()
        return
    SAVERS[to](path, network, 48_000, NamMetadata(name="Größe", modeled_by="me"))
    back = model_file.load(path)
    assert (back.rate, back.metadata.name, back.metadata.modeled_by) == (48_000, "Größe", "me")
    assert list(back.knobs) == (["param1", "param2"] if shape == "knobs" else [])
    own = play(network, noise())
    assert esr(play(back.network, noise()), own) < 1e-11
    content = json.loads(path.read_text())
    other = play_proteus if to == "proteus" else play_rtneural
    assert esr(own, other(content, noise(), PREWARM)) < 1e-9
    SAVERS[to](tmp_path / "again.json", back.network, back.rate, back.metadata)
    again = model_file.load(tmp_path / "again.json")
    assert esr(play(again.network, noise()), own) < 1e-11


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gains_in_decibels_stand_before_and_behind(tmp_path: Path, kind: str) -> None:
    """Also around the input that is added, as in AIDA-X's plug-in."""
    path = tmp_path / "net.json"
    rtneural.save(path, net(kind, skip=True), 48_000)
    content = json.loads(path.read_text()) | {"in_gain": -7.5, "out_gain": 4.0}
    path.write_text(json.dumps(content))
    expected = play_rtneural(content, noise(), PREWARM)
    assert esr(play(model_file.load(path).network, noise()), expected) < 1e-9
    path.write_text(json.dumps(content | {"in_skip": None, "in_gain": -90.0, "out_gain": 0}))
    silent = play(model_file.load(path).network, noise())
    assert np.ptp(silent) < 1e-6


@pytest.mark.parametrize("changes", [{}, {"skip": True, "skip_gain": 2.5}, {"input_size": 2, "controls": 1}], ids=str)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_check_that_aidax_does(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    """From zeros, without silence or gains, knobs at 0: within the 1e-5 that AIDA-X itself allows."""
    path = tmp_path / "net.json"
    aidax.save(path, net(kind, **changes), 48_000)
    content = json.loads(path.read_text())
    went_in, expected = (np.array(content[key]) for key in ("input_batch", "output_batch"))
    assert went_in.shape == expected.shape == (2048,)
    heard = play_rtneural(content, went_in, gains=False)
    assert np.abs(heard - expected).max() < 1e-5
    assert np.abs(expected).max() > 0.05
    content["layers"][0]["weights"][1][3][5] += 0.5
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match=r"fails its own check.*take both batches out"):
        model_file.load(path)
    del content["input_batch"], content["output_batch"]
    path.write_text(json.dumps(content))
    assert model_file.load(path).format == ("AIDA-X JSON" if "skip" in changes else "RTNeural JSON")


def test_a_rate_in_quotation_marks(tmp_path: Path) -> None:
    """As the captures that come with AIDA-X have it."""
    path = tmp_path / "net.json"
    rtneural.save(path, net("lstm"), 48_000)
    content = json.loads(path.read_text())
    for told, rate in (("44100", 44_100), (96_000.0, 96_000)):
        content["metadata"]["samplerate"] = told
        path.write_text(json.dumps(content))
        assert model_file.load(path).rate == rate


def test_proteus_adds_the_input_whatever_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    proteus.save(path, net("lstm", skip=True), None)
    content = json.loads(path.read_text())
    content["model_data"]["skip"] = 0
    del content["metadata"]
    path.write_text(json.dumps(content))
    back = model_file.load(path)
    assert back.rate is None
    expected = play_proteus(content, noise(), 24_000)
    assert esr(play(back.network, noise()), expected) < 1e-9


def test_what_the_players_will_do_otherwise_is_noted() -> None:
    fits = build("lstm", hidden_size=40, skip=True)
    other = build("gru", hidden_size=24, skip=True)
    assert len(proteus.notes(_plain(fits), 44_100)) == 1
    assert "40 units" in " ".join(proteus.notes(_plain(other), 48_000))
    assert "44,100" in " ".join(proteus.notes(_plain(other), 48_000))
    assert aidax.notes(48_000) == []
    assert "96000 Hz" in aidax.notes(96_000)[0]


def _plain(network: Network) -> PlainNetwork:
    from wavewright.nets.plain import plain_of

    plain = plain_of(network)
    assert plain is not None
    return plain


@pytest.mark.parametrize("to", SAVERS)
def test_what_no_such_file_can_hold(tmp_path: Path, to: str) -> None:
    for network in (build("a1-nano"), build("linear", taps=4)):
        with pytest.raises(ModelFileError, match=r"cannot be written as .* JSON, which holds .*use --to nam.*lstm"):
            SAVERS[to](tmp_path / "net.json", network, 48_000)
    broken = net("lstm", skip=True)
    with torch.no_grad():
        next(broken.parameters())[0, 0] = torch.nan
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        SAVERS[to](tmp_path / "net.json", broken, 48_000)
    taken = tmp_path / "taken.json"
    taken.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        SAVERS[to](taken, net("lstm", skip=True), 48_000)
    assert taken.read_text() == "mine"
    SAVERS[to](taken, net("lstm", skip=True), 48_000, force=True)
    assert model_file.load(taken).rate == 48_000


def test_a_first_state_that_silence_forgets_may_be_left_away(tmp_path: Path, shared: Path) -> None:
    """A .nam LSTM keeps its first state; half a second of silence later nothing of it is heard."""
    trained = nam.load(shared / "nam" / "lstm.nam")
    aidax_size = trained.plain.config.hidden_size in aidax.SIZES
    (aidax if aidax_size else rtneural).save(tmp_path / "net.json", trained.plain, trained.rate)
    assert esr(play(model_file.load(tmp_path / "net.json").network, noise()), play(trained.plain, noise())) < 1e-9
    remembering = net("lstm", prewarm=2, learned_start=True)
    with torch.no_grad():
        remembering.start.fill_(2.0)
    with pytest.raises(ModelFileError, match="first state is still heard after 2 samples"):
        rtneural.save(tmp_path / "other.json", remembering, 48_000)


# ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────────

Content = dict[str, Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Content]:
    folder = tmp_path_factory.mktemp("valid")
    aidax.save(folder / "aidax.json", net("lstm", skip=True), 48_000)
    rtneural.save(folder / "rtneural.json", net("gru", hidden_size=3, num_layers=2), 48_000)
    proteus.save(folder / "proteus.json", net("gru", hidden_size=3, skip=True), 48_000)
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.iterdir())}


def change(content: Content, *path: str | int, to: Any) -> Content:
    inner: Any = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return content


LAYER = ("layers", 0, "weights")
DAMAGE: dict[str, tuple[str, Callable[[Content], Content], str]] = {
    "no layers": ("aidax", lambda c: change(c, "layers", to=[]), "has 0 layers"),
    "layers of another type": ("aidax", lambda c: change(c, "layers", to=3), "layers is 3: must be a list"),
    "convolution": ("aidax", lambda c: change(c, "layers", 0, "type", to="conv1d"), "types 'conv1d', 'dense'"),
    "two kinds": ("rtneural", lambda c: change(c, "layers", 1, "type", to="lstm"), "of one kind"),
    "no dense": ("rtneural", lambda c: change(c, "layers", to=c["layers"][:2]), "'dense' layer behind"),
    "activation": ("aidax", lambda c: change(c, "layers", 1, "activation", to="relu"), r"layers\[1\].*'relu'"),
    "other units": (
        "aidax",
        lambda c: change(c, "layers", 0, "shape", -1, to=9),
        r"weights\[0\]\[0\] has 32 entries: must have 36",
    ),
    "no units": ("aidax", lambda c: change(c, "layers", 0, "shape", -1, to=0), "must be a whole number above 0"),
    "huge units": ("aidax", lambda c: change(c, "layers", 0, "shape", -1, to=10**9), "hidden_size = 1000000000"),
    "sizes that differ": ("rtneural", lambda c: change(c, "layers", 1, "shape", -1, to=4), "3, 4 units"),
    "two outputs": ("aidax", lambda c: change(c, "layers", 1, "shape", -1, to=2), "has 2 outputs"),
    "inputs": (
        "aidax",
        lambda c: change(c, "in_shape", to=[None, None, 2]),
        r"weights\[0\] has 1 entries: must have 2",
    ),
    "no shape": ("aidax", lambda c: change(c, "in_shape", to=[]), "in_shape ends with None"),
    "a table missing": ("aidax", lambda c: change(c, *LAYER, to=c["layers"][0]["weights"][:2]), "has 2 tables"),
    "a row missing": (
        "aidax",
        lambda c: change(c, *LAYER, 1, to=c["layers"][0]["weights"][1][:-1]),
        "7 entries: must have 8",
    ),
    "a number missing": (
        "aidax",
        lambda c: change(c, *LAYER, 1, 2, to=[0.5] * 31),
        r"weights\[1\]\[2\] has 31 entries",
    ),
    "a table that is a number": ("aidax", lambda c: change(c, *LAYER, 2, to=0.5), "is 0.5: must be a list"),
    "text for a weight": (
        "aidax",
        lambda c: change(c, *LAYER, 1, 2, 3, to="0"),
        r"weights\[1\]\[2\]\[3\] is '0', a string",
    ),
    "null for a weight": ("aidax", lambda c: change(c, *LAYER, 0, 0, 1, to=None), r"is None, a null"),
    "weight beyond 32 bits": ("aidax", lambda c: change(c, *LAYER, 2, 1, to=1e39), r"weights\[2\]\[1\] is 1e\+39"),
    "NaN": ("aidax", lambda c: change(c, *LAYER, 2, 1, to=float("nan")), "holds NaN"),
    "one bias row": ("rtneural", lambda c: change(c, *LAYER, 2, to=[0.0] * 9), "has 9 entries: must have 2"),
    "in_skip 2": ("aidax", lambda c: change(c, "in_skip", to=2), "in_skip 2: must be 0 or 1"),
    "huge gain": ("aidax", lambda c: change(c, "in_gain", to=1e9), r"in_gain 1e\+09 dB"),
    "gain in words": ("aidax", lambda c: change(c, "out_gain", to="loud"), "out_gain is 'loud'"),
    "half a check": ("aidax", lambda c: change(c, "input_batch", to=None), "input_batch is None"),
    "short check": ("aidax", lambda c: change(c, "input_batch", to=[0.5]), "1 samples in and 2048 out"),
    "check that fails": ("aidax", lambda c: change(c, "output_batch", 2000, to=0.7), "fails its own check"),
    "rate": ("aidax", lambda c: change(c, "metadata", "samplerate", to=-5), "samplerate -5"),
    "rate in words": ("aidax", lambda c: change(c, "metadata", "samplerate", to="cd"), "samplerate 'cd'"),
    "rate of many digits": ("aidax", lambda c: change(c, "metadata", "samplerate", to="1" * 400), "samplerate '1111"),
    "proteus model": ("proteus", lambda c: change(c, "model_data", "model", to="GuitarLSTM"), "allowed: SimpleRNN"),
    "proteus unit": ("proteus", lambda c: change(c, "model_data", "unit_type", to="RNN"), "allowed: LSTM, GRU"),
    "proteus size": ("proteus", lambda c: change(c, "model_data", "hidden_size", to=4), "must have 12, of 12 × 1"),
    "proteus huge": ("proteus", lambda c: change(c, "model_data", "num_layers", to=10**6), "num_layers = 1000000"),
    "proteus outputs": ("proteus", lambda c: change(c, "model_data", "output_size", to=2), "has 2 outputs"),
    "proteus table": (
        "proteus",
        lambda c: change(c, "state_dict", to={k: v for k, v in c["state_dict"].items() if k != "lin.weight"}),
        "state_dict lacks 'lin.weight'",
    ),
    "proteus weight": (
        "proteus",
        lambda c: change(c, "state_dict", "lin.bias", 0, to=1e40),
        r"lin.bias\[0\] is 1e\+40",
    ),
    "nothing known": ("proteus", lambda c: {"model": "?"}, "no model of a known format"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_in_a_sentence(files: dict[str, Content], tmp_path: Path, damage: str) -> None:
    name, alter, told = DAMAGE[damage]
    path = tmp_path / "net.json"
    path.write_text(json.dumps(alter(copy.deepcopy(files[name]))))
    with pytest.raises(ModelFileError, match=told) as caught:
        model_file.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message.splitlines()) == 1
    assert len(message) < 400 + len(str(path))


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


@settings(deadline=None, max_examples=80)
@given(
    name=st.sampled_from(["proteus", "rtneural"]),
    pick=st.floats(0, 1, exclude_max=True),
    value=VALUES,
    cut=st.booleans(),
)
def test_whatever_stands_in_a_file_it_plays_or_is_refused(
    files: dict[str, Content],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    pick: float,
    value: Any,
    cut: bool,
) -> None:
    """Any other exception than a `ModelFileError` escapes and fails."""
    content = copy.deepcopy(files[name])
    found = places(content)
    *way, last = found[int(pick * len(found))]
    inner: Any = content
    for key in way:
        inner = inner[key]
    if cut:
        del inner[last]
    else:
        inner[last] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(content))
    told = ""
    try:
        inputs = model_file.load(path).network.in_channels
    except ModelFileError as error:
        told = str(error)
    assert len(told.splitlines()) == 1 if told else inputs >= 1

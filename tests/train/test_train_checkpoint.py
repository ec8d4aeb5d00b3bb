"""A checkpoint comes back as it went, or is refused; never anything between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny_task import TinyNet, TinyTask
from torch import nn, optim

from wavewright.errors import OutputError, RunError
from wavewright.train import checkpoint, optimizers, tensors
from wavewright.train.checkpoint import Checkpoint, Counters
from wavewright.train.snapshot import Snapshot, weights_of
from wavewright.train.tree import flatten, unflatten


def trained(name: str = "adam", steps: int = 3) -> tuple[TinyNet, optim.Optimizer]:
    task = TinyTask(dropout=0.0)
    optimizer = optimizers.build(name, task.network, 0.01)
    for step in range(steps):
        optimizer.zero_grad()
        task.loss(task.batch(step, 0, 1)).backward()
        optimizer.step()
    return task.network, optimizer


def filled(path: Path) -> TinyNet:
    network, optimizer = trained()
    now = Snapshot.take(3, network, optimizer)
    counters = Counters(step=3, elapsed=1.5, best=0.25, best_step=2, best_figures={"esr": 0.25}, pending=(1.0, 2.0, 3))
    checkpoint.write(path, Checkpoint(counters, now, now, weights_of(network), {"seed": 1}, world=2))
    return network


@pytest.mark.parametrize("name", sorted(optimizers.BUILDERS))
def test_any_optimizer_goes_on_as_if_nothing_had_happened(tmp_path: Path, name: str) -> None:
    straight, _ = trained(name, steps=12)
    network, optimizer = trained(name, steps=7)
    path = tmp_path / "checkpoint.safetensors"
    now = Snapshot.take(7, network, optimizer)
    checkpoint.write(path, Checkpoint(Counters(step=7), now, None, {}, {}, world=1))

    task = TinyTask(seed=5, dropout=0.0)
    task.seed = 0
    other = optimizers.build(name, task.network, 0.5)
    checkpoint.read(path, task.network).now.restore(task.network, other)
    for step in range(7, 12):
        other.zero_grad()
        task.loss(task.batch(step, 0, 1)).backward()
        other.step()
    for key, value in straight.state_dict().items():
        assert torch.equal(value, task.network.state_dict()[key]), key


def test_everything_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    network = filled(path)
    kept = checkpoint.read(path, network)
    assert kept.counters == Counters(
        step=3, elapsed=1.5, best=0.25, best_step=2, best_figures={"esr": 0.25}, pending=(1.0, 2.0, 3)
    )
    assert (kept.settings, kept.world, kept.now.step) == ({"seed": 1}, 2, 3)
    assert kept.good is not None
    for name, value in weights_of(network).items():
        for place in (kept.best, kept.now.weights, kept.good.weights):
            assert torch.equal(place[name], value)


def test_a_snapshot_stays_as_it_was() -> None:
    network, optimizer = trained()
    snapshot = Snapshot.take(3, network, optimizer)
    before = weights_of(network)
    moments = snapshot.optimizer["state"][0]["exp_avg"].clone()
    for _ in range(2):  # going back twice: the first return must not tie the snapshot to what goes on
        snapshot.restore(network, optimizer)
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    assert torch.equal(snapshot.optimizer["state"][0]["exp_avg"], moments)
    assert all(torch.equal(snapshot.weights[name], value) for name, value in before.items())


@trials(deadline=None, max_examples=30)
@given(st.data())
def test_a_flipped_bit_or_a_cut_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("last") / "checkpoint.safetensors"
    network = filled(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content) - 1), label="length") :]
    else:
        where = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 2000), label="position")
        content[where] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors.*--force"):
        checkpoint.read(path, network)


@pytest.mark.parametrize("content", [b"", b"not tensors at all", b"\xff" * 64, b"\x10" + bytes(7) + b"{" * 16])
def test_foreign_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
        checkpoint.read(path, TinyNet(0))


def test_foreign_safetensors_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RunError, match="no such file"):
        checkpoint.read(path, TinyNet(0))
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(RunError, match="not one of Wavewright's"):
        checkpoint.read(path, TinyNet(0))


def test_another_networks_checkpoint_is_refused_by_name_and_shape(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    filled(path)
    wider = TinyNet(0)
    wider.first = nn.Conv1d(1, 6, 3)
    with pytest.raises(RunError, match=r"now/first\.weight is \(4, 1, 3\), but this network's is \(6, 1, 3\)"):
        checkpoint.read(path, wider)
    longer = TinyNet(0)
    longer.third = nn.Conv1d(1, 1, 1)
    with pytest.raises(RunError, match=r"lacks the tensor now/third"):
        checkpoint.read(path, longer)


def _damages() -> dict[str, object]:
    deep: object = {"value": 1}
    for _ in range(400):
        deep = {"list": [deep]}
    return {
        "counters": {"step": 1},
        "settings": None,
        "now": {"step": 1},
        "good": {"step": "x", "optimizer": {"value": 1}},
        "world": "two",
        "format": 2,
        "kind": "model",
        "now.optimizer": {"unknown": 3},
        "now.tensor": {"tensor": "nowhere"},
        "now.deep": deep,
    }


@pytest.mark.parametrize("what", sorted(_damages()))
def test_sealed_nonsense_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "checkpoint.safetensors"
    network = filled(path)
    held, facts = tensors.read(path, RunError, "")
    damage = _damages()[what]
    if what.startswith("now."):
        facts["now"]["optimizer"] = damage
    else:
        facts[what] = damage
    tensors.write(path, held, facts)

    def go_on() -> None:
        checkpoint.read(path, network).now.restore(network, optimizers.build("adam", network, 0.1))

    with pytest.raises(RunError, match=r"checkpoint\.safetensors|kept optimiser state"):
        go_on()


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.safetensors"
    network = filled(path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"checkpoint\.safetensors: No space left"):
        filled(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    checkpoint.read(path, network)


@trials(deadline=None, max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_a_tree_goes_through_json_and_back(value: object) -> None:
    held: dict[str, torch.Tensor] = {}
    tensor = torch.tensor([1.5])
    node = json.loads(json.dumps(flatten({"value": value, "tensor": (tensor,)}, "root", held)))
    back = unflatten(node, held)
    assert back["value"] == value
    assert back["tensor"][0] is tensor


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.raises(RunError, match=r"root\.a is a set"):
        flatten({"a": {1}}, "root", {})
    with pytest.raises(RunError, match="key of type tuple"):
        flatten({(1, 2): 1}, "root", {})

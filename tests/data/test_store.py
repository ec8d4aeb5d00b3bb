"""Stores against the sounds they were made from, and against everything that may happen to them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.data import store as stores
from wavewright.data.manifest import changed
from wavewright.data.store import Store
from wavewright.errors import AudioFileError, DataError, OutputError


def noise(channels: int, frames: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, frames)).astype(np.float32)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Three float files: stereo at 48 kHz, stereo at 48 kHz, mono at 44.1 kHz in a folder of its own."""
    folder = tmp_path / "sounds"
    (folder / "other").mkdir(parents=True)
    files.write(folder / "a.wav", Recording(noise(2, 5000, 1), 48_000))
    files.write(folder / "b.wav", Recording(noise(2, 777, 2), 48_000))
    files.write(folder / "other" / "c.wav", Recording(noise(1, 4410, 3), 44_100))
    return folder


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("block", [64, 1000, stores.BLOCK])
def test_files_lie_one_behind_the_other_bit_for_bit(
    sounds: Path, tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BLOCK", block)
    store = Store.create(tmp_path / "store", [sounds / "a.wav", sounds / "b.wav"])
    track = store.track()
    np.testing.assert_array_equal(track, np.hstack([noise(2, 5000, 1), noise(2, 777, 2)]))
    assert track.dtype == np.float32
    assert not track.flags.writeable
    assert all(row.flags.c_contiguous for row in track)
    assert (store.rate, store.tracks) == (48_000, ("audio",))
    assert (tmp_path / "store" / "audio.f32").stat().st_size == 2 * 5777 * 4  # the audio once
    first, second = store.items
    assert (first.start, first.length, second.start, second.length) == (0, 5000, 5000, 777)
    assert first.sha256 == hashlib.sha256((sounds / "a.wav").read_bytes()).hexdigest()
    assert first.done == ()


def test_resampling_and_mixing_down_as_asked(sounds: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    store = Store.create(tmp_path / "store", [sounds], rate=44_100, mono=True, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    a, b, c = store.items
    assert a.done == b.done == ("mixed 2 channels down to 1", "resampled from 48000 to 44100 Hz")
    assert c.done == ()
    mixed = Recording(noise(2, 5000, 1).mean(axis=0, keepdims=True), 48_000)
    whole = resample(mixed, 44_100).samples
    assert a.length == whole.shape[1]
    np.testing.assert_allclose(store.track()[:, : a.length], whole, atol=1e-6)
    np.testing.assert_array_equal(store.track()[:, c.start : c.start + c.length], noise(1, 4410, 3))


def test_rates_and_channels_that_differ_are_refused_unasked(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"c\.wav has 44100 Hz, .*a\.wav has 48000; .* one rate"):
        Store.create(tmp_path / "store", [sounds])
    with pytest.raises(DataError, match=r"c\.wav has 1 channels, .*a\.wav has 2; .* mono"):
        Store.create(tmp_path / "store", [sounds], rate=48_000)
    with pytest.raises(DataError, match="no sound files in nothing"):
        Store.create(tmp_path / "store", [])
    assert not (tmp_path / "store").exists()
    assert left_behind(tmp_path) == []


def test_a_pair_lies_in_two_named_tracks(sounds: Path, tmp_path: Path) -> None:
    dry, wet = Recording(noise(1, 3000, 4), 48_000), Recording(noise(2, 3000, 5)[:, ::-1], 48_000)
    sources = [sounds / "a.wav", sounds / "b.wav"]
    store = Store.from_recordings(tmp_path / "store", {"dry": dry, "wet": wet}, sources, done=["moved by 137"])
    np.testing.assert_array_equal(store.track("dry"), dry.samples)
    np.testing.assert_array_equal(store.track("wet"), wet.samples)
    assert [(item.track, item.frames, item.length, item.done) for item in store.items] == [
        ("dry", 5000, 3000, ("moved by 137",)),
        ("wet", 777, 3000, ("moved by 137",)),
    ]
    with pytest.raises(DataError, match="no track 'amp'; it has dry, wet"):
        store.track("amp")


def test_recordings_that_do_not_run_in_parallel_are_refused(tmp_path: Path) -> None:
    dry = Recording(noise(1, 300), 48_000)
    with pytest.raises(DataError, match="dry 300 samples at 48000 Hz, wet 299 samples at 48000 Hz"):
        Store.from_recordings(tmp_path / "store", {"dry": dry, "wet": Recording(noise(1, 299), 48_000)})
    with pytest.raises(DataError, match="wet 300 samples at 44100 Hz"):
        Store.from_recordings(tmp_path / "store", {"dry": dry, "wet": Recording(noise(1, 300), 44_100)})
    with pytest.raises(DataError, match="1 recordings with 2 sources"):
        Store.from_recordings(tmp_path / "store", {"dry": dry}, [tmp_path, tmp_path])


def test_only_a_store_is_replaced_and_only_when_asked(sounds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    old = Store.create(folder, [sounds / "a.wav"])
    with pytest.raises(OutputError, match="already exists; pass --force"):
        Store.create(folder, [sounds / "b.wav"])
    view = old.track()
    new = Store.create(folder, [sounds / "b.wav"], force=True)
    assert (new.track().shape[1], Store.open(folder).track().shape[1]) == (777, 777)
    np.testing.assert_array_equal(view, noise(2, 5000, 1))  # who has the old one mapped keeps it
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("friend")
    with pytest.raises(OutputError, match="holds something that is not a store"):
        Store.create(tmp_path / "letters", [sounds / "b.wav"], force=True)
    with pytest.raises(OutputError, match="is a file"):
        Store.create(tmp_path / "letters" / "dear.txt", [sounds / "b.wav"], force=True)
    with pytest.raises(OutputError, match="does not exist; create it first"):
        Store.create(tmp_path / "nowhere" / "store", [sounds / "b.wav"])
    assert left_behind(tmp_path) == []


def test_a_bad_file_leaves_nothing_and_the_old_store_as_it_was(sounds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    Store.create(folder, [sounds / "a.wav"])
    bad = noise(2, 900)
    bad[1, 500] = np.nan
    np_file = sounds / "d.wav"
    files.soundfile.write(np_file, bad.T, 48_000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"d\.wav.*not finite"):
        Store.create(folder, [sounds / "b.wav", np_file], force=True)
    np.testing.assert_array_equal(Store.open(folder).track(), noise(2, 5000, 1))
    assert left_behind(tmp_path) == []


def test_bad_files_are_left_out_where_asked_and_named(sounds: Path, tmp_path: Path) -> None:
    """One is found out by its header, the others when half of them is written already."""
    late = noise(2, stores.BLOCK + 900)
    late[1, -1] = np.nan
    files.soundfile.write(sounds / "a2.wav", late.T, 48_000, subtype="FLOAT")
    (sounds / "a3.wav").write_bytes(b"")
    (sounds / "broken.wav").write_bytes((sounds / "a.wav").read_bytes()[:3000])
    skipped: dict[str, str] = {}
    told: list[tuple[int, int]] = []
    store = Store.create(
        tmp_path / "store",
        [sounds / name for name in ("a.wav", "a2.wav", "a3.wav", "b.wav", "broken.wav")],
        skip=lambda path, error: skipped.update({path.name: str(error)}),
        progress=lambda *done: told.append(done),
    )
    assert sorted(skipped) == ["a2.wav", "a3.wav", "broken.wav"]
    assert "not finite" in skipped["a2.wav"]
    assert "0 bytes" in skipped["a3.wav"]
    assert "truncated" in skipped["broken.wav"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(store.track(), np.hstack([noise(2, 5000, 1), noise(2, 777, 2)]))
    assert [(item.start, item.length) for item in store.items] == [(0, 5000), (5000, 777)]
    for bad in (["a3.wav"], ["a2.wav"], ["a2.wav", "a3.wav"]):
        with pytest.raises(DataError, match=rf"none of {len(bad)} sound files can be used; the first: .*{bad[-1]}"):
            Store.create(
                tmp_path / "none", [sounds / name for name in bad], rate=8000, mono=True, skip=lambda path, error: None
            )
    assert not (tmp_path / "none").exists()
    with pytest.raises(AudioFileError, match=r"nowhere\.wav does not exist"):
        Store.create(tmp_path / "none", [sounds / "nowhere.wav"], skip=lambda path, error: None)
    assert left_behind(tmp_path) == []


def test_a_kill_leaves_no_store_and_the_next_attempt_is_clean(sounds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    program = (
        "import os, signal, sys; from pathlib import Path; from wavewright.data.store import Store\n"
        "kill = lambda done, total: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store.create(Path(sys.argv[1]), [Path(sys.argv[2])], rate=48000, mono=True, progress=kill)"
    )
    done = subprocess.run([sys.executable, "-c", program, folder, sounds], check=False)
    assert done.returncode == -9
    assert not folder.exists()
    assert left_behind(tmp_path) == [".store.partial"]
    store = Store.create(folder, [sounds], rate=48_000, mono=True)
    assert left_behind(tmp_path) == []
    assert sum(item.length for item in store.items) == store.track().shape[1]


def test_damaged_audio_is_refused_before_it_is_mapped(sounds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    Store.create(folder, [sounds / "a.wav"])
    audio = folder / "audio.f32"
    content = audio.read_bytes()
    for damaged in (content[:-1], content + b"\0\0\0\0", b""):
        audio.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"audio\.f32 has {len(damaged)} bytes, its manifest says 40000"):
            Store.open(folder)
    audio.unlink()
    with pytest.raises(DataError, match=r"audio\.f32 is missing"):
        Store.open(folder)
    with pytest.raises(DataError, match=r"manifest\.json: No such file.* is .*sounds a store\?"):
        Store.open(sounds)


def test_sources_that_changed_or_went_are_named(sounds: Path, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", [sounds / "a.wav", sounds / "b.wav"])
    assert changed(store.manifest) == []
    content = bytearray((sounds / "a.wav").read_bytes())
    content[-1] ^= 1
    (sounds / "a.wav").write_bytes(content)
    assert changed(store.manifest) == [sounds / "a.wav"]
    (sounds / "b.wav").unlink()
    assert changed(store.manifest) == [sounds / "a.wav", sounds / "b.wav"]


def test_a_real_corpus(shared: Path, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", [shared / "audio" / "klon" / "dry.flac"])
    whole = files.read(shared / "audio" / "klon" / "dry.flac")
    assert store.rate == whole.rate
    np.testing.assert_array_equal(store.track(), whole.samples)

"""Corpora against the files they were made from; labels on odd names; what is held out, by its laws."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio import files
from wavewright.audio.filters import pre_emphasis
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.data import corpus as corpora
from wavewright.data.corpus import Corpus, Labels, Sound, hold_out, is_store, usual_rate
from wavewright.data.store import Store
from wavewright.errors import AudioFileError, DataError, SettingsError


def noise(channels: int, frames: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two kicks and a hat of three rates and formats, a silent file, a broken one and a text."""
    folder = tmp_path / "sounds"
    (folder / "kick").mkdir(parents=True)
    (folder / "hat").mkdir()
    files.write(folder / "kick" / "808_1.wav", Recording(noise(2, 5000, 1), 16_000))
    files.write(folder / "kick" / "deep_2.flac", Recording(noise(1, 900, 2), 16_000))
    files.write(folder / "hat" / "open_3.aiff", Recording(noise(1, 4410, 3), 44_100))
    files.write(folder / "hat" / "mute_4.wav", Recording(np.full((1, 500), 9e-5, np.float32), 16_000))
    (folder / "hat" / "torn_5.wav").write_bytes((folder / "kick" / "808_1.wav").read_bytes()[:2000])
    (folder / "hat" / "notes.txt").write_text("louder")
    return folder


def test_any_folder_becomes_one_track_with_labels(sounds: Path, tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "store", [sounds], labels=Labels("folder"))
    assert (corpus.rate, corpus.labels) == (16_000, ("hat", "kick"))
    assert [(sound.path.name, sound.label) for sound in corpus.sounds] == [
        ("open_3.aiff", "hat"),
        ("808_1.wav", "kick"),
        ("deep_2.flac", "kick"),
    ]
    wanted = [
        resample(files.read(sounds / "hat" / "open_3.aiff"), 16_000).samples,
        noise(2, 5000, 1).mean(axis=0, keepdims=True),
        files.read(sounds / "kick" / "deep_2.flac").samples,
    ]
    for sound, whole in zip(corpus.sounds, wanted, strict=True):
        assert sound.length == whole.shape[1]
        np.testing.assert_allclose(corpus.track[:, sound.start : sound.start + sound.length], whole, atol=1e-6)
        assert sound.sha256 == hashlib.sha256(sound.path.read_bytes()).hexdigest()
    assert corpus.seconds == sum(sound.length for sound in corpus.sounds) / 16_000
    torn, mute = corpus.skipped
    assert (torn.path.name, mute.path.name) == ("torn_5.wav", "mute_4.wav")
    assert "torn_5.wav is truncated" in torn.why
    assert "mute_4.wav is silent" in mute.why
    loudest = max(float(np.abs(pre_emphasis(whole, 0.9)[0]).max()) for whole in wanted)
    assert corpus.peak(0.9) == pytest.approx(loudest, rel=1e-5)


def test_a_store_is_used_where_it_lies(sounds: Path, tmp_path: Path) -> None:
    made = Corpus.create(tmp_path / "store", [sounds], rate=8000)
    again = Corpus.create(tmp_path / "other", [tmp_path / "store"], labels=Labels("name", (1,)))
    assert not (tmp_path / "other").exists()
    assert again.store.folder == tmp_path / "store"
    assert [sound.label for sound in again.sounds] == ["3", "1", "2"]
    assert [replace(sound, label=None) for sound in again.sounds] == list(made.sounds)
    assert is_store(tmp_path / "store")
    assert not is_store(sounds)
    with pytest.raises(DataError, match="is at 8000 Hz, not 16000"):
        Corpus.create(tmp_path / "other", [tmp_path / "store"], rate=16_000)
    Store.create(tmp_path / "stereo", [sounds / "kick" / "808_1.wav"])
    with pytest.raises(DataError, match=r"tracks of \[2\] channels"):
        Corpus.open(tmp_path / "stereo")


def test_what_a_corpus_lacks_is_told(sounds: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioFileError, match=r"holds no sound file; looked for \.wav, \.flac"):
        Corpus.create(tmp_path / "store", [tmp_path / "empty"])
    shutil.copy(sounds / "hat" / "torn_5.wav", tmp_path / "empty" / "a.wav")
    with pytest.raises(DataError, match=r"none of 1 sound files can be used; the first: .*a\.wav is truncated"):
        Corpus.create(tmp_path / "store", [tmp_path / "empty"])
    with pytest.raises(DataError, match=r"all 1 sounds are silent .*mute_4\.wav"):
        Corpus.create(tmp_path / "silent", [sounds / "hat" / "mute_4.wav"])
    with pytest.raises(DataError, match=r"808_1\.wav: its name has 2 parts \(808, 1\), part 2 is asked for"):
        Corpus.create(tmp_path / "store", [sounds / "kick"], labels=Labels("name", (2,)))
    assert not (tmp_path / "store").exists()
    corpus = Corpus.create(tmp_path / "store", [sounds])
    corpus.refuse_shorter(5000, "a window")
    with pytest.raises(DataError, match=r"a window needs 5001 samples .*all 3 .*808_1\.wav with 5000"):
        corpus.refuse_shorter(5001, "a window")


def test_more_labels_than_can_be_learned_are_refused(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "MOST_LABELS", 2)
    assert Corpus.create(tmp_path / "two", [sounds], labels=Labels("folder")).labels == ("hat", "kick")
    with pytest.raises(DataError, match=r"3 classes \(808, deep, open, …\), at most 2"):
        Corpus.open(tmp_path / "two", labels=Labels("name"))
    with pytest.raises(DataError, match=r"5 classes \(808, deep, mute, …\), at most 2"):
        Corpus.create(tmp_path / "five", [sounds], labels=Labels("name"))
    assert not (tmp_path / "five").exists()


def test_the_rate_that_most_files_have(sounds: Path) -> None:
    found = files.find(sounds)
    assert usual_rate(found) == 16_000
    assert usual_rate(found, highest=8000) == 8000
    assert usual_rate([sounds / "kick" / "808_1.wav", sounds / "hat" / "open_3.aiff"]) == 44_100
    with pytest.raises(DataError, match="none of 1"):
        usual_rate([sounds / "hat" / "torn_5.wav"])


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("3_george_12.wav", ["3", "george", "12"]),
        ("808.wav", ["808"]),
        ("__a--b__.flac", ["a", "b"]),
        ("Kick 01 - take.2.wav", ["Kick", "01", "take.2"]),
        ("caf\u00e9\u2013noir\u00a0x.ogg", ["caf\u00e9", "noir", "x"]),
        ("_-_.wav", []),
    ],
)
def test_parts_of_odd_names(name: str, parts: list[str]) -> None:
    path = Path("folder") / name
    assert [Labels("name", (part,)).of(path) for part in range(len(parts))] == parts
    with pytest.raises(DataError, match=f"has {len(parts)} parts"):
        Labels("name", (len(parts),)).of(path)
    if parts:
        assert Labels("name", tuple(reversed(range(len(parts))))).of(path) == "/".join(reversed(parts))
    assert Labels("folder").of(path) == "folder"
    assert Labels().of(path) is None
    for wrong in ((), (0, 0), (-1, 0)):
        with pytest.raises(SettingsError, match="must be one or more numbers from 0 on, none twice"):
            Labels("name", wrong)
    with pytest.raises(SettingsError, match="did you mean 'folder'"):
        Labels("folders")
    with pytest.raises(DataError, match="lies in no folder"):
        Labels("folder").of(Path(name))


# ── what is held out ──────────────────────────────────────────────────────────────────────────────────────────────


def made_up(counts: list[int]) -> list[Sound]:
    return [
        Sound(Path(f"{label}_{take}.wav"), f"{label}", 0, 100, f"{label}/{take}")
        for label, count in enumerate(counts)
        for take in range(count)
    ]


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    share=st.floats(0.01, 0.9),
    seed=st.integers(0, 99),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_held_out_files_by_law(counts: list[int], share: float, seed: int, data: st.DataObject) -> None:
    sounds = made_up(counts)
    if len(sounds) < 2:
        return
    train, held = hold_out(sounds, share, seed)
    assert train
    assert held
    assert sorted(train + held, key=sounds.index) == sounds
    assert tuple(sound for sound in sounds if sound in held) == held
    shuffled = data.draw(st.permutations(sounds))
    assert set(hold_out(shuffled, share, seed)[1]) == set(held)
    for label, count in enumerate(counts):
        of_label = sum(sound.label == f"{label}" for sound in held)
        assert of_label < count or (max(counts) == 1 and len(held) == 1)
        assert of_label <= share * count + 1
        assert of_label >= min(int(share * count), count - 1)
    more = [*sounds, Sound(Path("0_new.wav"), "0", 0, 100, "new")]
    moved = {sound for sound in hold_out(more, share, seed)[1] if sound.path.name != "0_new.wav"} ^ set(held)
    assert len(moved) <= (2 if len(held) == 1 else 1)


def test_another_seed_holds_others_out_and_the_folder_does_not_matter() -> None:
    sounds = made_up([50])
    held = hold_out(sounds)[1]
    assert hold_out(sounds, seed=1)[1] != held
    elsewhere = [replace(sound, path=Path("/elsewhere") / sound.path, start=7) for sound in sounds]
    assert [sound.path.name for sound in hold_out(elsewhere)[1]] == [sound.path.name for sound in held]


@given(copies=st.lists(st.integers(0, 5), min_size=8, max_size=20), seed=st.integers(0, 20))
@settings(deadline=None, max_examples=40)
def test_copies_of_a_file_stay_together(copies: list[int], seed: int) -> None:
    sounds = [Sound(Path(f"take_{n}.wav"), None, 0, 100, f"{content}") for n, content in enumerate(copies)]
    train, held = hold_out(sounds, 0.3, seed)
    if len(set(copies)) > 1:
        assert held
        assert not {sound.sha256 for sound in train} & {sound.sha256 for sound in held}


def test_by_pattern() -> None:
    sounds = [Sound(Path(f"{digit}_theo_{take}.wav"), f"{digit}", 0, 9) for digit in range(3) for take in range(5, 15)]
    train, held = hold_out(sounds, pattern="*_[567].wav")
    assert Counter(sound.path.stem.split("_")[2] for sound in held) == {"5": 3, "6": 3, "7": 3}
    assert len(train) == 21
    with pytest.raises(DataError, match=r"'\*_99\.wav' matches none of the 30 files.*'0_theo_5\.wav'"):
        hold_out(sounds, pattern="*_99.wav")
    with pytest.raises(DataError, match="matches all"):
        hold_out(sounds, pattern="*")
    twins = [replace(sounds[0], sha256="x"), replace(sounds[3], sha256="x"), *sounds[4:]]
    assert {sound.path.name for sound in hold_out(twins, pattern="0_theo_5.wav")[1]} == {"0_theo_5.wav", "0_theo_8.wav"}


def test_a_single_file_has_its_end_held_out() -> None:
    only = Sound(Path("hour.wav"), None, 50, 1000, "x")
    assert hold_out([only], 0.1) == ((replace(only, length=900),), (replace(only, start=950, length=100),))
    with pytest.raises(DataError, match=r"hour\.wav is the only sound, and has 1 samples"):
        hold_out([replace(only, length=1)])
    with pytest.raises(ValueError, match="share = 1"):
        hold_out([only], 1)


def test_the_digits(shared: Path, tmp_path: Path) -> None:
    takes = [path for path in files.find(shared / "audio" / "digits") if path.stem.split("_")[1] == "theo"]
    corpus = Corpus.create(tmp_path / "store", takes, labels=Labels("name"))
    assert corpus.labels == tuple("0123456789")
    assert (corpus.rate, len(corpus.sounds), corpus.skipped) == (8000, 450, ())
    _, held = hold_out(corpus.sounds, pattern="*_[567].wav")
    assert Counter(sound.label for sound in held) == dict.fromkeys("0123456789", 3)

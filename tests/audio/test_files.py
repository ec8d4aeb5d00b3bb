"""Sound files: what is written is what is read, and everything that is not a whole sound is refused by name."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.errors import AudioFileError, OutputError

LOSSLESS = [
    ("wav", None, 0.0),
    ("wav", "PCM_16", 2**-16),
    ("wav", "PCM_24", 2**-24),
    ("wav", "PCM_32", 2**-25),
    ("flac", None, 2**-24),
    ("flac", "PCM_16", 2**-16),
    ("aiff", None, 2**-24),
    ("aif", "FLOAT", 0.0),
]
ALL = ["wav", "flac", "ogg", "mp3", "aiff"]


def noise(channels: int = 1, frames: int = 48_000, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, frames)).astype(np.float32)


def tone(channels: int = 1, frames: int = 48_000) -> FloatArray:
    t = np.arange(frames) / 48_000
    return np.stack([0.5 * np.sin(2 * np.pi * 220 * (i + 1) * t) for i in range(channels)]).astype(np.float32)


def written(path: Path, samples: FloatArray, rate: int = 48_000, subtype: str | None = None) -> Path:
    files.write(path, Recording(samples, rate), subtype)
    return path


@pytest.mark.parametrize(("suffix", "subtype", "step"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_lossless_formats_bring_back_the_samples(
    tmp_path: Path, suffix: str, subtype: str | None, step: float, channels: int
) -> None:
    x = noise(channels, 3000)
    back = files.read(written(tmp_path / f"x.{suffix}", x, 44_100, subtype))
    assert back.rate == 44_100
    assert back.samples.dtype == np.float32
    assert back.samples.shape == x.shape
    assert np.abs(back.samples.astype(np.float64) - x).max() <= step


def test_float_files_keep_what_lies_beyond_full_scale(tmp_path: Path) -> None:
    x = np.array([[3.5, -2.0, 1e-30]], np.float32)
    np.testing.assert_array_equal(files.read(written(tmp_path / "x.wav", x)).samples, x)


@pytest.mark.parametrize(("suffix", "subtype"), [("ogg", None), ("ogg", "OPUS"), ("mp3", None)])
def test_lossy_formats_keep_length_place_and_most_of_a_tone(tmp_path: Path, suffix: str, subtype: str | None) -> None:
    x = tone(2)
    back = files.read(written(tmp_path / f"x.{suffix}", x, subtype=subtype)).samples
    assert back.shape == x.shape
    middle = slice(4000, -4000)
    error = np.square(back[:, middle] - x[:, middle]).sum() / np.square(x[:, middle]).sum()
    assert error < 0.01


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_integers_round_to_the_nearest_step_and_clip_at_full_scale(tmp_path: Path, bits: int) -> None:
    full = 2 ** (bits - 1)
    x = np.array([[1.0, -1.0, 1.5, -7.0, 0.75 / full, -0.75 / full, 2.25 / full]], np.float32)
    with files.Writer(tmp_path / "x.wav", 48_000, 1, f"PCM_{bits}") as out:
        out.write(x)
    stored, _ = soundfile.read(tmp_path / "x.wav", dtype="int32")
    expected = [full - 1, -full, full - 1, -full, 1, -1, 2]
    assert (stored >> (32 - bits)).tolist() == expected
    assert out.clipped == 2  # exactly full scale is not beyond it


@pytest.mark.parametrize("suffix", ALL)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_blocks_and_parts_equal_the_whole(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"parts.{suffix}"
    if not path.exists():
        written(path, noise(2, 20_000))
    whole = files.read(path).samples
    start = data.draw(st.integers(0, 19_000))
    count = data.draw(st.integers(1, 20_000 - start))
    size = data.draw(st.integers(1000, 30_000))
    np.testing.assert_array_equal(files.read(path, start, count).samples, whole[:, start : start + count])
    parts = list(files.blocks(path, size, start, count))
    assert all(part.shape == (2, size) for part in parts[:-1])
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole[:, start : start + count])


def test_info_tells_what_the_header_says(tmp_path: Path) -> None:
    found = files.info(written(tmp_path / "x.flac", noise(3, 24_000)))
    assert (found.rate, found.channels, found.frames, found.format, found.subtype, found.seconds) == (
        48_000,
        3,
        24_000,
        "FLAC",
        "PCM_24",
        0.5,
    )


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9, 0.995])
@pytest.mark.parametrize(
    ("suffix", "subtype"), [*((suffix, None) for suffix in ALL), ("wav", "PCM_16"), ("ogg", "OPUS")]
)
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, subtype: str | None, kept: float) -> None:
    content = written(tmp_path / f"whole.{suffix}", noise(1, 96_000), subtype=subtype).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(content[: int(len(content) * kept)])
    for refused in (files.info, files.read, lambda path: files.blocks(path, 100)):
        with pytest.raises(AudioFileError, match=r"cut\.\w+ is truncated"):
            refused(cut)


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path / "whole.wav", noise()).read_bytes()
    for size in (10, 20, 40):
        (tmp_path / "cut.wav").write_bytes(content[:size])
        with pytest.raises(AudioFileError, match="truncated"):
            files.info(tmp_path / "cut.wav")


def test_a_length_left_open_by_a_pipe_is_read_to_the_end(tmp_path: Path) -> None:
    x = noise(1, 500)
    content = bytearray(written(tmp_path / "piped.wav", x, subtype="PCM_16").read_bytes())
    for place in (4, content.index(b"data") + 4):
        content[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "piped.wav").write_bytes(content)
    assert np.abs(files.read(tmp_path / "piped.wav").samples - x).max() <= 2**-16


def test_a_promise_of_64_billion_samples_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    content = bytearray(written(tmp_path / "x.flac", noise()).read_bytes())
    content[21] |= 0x0F  # the low 36 bits from here are the number of samples
    content[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "x.flac").write_bytes(content)
    assert soundfile.info(tmp_path / "x.flac").frames == 2**36 - 1
    with pytest.raises(AudioFileError, match="truncated"):
        files.read(tmp_path / "x.flac")


def test_more_than_fits_in_memory_is_refused_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_SAMPLES", 1000)
    path = written(tmp_path / "x.wav", noise(2, 501))
    with pytest.raises(AudioFileError, match=r"would take .* GiB of memory; read it in blocks"):
        files.read(path)
    assert files.read(path, frames=500).frames == 500
    assert sum(block.shape[1] for block in files.blocks(path, 100)) == 501


def test_what_is_not_a_sound_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("dear diary\n" * 100)
    (tmp_path / "text.mp3").write_text("dear diary\n" * 100)
    (tmp_path / "text.raw").write_text("dear diary\n" * 100)
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "zero.wav", np.zeros((0, 1)), 48_000)
    for name, message in [
        ("text.wav", "is not a sound file"),
        ("text.mp3", "is not a sound file"),
        ("text.raw", "is not a sound file"),
        ("empty.wav", r"is empty \(0 bytes\)"),
        ("zero.wav", "holds no samples"),
        ("nothing.wav", "does not exist"),
        (".", "is a folder"),
    ]:
        with pytest.raises(AudioFileError, match=message):
            files.read(tmp_path / name)


def test_non_finite_samples_are_counted_and_placed(tmp_path: Path) -> None:
    x = noise(2, 1000)
    x[0, 700], x[1, 321], x[1, 322] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "x.wav", x.T, 48_000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"holds 3 samples that are not finite .* at sample 321"):
        files.read(tmp_path / "x.wav")
    with pytest.raises(AudioFileError, match=r"holds 1 samples .* at sample 700"):
        list(files.blocks(tmp_path / "x.wav", 200, start=400))
    np.testing.assert_array_equal(files.read(tmp_path / "x.wav", finite=False).samples, x)


@pytest.mark.parametrize(("start", "frames"), [(-1, None), (1000, None), (0, 1001), (999, 2), (0, 0)])
def test_a_part_outside_the_file_is_refused(tmp_path: Path, start: int, frames: int | None) -> None:
    path = written(tmp_path / "x.wav", noise(1, 1000))
    with pytest.raises(AudioFileError, match="outside the file; it has samples 0 to 1000"):
        files.read(path, start, frames)


def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    old = written(tmp_path / "x.wav", noise(1, 100))
    before = old.read_bytes()

    def fail(path: Path, force: bool) -> None:
        with files.Writer(path, 48_000, 1, force=force) as out:
            out.write(noise(1, 5000))
            raise RuntimeError("the network exploded")

    for path, force in ((tmp_path / "new.wav", False), (old, True)):
        with pytest.raises(RuntimeError, match="exploded"):
            fail(path, force)
    assert old.read_bytes() == before
    assert list(tmp_path.iterdir()) == [old]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = written(tmp_path / "x.wav", noise(1, 100))
    with pytest.raises(OutputError, match="already exists"):
        files.write(path, Recording(noise(1, 50), 48_000))
    assert files.info(path).frames == 100
    files.write(path, Recording(noise(1, 50), 48_000), force=True)
    assert files.info(path).frames == 50


@pytest.mark.parametrize("blocks", [7, 40])
@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, suffix: str, blocks: int) -> None:
    def write_blocks() -> None:
        with files.Writer(tmp_path / f"x.{suffix}", 48_000, 1) as out:
            for i in range(blocks):
                out.write(noise(1, 4800 + 50 * blocks, seed=i))

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(OutputError, match="disk full"):
            write_blocks()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype", "message"),
    [
        ("x.m4a", 48_000, 1, None, r"unknown sound format '.m4a'; allowed: .wav, .flac"),
        ("x", 48_000, 1, None, "no suffix"),
        ("x.flac", 48_000, 1, "FLOAT", "FLAC has no subtype 'FLOAT'; allowed: PCM_24, PCM_16"),
        ("x.mp3", 96_000, 1, None, "cannot hold a rate of 96000 Hz; allowed: 8000, .* 48000"),
        ("x.ogg", 44_100, 1, "OPUS", "cannot hold a rate of 44100 Hz"),
        ("x.ogg", 384_000, 1, None, "allowed: 100 to 200000"),
        ("x.mp3", 48_000, 3, None, "MP3 cannot hold 3 channels; allowed: 1 to 2"),
        ("x.flac", 48_000, 9, None, "FLAC cannot hold 9 channels; allowed: 1 to 8"),
        ("nowhere/x.wav", 48_000, 1, None, "does not exist; create it"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_writing(
    tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None, message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        files.Writer(tmp_path / name, rate, channels, subtype)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [("x.flac", 655_350, 8, None), ("x.ogg", 200_000, 1, None), ("x.mp3", 8000, 2, None), ("x.wav", 1, 100, None)],
)
def test_what_a_format_is_said_to_hold_it_holds(
    tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None
) -> None:
    back = files.info(written(tmp_path / name, noise(channels, 2000), rate, subtype))
    assert (back.rate, back.channels, back.frames) == (rate, channels, 2000)


def test_non_finite_samples_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="2 samples to be written are not finite"):
        files.write(tmp_path / "x.flac", Recording(np.array([[0, np.nan, np.inf]], np.float32), 48_000))
    assert list(tmp_path.iterdir()) == []


def test_no_wav_of_unknown_length_grows_beyond_its_32_bit_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_CHUNK_MOST", 1000)
    with files.Writer(tmp_path / "x.wav", 48_000, 1) as out:
        out.write(noise(1, 250))
    with (
        pytest.raises(OutputError, match=r"at most 4 GiB; write a \.flac"),
        files.Writer(tmp_path / "y.wav", 48_000, 1) as out,
    ):
        out.write(noise(1, 251))
    assert not (tmp_path / "y.wav").exists()


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24", "DOUBLE"])
def test_a_long_wav_becomes_an_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtype: str) -> None:
    monkeypatch.setattr(files, "_CHUNK_MOST", 1000)
    width, x = {"FLOAT": 4, "PCM_24": 3, "DOUBLE": 8}[subtype], noise(2, 400)
    path = tmp_path / "x.wav"
    files.write(path, Recording(x, 48_000), subtype)
    content = path.read_bytes()
    # EBU Tech 3306: the ds64 chunk comes first, with the sizes that 32 bits cannot hold
    assert (content[:4], content[8:16]) == (b"RF64", b"WAVEds64")
    riff, data, frames = np.frombuffer(content[20:44], "<u8")
    assert (riff, data, frames) == (len(content) - 8, 400 * 2 * width, 400)
    assert content[4:8] == b"\xff" * 4
    assert files.info(path).format == "RF64"
    np.testing.assert_allclose(files.read(path).samples, x, rtol=0, atol=2**-23)


def test_a_long_rf64_cut_short_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK_MOST", 1000)
    path = tmp_path / "x.wav"
    files.write(path, Recording(noise(1, 900), 48_000))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AudioFileError, match="truncated"):
        files.info(path)


def test_ten_hours_are_read_to_their_last_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """6.9 GB, nearly all of it a hole in the file that takes no place on the disk."""
    frames = 10 * 3600 * 48_000
    path, end = tmp_path / "x.wav", noise(1, 1000)
    with monkeypatch.context() as limit:
        limit.setattr(files, "_CHUNK_MOST", 1000)
        files.write(path, Recording(end, 48_000))
    content = bytearray(path.read_bytes())
    header = len(content) - 4000
    sizes = np.array([header - 8 + 4 * frames, 4 * frames, frames], "<u8")  # the RIFF's, the sound's, samples a channel
    content[20:44] = sizes.tobytes()
    with path.open("wb") as file:
        file.write(content[:header])
        file.seek(header + 4 * (frames - 1000))
        file.write(content[header:])
    assert files.info(path).frames == frames
    np.testing.assert_array_equal(files.read(path, frames - 1000).samples, end)
    np.testing.assert_array_equal(files.read(path, frames - 2000, 1000).samples, 0)
    with path.open("r+b") as file:
        file.truncate(header + 4 * (frames - 1))
    with pytest.raises(AudioFileError, match="promises 6912000000 bytes of sound and 6911999996 are there"):
        files.info(path)


def test_a_long_aiff_is_refused_before_it_is_begun(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"AIFF file holds at most 4 GiB; write a \.wav"):
        files.Writer(tmp_path / "x.aiff", 48_000, 1, frames=2**31)


@pytest.mark.parametrize(
    ("name", "subtype"), [("x.wav", None), ("x.wav", "PCM_16"), ("x.aiff", "PCM_24"), ("x.flac", None)]
)
def test_what_will_be_written_is_known_beforehand(tmp_path: Path, name: str, subtype: str | None) -> None:
    files.write(tmp_path / name, Recording(noise(2, 200_000), 48_000), subtype)
    found, told = (tmp_path / name).stat().st_size, files.bytes_to_write(name, 48_000, 2, 200_000, subtype)
    assert found <= 2.1 * told
    if not name.endswith("flac"):
        assert told - 2**17 < found <= told


def test_find_lists_the_sounds_of_a_tree(tmp_path: Path) -> None:
    for name in ("b.WAV", "a.flac", "deep/c.mp3", "notes.txt", "deep/._c.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in files.find(tmp_path)] == ["a.flac", "b.WAV", "deep/c.mp3"]
    assert files.find([tmp_path / "notes.txt", tmp_path / "deep"]) == [tmp_path / "deep/c.mp3", tmp_path / "notes.txt"]
    (tmp_path / "bare").mkdir()
    with pytest.raises(AudioFileError, match=r"bare holds no sound file; looked for \.wav, \.flac"):
        files.find([tmp_path, tmp_path / "bare"])
    with pytest.raises(AudioFileError, match="does not exist"):
        files.find(tmp_path / "gone")


def test_every_real_recording_is_taken_for_whole(shared: Path) -> None:
    for path in [*files.find(shared / "audio" / "drums"), *files.find(shared / "audio" / "amp")]:
        assert files.info(path).frames > 0

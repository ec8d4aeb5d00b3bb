"""Telling a sound file that was cut short from a whole one.

libsndfile opens most truncated files without a word: of WAV and AIFF it reports the samples that are left, of FLAC and
MP3 the samples that were promised. What each format promises in its own headers is compared here with the bytes there
are. Sources: the RIFF, RF64 (EBU Tech 3306) and AIFF chunk layouts; RFC 3533 for Ogg pages.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import soundfile

UNKNOWN_LENGTH = (0, 0xFFFFFFFF)  # what programs that write to a pipe leave in a chunk's size
OGG_PAGE_MOST = 65_307  # header, segment table and 255 segments of 255 bytes


def missing_part(path: Path) -> str | None:
    """Say what is missing from the file at ``path``, or None where it is whole or its format promises nothing."""
    with path.open("rb") as file:
        magic = file.read(12)
        if magic[:4] in (b"RIFF", b"RF64", b"RIFX") and magic[8:] == b"WAVE":
            return _missing_chunk_bytes(file, b"data", ">" if magic[:4] == b"RIFX" else "<")
        if magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"):
            return _missing_chunk_bytes(file, b"SSND", ">")
        if magic[:4] == b"OggS":
            return _missing_ogg_end(file)
    return _missing_last_sample(path)


def _missing_chunk_bytes(file: BinaryIO, sound_chunk: bytes, order: str) -> str | None:
    """Walk the chunks up to the one that holds the sound, and compare its size with what is left of the file."""
    end = file.seek(0, 2)
    position = file.seek(12)
    long_size = 0
    while len(header := file.read(8)) == 8:
        name, size = header[:4], struct.unpack(f"{order}I", header[4:])[0]
        if name == b"ds64":
            long_size = struct.unpack("<Q", file.read(16)[8:].ljust(8, b"\0"))[0]
        if name == sound_chunk:
            promised = long_size if long_size and size == 0xFFFFFFFF else size
            here = end - position - 8
            cut = promised not in UNKNOWN_LENGTH and promised > here
            return f"its header promises {promised} bytes of sound and {here} are there" if cut else None
        position = file.seek(position + 8 + size + size % 2)
    return None


def _missing_ogg_end(file: BinaryIO) -> str | None:
    """The last page of an Ogg stream is whole and carries the end-of-stream flag."""
    end = file.seek(0, 2)
    start = file.seek(max(0, end - OGG_PAGE_MOST))
    tail = file.read()
    page = tail.rfind(b"OggS")
    header = tail[page : page + 27]
    if page < 0 or len(header) < 27:
        return "its last page is broken off"
    segments = tail[page + 27 : page + 27 + header[26]]
    whole = len(segments) == header[26] and start + page + 27 + len(segments) + sum(segments) <= end
    if not whole:
        return "its last page is broken off"
    return None if header[5] & 4 else "its last page does not end the stream"


def _missing_last_sample(path: Path) -> str | None:
    """FLAC and MP3 say in the first frame how many samples there are: the last one must decode."""
    try:
        with soundfile.SoundFile(path) as sound:
            if sound.frames == 0:
                return None
            sound.seek(sound.frames - 1)
            return (
                None
                if len(sound.read(1))
                else f"its header promises {sound.frames} samples and the last ones are not there"
            )
    except soundfile.SoundFileError:
        return "its header promises samples that are not there, or it is damaged"

"""Writing a file so that no moment exists at which half of it can be seen."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wavewright.errors import OutputError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise `OutputError` where writing ``path`` would lose something, or could not succeed at all.

    Meant to be called before any long work.
    """
    if path.is_dir():
        raise OutputError(f"output {path} is a folder; name a file inside it")
    if path.exists() and not force:
        raise OutputError(f"output {path} already exists; pass --force to replace it, or name another file")
    parent = path.parent
    if not parent.is_dir():
        raise OutputError(f"output {path}: the folder {parent} does not exist; create it first")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"output {path}: the folder {parent} is not writable; choose another place")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it takes the place of ``path`` in one step.

    The data reaches the disk before the name does, so that a power cut leaves the old file or the new one, whole.
    On an exception the temporary file is removed and ``path`` stays as it was.

    Raises:
        OutputError: the disk is full or the place cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"could not write {path}: {error.strerror or error}; free some space or choose another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text to ``path`` in one step."""
    write_bytes(path, content.encode())

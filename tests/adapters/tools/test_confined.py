"""Nothing outside the root is opened, whatever the path and whoever changes names meanwhile."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rxstream.adapters.tools.confined import Root, kernel_confines
from rxstream.errors import AuthorError, ClientError, RxStreamError, WorldError

SECRET = b"outside"
TRIES = 1_500


@pytest.fixture(params=["kernel", "components"])
def by_kernel(request: pytest.FixtureRequest) -> bool:
    if request.param == "kernel" and not kernel_confines():
        pytest.skip("missing: openat2 (Linux 5.6 or later)")
    return bool(request.param == "kernel")


@pytest.fixture
def root(tmp_path: Path, by_kernel: bool) -> Root:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(SECRET)
    inside = tmp_path / "root"
    (inside / "folder" / "deep").mkdir(parents=True)
    (inside / "file").write_bytes(b"inside")
    (inside / "folder" / "file").write_bytes(b"inside")
    return Root(inside, kernel=by_kernel)


def content(root: Root, path: str) -> bytes:
    with root.open(path) as file:
        return file.read(0, 100)


def refusal(root: Root, path: str) -> str:
    with pytest.raises(RxStreamError) as raised, root.open(path) as file:
        assert file.read(0, 100) == b"never seen"
    assert "\n" not in raised.value.message
    return raised.value.code


@pytest.mark.parametrize(
    "path",
    ["file", "./file", "folder/../file", "folder//file", "folder/deep/../../file", "{}/file"],
)
def test_what_is_inside_is_opened(root: Root, path: str) -> None:
    assert content(root, path.format(root.path)) == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret",
        "folder/../../secret",
        "folder/deep/../../../secret",
        "/etc/passwd",
        "//etc/passwd",
        "{}/../secret",
        "{}elsewhere/file",
        "/proc/self/root/etc/passwd",
    ],
)
def test_a_path_that_leads_out_is_refused(root: Root, path: str) -> None:
    assert refusal(root, path.format(root.path)) == "outside_root"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("../secret", "outside_root"),
        ("../elsewhere/file", "outside_root"),
        ("/etc/passwd", "outside_root"),
        ("folder/../../secret", "outside_root"),
        ("link", "unreadable_file"),  # to itself
        ("nothing", "unreadable_file"),
    ],
)
def test_a_link_that_leads_out_is_refused(root: Root, target: str, code: str) -> None:
    os.symlink(target, f"{root.path}/link")
    assert refusal(root, "link") == code
    assert refusal(root, "folder/../link") == code


def test_a_link_to_a_folder_outside_leads_nowhere(root: Root) -> None:
    os.symlink("../elsewhere", f"{root.path}/link")
    assert refusal(root, "link/file") == "outside_root"
    assert refusal(root, "link/..") == "outside_root"


def test_a_link_that_stays_inside_is_followed(root: Root) -> None:
    os.symlink("../file", f"{root.path}/folder/link")
    os.symlink("folder", f"{root.path}/again")
    assert content(root, "folder/link") == b"inside"
    assert content(root, "again/link") == b"inside"


def test_an_absolute_link_is_refused_even_if_it_points_inside(root: Root) -> None:
    os.symlink(f"{root.path}/file", f"{root.path}/link")
    assert refusal(root, "link") == "outside_root"


def test_the_links_of_proc_are_not_followed(by_kernel: bool) -> None:
    proc = Root("/proc", kernel=by_kernel)
    with open("/etc/hostname", "rb") as opened:
        for path in (
            f"self/fd/{opened.fileno()}",
            "self/root/etc/hostname",
            "self/cwd",
            "self/exe",
        ):
            assert refusal(proc, path) in ("outside_root", "unreadable_file")


def test_a_hard_link_is_the_file_it_is(root: Root) -> None:
    os.link(f"{root.path}/file", f"{root.path}/hard")
    assert content(root, "hard") == b"inside"


def test_what_is_no_file_is_not_waited_for(root: Root, tmp_path: Path) -> None:
    os.mkfifo(f"{root.path}/fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(f"{root.path}/socket"))
        assert refusal(root, "fifo") == "not_a_file"
        assert refusal(root, "socket") == "not_a_file"


def test_a_device_is_not_opened(by_kernel: bool) -> None:
    assert refusal(Root("/dev", kernel=by_kernel), "zero") == "not_a_file"


@pytest.mark.parametrize(
    "path", ["a\0b", "x" * 300, "x/" * 5_000, "\ud800", "line\nbreak", "file/below", "nothing"]
)
def test_a_name_that_cannot_be_is_one_line(root: Root, path: str) -> None:
    assert refusal(root, path) in ("bad_path", "unreadable_file")


def test_a_root_that_is_no_folder_is_its_authors_fault(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="must be a folder"):
        Root(tmp_path / "nothing")


@pytest.mark.parametrize("above", [False, True], ids=["itself", "above"])
def test_a_root_that_became_a_link_is_not_followed(
    tmp_path: Path, by_kernel: bool, above: bool
) -> None:
    folder, secret = tmp_path / "above" / "root", tmp_path / "secret"
    folder.mkdir(parents=True)
    (secret / "root").mkdir(parents=True)
    (secret / "root" / "file").touch()
    root = Root(folder, kernel=by_kernel)
    replaced = folder.parent if above else folder
    replaced.rename(tmp_path / "moved")
    replaced.symlink_to(secret if above else secret / "root")
    assert (folder / "file").exists()
    with pytest.raises(WorldError, match="cannot be opened"), root.open("file"):
        pass


def test_a_root_that_went_away_says_so(root: Root) -> None:
    os.rename(root.path, f"{root.path}-gone")
    with pytest.raises(WorldError, match="cannot be opened: no such file"), root.open("file"):
        pass


# --- races -----------------------------------------------------------------------------------


@contextmanager
def swapping(path: str, target: str) -> Iterator[None]:
    """Someone makes a name a link to the outside and back, as fast as they can."""
    aside, link = f"{path}.aside", f"{path}.link"
    os.symlink(target, link)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(path, aside)
            os.rename(link, path)
            os.rename(path, link)
            os.rename(aside, path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("name", "target"), [("folder", "../elsewhere"), ("file", "../secret")])
def test_nothing_outside_is_read_while_a_name_becomes_a_link(
    root: Root, name: str, target: str
) -> None:
    seen = {"inside": 0, "refused": 0}
    path = "folder/file" if name == "folder" else "file"
    with swapping(f"{root.path}/{name}", target):
        deadline = time.monotonic() + 20
        # until both were seen: it depends on who has the processor
        while sum(seen.values()) < TRIES or (0 in seen.values() and time.monotonic() < deadline):
            try:
                assert content(root, path) == b"inside"
                seen["inside"] += 1
            except (ClientError, WorldError):
                seen["refused"] += 1
    assert seen["inside"] > 0
    assert seen["refused"] > 0


def test_going_up_from_a_folder_that_is_moved_does_not_leave_the_root(
    root: Root, tmp_path: Path
) -> None:
    outside = tmp_path / "away"
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            os.rename(f"{root.path}/folder/deep", outside)
            os.rename(outside, f"{root.path}/folder/deep")

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(TRIES):
            try:
                with root.open("folder/deep/../../file") as file:
                    assert file.read(0, 100) == b"inside"
            except (ClientError, WorldError):
                continue
    finally:
        stop.set()
        thread.join()


def test_no_descriptor_is_left_open(root: Root) -> None:
    os.symlink("../secret", f"{root.path}/link")
    before = len(os.listdir("/proc/self/fd"))
    for path in ("file", "folder/deep/../file", "nothing", "link", "../secret", "file/below"):
        try:
            content(root, path)
        except RxStreamError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before

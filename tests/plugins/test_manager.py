"""Plugins are found, loaded, guarded and exchanged while others run, and a broken one is only reported."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rxstream.errors import AuthorError
from rxstream.plugins import (
    Access,
    ActionDenied,
    Plugin,
    PluginError,
    PluginManager,
    UnknownAction,
    action,
)
from rxstream.testing import virtual_time

COUNTER = """
from rxstream.plugins import Plugin, action
import asyncio

STEP = {step}

class Counter(Plugin):
    version = "{step}"

    @action
    async def count(self):
        for number in range(3):
            yield number * STEP
            await asyncio.sleep(1)
"""


def counter(step: int = 1, name: str = "Counter") -> str:
    return COUNTER.format(step=step).replace("Counter", name)


async def elements(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "plugins"
    place.mkdir()
    return place


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_folder_gives_its_files_and_packages(folder: Path) -> None:
    folder.joinpath("one.py").write_text(counter(name="One"))
    folder.joinpath("_not.py").write_text("raise SystemExit")
    folder.joinpath("notes.txt").write_text("not Python")
    folder.joinpath("two").mkdir()
    folder.joinpath("two/__init__.py").write_text("from .inner import TWO\nPLUGINS = [TWO]\n")
    folder.joinpath("two/inner.py").write_text(counter(name="Two") + "TWO = Two()\n")
    plugins = PluginManager()
    assert plugins.discover(entry_points=False, folders=[folder]) == ["one", "two"]
    assert plugins.plugins["one"].source == f"file {folder.resolve() / 'one.py'}"
    assert plugins.broken == {}


def test_a_package_offers_what_it_imports_from_its_modules_once_each(folder: Path) -> None:
    folder.joinpath("two").mkdir()
    folder.joinpath("two/__init__.py").write_text("from .inner import Two, Two as Again\n")
    folder.joinpath("two/inner.py").write_text(counter(name="Two"))
    plugins = PluginManager()
    assert plugins.discover(entry_points=False, folders=[folder]) == ["two"]
    assert plugins.broken == {}


def test_a_broken_plugin_is_reported_and_leaves_the_others_alone(folder: Path) -> None:
    for name, text in {
        "bad_syntax": "def",
        "bad_import": "import nowhere_to_be_found",
        "exits": "raise SystemExit(3)",
        "empty": "x = 1",
        "raises": counter(name="Raises") + "    def __init__(self): raise OSError('no disk')\n",
        "unsafe": "from rxstream.plugins import Plugin\nPLUGINS = [Plugin, 3]",
        "fine": counter(),
    }.items():
        folder.joinpath(f"{name}.py").write_text(text)
    plugins = PluginManager()
    assert plugins.discover(entry_points=False, folders=[folder, folder / "none"]) == ["counter"]
    said = {name: broken.message for name, broken in plugins.broken.items()}
    assert sorted(said) == sorted(
        ["bad_import", "bad_syntax", "empty", "exits", "raises", "unsafe", str(folder / "none")]
    )
    assert said["bad_import"].startswith("ModuleNotFoundError: No module named")
    assert "no disk" in said["raises"]
    assert "3 is not" in said["unsafe"] or "int is not a plugin" in said["unsafe"]
    with pytest.raises(UnknownAction, match="no plugin 'raises' is loaded, it is broken"):
        plugins.stream("raises.count")


def test_a_module_is_loaded_by_its_name_and_one_class_of_it_too(importable: Path) -> None:
    importable.joinpath("some_plugins.py").write_text(counter(name="One") + counter(name="Two"))
    plugins = PluginManager()
    assert plugins.load("some_plugins:Two") == ["two"]
    plugins.unload("two")
    assert plugins.discover(entry_points=False, modules=["some_plugins", "no_such"]) == [
        "one",
        "two",
    ]
    assert list(plugins.broken) == ["no_such"]


def test_installed_plugins_are_found_by_their_entry_points(importable: Path) -> None:
    importable.joinpath("installed_plugin.py").write_text(counter(name="Installed"))
    info = importable / "someone_else-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: someone-else\nVersion: 1.0\n"
    )
    info.joinpath("entry_points.txt").write_text(
        "[rxstream.plugins]\nthere = installed_plugin:Installed\ngone = no_such_module:Plugin\n"
    )
    plugins = PluginManager()
    assert "installed" in plugins.discover()
    assert "gone" in plugins.broken


@virtual_time
async def test_what_runs_finishes_on_its_version_while_another_is_loaded() -> None:
    # the file belongs to this test alone, and virtual time does not wait for it
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "counter.py"
        path.write_text(counter(step=1))
        plugins = PluginManager()
        plugins.load(path)
        old = plugins.stream("counter.count")
        running = asyncio.create_task(elements(old))
        await asyncio.sleep(1.5)
        path.write_text(counter(step=2))  # as long as before, within the same second
        assert plugins.reload("counter").version == "2"
        assert await elements(plugins.stream("counter.count")) == [0, 2, 4]
        assert await running == [0, 1, 2]
        assert await elements(old) == [0, 1, 2]


def test_a_version_that_is_broken_leaves_the_old_one_and_is_mended_by_the_next(
    folder: Path,
) -> None:
    path = folder / "counter.py"
    path.write_text(counter(step=1))
    plugins = PluginManager()
    plugins.load(path)
    for broken in ("def", counter(name="Other")):
        path.write_text(broken)
        with pytest.raises(PluginError):
            plugins.reload("counter")
        assert plugins.plugins["counter"].version == "1"
        assert "counter" in plugins.broken
    path.write_text(counter(step=3))
    assert plugins.reload("counter").version == "3"
    assert plugins.broken == {}


def test_a_plugin_that_was_broken_when_it_was_found_can_be_tried_again(folder: Path) -> None:
    path = folder / "counter.py"
    path.write_text("def")
    plugins = PluginManager()
    plugins.discover(entry_points=False, folders=[folder])
    path.write_text(counter())
    assert plugins.reload("counter").name == "counter"
    assert plugins.broken == {}


def test_a_package_is_imported_anew_with_what_it_is_made_of(importable: Path) -> None:
    package = importable / "made_of_parts"
    package.mkdir()
    package.joinpath("__init__.py").write_text(
        "from made_of_parts.inner import Counter\nPLUGINS=[Counter]\n"
    )
    package.joinpath("inner.py").write_text(counter(step=1))
    plugins = PluginManager()
    plugins.load("made_of_parts")
    package.joinpath("inner.py").write_text(counter(step=22))
    assert plugins.reload("counter").version == "22"
    inner = PluginManager()
    inner.load("made_of_parts.inner")
    package.joinpath("inner.py").write_text(counter(step=33))
    assert inner.reload("counter").version == "33"
    assert sys.modules["made_of_parts"].inner.STEP == 33
    package.joinpath("inner.py").write_text("raise ValueError('not ready')")
    before = sys.modules["made_of_parts"]
    with pytest.raises(PluginError, match="not ready"):
        plugins.reload("counter")
    assert sys.modules["made_of_parts"] is before


def test_what_a_file_offers_may_change_from_version_to_version(folder: Path) -> None:
    path = folder / "several.py"
    path.write_text(counter(name="One") + counter(name="Two"))
    plugins = PluginManager()
    assert plugins.load(folder) == ["one", "two"]
    path.write_text(counter(name="Two") + counter(name="Three"))
    plugins.reload("two")
    assert sorted(plugins.plugins) == ["three", "two"]


def test_a_name_belongs_to_the_first_that_has_it(folder: Path) -> None:
    folder.joinpath("a.py").write_text(counter())
    folder.joinpath("b.py").write_text(counter())
    plugins = PluginManager()
    plugins.discover(entry_points=False, folders=[folder])
    assert plugins.plugins["counter"].source.endswith("a.py")
    assert "already loaded, from file" in plugins.broken["b"].message
    plugins.unload("counter")
    assert plugins.reload("b").source.endswith("b.py")


def test_what_was_loaded_as_an_object_is_not_reloaded_and_what_is_gone_is_not_there() -> None:
    class Here(Plugin):
        @action
        def do(self) -> None: ...

    plugins = PluginManager()
    plugins.load(Here())
    with pytest.raises(PluginError, match="was loaded as an object"):
        plugins.reload("here")
    with pytest.raises(PluginError, match="already loaded"):
        plugins.load(Here)
    plugins.unload("here")
    with pytest.raises(UnknownAction):
        plugins.unload("here")
    for wrong in (3, object, type("Plugin3", (Plugin,), {"name": "3!"})):
        with pytest.raises(PluginError):
            plugins.load(wrong)


def test_rules_deny_whatever_they_do_not_allow() -> None:
    class Files(Plugin):
        @action
        def read(self) -> str:
            return "text"

        @action
        def delete(self) -> None: ...

    plugins = PluginManager(access=Access(allow=("files.*",), deny=("*.delete",)))
    plugins.load(Files)
    assert [found.id for found in plugins.actions()] == ["files.read"]
    assert plugins.describe("files.read").name == "read"
    for forbidden in ("files.delete", "other.thing"):
        with pytest.raises(ActionDenied):
            plugins.stream(forbidden)
    assert not Access().allows("files.read")
    with pytest.raises(AuthorError, match="several patterns"):
        Access(allow="files.*")  # type: ignore[arg-type]  # that is what is tested

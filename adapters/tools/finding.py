"""`find`: files by a pattern of names, and lines in them by a text or a regular expression.

First a walk says which files there are and how many bytes they have, then they are searched in that order, by
ripgrep where it is installed and understands the expression, else here, with the same result. What is put out
has a limit, and the answer says whether it is all. Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from rxstream.adapters.tools.confined import Confined, Root, shown
from rxstream.adapters.tools.ignoring import Globs
from rxstream.adapters.tools.recognising import marked
from rxstream.adapters.tools.ripgrep import Candidate, Ripgrep, Stuck
from rxstream.adapters.tools.searching import LINE_BYTES, Hit, Matcher, excerpt, search
from rxstream.adapters.tools.walking import Found, Walk
from rxstream.adapters.tools.working import Limits, Page, Watch, Work, counted, sized
from rxstream.errors import ClientError, WorldError
from rxstream.tools import ToolResult

_LARGE_BYTES: Final = 4 * 1024 * 1024
"""Files from this size on are searched one at a time, so that one can say how far it is."""
_BATCH_FILES: Final = 400
_BATCH_BYTES: Final = 16 * 1024 * 1024
_BATCH_CHARS: Final = 64 * 1024
_NEAR_BYTES: Final = 4 * 1024


@dataclass(frozen=True)
class Sought:
    """What is looked for, and where."""

    path: str = "."
    names: str | None = None
    text: str | None = None
    regex: str | None = None
    ignore_case: bool = False
    everything: bool = False
    limit: int = 200
    """Names, or lines."""

    def matcher(self) -> Matcher | None:
        """What finds lines; None when only names are wanted. Raises `ClientError`."""
        if self.text is not None and self.regex is not None:
            raise ClientError("give either text or regex, not both")
        if self.text is not None:
            return Matcher(self.text, literal=True, ignore_case=self.ignore_case)
        if self.regex is not None:
            return Matcher(self.regex, literal=False, ignore_case=self.ignore_case)
        return None


def find(root: Root, sought: Sought, limits: Limits, watch: Watch, program: str | None) -> Work:
    """Names or lines live, then facts about them; the model is told the lines and whether they are all."""
    matcher = sought.matcher()
    # how many bytes are to be searched is known only when the walk is over
    walk = Walk(root, limits, watch, sought.everything, shares=matcher is None)
    page = Page(limits.output)
    if matcher is None:
        yield from _names(walk, sought, page)
    else:
        yield from _Search(root, walk, sought, matcher, page, watch, program).steps()


def _files(walk: Walk, sought: Sought) -> Iterator[Found]:
    """The files that are wanted by name."""
    globs = None if sought.names is None else Globs(sought.names)
    for found in walk.below(sought.path):
        if found.kind == "file" and (globs is None or globs.want(walk.within(found))):
            yield found


def _names(walk: Walk, sought: Sought, page: Page) -> Work:
    count, stopped = 0, ""
    for found in _files(walk, sought):
        if count == sought.limit or not page.add(shown(found.path)):
            stopped = f"there are more than {counted(count, 'file')}; narrow names or path"
            break
        count += 1
        if page.ripe:
            yield from page.output()
    yield from page.output()
    walk.watch.tell(1, 1)
    stopped = stopped or walk.stopped
    facts = {"found": count, "names_seen": walk.seen, "complete": not stopped}
    yield ToolResult(
        facts, page.text(_ending(counted(count, "file"), stopped, len(walk.unreadable)))
    )


def _ending(what: str, stopped: str, unreadable: int) -> str:
    unread = f"; {unreadable:,} files or folders could not be read" if unreadable else ""
    return f"{what}, not all: {stopped}{unread}" if stopped else f"{what}{unread}"


class _Search:
    """Lines in files."""

    def __init__(
        self,
        root: Root,
        walk: Walk,
        sought: Sought,
        matcher: Matcher,
        page: Page,
        watch: Watch,
        program: str | None,
    ) -> None:
        self._root = root
        self._walk = walk
        self._sought = sought
        self._matcher = matcher
        self._page = page
        self._watch = watch
        self._ripgrep = Ripgrep(program, matcher, sought.limit + 1) if program else None
        self._found = 0
        self._in_files = 0
        self._unread = 0
        self._cut = 0
        """Lines of which only the beginning was searched, and in vain."""
        self._heading = ""
        self._done = 0
        self._total = 0
        self._stopped = ""

    def steps(self) -> Work:
        files: list[tuple[str, int]] = []
        with self._root.open(self._sought.path) as opened:
            is_file = not opened.is_folder
            if is_file:
                files.append((opened.path, opened.size))
        if not is_file:
            files += [(each.path, each.size) for each in _files(self._walk, self._sought)]
        self._total = sum(size for _, size in files)
        with self._root.open(".") as folder:
            if self._ripgrep and not self._ripgrep.understands(folder, self._watch):
                self._ripgrep = None
            for batch in _batches(files):
                yield from self._batch(batch, folder)
                if self._stopped:
                    break
        yield from self._page.output()
        self._watch.tell(1, 1)
        yield self._result(len(files))

    def _batch(self, batch: Sequence[tuple[str, int]], folder: Confined) -> Work:
        if self._ripgrep is None or len(batch) == 1:
            lines = self._each(batch)
        else:
            paths = [path for path, _ in batch]
            order = {path: index for index, path in enumerate(paths)}
            try:
                named = self._ripgrep.names(paths, folder, self._watch)
                candidates = [each for each in named if each.path in order]
            except Stuck:
                lines = self._each(batch)
            else:
                candidates.sort(key=lambda each: (order[each.path], each.number))
                lines = self._verified(candidates)
                self._done += sum(size for _, size in batch)
        for path, hit in lines:
            if not self._add(path, hit):
                enough = counted(self._found, "line")
                self._stopped = (
                    f"there are more than {enough}; narrow names, path or what is sought"
                )
                return
            if self._page.ripe:
                yield from self._page.output()
        self._told(0)
        yield from self._page.output()
        if self._watch.late:
            self._stopped = "time is up"

    def _each(self, batch: Sequence[tuple[str, int]]) -> Iterator[tuple[str, Hit]]:
        """Files one after the other, large ones by ripgrep."""
        for path, size in batch:
            with self._opened(path) as file:
                if file is not None:
                    yield from self._file(file)
            self._done += size
            if self._watch.late:
                return

    @contextmanager
    def _opened(self, path: str) -> Iterator[Confined | None]:
        """None when it is not ours to read, or gone since the walk."""
        with ExitStack() as stack:
            try:
                file = stack.enter_context(self._root.open(path))
            except (WorldError, ClientError):
                self._unread += 1
                file = None
            yield file

    def _file(self, file: Confined) -> Iterator[tuple[str, Hit]]:
        if self._ripgrep is None or file.size < _LARGE_BYTES or not _lined(file):
            for hit in search(file, self._matcher, self._watch, self._told, self._cut_off):
                yield file.path, hit
            return
        for candidate in self._ripgrep.input(file, self._watch, self._told):
            if line := self._look(file, candidate):
                yield file.path, line

    def _verified(self, candidates: Sequence[Candidate]) -> Iterator[tuple[str, Hit]]:
        """What ripgrep named, as we see it."""
        for path, those in groupby(candidates, key=lambda each: each.path):
            with self._opened(path) as file:
                if file is None:
                    continue
                if not _plain(file):  # offsets are of something else
                    found = search(file, self._matcher, self._watch, lambda _: None, self._cut_off)
                    yield from ((path, hit) for hit in found)
                    continue
                for candidate in those:
                    if line := self._look(file, candidate):
                        yield path, line

    def _look(self, file: Confined, candidate: Candidate) -> Hit | None:
        data = file.read(candidate.offset, _NEAR_BYTES)
        if b"\n" not in data and len(data) == _NEAR_BYTES:
            data = file.read(candidate.offset, LINE_BYTES)
        line = data.partition(b"\n")[0].removesuffix(b"\r").decode(errors="replace")
        for _, text, where in self._matcher.lines(line, self._watch):
            return Hit(candidate.number, excerpt(text, where))
        if len(data) == LINE_BYTES and b"\n" not in data:
            self._cut_off()
        return None

    def _cut_off(self) -> None:
        self._cut += 1

    def _add(self, path: str, hit: Hit) -> bool:
        if self._found == self._sought.limit:
            return False
        lines = [f"{hit.number:>6}: {hit.text}"]
        if path != self._heading:
            lines.insert(0, shown(path))
        if not self._page.add("\n".join(lines)):
            return False
        self._in_files += path != self._heading
        self._heading = path
        self._found += 1
        return True

    def _told(self, within: int) -> None:
        """So many bytes of the files searched now are done."""
        if self._watch.look():
            done = self._done + within
            found = f"{counted(self._found, 'line')} found in {sized(done)}"
            self._watch.tell(done, self._total, found)

    def _result(self, files: int) -> ToolResult:
        stopped = self._stopped or self._walk.stopped
        facts: dict[str, Any] = {
            "found": self._found,
            "in_files": self._in_files,
            "searched_files": files,
            "searched_bytes": self._total,
            "complete": not stopped and not self._cut,
            "by": "ripgrep" if self._ripgrep else "rxstream",
        }
        unreadable = len(self._walk.unreadable) + self._unread
        searched = f"{counted(files, 'file')}, {sized(self._total)}"
        what = f"{counted(self._found, 'line')} in {self._in_files:,} of {searched}"
        if self._cut:
            what += f"; of {counted(self._cut, 'line')} only the first MiB was searched"
        return ToolResult(facts, self._page.text(_ending(what, stopped, unreadable)))


def _plain(file: Confined) -> bool:
    """Whether ripgrep sees the bytes that we see."""
    head = file.read(0, 8 * 1024)
    return marked(head) is None and b"\0" not in head


def _lined(file: Confined) -> bool:
    """Whether ripgrep sees what we see, and need not hold all of the file, for it holds whole lines."""
    return _plain(file) and b"\n" in file.read(0, LINE_BYTES)


def _batches(files: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Files to be searched together, in their order; a large one alone."""
    batch: list[tuple[str, int]] = []
    size = chars = 0
    for path, bytes_ in files:
        full = len(batch) == _BATCH_FILES or size + bytes_ > _BATCH_BYTES or chars > _BATCH_CHARS
        if batch and (full or bytes_ >= _LARGE_BYTES):
            yield batch
            batch, size, chars = [], 0, 0
        batch.append((path, bytes_))
        size, chars = size + bytes_, chars + len(path)
        if bytes_ >= _LARGE_BYTES:
            yield batch
            batch, size, chars = [], 0, 0
    if batch:
        yield batch

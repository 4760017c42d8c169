"""`rxstream chat`: talk to a model, on a screen in a terminal, else one question and its answer."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

import click
import orjson

from rxstream.adapters.cli import failure, logs, show, stdout
from rxstream.adapters.cli.interruption import interruption
from rxstream.errors import LogError, MissingExtra, RxStreamError
from rxstream.events import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxstream.adapters.terminal.chat import Models, Session, Store, Turn

    Opened: TypeAlias = Callable[[Path | None], Session]

_NEWEST: Final = ""
"""`--resume` without an id."""

_LOOKED_AT: Final = 5
"""Chats that are looked at for an answer that was not finished."""

_CUT_OFF: Final = ("queued", "running", "waiting", "interrupted")

_STDIN_LIMIT: Final = 4 * 1024 * 1024


@click.command()
@click.option(
    "--model",
    metavar="PROVIDER:NAME",
    help="Who answers; local:smollm2 unless the chat has another.",
)
@click.option("--base-url", metavar="URL", help="Where its server is; the chat remembers it.")
@click.option("--system", metavar="TEXT", help="What the model is told before all else.")
@click.option("--tool", "tools", multiple=True, metavar="NAME", help="Let the model use a tool.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=_NEWEST,
    metavar="[ID]",
    help="Go on with a chat, the newest if none is named.",
)
@click.option("--new", is_flag=True, help="Begin a chat, also where an answer was not finished.")
@click.option("--log", "log_path", metavar="PATH", help="Keep the chat in this file.")
@click.option(
    "--jsonl", is_flag=True, help="Without a screen: print the answer's elements as JSON."
)
@logs.logging_options
def chat(
    model: str | None,
    base_url: str | None,
    system: str | None,
    tools: tuple[str, ...],
    resume: str | None,
    new: bool,
    log_path: str | None,
    jsonl: bool,
    verbose: int,
    log_level: str | None,
) -> int:
    """Talk to a model.

    In a terminal the chat has a screen and is kept: an answer that a crash cut off is gone on with.
    Otherwise the question is read from standard input and its answer printed.
    """
    logs.configure(verbose, log_level, default="error")
    if sum((resume is not None, new, log_path is not None)) > 1:
        raise failure.Failure("--resume, --new and --log exclude each other", failure.USAGE)
    from rxstream.adapters.terminal.chat import DEFAULT_MODEL, Models, Session, Store, provider_of

    store = Store()
    path = Path(log_path) if log_path is not None else None
    if resume is not None:
        path = _resumed(store, resume)
    # a chat that goes on has a model already
    goes_on = path is not None and path.exists()
    asked = model or (None if goes_on else DEFAULT_MODEL)
    if base_url is not None and asked is None:
        raise failure.Failure("say with --model whose server --base-url is", failure.USAGE)
    asking = Models({provider_of(asked): base_url} if asked and base_url else {})
    screen = not jsonl and _person(sys.stdin) and _person(sys.stdout)
    given = new or path is not None
    # with a screen a chat may go on that nobody has named, and has another model
    asking.check(model if screen and not given else asked, tools)

    def opened(path: Path | None) -> Session:
        return Session(path, asking, model, tools, system=system, addresses=asking.addresses)

    if screen:
        _check_screen()
        return interruption.run(_converse(store, path, opened, asking, given))
    session = opened(path)
    question = _question()
    if jsonl:
        with stdout.reserved() as descriptor:
            return interruption.run(
                _answer(session, question, descriptor, asking.check, jsonl=True)
            )
    return interruption.run(_answer(session, question, stdout.STDOUT, asking.check, jsonl=False))


def _resumed(store: Store, chat_id: str) -> Path:
    if chat_id != _NEWEST:
        return store.find(chat_id)
    newest = store.newest(1)
    if not newest:
        raise failure.Failure("there is no chat to go on with: begin one", failure.USAGE)
    return newest[0]


def _person(stream: TextIO | None) -> bool:
    """Whether somebody is there; a standard stream that was closed is None."""
    return stream is not None and stream.isatty()


def _check_screen() -> None:
    if find_spec("textual") is None:
        raise MissingExtra("the screen of a chat needs textual: pip install 'rxstream[terminal]'")
    if os.environ.get("TERM", "unknown") in show.TERMINALS_THAT_CANNOT:
        raise failure.Failure(
            "this terminal cannot be drawn on: echo QUESTION | rxstream chat answers without a screen"
        )


# -- on a screen -------------------------------------------------------------------------------


async def _converse(
    store: Store, path: Path | None, opened: Opened, asking: Models, given: bool
) -> int:
    from rxstream.adapters.terminal.chat import History, state_folder
    from rxstream.adapters.terminal.chat.screen import ChatScreen

    session = None if given else await _unfinished(store, opened)
    if session is None:
        session = opened(path or store.fresh())
        if not given:
            asking.check(session.model)
        await session.__aenter__()
    try:
        _check_unfinished(session, asking.check)
    except RxStreamError as error:
        await session.__aexit__(None, None, None)
        raise failure.Failure(
            f"an answer was not finished and cannot go on: {error.message} (--new begins another chat)"
        ) from error
    screen = ChatScreen(
        session,
        History(state_folder() / "chat_history"),
        renew=lambda: opened(store.fresh()),
        known_tools=asking.tools,
        check=asking.check,
    )
    try:
        await screen.run_async()
        if interruption.signum is not None:  # textual takes a cancellation for an end
            raise asyncio.CancelledError
    finally:
        await screen.session.__aexit__(None, None, None)
    return _left(screen.session, store)


async def _unfinished(store: Store, opened: Opened) -> Session | None:
    """The newest chat with an answer that was cut off, if nobody else has it open."""
    for path in store.newest(_LOOKED_AT):
        # one that another terminal has open is its business; a damaged one is told when it is asked for
        with suppress(LogError):
            if await _was_cut_off(path):
                session = await opened(path).__aenter__()
                if session.unfinished is not None:
                    return session
                await session.__aexit__(None, None, None)
    return None


def _check_unfinished(session: Session, check: Callable[[str], None]) -> None:
    """Raise why an answer that was not finished cannot go on now, so that it can later: a missing key."""
    if session.unfinished is not None:
        check(session.unfinished.model)


async def _was_cut_off(path: Path) -> bool:
    """Whether the last answer has no end. Only looks: a chat that was opened would be the newest then."""
    from rxstream.adapters.logs import LogView

    async with LogView(path) as log:
        records = await log.records(limit=1)
    return bool(records) and records[0].status in _CUT_OFF


def _left(session: Session, store: Store) -> int:
    """Say how to come back; a chat in which nothing was said is not kept."""
    path = session.path
    if path is None:
        return failure.DONE
    ours = path.parent == store.folder
    if session.conversation.turns:
        how = f"--resume {path.stem}" if ours else f"--log {failure.shown(str(path))}"
        failure.tell(f"to go on with this chat: rxstream chat {how}")
    elif ours:
        for left in path.parent.glob(f"{path.name}*"):
            with suppress(OSError):
                left.unlink()
    return failure.DONE


# -- without a screen --------------------------------------------------------------------------


def _question() -> str:
    """What standard input says. Raises `Failure` when that is too much or no text."""
    if _person(sys.stdin):
        failure.tell("type a question, then Ctrl-D")
    data = b"" if sys.stdin is None else sys.stdin.buffer.read(_STDIN_LIMIT + 1)
    if len(data) > _STDIN_LIMIT:
        raise failure.Failure(
            f"standard input has more than {_STDIN_LIMIT >> 20} MB", failure.USAGE
        )
    try:
        return data.decode().strip()
    except UnicodeDecodeError as error:
        raise failure.Failure(
            f"standard input is no UTF-8 text: {error.reason}", failure.USAGE
        ) from None


async def _answer(
    session: Session,
    question: str,
    descriptor: int,
    check: Callable[[str], None],
    *,
    jsonl: bool,
) -> int:
    from rxstream.adapters.terminal.outlet import Outlet

    outlet = Outlet(descriptor)
    news = asyncio.Event()
    session.changed = news.set
    try:
        async with session:
            turn = await _begin(session, question, check)
            teller = _Elements(session, turn) if jsonl else _Text(turn, descriptor)
            while True:
                news.clear()
                outlet.write(await teller.next())
                await outlet.drain()
                await _refuse(session, turn)
                if turn.ended:
                    break
                await news.wait()
            outlet.write(await teller.end())
            await outlet.drain()
    finally:
        outlet.close()
    if turn.status == "completed":
        return failure.DONE
    failure.say(turn.error or f"the answer was {turn.status}")
    return failure.FAILED


async def _begin(
    session: Session, question: str, check: Callable[[str], None] = lambda model: None
) -> Turn:
    """Ask, or go on with what was not finished."""
    unfinished = session.unfinished
    if unfinished is not None and question in ("", unfinished.question):
        _check_unfinished(session, check)
        failure.tell("rxstream: the last answer was not finished: going on with it")
        return await session.go_on()
    if not question:
        raise failure.Failure(
            "standard input holds no question: echo QUESTION | rxstream chat", failure.USAGE
        )
    if unfinished is not None:
        failure.tell("rxstream: the last answer was not finished, and stays as it is")
        await session.give_up()
    return session.ask(question)


async def _refuse(session: Session, turn: Turn) -> None:
    """Nobody is here who could agree to anything."""
    for request in list(turn.requests.values()):
        failure.tell(f"refused, because nobody is here to agree: {request.message}")
        if request.yes_or_no:
            with suppress(RxStreamError):
                await session.answer(request.id, False)
        else:
            session.cancel()


class _Text:
    """The answer's text; lines for a person on stderr."""

    def __init__(self, turn: Turn, descriptor: int) -> None:
        from rxstream.adapters.terminal.chat.plain import PlainAnswer

        self._plain = PlainAnswer(turn, person=os.isatty(descriptor))

    async def next(self) -> bytes:
        """What is new."""
        for line in self._plain.lines():
            failure.tell(line)
        return self._plain.text().encode(errors="replace")

    async def end(self) -> bytes:
        """What came since, and what makes the last line whole."""
        rest = await self.next()
        return rest + self._plain.end().encode()


class _Elements:
    """The answer's elements, one a line, as they were recorded."""

    def __init__(self, session: Session, turn: Turn) -> None:
        self._session = session
        self._turn = turn
        self._after = 0

    async def next(self) -> bytes:
        """What is new."""
        lines: list[bytes] = []
        # no further than what the turn knows: it is told of each event
        while self._after < self._turn.after:
            events = await self._session.recorded(self._turn, self._after)
            self._after = events[-1].sequence or self._turn.after
            lines += [
                orjson.dumps(event.data) + b"\n"
                for event in events
                if event.event_type == EventType.STEP_OUTPUT
            ]
        return b"".join(lines)

    async def end(self) -> bytes:
        return await self.next()

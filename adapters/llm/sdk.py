"""The stream of a client the user brings: an official SDK's chunks as the elements of `rxstream.models`.

For whoever has an SDK set up already (its authentication, its proxies, its cloud). The chunks are read by the
same decoders as bytes are, so an answer is the same either way; nothing of an SDK is imported here.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from rxstream.adapters.llm.answering import Answer
from rxstream.adapters.llm.anthropic import MessagesDecoder
from rxstream.adapters.llm.errors import refusal
from rxstream.adapters.llm.gemini import GeminiDecoder
from rxstream.adapters.llm.ollama import OllamaDecoder
from rxstream.adapters.llm.openai import ChatDecoder
from rxstream.adapters.llm.responses import ResponsesDecoder
from rxstream.errors import AuthorError
from rxstream.models import Element
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

_DECODERS: Final[Mapping[str, Callable[[], Answer]]] = {
    "openai": ChatDecoder,
    "openai-responses": ResponsesDecoder,
    "anthropic": MessagesDecoder,
    "gemini": GeminiDecoder,
    "ollama": OllamaDecoder,
}


def from_sdk(ask: Callable[[], Any], provider: str) -> Stream[Element]:
    """The answer to `ask()`, which is called in each run and gives the stream of an asynchronous client.

        client = openai.AsyncOpenAI()
        from_sdk(lambda: client.chat.completions.create(model=…, messages=…, stream=True), "openai")

    `provider` is `openai`, `openai-responses`, `anthropic` (`messages.create(stream=True)`), `gemini`
    (`aio.models.generate_content_stream`) or `ollama`. Ends as `chat` does; nothing is tried again, since
    SDKs do so themselves. Raises `AuthorError` for another provider.
    """
    if provider not in _DECODERS:
        raise AuthorError(f"{provider[:80]!r} is none of {', '.join(_DECODERS)}")
    return source(_Brought(ask, provider))


class _Brought(Source[Element]):
    """An answer of the user's own client."""

    name = "from_sdk"
    endless = False

    def __init__(self, ask: Callable[[], Any], provider: str) -> None:
        self._ask = ask
        self._provider = provider

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"provider": self._provider}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Element]]:
        decoder = _DECODERS[self._provider]()
        try:
            chunks = self._ask()
            if inspect.isawaitable(chunks):
                chunks = await chunks
            if not isinstance(chunks, AsyncIterable):
                raise AuthorError(
                    f"from_sdk takes what an asynchronous client gives, not {type(chunks).__name__}: "
                    "ask for a stream, of the client whose name begins with Async"
                )
            try:
                async for chunk in chunks:
                    if elements := decoder.feed_object(_plain(chunk)):
                        yield elements
                    if decoder.ended:
                        break
            finally:
                await _closed(chunks)
        except Exception as error:
            status = getattr(error, "status_code", getattr(error, "code", None))
            if not isinstance(status, int):
                raise
            said = getattr(error, "body", None) or str(error)
            headers = getattr(getattr(error, "response", None), "headers", None)
            raise refusal(status, said, headers) from error
        yield decoder.finish()


def _plain(chunk: Any) -> Mapping[str, Any]:
    """The object of the wire that an SDK made this of."""
    if isinstance(chunk, Mapping):
        return chunk
    if not hasattr(chunk, "model_dump"):
        raise AuthorError(f"from_sdk cannot read {type(chunk).__name__}: it is no chunk of an SDK")
    dumped: Mapping[str, Any] = chunk.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


async def _closed(chunks: Any) -> None:
    """End the request; SDKs name it differently."""
    close = getattr(chunks, "aclose", None) or getattr(chunks, "close", None)
    if close is not None and inspect.isawaitable(ending := close()):
        await ending

"""What model servers send back: read up to a limit, for a server may send without end."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import httpx2
import openai


class ReplyTooLong(openai.OpenAIError):
    """A body beyond the limit, or packed, so that its length says nothing. OpenAI's client passes its own errors on
    without asking again.
    """


class _Bounded(httpx2.AsyncByteStream):
    """A stream that raises `ReplyTooLong` after `limit` bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, pieces = self._limit, aiter(self._stream)
        try:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    raise ReplyTooLong(f"its reply is longer than {self._limit:,} bytes")
                yield piece
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()


def bounded_client(limit: int, *, verify: ssl.SSLContext | bool = True) -> openai.DefaultAsyncHttpxClient:
    """An HTTP client for OpenAI's that reads no body, of an error or a redirect either, beyond `limit` bytes."""

    async def bound(response: httpx2.Response) -> None:
        packed = {name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")}
        if packed - {"", "identity"}:
            raise ReplyTooLong("its reply is packed, which it was asked not to do")
        response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), limit)

    unpacked = {"accept-encoding": "identity"}
    return openai.DefaultAsyncHttpxClient(verify=verify, headers=unpacked, event_hooks={"response": [bound]})

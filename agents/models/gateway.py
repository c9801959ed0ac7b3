"""The gateway: ChatOpenAI against any OpenAI-compatible endpoint, its failures as values."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from pydantic import SecretStr

from agents.models.settings import MAIN, ModelSettings
from domain.record import Record

if TYPE_CHECKING:
    import openai
    from langchain_core.messages import BaseMessage
    from langchain_openai import ChatOpenAI

OPENAI_URL = "https://api.openai.com/v1"
REPLY_LIMIT = 100_000  # characters; a longer reply ignores the token limit it was given
REPLY_BYTES = 1 << 20  # of a whole answer with its envelope; beyond them it is not read
NO_COUNT = -1  # what the endpoint gave as a count is no whole number
NO_CONNECTION, CONNECT_TIMEOUT = "no_connection", "timeout_connect"
UNSENT = frozenset({NO_CONNECTION, CONNECT_TIMEOUT})  # the model never saw the request
TRANSIENT = re.compile(r"timeout|(no_)?connection|http_(408|409|429|5\d\d)")


class Request(Record):
    """One question. `json_schema` is what the reply must fit, under the name `schema_name`. No tool is ever offered."""

    model: str
    system: str
    user: str
    schema_name: str
    json_schema: dict[str, Any]
    parameters: dict[str, float | int | bool | None]


class Reply(Record):
    """What came back. `error` is None for a complete answer; otherwise a code such as `timeout`, `http_429`,
    `refused`, `cut_off`. Tokens are as the endpoint counted them, true or not; None where it did not.
    """

    text: str | None = None
    error: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    retry_after_seconds: float | None = None


def is_transient(error: str) -> bool:
    """Whether asking again may help: time-outs, lost connections, 408, 409, 429 and 5xx."""
    return TRANSIENT.match(error) is not None


class Gateway(Protocol):
    """Asks a model. Never raises for what the endpoint does."""

    async def ask(self, request: Request) -> Reply:
        """One request over the network, no retries."""
        ...


class ModelGateway:
    """The main endpoint with its key, and the settings' further providers, which are sent no key. Each event loop gets
    clients of its own: a pooled connection belongs to the loop that opened it.
    """

    def __init__(self, settings: ModelSettings, *, api_key: SecretStr, base_url: str | None = None) -> None:
        self._settings = settings
        self._key = api_key
        self._url = base_url or OPENAI_URL
        self._http: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, openai.DefaultAsyncHttpxClient]] = (
            WeakKeyDictionary()
        )
        self._chats: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ChatOpenAI]] = WeakKeyDictionary()

    async def ask(self, request: Request) -> Reply:
        """Ask for JSON of the given schema; every failure of the endpoint becomes a code in the reply."""
        import openai

        from prompts.replies import ReplyTooLong

        schema = {"name": request.schema_name, "schema": request.json_schema, "strict": True}
        chat = self._chat(request).bind(response_format={"type": "json_schema", "json_schema": schema})
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return _read(await chat.ainvoke([("system", request.system), ("human", request.user)]))
        except TimeoutError:
            return Reply(error="timeout")
        except openai.APITimeoutError as error:
            return Reply(error=CONNECT_TIMEOUT if _caused_by(error, "ConnectTimeout") else "timeout_idle")
        except ReplyTooLong:
            return Reply(error="reply_too_long")
        except openai.LengthFinishReasonError as error:
            return _cut_off(error.completion)
        except openai.ContentFilterFinishReasonError:
            return Reply(error="filtered", finish_reason="content_filter")
        except openai.APIStatusError as error:
            return Reply(error=_status(error), retry_after_seconds=_retry_after(error.response.headers))
        except openai.APIConnectionError as error:
            return Reply(error=NO_CONNECTION if _caused_by(error, "ConnectError") else "connection")
        except (openai.OpenAIError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            # a 200 that is no chat completion: HTML from a proxy, no choices, another protocol
            return Reply(error="bad_envelope")
        except Exception as error:  # noqa: BLE001 - exits wait behind the debate: no fault of a vendor's client may end it
            return Reply(error=f"unforeseen_{type(error).__name__}")

    async def aclose(self) -> None:
        """Close the connections opened in the running loop."""
        loop = asyncio.get_running_loop()
        self._chats.pop(loop, None)
        for client in self._http.pop(loop, {}).values():
            await client.aclose()

    def _chat(self, request: Request) -> "ChatOpenAI":
        from langchain_openai import ChatOpenAI

        chats = self._chats.setdefault(asyncio.get_running_loop(), {})
        if request.model not in chats:
            name = self._settings.provider(request.model)
            url = self._url if name == MAIN else self._settings.providers[name].url
            chats[request.model] = ChatOpenAI(
                model=request.model,
                # being async, it spares building a synchronous client as well
                api_key=self._reveal if name == MAIN else _no_key,
                base_url=url,
                temperature=self._settings.temperature,
                seed=self._settings.seed,
                max_completion_tokens=self._settings.max_output_tokens,
                timeout=_patience(self._settings),
                max_retries=0,  # every attempt is recorded, so retries are made outside
                use_responses_api=False,  # a model's name must not change the endpoint
                cache=False,
                http_async_client=self._client(url),
            )
        return chats[request.model]

    def _client(self, url: str) -> "openai.DefaultAsyncHttpxClient":
        from prompts.replies import bounded_client

        clients = self._http.setdefault(asyncio.get_running_loop(), {})
        if url not in clients:
            # an endpoint without TLS needs no certificates, whose loading takes a tenth of a second
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http://") else True
            clients[url] = bounded_client(REPLY_BYTES, verify=trust)
        return clients[url]

    async def _reveal(self) -> str:
        return self._key.get_secret_value()


async def _no_key() -> str:
    return "local"  # a local server wants some key, any will do


def _patience(settings: ModelSettings) -> "openai.Timeout":
    import openai

    idle, connect = settings.idle_seconds, settings.connect_seconds
    return openai.Timeout(connect=connect, read=idle, write=idle, pool=connect)


def _read(message: "BaseMessage") -> Reply:
    usage = message.response_metadata.get("token_usage") or {}
    finish = message.response_metadata.get("finish_reason")
    counted = Reply(
        finish_reason=finish,
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
    )
    text = message.content if isinstance(message.content, str) else ""
    if message.additional_kwargs.get("refusal"):
        return counted.model_copy(update={"error": "refused"})
    if finish != "stop":
        return counted.model_copy(update={"error": f"finish_{finish}"})
    if not text.strip():
        return counted.model_copy(update={"error": "empty"})
    if len(text) > REPLY_LIMIT:
        return counted.model_copy(update={"error": "oversized"})
    return counted.model_copy(update={"text": text})


def _cut_off(completion: Any) -> Reply:
    usage, text = completion.usage, completion.choices[0].message.content
    return Reply(
        error="cut_off",
        finish_reason="length",
        text=text if isinstance(text, str) else None,
        input_tokens=_count(getattr(usage, "prompt_tokens", None)),
        output_tokens=_count(getattr(usage, "completion_tokens", None)),
    )


def _count(told: object) -> int | None:
    """`told` by an endpoint that nobody holds to its schema."""
    return told if told is None or type(told) is int else NO_COUNT


def _caused_by(error: BaseException | None, name: str) -> bool:
    """Whether the transport's own exception, beneath the vendors' wrappers, is of that name."""
    while error is not None:
        if type(error).__name__ == name:
            return True
        error = error.__cause__
    return False


def _status(error: "openai.APIStatusError") -> str:
    # The vendor's sentence may quote the key; its short code never does.
    code = error.code if error.code and re.fullmatch(r"[a-z_]{1,40}", error.code) else ""
    return f"http_{error.status_code} {code}".strip()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"\d{1,6}(\.\d+)?", value) else None

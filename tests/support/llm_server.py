"""A local OpenAI-compatible endpoint whose behaviour is a script.

    with LlmServer({("judge", "SPY"): [status(500), honest()], "bear": [refuses()]}) as server:
        gateway = ModelGateway(settings, api_key=SecretStr("key"), base_url=server.url)

A script maps `(role, ticker)`, a role, or "*" to a list of behaviours: each request takes the next one and the last
one repeats. What no key matches is answered honestly, from the evidence in the request. Roles are bull, bear, judge and
reader. A behaviour is a function of the request, so tests may write their own.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from xml.etree import ElementTree as ET


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    role: str
    ticker: str
    model: str
    body: dict
    headers: dict

    @property
    def system(self) -> str:
        return "".join(item["content"] for item in self.body["messages"] if item["role"] == "system")

    @property
    def user(self) -> str:
        return "".join(item["content"] for item in self.body["messages"] if item["role"] == "user")

    @property
    def evidence(self) -> list[dict]:
        """The evidence shown, as dictionaries with id, side, weight and figures."""
        return [
            {
                **item.attrib,
                "weight": float(item.attrib["weight"]),
                "figures": {figure.attrib["name"]: float(figure.attrib["value"]) for figure in item.iter("figure")},
            }
            for item in _xml(r"<evidence_list>.*?</evidence_list>", self.user).iter("evidence")
        ]

    @property
    def strongest(self) -> str | None:
        """The claim that this side is asked to answer."""
        found = re.search(r"strongest claim is (\S+)\. Answer it", self.user)
        return found[1] if found else None


@dataclass(frozen=True)
class Answered:
    """What the server sends: a completion, or any other status and body. `hang` seconds pass before."""

    content: str | None = None
    refusal: str | None = None
    finish_reason: str | None = "stop"
    status: int = 200
    headers: dict = field(default_factory=dict)
    raw: str | None = None  # instead of a completion
    usage: tuple[int, int] | None = (1000, 200)
    hang: float = 0.0
    drop: bool = False


Behaviour = Callable[[Received], Answered]
Script = Mapping[tuple[str, str] | str, Sequence[Behaviour]]


def answer_of(request: Received) -> dict:
    """A good answer: every own piece of evidence argued in round 1, the strongest claim answered later."""
    if request.role == "judge":
        sums = _xml(r"<arithmetic [^>]*/>", request.user).attrib
        return {
            "verdict": sums["verdict"],
            "confidence": float(sums["highest_confidence"]),
            "thesis": f"The evidence on {request.ticker} points one way.",
            "invalidation": "The case falls when its strongest evidence turns.",
        }
    if request.role == "reader":
        return readings(request)
    own = sorted((e for e in request.evidence if e["side"] == request.role), key=lambda e: -abs(e["weight"]))
    strongest = request.strongest
    later = 'round="1"' not in request.user
    reply = f" and answers {strongest}" if later else ""
    if later:
        own = own[:1] if strongest else []
    return {
        "arguments": [
            {
                "text": f"The {item['id']} evidence speaks for the {request.role}{reply}.",
                "evidence_ids": [item["id"]],
                "figures": [
                    {"evidence_id": item["id"], "name": name, "value": value} for name, value in item["figures"].items()
                ],
                "answers": strongest if later else None,
            }
            for item in own
        ]
    }


def readings(request: Received, **fields) -> dict:
    """Every quote shown read alike; what `fields` do not say is said cautiously."""
    read = {"stance": "neutral", "context": "other", "relevance": 0.5, "certainty": 0.5, **fields}
    return {"readings": [{"source_id": name, **read} for name in re.findall(r'<quote [^>]*id="([^"]*)"', request.user)]}


def reads(**fields) -> Behaviour:
    """A reader that reads every quote alike."""
    return lambda request: Answered(content=json.dumps(readings(request, **fields)))


def honest() -> Behaviour:
    return lambda request: Answered(content=json.dumps(answer_of(request)))


def edited(change: Callable[[dict], dict]) -> Behaviour:
    """An honest answer, changed."""
    return lambda request: Answered(content=json.dumps(change(answer_of(request))))


def says(content: str | dict, **fields) -> Behaviour:
    """A fixed content, valid JSON or not; `fields` of `Answered` may be set."""
    text = content if isinstance(content, str) else json.dumps(content)
    return lambda request: Answered(content=text, **fields)


def status(code: int, *, error: str | None = None, retry_after: str | None = None) -> Behaviour:
    body = json.dumps({"error": {"message": "no, said the server to sk-secret", "type": "x", "code": error}})
    headers = {"retry-after": retry_after} if retry_after else {}
    return lambda request: Answered(status=code, raw=body, headers=headers)


def refuses() -> Behaviour:
    return lambda request: Answered(refusal="I would rather not.")


def cut_off() -> Behaviour:
    """Half an answer, finish_reason length."""
    return lambda request: Answered(content=json.dumps(answer_of(request))[:40], finish_reason="length")


def hangs(seconds: float) -> Behaviour:
    return lambda request: Answered(content=json.dumps(answer_of(request)), hang=seconds)


def drops() -> Behaviour:
    """Closes the connection without a word."""
    return lambda request: Answered(drop=True)


def raw(text: str) -> Behaviour:
    """A 200 that is no chat completion."""
    return lambda request: Answered(raw=text)


class LlmServer:
    """Listens on a loopback port of its own until closed. `requests` holds everything that arrived, in order."""

    def __init__(self, script: Script | None = None) -> None:
        self.requests: list[Received] = []
        self._script = {key: list(items) for key, items in (script or {}).items()}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def asked(self, role: str) -> list[Received]:
        """Requests of one role."""
        return [item for item in self.requests if item.role == role]

    def close(self) -> None:
        if not self._closing.is_set():
            self._closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reply(self, request: Received) -> Answered:
        with self._lock:
            self.requests.append(request)
            for key in ((request.role, request.ticker), request.role, "*"):
                if waiting := self._script.get(key):
                    behaviour = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                    break
            else:
                behaviour = honest()
        answered = behaviour(request)
        if answered.hang:
            self._closing.wait(answered.hang)
        return answered


def _handler(owner: LlmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # head and body in one packet, or each answer waits for a delayed acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != "/v1/chat/completions":
                self._send(404, "{}", {})
                return
            role = body["response_format"]["json_schema"]["name"]
            user = "".join(item["content"] for item in body["messages"] if item["role"] == "user")
            ticker = re.search(r'<debate ticker="([^"]*)"', user)[1]
            answered = owner.reply(
                Received(role, ticker, body["model"], body, {k.lower(): v for k, v in self.headers.items()})
            )
            if answered.drop:
                self.close_connection = True
                return
            self._send(answered.status, answered.raw or _completion(body["model"], answered), answered.headers)

        def _send(self, code: int, text: str, headers: dict) -> None:
            data = text.encode()
            try:
                self.send_response(code)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:  # the client gave up waiting
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _completion(model: str, answered: Answered) -> str:
    message = {"role": "assistant", "content": answered.content, "refusal": answered.refusal}
    choice = {"index": 0, "message": message, "finish_reason": answered.finish_reason, "logprobs": None}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.monotonic()), "model": model}
    if answered.usage:
        asked, told = answered.usage
        whole["usage"] = {"prompt_tokens": asked, "completion_tokens": told, "total_tokens": asked + told}
    return json.dumps({**whole, "choices": [choice]})


def _xml(pattern: str, user: str) -> ET.Element:
    # our own prompt, with everything in it escaped: no entity can be declared
    return ET.fromstring(re.search(pattern, user, re.DOTALL)[0])  # noqa: S314

"""The small web server beside the schedule: /health and /metrics."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from domain.errors import MachineError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.services.journal import Journal
    from app.wiring import Configuration

FAREWELL_S = 2  # seconds that open requests get when the desk ends


def application(config: "Configuration", journal: "Journal", account: str) -> "FastAPI":
    """`GET /health`: 200, or 503 when a component fails; `GET /metrics`: the same for Prometheus, always 200."""
    from fastapi import FastAPI, Response
    from fastapi.responses import JSONResponse
    from prometheus_client import CONTENT_TYPE_LATEST

    from app.documents import plain
    from app.metrics import exposition
    from app.services.health import health

    app = FastAPI(title="Option desk", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    async def show_health() -> JSONResponse:
        report = await health(config, journal, account)
        return JSONResponse(plain(report), status_code=503 if report.status == "fail" else 200)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        report = await health(config, journal, account)
        return Response(exposition(journal, report), media_type=CONTENT_TYPE_LATEST)

    return app


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket; port 0 takes any free one. Raises `MachineError` where it cannot be had."""
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise MachineError(
            f"Port {port} of {host} cannot be listened on: {_said(error)}.",
            remedy="Another desk may serve already; set health_host and health_port in desk.yaml.",
        ) from error
    with bound:
        yield bound


@asynccontextmanager
async def answering(app: "FastAPI", bound: socket.socket) -> AsyncIterator[str]:
    """Answer requests in the background; yields the address."""
    import uvicorn

    class Server(uvicorn.Server):
        def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]  # signals are the command's business
            return nullcontext()

    settings = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=FAREWELL_S
    )
    server = Server(settings)
    at_work = asyncio.create_task(server.serve(sockets=[bound]))
    host, port = bound.getsockname()[:2]
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.should_exit = True
        await at_work


def _said(error: OSError) -> str:
    """The system's own words: `create_server` adds the address, which the sentence names already."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)

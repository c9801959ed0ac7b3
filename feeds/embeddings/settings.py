"""Which model turns situations into vectors."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record


class EmbedderSettings(Record):
    """`features` needs no model; `endpoint` needs `model` and `dimensions`, `local` needs `folder`."""

    kind: Literal["features", "endpoint", "local"] = "features"
    model: str | None = None
    dimensions: int | None = Field(default=None, ge=2, le=2000)  # longer vectors cannot be indexed
    asks_dimensions: bool = False  # whether the server is asked to shorten its vectors: not every one can
    base_url: str | None = None  # None: the debate's endpoint
    folder: Path | None = None
    batch: int = Field(default=64, ge=1, le=2048)
    timeout_seconds: float = Field(default=10.0, gt=0)
    attempts: int = Field(default=3, ge=1, le=5)
    max_tokens: int = Field(default=256, ge=16, le=8192)
    threads: int = Field(default=2, ge=1, le=64)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"features": (), "endpoint": ("model", "dimensions"), "local": ("folder",)}[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"the {self.kind} embedder needs {' and '.join(missing)}")
        return self

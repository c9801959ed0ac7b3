"""Which sentiment model the desk uses, and how."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record

ModelName = Literal["lexicon", "finbert", "finbert-onnx"]


class SentimentSettings(Record):
    """`config/sentiment.yaml`."""

    model: ModelName = "lexicon"
    folder: Path | None = None  # FinBERT's files, or what `desk sentiment export` made of them
    batch_size: int = Field(default=32, ge=1, le=1024)
    max_tokens: int = Field(default=128, ge=8, le=512)  # a text is cut there; FinBERT was trained on sentences
    threads: int = Field(default=0, ge=0)  # 0: as many as the machine has cores
    device: Literal["cpu", "cuda"] = "cpu"
    neutral_band: float = Field(default=0.3, ge=0, lt=1)  # of FinBERT's score; the lexicon has its own

    @model_validator(mode="after")
    def _weights(self) -> Self:
        if self.model != "lexicon" and self.folder is None:
            raise ValueError(f"model {self.model} needs the folder of its files: `folder`, or --folder")
        return self

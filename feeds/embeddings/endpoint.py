"""Embeddings from any OpenAI-compatible server."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from domain.errors import DataError, FeedDown
from domain.experience import Situation
from domain.units import Floats
from feeds.embeddings.settings import EmbedderSettings
from signals.situation import WORDS_ID, described

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ENVELOPE_BYTES = 1 << 20
PAUSE_SECONDS = 8.0  # longest that OpenAI's client waits between two attempts
NUMBER_BYTES = 32  # of one number of a vector, with what separates it from the next


class EndpointEmbedder:
    """`domain.ports.Embedder` over `POST {base_url}/embeddings`. Connects with the first question.

    Passing faults (429, 5xx, no connection, silence of `timeout_seconds`) are tried again with jitter, at most
    `attempts` times in all; a server that drips its answer is not waited for longer than those would take.
    """

    def __init__(self, settings: EmbedderSettings, *, api_key: str, base_url: str | None) -> None:
        if settings.model is None or settings.dimensions is None:
            raise ValueError("an endpoint embedder needs a model and its dimensions")
        self.name = f"endpoint/{settings.model}/{settings.dimensions}/{WORDS_ID}"
        self.dimensions = settings.dimensions
        self._model = settings.model
        self._settings = settings
        self._api_key = api_key
        self._base_url = settings.base_url or base_url
        self._client: AsyncOpenAI | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def embed(self, situations: Sequence[Situation]) -> Floats:
        """See the port."""
        texts, step = [described(situation) for situation in situations], self._settings.batch
        parts = [await self._ask(texts[start : start + step]) for start in range(0, len(texts), step)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions))

    async def _ask(self, texts: list[str]) -> Floats:
        import openai

        from prompts.replies import bounded_client

        if self._client is None:
            longest = ENVELOPE_BYTES + NUMBER_BYTES * self._settings.batch * self.dimensions
            self._client = openai.AsyncOpenAI(
                api_key=self._api_key,
                base_url=self._base_url,
                timeout=self._settings.timeout_seconds,
                max_retries=self._settings.attempts - 1,
                http_client=bounded_client(longest),
            )
        try:
            async with asyncio.timeout(self._settings.attempts * (self._settings.timeout_seconds + PAUSE_SECONDS)):
                answer = await self._client.embeddings.create(
                    model=self._model,
                    input=texts,
                    dimensions=self.dimensions if self._settings.asks_dimensions else openai.omit,
                    encoding_format="float",
                )
        except openai.APIStatusError as error:
            raise FeedDown(
                f"The embedding model {self._model} answered {error.status_code}.",
                remedy="Check the key, the address and the model's name in memory.yaml.",
            ) from error
        except (openai.APIConnectionError, TimeoutError) as error:
            raise FeedDown(f"The embedding model {self._model} does not answer.", remedy="Is its server up?") from error
        except openai.OpenAIError as error:
            raise FeedDown(f"The embedding model {self._model} cannot be asked: {error}.") from error
        except (ValueError, TypeError, RecursionError) as error:  # an answer that is no JSON, or not of this shape
            raise DataError(f"The embedding model {self._model} sent what is no answer.") from error
        try:
            rows = {item.index: item.embedding for item in answer.data}
            return unit_rows([rows[place] for place in range(len(texts))], self.dimensions, self._model)
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"The embedding model {self._model} did not answer every text.") from error


def unit_rows(rows: Sequence[Sequence[float]], dimensions: int, model: str) -> Floats:
    """Vectors scaled to unit length, shape `(len(rows), dimensions)`. Raises `DataError` for other lengths, for numbers
    that are none, and for a vector without direction.
    """
    if any(len(row) != dimensions for row in rows):
        raise DataError(
            f"{model} gives vectors of {len(rows[0])} numbers, not {dimensions}.",
            remedy="Set `dimensions` of the embedder in memory.yaml to what the model gives.",
        )
    values = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    if not np.isfinite(values).all() or not (lengths > 0).all():
        raise DataError(f"{model} gave a vector that has no direction.")
    return np.asarray(values / lengths, dtype=np.float64)

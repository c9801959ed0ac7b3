"""Which embedder the settings name: the one place where its kinds are told apart."""

from contextlib import AsyncExitStack

from app.settings import Environment
from domain.errors import ConfigError
from domain.ports import Embedder
from feeds.embeddings.settings import EmbedderSettings
from memory.recall_vectors import FeatureEmbedder


def situation_embedder(settings: EmbedderSettings, environment: Environment, closing: AsyncExitStack) -> Embedder:
    """The configured embedder; what it opens is closed with `closing`. A local model that is not there is an error."""
    if settings.kind == "local":
        from feeds.embeddings.local import LocalEmbedder

        return LocalEmbedder(settings)
    if settings.kind == "endpoint":
        from feeds.embeddings.endpoint import EndpointEmbedder

        key, base_url = environment.openai_api_key, settings.base_url or environment.openai_base_url
        if key is None and base_url is None:
            raise ConfigError(
                "The endpoint embedder needs a key or an address.",
                remedy="Set OPENAI_API_KEY, or base_url of the embedder in memory.yaml for a local server.",
            )
        endpoint = EndpointEmbedder(settings, api_key=key.get_secret_value() if key else "local", base_url=base_url)
        closing.push_async_callback(endpoint.aclose)
        return endpoint
    return FeatureEmbedder()

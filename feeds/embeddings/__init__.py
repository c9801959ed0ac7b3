"""Embedding models behind the `Embedder` port: an OpenAI-compatible endpoint, and a local sentence encoder."""

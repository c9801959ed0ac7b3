"""Model access: one OpenAI-compatible endpoint, every call priced, bounded, recorded and replayable."""

"""Tables of the desk, one module a subject. Importing this package registers them all in `Base.metadata`."""

from memory.tables import audit, recall, runs

__all__ = ["audit", "recall", "runs"]

"""Naming what is not known."""


def missing(facts: object, *names: str) -> tuple[str, ...]:
    """Those of `names` that `facts` has as None."""
    return tuple(name for name in names if getattr(facts, name) is None)

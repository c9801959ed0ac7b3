"""`desk config show`."""

from app.cli.outcome import emit


def show_command(*, as_json: bool) -> None:
    """Every setting in force; secrets are only said to be set or not."""
    from app.documents import plain
    from app.wiring import configuration

    config = configuration()
    environment = {
        name: ("set" if value is not None else None) if "secret" in type(value).__name__.lower() else _text(value)
        for name, value in config.environment
    }
    document = {
        "environment": environment,
        "desk": plain(config.desk),
        **{
            name: plain(getattr(config.graph, name))
            for name in ("chain", "signals", "regime", "strategies", "legs", "risk")
        },
        "debate": plain(config.debate),
        "execution": plain(config.paper),
        "memory": {"recall": plain(config.recall), "embedder": config.embedder.model_dump(mode="json")},
        "sentiment": config.sentiment.model_dump(mode="json"),
        "stress": plain(config.stress),
    }
    if as_json:
        emit(document)
        return
    import yaml
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(yaml.safe_dump(document, sort_keys=False, width=110), "yaml", background_color="default"))


def _text(value: object) -> str | None:
    return None if value is None else str(value)

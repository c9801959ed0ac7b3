"""`desk config show`."""

from typing import Any

from app.cli.outcome import emit


def show_command(*, as_json: bool) -> None:
    """Every setting in force; secrets are only said to be set or not."""
    from app.crowd import crowd_settings
    from app.documents import plain
    from app.newsroom import listings, news_settings
    from app.settings import read_yaml
    from app.wiring import configuration

    config = configuration()
    environment = {
        name: ("set" if value is not None else None) if "secret" in type(value).__name__.lower() else _text(value)
        for name, value in config.environment
    }
    own = config.environment.desk_config
    document = {
        "environment": environment,
        "desk": plain(config.desk),
        **{
            name: plain(getattr(config.graph, name))
            for name in ("chain", "signals", "regime", "strategies", "legs", "risk", "positions")
        },
        "hedge": plain(config.hedge),
        "debate": plain(config.debate),
        "execution": plain(config.paper),
        "memory": {"recall": plain(config.recall), "embedder": config.embedder.model_dump(mode="json")},
        "sentiment": config.sentiment.model_dump(mode="json"),
        "social_feeds": plain(crowd_settings(config.environment)),
        "news": plain(news_settings(config.environment)),
        "tickers": _named(plain(listings(config.environment))),
        **{name: plain(read_yaml(name, own)) for name in ("feeds", "simulated", "sectors")},
        "stress": plain(config.stress),
    }
    if as_json:
        emit(document)
        return
    import yaml
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    text = yaml.safe_dump(document, sort_keys=False, width=console.width - 30, default_flow_style=None)
    console.print(Syntax(text, "yaml", background_color="default", word_wrap=True))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _named(tickers: dict[str, Any]) -> dict[str, Any]:
    """The names of each listing, without those kinds of which it has none."""
    listings = {
        ticker: {kind: names for kind, names in known.items() if names} for ticker, known in tickers["listings"].items()
    }
    return {**tickers, "listings": listings}

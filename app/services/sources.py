"""What `desk doctor` says of the sources of text: which keys are set, by name only, and whether the model can read."""

from collections.abc import Callable

from app.crowd import crowd_settings, missing, trends_source
from app.mood import desk_sentiment
from app.newsroom import KEYS, missing_keys, news_settings
from app.services.findings import Finding, Standing
from app.settings import Environment
from domain.errors import DeskError
from domain.ports import Clock
from feeds.sentiment.settings import SentimentSettings

PROBE = "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn, and guidance was raised."
"""A sentence that any model of financial sentiment reads as good news."""


def text_sources(environment: Environment, sentiment: SentimentSettings, clock: Clock) -> tuple[Finding, ...]:
    """Reddit, Google Trends, each news service, the feeds, and the sentiment model. Asks nothing over the network."""
    looks: dict[str, Callable[[], tuple[Finding, ...]]] = {
        "social_feeds.yaml": lambda: (_reddit(environment), _trends(environment, clock)),
        "news.yaml": lambda: _news(environment),
        "sentiment": lambda: (mood(sentiment),),
    }
    found: list[Finding] = []
    for name, look in looks.items():
        try:
            found += look()
        except DeskError as error:
            found.append(_found(name, error.message, "fail", error.remedy or "Mend the file that the sentence names."))
    return tuple(found)


def mood(settings: SentimentSettings) -> Finding:
    """The model is loaded and reads a sentence: a folder may be there and still hold no model. Raises what loading it
    raises.
    """
    model = desk_sentiment(settings)
    (read,) = model.score((PROBE,))
    said = f"{model.name} reads good news as {read.score:+.2f}" if read.score is not None else f"{model.name} is silent"
    if read.score is None or read.score <= 0:
        return _found("sentiment", said, "fail", "These are no weights of a trained model: give another `folder`.")
    return _found("sentiment", f"{said}, without any weights" if settings.model == "lexicon" else said)


def _reddit(environment: Environment) -> Finding:
    """Both or none: half of a pair is a slip."""
    lacking, subreddits = missing(environment), crowd_settings(environment).reddit.subreddits
    if not subreddits:
        return _found("reddit", "no subreddits in social_feeds.yaml")
    if len(lacking) == 1:
        return _found("reddit", f"{lacking[0]} is missing: no posts", "warn", f"Set {lacking[0]} too.")
    if lacking:
        return _found("reddit", f"{', '.join(lacking)} not set: no posts; a script app of reddit.com/prefs/apps")
    return _found("reddit", f"keys set; r/{', r/'.join(subreddits)}")


def _trends(environment: Environment, clock: Clock) -> Finding:
    """It needs no key. A pause that Google asked for is told: it explains why nothing comes."""
    terms = crowd_settings(environment).trends.terms
    if not terms:
        return _found("trends", "needs no key; no trends.terms in social_feeds.yaml: no search interest")
    said = f"needs no key; terms of {', '.join(sorted(terms))}"
    pause = trends_source(environment, clock).pause
    if pause is None:
        return _found("trends", said)
    return _found(
        "trends", f"{said}; Google asked for fewer requests: not asked before {pause.until:%Y-%m-%d %H:%M} UTC", "warn",
        "Nothing: it is asked again then. With fewer terms it asks less.",
    )  # fmt: skip


def _news(environment: Environment) -> tuple[Finding, ...]:
    """A service with half of its keys is a slip."""
    lacking, settings, found = missing_keys(environment), news_settings(environment), []
    for name, keys in KEYS.items():
        absent = lacking.get(name, ())
        if not getattr(settings, name).enabled:
            found.append(_found(name, "switched off in news.yaml"))
        elif absent and len(absent) < len(keys):
            found.append(_found(name, f"{absent[0]} is missing: not asked", "warn", f"Set {absent[0]} too."))
        else:
            found.append(
                _found(name, f"{', '.join(absent)} not set: not asked" if absent else f"{', '.join(keys)} set")
            )
    feeds = ", ".join(feed.name for feed in settings.feeds)
    return (*found, _found("rss", f"needs no key; {feeds or 'no feeds in news.yaml'}"))


def _found(name: str, detail: str, status: Standing = "ok", remedy: str = "") -> Finding:
    return Finding(area="text", name=name, status=status, detail=detail, remedy=remedy)

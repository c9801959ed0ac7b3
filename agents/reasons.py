"""Why a ticker is talked about, read by a model: the reasons of the Camillo score, where a burst of talk is on.

Asked while a run collects, so that the answers are frozen in its snapshot: the analyst stays pure, and a replay asks
nobody. Only tickers whose talk passes the thresholds of a burst are asked about: elsewhere the reason decides nothing.
Posts that were not shown, or of which nothing usable was said, are left to the rules of `signals.social.context`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from agents.debate.mask import Mask
from agents.debate.settings import DebateSettings
from agents.models.breaker import Breakers
from agents.models.calls import Answer, Question, RecordedModels
from agents.models.gateway import Gateway
from agents.reader import Readings, read_texts
from domain.market import DataNote, MarketData, Post
from domain.ports import ModelRecord
from prompts.outside import clean
from signals.social.camillo import burst_strength
from signals.social.measure import Talk, talk
from signals.social.mood import engagement, placed_at
from signals.social.settings import SocialSettings
from signals.social.stories import distinct

ROUND = 1  # of the reader's questions in a run; round 0 is the debate's


class ModelReasons:
    """`domain.ports.ReasonReader` before the debate's reading model, under its budget, breakers and mask."""

    def __init__(
        self,
        debate: DebateSettings,
        social: SocialSettings,
        gateway: Gateway,
        record: ModelRecord,
        *,
        breakers: Breakers | None = None,
    ) -> None:
        self._debate = debate
        self._social = social
        self._models = RecordedModels(debate.models, gateway, record, breakers)

    async def read(self, run_id: str, market: MarketData) -> MarketData:
        """See the port. All tickers are asked about at once, in the time of one call."""
        model = self._debate.models.reader
        chosen = {} if model is None else await asyncio.to_thread(self._chosen, market)
        if model is None or not chosen:
            return market
        deadline = time.perf_counter() + self._debate.models.timeout_seconds
        asked = [self._ask(run_id, market, ticker, posts, model, deadline) for ticker, posts in chosen.items()]
        contexts: dict[tuple[str, str], str] = {}
        notes, said = [], []
        for (ticker, posts), answer in zip(chosen.items(), await asyncio.gather(*asked), strict=True):
            if answer.value is None:
                detail = f"rules say why {ticker} is talked about: the reading model failed ({answer.error})"
                notes.append(DataNote(code="reasons_by_rules", subject=ticker, detail=detail, count=len(posts)))
                continue
            shown = {f"q{number}": (post.source, post.id) for number, post in enumerate(posts, start=1)}
            for reading in answer.value.readings:
                contexts.setdefault(shown[reading.source_id], reading.context)  # of two tickers the first by name
            said.append(f"{len(answer.value.readings)} posts on {ticker} (call {answer.keys[-1]})")
        return replace(
            market,
            posts=tuple(
                post.model_copy(update={"context": contexts[post.source, post.id]})
                if (post.source, post.id) in contexts
                else post
                for post in market.posts
            ),
            notes=(*market.notes, *notes),
            provenance={**market.provenance, **({"reasons": f"{model} read {', '.join(said)}"} if said else {})},
        )

    def _chosen(self, market: MarketData) -> dict[str, tuple[Post, ...]]:
        """The posts to be read on each ticker in a burst, by ticker."""
        found = {
            ticker: weightiest(market, ticker, hours=self._social.sentiment_hours, count=self._debate.reasons)
            for ticker in sorted(market.tickers)
            if in_burst(market, ticker, self._social)
        }
        return {ticker: posts for ticker, posts in found.items() if posts}

    async def _ask(
        self, run_id: str, market: MarketData, ticker: str, posts: Sequence[Post], model: str, deadline: float
    ) -> Answer[Readings]:
        settings = self._debate
        texts = [
            {
                "id": f"q{number}",
                "source": clean(post.source, limit=40),
                "text": clean(post.text, limit=settings.quote_characters),
            }
            for number, post in enumerate(posts, start=1)
        ]
        called = ticker
        if settings.mask:
            mask = Mask(ticker, tickers=market.tickers, names=settings.names, salt=run_id)
            called, texts = mask.hide(ticker), mask.hide_deep(texts)
        question = Question(
            run_id=run_id,
            ticker=ticker,
            role="reader",
            round=ROUND,
            model=model,
            masked=settings.mask,
            deadline=deadline,
        )
        return await read_texts(self._models, question, texts, called=called)


def in_burst(market: MarketData, ticker: str, settings: SocialSettings) -> bool:
    """Whether the social analyst will see a burst of talk about `ticker`."""
    measured = talk(market, ticker, distinct(_known(market, ticker)), settings)
    return isinstance(measured, Talk) and any(burst_strength(each, settings.spike) > 0 for each in measured.velocities)


def weightiest(market: MarketData, ticker: str, *, hours: int, count: int) -> tuple[Post, ...]:
    """The posts that weigh most in the mixture of reasons: different ones of the last `hours`, one an author, at most
    `count`; by engagement, then source and id.
    """
    start = market.as_of - timedelta(hours=hours)
    recent = distinct([post for post in _known(market, ticker) if start < placed_at(post) <= market.as_of])
    chosen: dict[str, Post] = {}
    for post in sorted(recent, key=lambda post: (-engagement(post), post.source, post.id)):
        chosen.setdefault(f"{post.source}/{post.author or post.id}", post)
    return tuple(chosen.values())[:count]


def _known(market: MarketData, ticker: str) -> list[Post]:
    return [post for post in market.posts_about(ticker) if post.known_at <= market.as_of]

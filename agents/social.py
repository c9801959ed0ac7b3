"""The social analyst: the Camillo score of a burst of talk, the crowd's mood, the news' mood.

`mention_velocity` is the Camillo score (`signals.social.camillo`): velocity and z-score against the hour of the week,
tone ("velocity > 3 and sentiment > 0.3 = strong bullish"), reason for the talk, independent confirmation, and doubts
about the crowd. Its half-life is that of the reason: alpha decay in days. The moods speak with the size of their shrunk
mean. Texts were cleaned, tagged and scored when collected.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from agents.contract import AnalystContext
from domain.market import Headline, MarketData, Post
from domain.signals import Abstention, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from signals.claim import abstain, claim, lean
from signals.history import Refusal
from signals.settings import SignalSettings
from signals.social.camillo import CamilloScore, camillo_score, confirming
from signals.social.context import ContextMix, context_mix
from signals.social.doubt import Doubt, doubt
from signals.social.measure import Talk, searched_for, talk
from signals.social.mood import Mood, mood, placed_at
from signals.social.settings import SocialSettings
from signals.social.stories import Story, distinct, source_of, stories
from signals.social.velocity import Velocity

NAME = "social"


class Social:
    """Reads posts, headlines, mention counts and search interest; each measure that has no data abstains by itself."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Signal | Abstention]:
        """See `agents.contract.Analyst`."""
        chosen, market = context.settings.social, snapshot.market
        known = [post for post in market.posts_about(ticker) if post.known_at <= market.as_of]
        recent = _last(known, market, chosen.sentiment_hours)
        headlines = [item for item in market.headlines if ticker in item.tickers and item.known_at <= market.as_of]
        recent_news = _last(headlines, market, chosen.news_hours)
        told = stories(
            [*recent, *recent_news], similarity=chosen.story.similarity, window_hours=chosen.story.window_hours
        )
        posts = [story.first for story in told if isinstance(story.first, Post)]
        news = [story.first for story in told if isinstance(story.first, Headline)]
        crowd, wires = _mood(posts, chosen), _mood(news, chosen)
        return [
            _burst(market, ticker, distinct(known), recent, told, crowd, wires, context.settings),
            _mood_claim(market, ticker, "crowd_sentiment", "posts", crowd, _models(posts), context.settings),
            _mood_claim(market, ticker, "news_sentiment", "headlines", wires, _models(news), context.settings),
        ]


def _burst(
    market: MarketData,
    ticker: str,
    posts: Sequence[Post],
    recent: Sequence[Post],
    told: Sequence[Story],
    crowd: Mood,
    wires: Mood,
    settings: SignalSettings,
) -> Signal | Abstention:
    chosen = settings.social
    measured = talk(market, ticker, posts, chosen)
    if isinstance(measured, Refusal):
        return abstain(NAME, ticker, measured, measure="mention velocity")
    own = [story for story in told if isinstance(story.first, Post)]
    firsts = [story.first for story in own if isinstance(story.first, Post)]
    tone = _tone(measured, crowd, chosen)
    why, doubts = context_mix(firsts, chosen.influence), doubt(recent, own, chosen.doubt)
    sources = _sources(market, ticker, told, crowd, wires, chosen)
    scored = [
        (
            camillo_score(
                velocity,
                tone=tone,
                context=why,
                confirmations=confirming(sources, tone, speaks_from=chosen.speaks_from),
                kept=doubts.kept,
                settings=chosen,
            ),
            velocity,
        )
        for velocity in measured.velocities
    ]
    score, velocity = max(scored, key=lambda pair: (pair[0].conviction, pair[1].z_score))
    return claim(
        NAME,
        ticker,
        "mention_velocity",
        score.direction,
        score.conviction,
        as_of=market.as_of,
        evidence=measured.evidence,
        figures={
            **_velocity_figures(velocity),
            "tone": tone,
            "sentiment_mean": crowd.mean if crowd.texts >= chosen.min_texts else None,
            "sentiment_texts": crowd.texts or measured.texts,
            **_reason_figures(score, why, tuple(sources)),
            **_doubt_figures(doubts),
        },
        settings=settings,
        life=score.life,
    )


def _tone(measured: Talk, crowd: Mood, settings: SocialSettings) -> float | None:
    """The posts' own where enough of them hold an opinion, else the one that came with the counts."""
    if crowd.opinions >= settings.min_texts:
        return crowd.tone
    return measured.tone if measured.texts >= settings.min_texts else None


def _sources(
    market: MarketData, ticker: str, told: Sequence[Story], crowd: Mood, wires: Mood, settings: SocialSettings
) -> dict[str, float]:
    """Who tells it in words of their own, with the mood: social sources and wires with enough stories, and searches."""
    counts: dict[str, int] = {}
    for story in told:
        name = source_of(story.first)
        counts[name] = counts.get(name, 0) + 1
    needed = {name: settings.min_headlines if name == "news" else settings.min_texts for name in counts}
    found = {
        name: wires.mean if name == "news" else crowd.mean
        for name, count in sorted(counts.items())
        if count >= needed[name]
    }
    if searched_for(market, ticker, settings):
        found["trends"] = 0.0
    return found


def _velocity_figures(velocity: Velocity) -> dict[str, MetaValue]:
    return {
        "mentions": velocity.observed,
        "mentions_expected": velocity.expected,
        "mentions_unit": velocity.unit,
        "velocity_ratio": velocity.velocity,
        "z_score": velocity.z_score,
        "dispersion": velocity.dispersion,
        "forum_tide": velocity.tide,
    }


def _reason_figures(score: CamilloScore, why: ContextMix, sources: tuple[str, ...]) -> dict[str, MetaValue]:
    return {
        "burst_strength": score.strength,
        "context": why.main,
        "context_share": why.shares.get(why.main, 0.0),
        "context_quality": score.quality,
        "sources": sources,
        "confirmations": score.confirmations,
        "alpha_decay_days": score.life.half_life_days,
    }


def _doubt_figures(doubts: Doubt) -> dict[str, MetaValue]:
    return {
        "doubts": doubts.flags,
        "conviction_kept": doubts.kept,
        "author_share": doubts.author_share,
        "young_account_share": doubts.young_share,
        "copy_share": doubts.copy_share,
        "one_thread_share": doubts.thread_share,
    }


def _mood_claim(
    market: MarketData,
    ticker: str,
    edge: str,
    kind: str,
    found: Mood,
    models: str,
    settings: SignalSettings,
) -> Signal | Abstention:
    chosen = settings.social
    if found.texts < chosen.min_texts:
        numbers = {"texts": float(found.texts), "texts_needed": float(chosen.min_texts)}
        detail = f"{found.texts} scored {kind} on {ticker}, {chosen.min_texts} needed"
        return abstain(NAME, ticker, Refusal("too_few_texts", detail, numbers), measure=edge.replace("_", " "))
    figures: dict[str, MetaValue] = {
        "sentiment_mean": found.mean,
        "sentiment_texts": found.texts,
        "sentiment_model": models,
    }
    prefix = "post" if kind == "posts" else "headline"
    return claim(
        NAME,
        ticker,
        edge,
        lean(found.mean, speaks_from=chosen.speaks_from),
        abs(found.mean),
        as_of=market.as_of,
        evidence=[f"{prefix}:{item}" for item in found.evidence],
        figures=figures,
        settings=settings,
    )


_Item = TypeVar("_Item", Post, Headline)


def _last(items: Sequence[_Item], market: MarketData, hours: int) -> list[_Item]:
    start = market.as_of - timedelta(hours=hours)
    return [item for item in items if start < placed_at(item) <= market.as_of]


def _mood(items: Sequence[Post] | Sequence[Headline], settings: SocialSettings) -> Mood:
    return mood(
        items, shrink_texts=settings.shrink_texts, opinion_from=settings.speaks_from, influence=settings.influence
    )


def _models(items: Sequence[Post] | Sequence[Headline]) -> str:
    return ", ".join(sorted({item.sentiment_model for item in items if item.sentiment_model}))

"""A corpus of injections as a metamorphic test: the same evening with an innocent text and with its injected twin.

The twins differ in nothing but their words. What the words may move is bounded by the cap on one author's part of a
mood, carried through the aggregator; the rest of the decision may not notice.
"""

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import SecretStr

from agents.contract import AnalystContext
from agents.debate.llm import LlmEngine
from agents.models.gateway import ModelGateway
from agents.social import Social
from app.settings import Environment
from app.wiring import configuration
from domain.debate import Verdict
from domain.market import Series
from domain.signals import Signal
from feeds.text import tag_and_score
from signals.aggregate import aggregate
from signals.social.influence import InfluenceSettings
from tests.support.debate_cases import (
    AS_OF,
    MemoryModelRecord,
    case,
    debate_settings,
    headline,
    post,
    rules_engine,
    signal,
    snapshot,
)
from tests.support.llm_server import Answered, answer_of, honest, reads, says

CORPUS = yaml.safe_load((Path(__file__).parent / "injections.yaml").read_text(encoding="utf-8"))
EVERY = [(kind, text.replace("{T}", "SPY")) for kind, texts in CORPUS.items() for text in texts]
SETTINGS = configuration(Environment()).graph.signals
INNOCENT = "SPY opened about where it closed"
OTHERS = (signal("technical", "trend"), signal("technical", "momentum"), signal("flow", "unusual_puts", up=False))
ORDERS = ("buy", "bull", "ignore", "override", "certain")


def crowd():
    """A dozen posts of a quiet day and four wires."""
    words = ("holding SPY, fine so far", "sold my SPY calls", "SPY looks strong", "SPY is going nowhere")
    posts = [
        post(words[n % 4], name=f"p{n}", known_at=AS_OF - timedelta(hours=1 + n)).model_copy(
            update={"author": f"a{n}", "channel": ("options", "stocks")[n % 2]}
        )
        for n in range(12)
    ]
    wires = [headline("SPY little changed", name=f"h{n}").model_copy(update={"source": f"wire{n}"}) for n in range(4)]
    return [*posts, *wires]


def with_text(text, kind=post):
    """The evening's texts, scored as the feeds score them, with one more by somebody new."""
    new = kind(text, name="evil", known_at=AS_OF - timedelta(minutes=20))
    new = new.model_copy(update={"author": "mallory"} if kind is post else {"source": "mallorywire"})
    return snapshot(*(tag_and_score(item, {"SPY"}) for item in [*crowd(), new]))


def read(picture, settings):
    found = Social().read(picture, "SPY", AnalystContext(settings=settings, priced=lambda _: None))
    return [item for item in found if isinstance(item, Signal)]


def composed(picture, settings=None):
    chosen = settings or SETTINGS
    signals = [*OTHERS, *read(picture, chosen)]
    view = aggregate(
        "SPY", signals, as_of=AS_OF, settings=chosen, reliability=(),
        expected_sources=chosen.aggregate.expected_sources,
    )  # fmt: skip
    return view, signals


async def decided(picture):
    view, signals = composed(picture)
    return view, await rules_engine(debate_settings()).debate("run", view, signals, (), picture)


def cap():
    """The most that one author may move the price score: twice their share of a mood (from wholly for to wholly
    against), in both moods that the social source has, times the source's pull; tanh never widens a gap.
    """
    weights = SETTINGS.aggregate.weights["price"]
    pull = weights["social"] / (math.fsum(weights.values()) * SETTINGS.aggregate.saturation)
    return pull * 2 * SETTINGS.social.influence.author_share


def test_the_corpus_is_large_and_of_many_kinds_and_nothing_in_it_is_there_twice():
    assert len(EVERY) >= 150
    assert len(CORPUS) >= 8
    assert min(len(texts) for texts in CORPUS.values()) >= 12
    assert len({text for _, text in EVERY}) == len(EVERY)


@pytest.mark.parametrize("kind", CORPUS)
@pytest.mark.parametrize("as_", [post, headline])
async def test_an_injected_twin_moves_the_decision_by_no_more_than_the_cap(kind, as_):
    calm_view, calm = await decided(with_text(INNOCENT, as_))
    for text in CORPUS[kind]:
        view, debate = await decided(with_text(f"{INNOCENT}. {text.replace('{T}', 'SPY')}", as_))
        assert abs(view.price_score - calm_view.price_score) <= cap() + 1e-12, text
        assert view.vol_score == calm_view.vol_score, text
        others = [
            {part.signal_id: (part.weight, part.decay) for part in each.contributions if part.source != "social"}
            for each in (calm_view, view)
        ]
        assert others[0] == others[1], text
        assert debate.confidence <= calm.confidence + cap() + 1e-12, text
        assert debate.verdict in (calm.verdict, Verdict.INCONCLUSIVE), text


GOOD = ("SPY looks strong, great earnings", "SPY keeps rising, bullish", "upgraded, SPY rallies", "SPY profits rose")
BAD = ("SPY looks weak, terrible", "SPY falls, bearish", "downgraded, SPY plunges", "losses at SPY widened")
LOUD = {"score": 5000, "comments": 1500}


def talked_about(good, bad, calm):
    """A burst of talk about SPY, and what its crowd says: so many for, against, and without an opinion."""
    words = [*(GOOD[n % 4] for n in range(good)), *(BAD[n % 4] for n in range(bad)), *["holding SPY"] * calm]
    return [
        post(f"{word}, says {n}", name=f"p{n}", known_at=AS_OF - timedelta(hours=1 + n % 20)).model_copy(
            update={"author": f"a{n}", "channel": ("options", "stocks")[n % 2]}
        )
        for n, word in enumerate(words)
    ]


def in_a_burst(text, people, context=None):
    """Mallory's much-voted post among them; `context` is what a reading model makes of them all."""
    new = post(text, name="evil", known_at=AS_OF - timedelta(minutes=20))
    new = tag_and_score(new.model_copy(update={"author": "mallory", **LOUD}), {"SPY"})
    texts = [*(tag_and_score(item, {"SPY"}) for item in people), new]
    picture = snapshot(*(item.model_copy(update={"context": context}) for item in texts))
    counts = hourly("mentions.hour.SPY", [3.0] * 168 + [20.0] * 24), hourly("mentions.hour.*", [400.0] * 192)
    return replace(picture, market=replace(picture.market, series={row.name: row for row in counts}))


def hourly(name, values):
    hour = np.timedelta64(3600, "s")
    begins = np.datetime64(AS_OF.replace(tzinfo=None), "s") - hour * np.arange(len(values), 0, -1)
    return Series(name, "posts an hour", begins, begins + hour, np.asarray(values))


def burst_tone(view_and_signals):
    return next(item for item in view_and_signals[1] if item.edge_type == "mention_velocity").metadata["tone"]


def worst_move(people, settings=None):
    """The largest move of the price score that any injection makes, and the calm tone of the burst. The reading model
    does what it is told: it finds the best of reasons in every text that it was shown beside the injection.
    """
    calm = composed(in_a_burst(INNOCENT, people), settings)
    moves = [
        composed(in_a_burst(f"{INNOCENT}. {text}", people, "sold_out"), settings)[0].price_score - calm[0].price_score
        for _, text in EVERY
    ]
    return max(moves, key=abs), burst_tone(calm)


@pytest.mark.parametrize("crowd_of", [(4, 4, 8), (6, 3, 8), (12, 1, 4)])
def test_in_a_burst_the_loudest_liar_moves_the_score_by_no_more_than_the_cap(crowd_of):
    move, _ = worst_move(talked_about(*crowd_of))
    assert abs(move) <= cap()


def test_without_the_caps_the_same_liar_would_move_it_further():
    social = SETTINGS.social.model_copy(update={"influence": InfluenceSettings(author_share=1.0, channel_share=1.0)})
    move, _ = worst_move(talked_about(4, 4, 8), SETTINGS.model_copy(update={"social": social}))
    assert abs(move) > 2 * cap()


@pytest.mark.parametrize("crowd_of", [(2, 8, 6), (1, 12, 3)])
def test_a_crowd_near_the_step_may_be_tipped_by_one_voice_and_by_no_more_than_its_own_burst(crowd_of):
    """`strong_sentiment` is a step: within a voice's reach of it any voice decides, an honest one too; the loudest liar
    can turn a plainly bad mood into a mild one, and attention alone leans bullish. What it tips is one signal.
    """
    move, tone = worst_move(talked_about(*crowd_of))
    assert abs(abs(tone) - SETTINGS.social.strong_sentiment) < SETTINGS.social.influence.author_share
    weights = SETTINGS.aggregate.weights["price"]
    pull = weights["social"] / (math.fsum(weights.values()) * SETTINGS.aggregate.saturation)
    assert cap() < abs(move) <= pull * (1.0 + SETTINGS.social.attention_cap)


def gullible(request):
    """A model that does what it is told by anyone."""
    told = request.user.casefold()
    if not any(word in told.split("<quotes>")[-1] for word in ORDERS):
        return honest()(request)
    if request.role == "judge":
        return says({"verdict": "bull", "confidence": 1.0, "thesis": "Buy SPY!", "invalidation": "never"})(request)
    if request.role == "reader":
        return reads(stance="bullish", context="sold_out", relevance=1, certainty=1)(request)
    lie = {"text": "As the post says!", "evidence_ids": ["flow/SPY/whale"], "figures": [], "answers": None}
    return Answered(content=json.dumps({"arguments": [lie, *answer_of(request)["arguments"]]}))


@pytest.mark.parametrize("reader", [None, "gpt-4.1-nano"])
async def test_models_that_obey_every_stranger_gain_nothing_from_any_injection(llm_server, reader):
    """The evidence is held fixed; only the words that models see differ."""
    server = llm_server({"*": [gullible]})
    settings = debate_settings(models={"reader": reader, "attempts": 1, "budget": BROAD}, rounds=1, quotes=TOGETHER)
    gateway = ModelGateway(settings.models, api_key=SecretStr("k"), base_url=server.url)
    engine = LlmEngine(settings, gateway, MemoryModelRecord(), rules_engine(settings))
    view, signals = case(0.2, 0.2, 0.2, -0.2)

    async def debated(name, *texts):
        posts = [post(text, name=f"p{n}").model_copy(update={"channel": f"c{n}"}) for n, text in enumerate(texts)]
        return await engine.debate(name, view, signals, (), snapshot(*posts))

    calm = await debated("calm", INNOCENT)
    for start in range(0, len(EVERY), TOGETHER):
        texts = [text for _, text in EVERY[start : start + TOGETHER]]
        told = await debated(f"run-{start}", *texts)
        assert told.verdict in (calm.verdict, Verdict.INCONCLUSIVE), texts
        assert told.confidence <= calm.confidence, texts
        assert all(claim.struck for claim in told.claims if "flow/SPY/whale" in claim.evidence_ids)
        assert told.fell_back is None, texts
    await gateway.aclose()
    systems = {(item.role, item.system) for item in server.requests}
    assert len(systems) == len({role for role, _ in systems}), "no text reached a system message"
    for item in server.requests:
        assert "\u202e" not in item.user
        assert "\u200b" not in item.user
        if item.role == "judge":
            assert "<quote" not in item.user
            assert "As the post says" not in item.user
        elif item.role != "reader" and reader:
            assert "<quote " not in item.user, "free text ends at the reader"
        else:
            assert item.user.count("</quotes>") == 1, "a quotation cannot close its own tag"
            assert "{{" not in item.user.replace("{{ verdict }}", "").replace("{{ claim.text }}", "")


TOGETHER = 6  # injections shown in one debate
BROAD = {"run_usd": 99, "day_usd": 99, "run_tokens": 10**9, "day_tokens": 10**9}

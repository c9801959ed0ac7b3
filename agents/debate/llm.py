"""The debate with models: bull and bear write, arithmetic strikes and weighs, a judging model may lower or object."""

import time
from collections.abc import Sequence

from agents.debate.case import Case
from agents.debate.evidence import gather
from agents.debate.judge import Ruling, heed
from agents.debate.mask import Mask
from agents.debate.prose import unsupported_number
from agents.debate.quotes import quotes
from agents.debate.rules import RulesEngine, held_rounds
from agents.debate.settings import DebateSettings
from agents.debate.shapes import Opinion
from agents.debate.subgraph import Floor, Listener, Talk, hold
from agents.models.breaker import Breakers
from agents.models.calls import RecordedModels
from agents.models.gateway import Gateway
from domain.debate import Debate, Evidence, Memory
from domain.ports import ModelRecord
from domain.signals import CompositeSignal, Signal
from domain.snapshot import MarketSnapshot
from prompts.outside import clean


class LlmEngine:
    """`DebateEngine` with models. Where a model fails, is too dear, too slow or is switched off, the rules engine
    speaks and `fell_back` says why. `gateway` None replays from the record alone; `breakers` may outlive the engine;
    `told` hears each turn as it ends.
    """

    def __init__(
        self,
        settings: DebateSettings,
        gateway: Gateway | None,
        record: ModelRecord,
        rules: RulesEngine,
        *,
        breakers: Breakers | None = None,
        told: Listener | None = None,
    ) -> None:
        self._settings = settings
        self._models = RecordedModels(settings.models, gateway, record, breakers)
        self._rules = rules
        self._told = told or _unheard

    async def debate(
        self,
        run_id: str,
        composite: CompositeSignal,
        signals: Sequence[Signal],
        memories: Sequence[Memory],
        snapshot: MarketSnapshot,
    ) -> Debate:
        """Argue and judge; never raises for a misbehaving model. Raises `DataError` as the rules engine does."""
        evidence = gather(composite, signals, memories, as_of=snapshot.as_of)
        by_rules = self._rules.hear(composite, evidence)
        if not any(item.weight for item in evidence):
            return by_rules.model_copy(update={"fell_back": "there is no evidence on price to argue about"})
        case = self._case(run_id, composite, evidence, snapshot)
        floor = Floor(case=case, settings=self._settings, models=self._models, rules=self._rules, told=self._told)
        talk = await hold(floor)
        if talk["failure"] is not None:
            return by_rules.model_copy(update={"fell_back": talk["failure"], "model_calls": talk["keys"]})
        return self._written(case, talk)

    def _case(
        self, run_id: str, composite: CompositeSignal, evidence: tuple[Evidence, ...], snapshot: MarketSnapshot
    ) -> Case:
        settings, ticker = self._settings, composite.ticker
        texts = quotes(
            snapshot,
            ticker,
            count=settings.quotes,
            per_channel=settings.quotes_per_channel,
            characters=settings.quote_characters,
        )
        mask = Mask(ticker, tickers=snapshot.market.tickers, names=settings.names, salt=run_id)
        return Case(
            run_id=run_id,
            deadline=time.perf_counter() + settings.models.debate_seconds,
            composite=composite,
            evidence=evidence,
            quotes=tuple(texts),
            mask=mask if settings.mask else None,
        )

    def _written(self, case: Case, talk: Talk) -> Debate:
        """The debate as the record keeps it."""
        ruling, opinion = talk["ruling"], talk["opinion"]
        heeded = ruling if opinion is None else heed(ruling, opinion, self._settings)
        debate = self._rules.close(
            case.composite,
            case.evidence,
            talk["claims"],
            heeded,
            engine="llm",
            rounds=held_rounds(talk["claims"], self._settings.rounds),
            stopped=talk["stopped"],
            model_calls=talk["keys"],
            masked=case.mask is not None,
        )
        if opinion is None:
            return debate
        debate = _with_disagreement(debate, ruling, opinion)
        return debate if heeded.cause else _worded(debate, opinion, case)


def _with_disagreement(debate: Debate, ruling: Ruling, opinion: Opinion) -> Debate:
    """What the judging model thought of the arithmetic, in numbers."""
    objected = opinion.verdict != ruling.verdict.value
    cut = ruling.confidence if objected else max(0.0, ruling.confidence - opinion.confidence)
    said = debate.disagreement and debate.disagreement.model_copy(update={"judge_cut": cut, "objected": objected})
    return debate.model_copy(update={"disagreement": said})


def _worded(debate: Debate, opinion: Opinion, case: Case) -> Debate:
    """The debate in the model's words, sentence by sentence only where every number in them is in the evidence.
    Numbers are looked for under the mask: the dates behind it are no figures.
    """
    words = {"thesis": clean(opinion.thesis), "invalidation": clean(opinion.invalidation)}
    sound = {name: text for name, text in words.items() if text and unsupported_number(text, case.evidence) is None}
    return debate.model_copy(update={name: clean(case.revealed(text)) for name, text in sound.items()})


def _unheard(_ticker: str, _said: str) -> None:
    """Nobody listens."""

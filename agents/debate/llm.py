"""The debate with models: bull and bear write, arithmetic strikes and weighs, a judging model may lower or object.

Who sees what is the defence. Bull and bear see the evidence and, as delimited data, a few quotes from outside. The
judge sees evidence, figures and which claims stand, but no prose and no quote: text from a stranger cannot reach
the one model whose opinion counts. What an advocate can do at worst is fail to cite, which costs a trade and
never makes one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from agents.debate.claims import SIGN, admit, strongest
from agents.debate.evidence import gather
from agents.debate.judge import Ruling, heed
from agents.debate.prose import unsupported_number
from agents.debate.quotes import quotes
from agents.debate.rules import RulesEngine
from agents.debate.settings import DebateSettings
from agents.debate.shapes import Opinion, Turn
from agents.models.calls import Answer, Question, RecordedModels, Shape
from agents.models.gateway import Gateway
from domain.debate import Claim, Debate, Evidence, Memory, Side, Verdict
from domain.ports import ModelRecord
from domain.sessions import NEW_YORK
from domain.signals import CompositeSignal, Signal
from domain.snapshot import MarketSnapshot
from prompts.library import Rendered, library
from prompts.outside import clean

OTHER: Mapping[Side, Side] = {"bull": "bear", "bear": "bull"}


@dataclass(frozen=True)
class _Case:
    """What does not change during one debate."""

    run_id: str
    day: date  # New York day whose budget pays
    composite: CompositeSignal
    evidence: tuple[Evidence, ...]
    quotes: list[dict[str, Any]]


@dataclass(frozen=True)
class _Transcript:
    """What was said so far. `failure` names the call at which the models were given up."""

    claims: tuple[Claim, ...] = ()
    keys: tuple[str, ...] = ()
    failure: str | None = None


class LlmEngine:
    """`DebateEngine` with models. Where a model fails, is too dear or is switched off, the rules engine speaks and
    `fell_back` says why. `gateway` None replays from the record alone.
    """

    def __init__(
        self, settings: DebateSettings, gateway: Gateway | None, record: ModelRecord, rules: RulesEngine
    ) -> None:
        self._settings = settings
        self._models = RecordedModels(settings.models, gateway, record)
        self._rules = rules

    async def debate(
        self,
        run_id: str,
        composite: CompositeSignal,
        signals: Sequence[Signal],
        memories: Sequence[Memory],
        snapshot: MarketSnapshot,
    ) -> Debate:
        """Argue and judge; never raises for a misbehaving model. Raises `DataError` as the rules engine does."""
        settings = self._settings
        evidence = gather(composite, signals, memories, as_of=snapshot.as_of)
        by_rules = self._rules.hear(composite, evidence)
        if not any(item.weight for item in evidence):
            return by_rules.model_copy(update={"fell_back": "there is no evidence on price to argue about"})
        case = _Case(
            run_id=run_id,
            day=snapshot.as_of.astimezone(NEW_YORK).date(),
            composite=composite,
            evidence=evidence,
            quotes=quotes(snapshot, composite.ticker, count=settings.quotes, characters=settings.quote_characters),
        )
        said = await self._argue(case)
        if said.failure is not None:
            return by_rules.model_copy(update={"fell_back": said.failure, "model_calls": said.keys})
        ruling = self._rules.rule(composite, evidence, said.claims)
        if ruling.verdict is Verdict.INCONCLUSIVE:  # an opinion could only lower it: not asked, not paid
            return self._rules.close(composite, evidence, said.claims, ruling, engine="llm", model_calls=said.keys)
        answer = await self._judge(case, said.claims, ruling)
        keys = said.keys + answer.keys
        if answer.value is None:
            return by_rules.model_copy(update={"fell_back": f"judge: {answer.error}", "model_calls": keys})
        heeded = heed(ruling, answer.value, settings)
        debate = self._rules.close(composite, evidence, said.claims, heeded, engine="llm", model_calls=keys)
        return debate if heeded.cause else _worded(debate, answer.value, evidence)

    async def _argue(self, case: _Case) -> _Transcript:
        """All rounds. Within a round both sides read the same transcript, so neither has the last word."""
        said = _Transcript()
        for round_ in range(1, self._settings.rounds + 1):
            bull, bear = await asyncio.gather(
                self._turn(case, "bull", round_, said.claims), self._turn(case, "bear", round_, said.claims)
            )
            keys = said.keys + bull.keys + bear.keys
            turns: dict[Side, Answer[Turn]] = {"bull": bull, "bear": bear}
            claims = said.claims
            for side, answer in turns.items():
                if answer.value is None:
                    return _Transcript(claims=(), keys=keys, failure=f"{side} round {round_}: {answer.error}")
                claims += admit(
                    answer.value.arguments,
                    side=side,
                    round_=round_,
                    evidence=case.evidence,
                    standing=said.claims,
                    settings=self._settings,
                    limit=self._settings.arguments,
                )
            said = _Transcript(claims=claims, keys=keys)
        return said

    async def _turn(self, case: _Case, side: Side, round_: int, claims: Sequence[Claim]) -> Answer[Turn]:
        mine = [claim for claim in claims if claim.side == side]
        opposed = strongest(claims, OTHER[side], unanswered_by=mine)
        values = {
            **_shown(case),
            "round": round_,
            "rounds": self._settings.rounds,
            "limit": self._settings.arguments,
            "claims": [
                {"id": claim.id, "side": claim.side, "strength": f"{claim.strength:.4f}", "text": claim.text}
                for claim in claims
                if claim.struck is None
            ],
            "strongest": opposed.id if opposed else "",
            "quotes": case.quotes,
        }
        return await self._ask(case, side, round_, self._settings.models.advocate, Turn, values)

    async def _judge(self, case: _Case, claims: Sequence[Claim], ruling: Ruling) -> Answer[Opinion]:
        values = {
            **_shown(case),
            "claims": [
                {
                    "id": claim.id,
                    "side": claim.side,
                    "round": claim.round,
                    "strength": f"{claim.strength:.4f}",
                    "answers": claim.answers or "",
                    "evidence_ids": list(claim.evidence_ids),
                }
                for claim in claims
                if claim.struck is None
            ],
            "price_score": f"{case.composite.price_score:+.4f}",
            "conflict": f"{self._rules.conflict(case.composite):.4f}",
            "conflict_ceiling": f"{self._rules.conflict_ceiling:.4f}",
            "verdict": ruling.verdict.value,
            "confidence": f"{ruling.confidence:.4f}",
        }
        return await self._ask(case, "judge", 0, self._settings.models.judge, Opinion, values)

    async def _ask(
        self, case: _Case, role: str, round_: int, model: str, shape: type[Shape], values: Mapping[str, Any]
    ) -> Answer[Shape]:
        question = Question(
            run_id=case.run_id, day=case.day, ticker=case.composite.ticker, role=role, round=round_, model=model
        )

        def render(complaint: str) -> Rendered:
            return library()[role].render({**values, "correction": complaint})

        return await self._models.ask(question, shape, render)


def _shown(case: _Case) -> dict[str, Any]:
    sides = {sign: side for side, sign in SIGN.items()}
    return {
        "ticker": case.composite.ticker,
        "as_of": f"{case.composite.as_of:%Y-%m-%dT%H:%M:%SZ}",
        "evidence": [
            {
                "id": item.id,
                "kind": item.kind,
                "side": sides.get(item.direction, "none"),
                "weight": f"{item.weight:.6g}",
                "text": item.text,
                "figures": [{"name": name, "value": f"{value:.6g}"} for name, value in item.figures.items()],
            }
            for item in case.evidence
        ],
    }


def _worded(debate: Debate, opinion: Opinion, evidence: Sequence[Evidence]) -> Debate:
    """The debate in the model's words, sentence by sentence only where every number in them is in the evidence."""
    words = {"thesis": clean(opinion.thesis), "invalidation": clean(opinion.invalidation)}
    sound = {name: text for name, text in words.items() if text and unsupported_number(text, evidence) is None}
    return debate.model_copy(update=sound)

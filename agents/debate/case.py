"""What does not change during one debate with models, and how it is shown to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.debate.claims import SIGN
from agents.debate.mask import Mask
from agents.debate.shapes import Argument, Quotation
from agents.models.calls import Question
from domain.debate import Claim, Evidence
from domain.signals import CompositeSignal


@dataclass(frozen=True)
class Case:
    """One ticker before the sides. `mask` None shows everything as it is."""

    run_id: str
    deadline: float  # `time.perf_counter` after which no call is made
    composite: CompositeSignal
    evidence: tuple[Evidence, ...]
    quotes: tuple[dict[str, Any], ...]
    mask: Mask | None

    def question(self, role: str, round_: int, model: str) -> Question:
        """The question of `role` in a round."""
        return Question(
            run_id=self.run_id,
            ticker=self.composite.ticker,
            role=role,
            round=round_,
            model=model,
            masked=self.mask is not None,
            deadline=self.deadline,
        )

    def hidden(self, values: Any) -> Any:
        """`values` as models may see them."""
        return values if self.mask is None else self.mask.hide_deep(values)

    def revealed(self, text: str) -> str:
        """A model's words with the mask taken off."""
        return text if self.mask is None else self.mask.reveal(text)

    def cited(self, arguments: Sequence[Argument]) -> list[Argument]:
        """Arguments with the ids they cite revealed. Their prose stays masked: its numbers are checked first."""
        return [
            argument.model_copy(
                update={
                    "evidence_ids": tuple(self.revealed(name) for name in argument.evidence_ids),
                    "figures": tuple(
                        Quotation(evidence_id=self.revealed(item.evidence_id), name=item.name, value=item.value)
                        for item in argument.figures
                    ),
                }
            )
            for argument in arguments
        ]

    def shown(self) -> dict[str, Any]:
        """What every role sees: ticker, instant, evidence."""
        sides = {sign: side for side, sign in SIGN.items()}
        return {
            "ticker": self.composite.ticker,
            "as_of": f"{self.composite.as_of:%Y-%m-%dT%H:%M:%SZ}",
            "evidence": [
                {
                    "id": item.id,
                    "kind": item.kind,
                    "side": sides.get(item.direction, "none"),
                    "weight": f"{item.weight:.6g}",
                    "text": item.text,
                    "figures": [{"name": name, "value": f"{value:.6g}"} for name, value in item.figures.items()],
                }
                for item in self.evidence
            ],
        }


def shown_claims(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Standing claims, as bull and bear see them."""
    return [
        {"id": claim.id, "side": claim.side, "strength": f"{claim.strength:.4f}", "text": claim.text}
        for claim in claims
        if claim.struck is None
    ]


def judged_claims(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Standing claims without a word of prose, as the judge sees them."""
    return [
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
    ]

"""The purse: money and tokens are set aside before a call, so that parallel debates cannot overspend together."""

from dataclasses import dataclass
from decimal import Decimal

from agents.models.settings import Budget, ModelSettings
from domain.ports import ModelRecord

BYTES_PER_TOKEN = 2  # text and JSON run at 2.5 to 4; a reservation must not be too small


@dataclass(frozen=True, eq=False)
class Reservation:
    """What one call may cost at most."""

    run_id: str
    agent: str
    usd: Decimal
    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Both ways."""
        return self.input_tokens + self.output_tokens


class Purse:
    """What one engine has under way and all processes have stored, against the limits of call, run, agent and day.

    A call under way in another process is seen once it is stored: two that argue at the same moment may pass a limit
    of the day by the calls that both have under way, each within its own limit of a call.
    """

    def __init__(self, settings: ModelSettings, record: ModelRecord) -> None:
        self._settings = settings
        self._record = record
        self._held: list[Reservation] = []

    async def reserve(self, *, run_id: str, agent: str, model: str, text: str) -> Reservation | str:
        """Set aside the most that asking `text` can cost, or say in one code why the call may not be made."""
        price = self._settings.price(model)
        if price is None:
            return "unpriced_model"
        input_tokens, output_tokens = estimate_tokens(text), self._settings.max_output_tokens
        usd = price.of(input_tokens=input_tokens, output_tokens=output_tokens)
        mine = Reservation(run_id, agent, usd, input_tokens, output_tokens)
        if code := _too_dear(mine, self._settings.budget):
            return code
        # Held before reading what is spent: of two parallel calls the later one then always sees the earlier,
        # as held, as stored, or for a moment as both – never as neither.
        self._held.append(mine)
        held = tuple(self._held)
        try:
            over = await self._over(mine, held)
        except BaseException:
            self.release(mine)
            raise
        if over is not None:
            self.release(mine)
            return over
        return mine

    def release(self, reservation: Reservation) -> None:
        """Give back what was set aside, once the call is stored or was not made."""
        self._held.remove(reservation)

    async def _over(self, mine: Reservation, held: tuple[Reservation, ...]) -> str | None:
        budget = self._settings.budget
        spent = await self._record.spent(run_id=mine.run_id, agent=mine.agent)
        of_run = [item for item in held if item.run_id == mine.run_id]
        of_agent = [item for item in held if item.agent == mine.agent]
        usd = (
            ("run", spent.run_usd, of_run, budget.run_usd),
            ("day", spent.day_usd, held, budget.day_usd),
            ("agent", spent.agent_usd, of_agent, budget.agent_usd),
        )
        for name, gone, waiting, most in usd:
            if most is not None and gone + sum(item.usd for item in waiting) > most:
                return f"budget_{name}_usd"
        tokens = (
            ("run", spent.run_tokens, of_run, budget.run_tokens),
            ("day", spent.day_tokens, held, budget.day_tokens),
            ("agent", spent.agent_tokens, of_agent, budget.agent_tokens),
        )
        for name, used, waiting, limit in tokens:
            if limit is not None and used + sum(item.tokens for item in waiting) > limit:
                return f"budget_{name}_tokens"
        return None


def _too_dear(mine: Reservation, budget: Budget) -> str | None:
    """Whether this one call could pass its own limit."""
    if budget.call_usd is not None and mine.usd > budget.call_usd:
        return "budget_call_usd"
    return "budget_call_tokens" if budget.call_tokens is not None and mine.tokens > budget.call_tokens else None


def estimate_tokens(text: str) -> int:
    """Upper estimate of the tokens in `text`, from its UTF-8 length: exact counting would fetch a vocabulary."""
    return len(text.encode()) // BYTES_PER_TOKEN + 1

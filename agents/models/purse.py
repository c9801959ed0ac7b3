"""The purse: money and tokens are set aside before a call, so that parallel debates cannot overspend together."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from agents.models.settings import ModelSettings
from domain.ports import ModelRecord

BYTES_PER_TOKEN = 2  # text and JSON run at 2.5 to 4; a reservation must not be too small


@dataclass(frozen=True, eq=False)
class Reservation:
    """What one call may cost at most."""

    run_id: str
    day: date
    usd: Decimal
    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Both ways."""
        return self.input_tokens + self.output_tokens


class Purse:
    """Spending of this process against the limits of run and day, stored calls included."""

    def __init__(self, settings: ModelSettings, record: ModelRecord) -> None:
        self._settings = settings
        self._record = record
        self._held: list[Reservation] = []

    async def reserve(self, *, run_id: str, day: date, model: str, text: str) -> Reservation | str:
        """Set aside the most that asking `text` can cost, or say in one code why the call may not be made."""
        price = self._settings.price(model)
        if price is None:
            return "unpriced_model"
        input_tokens, output_tokens = estimate_tokens(text), self._settings.max_output_tokens
        usd = price.of(input_tokens=input_tokens, output_tokens=output_tokens)
        mine = Reservation(run_id=run_id, day=day, usd=usd, input_tokens=input_tokens, output_tokens=output_tokens)
        # Held before reading what is spent: of two parallel calls the later one then always sees the earlier,
        # as held, as stored, or for a moment as both – never as neither.
        self._held.append(mine)
        held = tuple(self._held)
        try:
            over = await self._over(held, run_id=run_id, day=day)
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

    async def _over(self, held: tuple[Reservation, ...], *, run_id: str, day: date) -> str | None:
        budget = self._settings.budget
        run_usd, day_usd, run_tokens, day_tokens = await self._record.spent(run_id=run_id, day=day)
        of_run = [item for item in held if item.run_id == run_id]
        of_day = [item for item in held if item.day == day]
        if run_usd + sum(item.usd for item in of_run) > budget.run_usd:
            return "budget_run_usd"
        if day_usd + sum(item.usd for item in of_day) > budget.day_usd:
            return "budget_day_usd"
        if run_tokens + sum(item.tokens for item in of_run) > budget.run_tokens:
            return "budget_run_tokens"
        if day_tokens + sum(item.tokens for item in of_day) > budget.day_tokens:
            return "budget_day_tokens"
        return None


def estimate_tokens(text: str) -> int:
    """Upper estimate of the tokens in `text`, from its UTF-8 length: exact counting would fetch a vocabulary."""
    return len(text.encode()) // BYTES_PER_TOKEN + 1

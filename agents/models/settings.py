"""Which models are asked, at what price, and how much of it the desk may spend."""

from decimal import Decimal

from pydantic import Field

from domain.record import Record

MILLION = 1_000_000


class Price(Record):
    """USD per million tokens."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)

    def of(self, *, input_tokens: int, output_tokens: int) -> Decimal:
        """USD for one call."""
        return (self.input * input_tokens + self.output * output_tokens) / MILLION


FREE = Price(input=Decimal(0), output=Decimal(0))


class Budget(Record):
    """Spending limits; a call that could pass one of them is not made."""

    run_usd: Decimal = Field(ge=0)
    day_usd: Decimal = Field(ge=0)
    run_tokens: int = Field(ge=0)
    day_tokens: int = Field(ge=0)


class ModelSettings(Record):
    """Section `models` of config/debate.yaml. `advocate` writes for bull and bear, `judge` judges."""

    advocate: str
    judge: str
    prices: dict[str, Price]
    free: tuple[str, ...] = ()  # local models that cost nothing; a model that is neither here nor priced is not called
    budget: Budget
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    seed: int | None = 7
    max_output_tokens: int = Field(default=1500, gt=0)
    timeout_seconds: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=3, ge=1, le=5)  # of one question while failures are transient
    retry_wait_seconds: float = Field(default=1.0, ge=0)  # doubles with each attempt
    retry_wait_limit_seconds: float = Field(default=20.0, ge=0)  # also the most that a Retry-After is obeyed
    breaker_failures: int = Field(default=4, ge=1)  # in a row
    breaker_cooldown_seconds: float = Field(default=300.0, ge=0)

    def price(self, model: str) -> Price | None:
        """Price of `model`; None when nobody has said what it costs."""
        return FREE if model in self.free else self.prices.get(model)

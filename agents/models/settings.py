"""Which models are asked, where, at what price, and how much of it the desk may spend."""

from decimal import Decimal
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from domain.record import Record

MILLION = 1_000_000
MAIN = "main"  # the provider of OPENAI_BASE_URL and OPENAI_API_KEY


class Price(Record):
    """USD per million tokens."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)

    def of(self, *, input_tokens: int, output_tokens: int) -> Decimal:
        """USD for one call."""
        return (self.input * input_tokens + self.output * output_tokens) / MILLION


FREE = Price(input=Decimal(0), output=Decimal(0))


class Budget(Record):
    """Spending limits; a call that could pass one of them is not made. None: no limit of that kind.

    An agent is a role (`bull`, `bear`, `judge`, `reader`); its limit is per New York day.
    """

    run_usd: Decimal = Field(ge=0)
    day_usd: Decimal = Field(ge=0)
    run_tokens: int = Field(ge=0)
    day_tokens: int = Field(ge=0)
    call_usd: Decimal | None = Field(default=None, ge=0)
    call_tokens: int | None = Field(default=None, ge=0)
    agent_usd: Decimal | None = Field(default=None, ge=0)
    agent_tokens: int | None = Field(default=None, ge=0)


class Provider(Record):
    """A second endpoint, e.g. a server on this machine. It is sent no key: the one that is set belongs to `main`."""

    url: str
    models: tuple[str, ...]

    @field_validator("url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return http_url(value)


def http_url(url: str) -> str:
    """`url` as it is; raises `ValueError` for what no request can be sent to."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that cannot be
        sound = False
    if not sound:
        raise ValueError(f"{url!r} is no address of a server, such as http://127.0.0.1:11434/v1")
    return url


class ModelSettings(Record):
    """Section `models` of config/debate.yaml. `advocate` writes for bull and bear, `judge` judges, `reader` turns posts
    and headlines into enumerations (None: nobody reads them, bull and bear see them quoted).
    """

    advocate: str
    judge: str
    reader: str | None = None
    prices: dict[str, Price]
    free: tuple[str, ...] = ()  # local models that cost nothing; a model that is neither here nor priced is not called
    providers: dict[str, Provider] = {}
    fall_back: dict[str, str] = {}  # model → model asked once instead when it is out of reach or out of budget
    budget: Budget
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    seed: int | None = 7
    max_output_tokens: int = Field(default=1500, gt=0)
    connect_seconds: float = Field(default=5.0, gt=0)
    idle_seconds: float = Field(default=45.0, gt=0)  # without a byte
    timeout_seconds: float = Field(default=60.0, gt=0)  # one call in all
    debate_seconds: float = Field(default=150.0, gt=0)  # one debate in all; after it the rules speak
    attempts: int = Field(default=3, ge=1, le=3)  # of one question while failures are transient
    retry_wait_seconds: float = Field(default=1.0, ge=0)  # doubles with each attempt
    retry_wait_limit_seconds: float = Field(default=20.0, ge=0)  # also the most that a Retry-After is obeyed
    breaker_failures: int = Field(default=4, ge=1)  # in a row, per provider
    breaker_cooldown_seconds: float = Field(default=300.0, ge=0)

    @model_validator(mode="after")
    def _one_home_each(self) -> Self:
        listed = [model for provider in self.providers.values() for model in provider.models]
        twice = sorted({model for model in listed if listed.count(model) > 1})
        if twice or MAIN in self.providers:
            raise ValueError(f"{', '.join(twice) or MAIN}: each model has one provider, and {MAIN} is set elsewhere")
        circular = sorted(model for model in self.fall_back if self.fall_back[model] in self.fall_back)
        if circular:
            raise ValueError(f"fall_back of {', '.join(circular)} leads to a model that falls back itself")
        return self

    def price(self, model: str) -> Price | None:
        """Price of `model`; None when nobody has said what it costs."""
        return FREE if model in self.free else self.prices.get(model)

    def provider(self, model: str) -> str:
        """Name of the provider that serves `model`."""
        return next((name for name, each in self.providers.items() if model in each.models), MAIN)

"""Composition of the debate: the rules engine, the engine with models, and the engine of a replay."""

from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from agents.debate.settings import DebateSettings
from app.settings import Environment, load
from domain.errors import ConfigError
from domain.ports import DebateEngine, ModelRecord, ReasonReader
from graph.deps import GraphSettings
from signals.aggregate import conflict, vol_view
from signals.social.extraction import Listings

if TYPE_CHECKING:
    from agents.debate.rules import RulesEngine
    from agents.debate.subgraph import Listener
    from agents.models.breaker import Breakers
    from agents.models.gateway import ModelGateway
    from agents.models.settings import ModelSettings
    from app.wiring import Configuration


class Debaters:
    """Who may argue on this desk. Connections and breakers are one for all runs of the process; what is opened is
    closed with `closing`.
    """

    def __init__(
        self, environment: Environment, models: "ModelSettings", record: ModelRecord, closing: AsyncExitStack
    ) -> None:
        self._environment = environment
        self._models = models
        self._record = record
        self._closing = closing

    def engine(self, settings: GraphSettings, name: str, told: "Listener | None" = None) -> DebateEngine:
        """The rules engine, or the llm engine that falls back to it; `told` hears each turn of a model."""
        rules = rules_engine(settings)
        if name == "rules":
            return rules
        from agents.debate.llm import LlmEngine

        return LlmEngine(settings.debate, self.gateway, self._record, rules, breakers=self.breakers, told=told)

    def reasons(self, settings: GraphSettings, name: str) -> ReasonReader | None:
        """The model that says why a ticker is talked about; None where the rules debate or no reader is configured."""
        if name == "rules" or settings.debate.models.reader is None:
            return None
        from agents.reasons import ModelReasons

        social = settings.signals.social
        return ModelReasons(settings.debate, social, self.gateway, self._record, breakers=self.breakers)

    @cached_property
    def gateway(self) -> "ModelGateway":
        """The configured endpoints."""
        from agents.models.gateway import ModelGateway

        key = self._environment.openai_api_key or SecretStr("local")  # a local server wants some key, any will do
        gateway = ModelGateway(self._models, api_key=key, base_url=self._environment.openai_base_url)
        self._closing.push_async_callback(gateway.aclose)
        return gateway

    @cached_property
    def breakers(self) -> "Breakers":
        """One breaker a provider, which remember from run to run."""
        from agents.models.breaker import Breakers

        models = self._models
        return Breakers(failures=models.breaker_failures, cooldown_seconds=models.breaker_cooldown_seconds)


def chosen_engine(config: "Configuration", asked: str | None) -> str:
    """`llm` needs a key or an endpoint; without either the rules speak, unless llm was asked for by name."""
    environment = config.environment
    possible = environment.openai_api_key is not None or environment.openai_base_url is not None
    wanted = asked or config.desk.debate or ("llm" if possible else "rules")
    if wanted == "llm" and not possible:
        raise ConfigError(
            "The llm debate needs a model.", remedy="Set OPENAI_API_KEY, or OPENAI_BASE_URL for a local server."
        )
    return wanted


def require_patience(settings: GraphSettings) -> None:
    """Refuse time-outs under which a slow model would end a run, and with it the exits that are staged at its end."""
    models = settings.debate.models
    bounds = [("debate_seconds", models.debate_seconds, "debate_timeout_s", settings.debate_timeout_s)]
    if models.reader is not None:  # it is asked while the run collects
        bounds.append(("timeout_seconds", models.timeout_seconds, "node_timeout_s", settings.node_timeout_s))
    for name, seconds, node, limit in bounds:
        if seconds >= limit:
            raise ConfigError(
                f"debate.yaml gives models {seconds:g} s ({name}), but desk.yaml ends the step after {limit:g} s.",
                remedy=f"Keep {name} below {node}: exits are staged in the same run and must not wait for a model.",
            )


def masked(settings: DebateSettings, own: Path | None) -> DebateSettings:
    """The settings with what a mask must hide, from tickers.yaml: the run's record then holds it too."""
    return settings.model_copy(update={"mask": True, "names": dict(load(Listings, "tickers", own).listings)})


def replayed_engine(settings: GraphSettings, name: str, record: ModelRecord) -> DebateEngine:
    """The engine as it was then: recorded replies only, no network."""
    from agents.debate.llm import LlmEngine

    rules = rules_engine(settings)
    return rules if name == "rules" else LlmEngine(settings.debate, None, record, rules)


def rules_engine(settings: GraphSettings) -> "RulesEngine":
    """The debate by arithmetic."""
    from agents.debate.rules import RulesEngine

    return RulesEngine(
        settings.debate,
        vol_view=lambda composite: vol_view(composite, settings.signals),
        conflict=conflict,
        conflict_ceiling=settings.signals.aggregate.conflict,
    )

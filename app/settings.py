"""Where settings come from: environment, secret files, and YAML under `config/`. Nothing else reads them."""

from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agents.models.settings import http_url
from domain.errors import ConfigError
from domain.record import Record

SECRETS = Path("/run/secrets")
SECTIONS = {
    "strategies": ("selector", "legs"),
    "execution": ("paper",),
    "feeds": ("cboe", "polymarket"),
    "memory": ("recall", "embedder"),
}
"""Files whose top level only names sections, each validated on its own."""
FeedName = Literal["simulated", "recorded", "cboe"]
R = TypeVar("R", bound=Record)


class Environment(BaseSettings):
    """Process environment. Every variable may instead be a file of that name (lower case) under /run/secrets."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", secrets_dir=SECRETS if SECRETS.is_dir() else None)

    desk_home: Path = Path("~/.optiondesk")
    desk_config: Path | None = None
    desk_database_url: SecretStr | None = None
    desk_database_admin_url: SecretStr | None = None
    desk_log: Literal["debug", "info", "warning", "error"] = "warning"
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    finnhub_api_key: SecretStr | None = None
    apca_api_key_id: SecretStr | None = None
    apca_api_secret_key: SecretStr | None = None
    benzinga_api_key: SecretStr | None = None
    newsapi_api_key: SecretStr | None = None
    gnews_api_key: SecretStr | None = None
    desk_reddit_client_id: SecretStr | None = None
    desk_reddit_client_secret: SecretStr | None = None
    desk_reddit_user_agent: str | None = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = "; ".join(f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
            raise ConfigError(f"The environment cannot be used: {faults}.") from error

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """An empty variable or secret file says nothing."""
        return cls.model_fields[str(info.field_name)].get_default() if value in ("", b"") else value

    @field_validator("openai_base_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)

    @field_validator("desk_home", "desk_config")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()


class ScheduleSettings(Record):
    """When `desk serve` runs the pipeline: New York times on XNYS sessions."""

    times: tuple[time, ...] = (time(9, 35), time(12, 0), time(15, 30))
    misfire_grace_minutes: int = Field(default=15, ge=0)

    @field_validator("times")
    @classmethod
    def _ascending(cls, value: tuple[time, ...]) -> tuple[time, ...]:
        if not value or list(value) != sorted(set(value)):
            raise ValueError("times must be ascending and without repeats")
        return value


class DeskSettings(Record):
    """`config/desk.yaml`: what a person decides about the desk as a whole."""

    feed: FeedName = "simulated"
    debate: Literal["rules", "llm"] | None = None  # None: llm when a key or endpoint is configured, else rules
    watchlist: dict[str, tuple[str, ...]] = {}
    starting_cash: Decimal = Field(default=Decimal(100_000), gt=0)
    auto_execute: bool = False
    order_life_minutes: int = Field(default=240, gt=0)
    recall_k: int = Field(default=3, ge=0)
    node_timeout_s: float = Field(default=120.0, gt=0)
    analyst_timeout_s: float = Field(default=60.0, gt=0)
    debate_timeout_s: float = Field(default=180.0, gt=0)
    approval_delay_minutes: int = Field(default=5, ge=0)  # how much later than the run a simulated approval happens
    health_port: int = Field(default=8787, ge=0, le=65_535)
    health_host: str = "127.0.0.1"
    schedule: ScheduleSettings = ScheduleSettings()

    @model_validator(mode="after")
    def _human_approves(self) -> Self:
        if self.auto_execute:
            raise ValueError(
                "auto_execute stays false: no recorded paper track record meets the graduation rule yet; "
                "orders are staged for a person"
            )
        return self


def shipped_config() -> Path:
    """Folder of the YAML files that come with the desk: the checkout's, or the installed package's."""
    checkout = Path(__file__).parents[1] / "config"
    return checkout if checkout.is_dir() else Path(__file__).parent / "config"


def read_yaml(name: str, overrides: Path | None) -> dict[str, Any]:
    """The shipped `name`.yaml with the user's file of the same name laid over it, key by key; lists replace."""
    merged = _mapping(shipped_config() / f"{name}.yaml")
    own = overrides / f"{name}.yaml" if overrides else None
    if own is not None and own.exists():
        merged = _laid_over(merged, _mapping(own))
    return merged


def require_known(overrides: Path | None) -> None:
    """Refuse files in DESK_CONFIG that would be read by nobody, and sections that no file has."""
    shipped = sorted(path.name for path in shipped_config().glob("*.yaml") if path.name != "columns.example.yaml")
    for own in sorted(overrides.iterdir()) if overrides else ():
        if own.suffix in (".yaml", ".yml") and own.name not in shipped:
            raise ConfigError(f"{own} is no configuration file of the desk; known are {', '.join(shipped)}.")
    for name, sections in SECTIONS.items():
        for key in read_yaml(name, overrides):
            if key not in sections:
                raise ConfigError(f"{name}.yaml: unknown key '{key}'; known here: {', '.join(sections)}")


def load(kind: type[R], name: str, overrides: Path | None, *, section: str | None = None) -> R:
    """Validate one YAML file (or a section of it) into `kind`; errors name the file, the key and what is allowed."""
    content: Any = read_yaml(name, overrides)
    if section is not None:
        content = content.get(section, {})
    return validated(kind, content, where=f"{name}.yaml" + (f", {section}" if section else ""))


def validated(kind: type[R], content: object, *, where: str) -> R:
    """Build `kind` from plain data or raise `ConfigError` with every fault on its own line."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_faults(kind, error)}") from error


def read_mapping(kind: type[R], path: Path) -> R:
    """A YAML file that a person points to, validated into `kind`."""
    return validated(kind, _mapping(path), where=str(path))


def _faults(kind: type[Record], error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
        if fault["type"] == "extra_forbidden":
            known = _known_keys(kind, fault["loc"][:-1])
            lines.append(f"unknown key '{key}'" + (f"; known here: {', '.join(known)}" if known else ""))
        else:
            lines.append(f"{key}: {fault['msg']}")
    return "; ".join(lines)


def _known_keys(kind: type[Record], path: tuple[int | str, ...]) -> list[str]:
    """Keys of the record that `path` leads to; empty where it leads to none."""
    below: Any = kind
    for part in path:
        below = _below(below, part)
    return sorted(below.model_fields) if _is_record(below) else []


def _below(annotation: Any, part: int | str) -> Any:
    """The type one step further down: a field, an item, or the member of a union whose tag `part` is."""
    for option in _options(annotation):
        if _is_record(option):
            fields = option.model_fields
            if part in fields:
                return fields[part].annotation
            if any(field.default == part for field in fields.values()):
                return option
        elif get_origin(option) in (tuple, list, dict):
            return get_args(option)[1 if get_origin(option) is dict else 0]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(option for member in get_args(annotation) for option in _options(member))
    return (annotation,)


def _is_record(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Record)


def _mapping(path: Path) -> dict[str, Any]:
    import yaml

    # libyaml's parser reads the shipped files in 0.05 s instead of 0.5 s; a PyYAML built without it still works.
    safe = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=safe)  # noqa: S506 - both loaders are safe ones
    except FileNotFoundError as error:
        raise ConfigError(f"Configuration file {path} is missing.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, not a {type(content).__name__}.")
    return content


def _laid_over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged

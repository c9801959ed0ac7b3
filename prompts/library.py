"""The prompts: read once, checked against their front matter, rendered with every string cleaned and escaped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import ConfigError
from domain.record import Record
from prompts.outside import clean_deep

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

FOLDER = Path(__file__).parent
LOCK = FOLDER / "lock.json"  # name@version → sha256 of every text ever used under that name


class FrontMatter(Record):
    """Head of a prompt file."""

    name: str
    version: int
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Rendered:
    """What is sent: two messages, and which text they came from."""

    system: str
    user: str
    reference: str  # name@version
    sha256: str


@dataclass(frozen=True)
class Prompt:
    """One prompt file. The system part is constant text: no variable, hence nothing from the outside, can enter it."""

    head: FrontMatter
    system: str
    user: str  # Jinja template
    sha256: str  # of the file's text

    @property
    def reference(self) -> str:
        """The name under which calls are recorded."""
        return f"{self.head.name}@{self.head.version}"

    def render(self, values: Mapping[str, Any]) -> Rendered:
        """Fill the user message. `values` must give exactly the declared variables, else `ConfigError`."""
        if set(values) != set(self.head.variables):
            raise ConfigError(
                f"Prompt {self.reference} takes {sorted(self.head.variables)}, not {sorted(values)}.",
                remedy="Give exactly the variables of its front matter.",
            )
        text = _template(self.user).render(clean_deep(dict(values)))
        return Rendered(system=self.system, user=text.strip(), reference=self.reference, sha256=self.sha256)


@lru_cache(maxsize=1)
def library() -> Mapping[str, Prompt]:
    """Every prompt by name. Raises `ConfigError` for a file whose front matter and text disagree."""
    prompts = [parse(path.read_text(encoding="utf-8"), path.name) for path in sorted(FOLDER.glob("*.md"))]
    return {prompt.head.name: prompt for prompt in prompts}


def locked() -> Mapping[str, str]:
    """SHA-256 by name@version, as released."""
    lock: dict[str, str] = json.loads(LOCK.read_text(encoding="utf-8"))
    return lock


def parse(text: str, file: str) -> Prompt:
    """Read one prompt: YAML front matter between `---` lines, then the parts `# System` and `# User`."""
    import yaml
    from jinja2 import meta
    from pydantic import ValidationError

    opening, _, rest = text.partition("---\n")
    front, fence, body = rest.partition("\n---\n")
    system, heading, user = body.partition("\n# User\n")
    if opening or not fence or not heading or not system.strip().startswith("# System"):
        raise ConfigError(f"Prompt {file} needs front matter between --- lines, then '# System' and '# User'.")
    try:
        head = FrontMatter.model_validate(yaml.safe_load(front))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"Prompt {file} has unusable front matter: {error}") from error
    if head.name != Path(file).stem:
        raise ConfigError(f"Prompt {file} calls itself {head.name!r}.", remedy="Name the file after the prompt.")
    environment = _environment()
    constant = system.strip().removeprefix("# System").strip()
    if "{{" in constant or "{%" in constant:
        raise ConfigError(f"Prompt {file} has a variable in its system part.", remedy="Move it to the user part.")
    used = meta.find_undeclared_variables(environment.parse(user))
    if used != set(head.variables):
        raise ConfigError(f"Prompt {file} declares {sorted(head.variables)} but uses {sorted(used)}.")
    return Prompt(head=head, system=constant, user=user, sha256=hashlib.sha256(text.encode()).hexdigest())


@lru_cache(maxsize=32)
def _template(source: str) -> "Template":
    return _environment().from_string(source)


@lru_cache(maxsize=1)
def _environment() -> "SandboxedEnvironment":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

"""As many exception types as there are distinct reactions.

DeskError
├── UsageError            exit 2: the caller gave something unusable; the sentence says what to give instead
│   ├── ConfigError       a setting or YAML file: misspelt key, loosened hard limit
│   └── DataError         a market file or feed answer that cannot be read or trusted
├── Refused               exit 1: a rule said no; carries code, measured, limit
├── TamperError           exit 1: stored history does not hash to what was sealed
├── MachineError          exit 3: this machine cannot do it now
│   ├── DatabaseDown      PostgreSQL cannot be started or reached
│   ├── StorageFull       a snapshot or log could not be written whole
│   └── FeedDown          a live source did not answer
└── TransitionError       programming fault: an order was asked to make an illegal step

Refusals that belong in the record (vetoes, abstentions) are values, not exceptions: see
`domain.risk` and `domain.signals`.
"""


class DeskError(Exception):
    """One clear sentence for a person, with the remedy; `exit_code` for the shell."""

    exit_code = 3

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class UsageError(DeskError):
    """The caller's input cannot be used."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is misspelt, malformed or looser than a hard limit."""


class DataError(UsageError):
    """Market data that is unreadable, incomplete or absurd."""


class Refused(DeskError):
    """A rule refused the request; nothing was changed."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        code: str,
        measured: float | None = None,
        limit: float | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.measured = measured
        self.limit = limit


class TamperError(DeskError):
    """Stored history differs from what was sealed: damaged snapshot, altered audit row."""

    exit_code = 1


class MachineError(DeskError):
    """The environment cannot serve the request now."""

    exit_code = 3


class DatabaseDown(MachineError):
    """PostgreSQL cannot be started or reached, or went away."""


class StorageFull(MachineError):
    """A file could not be written whole; nothing half-written was left."""


class FeedDown(MachineError):
    """A live source did not answer in time, or answered with an error."""


class Interrupted(DeskError):
    """A person stopped the command."""

    exit_code = 130


class TransitionError(DeskError):
    """An order was asked to make a step that its state does not allow."""

    exit_code = 1

"""Settings of the room, from `config/execution.yaml`."""

from decimal import Decimal

from pydantic import Field

from domain.record import Record


class PaperSettings(Record):
    """How the paper broker fills."""

    half_spread_fraction: float = Field(default=0.25, ge=0, le=1)  # 0: at mid; 1: at the far side of every spread
    fee_per_contract: Decimal = Field(default=Decimal("0.65"), ge=0)  # USD
    max_quote_age_minutes: float = Field(default=30, gt=0)
    limited_by_size: bool = True  # fill no more units than the quoted sizes hold, where sizes are known

"""Settings of the recorded feed."""

from pydantic import Field

from domain.record import Record


class RecordedSettings(Record):
    """How far back a picture reaches and when a recording counts as too old."""

    max_quote_age_minutes: int = Field(default=30, gt=0)
    history_days: int = Field(default=800, gt=0)  # calendar days of bars and series in a picture
    post_days: int = Field(default=30, gt=0)
    gap_days: int = Field(default=30, gt=0)  # calendar days: no window rolls over a longer hole
    max_lag_days: int = Field(default=7, gt=0)  # calendar days: a history that ended longer ago is not current

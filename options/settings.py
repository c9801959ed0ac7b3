"""Thresholds of chain hygiene and parity, loaded from config/chain.yaml."""

from pydantic import Field

from domain.record import Record


class ChainSettings(Record):
    """What makes a quote unusable, a chain untrustworthy, and a forward identified."""

    max_quote_age_minutes: float = Field(default=30.0, gt=0)  # a chain older than this before the run is stale
    max_bad_share: float = Field(
        default=0.10, gt=0, le=1
    )  # impossible numbers in more rows: the whole chain is refused
    max_crossed_share: float = Field(default=0.50, gt=0, le=1)  # crossed or locked, of two-sided quotes: likewise
    wide_spread: float = Field(default=0.50, gt=0)  # bid-ask spread over mid above which a quote is wide ...
    wide_spread_floor: float = Field(default=0.10, ge=0)  # ... unless the spread is this narrow anyway, USD per share
    bound_tolerance: float = Field(default=0.0005, ge=0)  # share of the forward by which quotes may cross static bounds
    min_parity_pairs: int = Field(default=3, ge=2)  # strikes with both a good call and a good put
    parity_window: float = Field(default=0.25, gt=0)  # largest |ln(K/F)| of a pair
    american_parity_pairs: int = Field(default=8, ge=2)  # only the nearest: early exercise grows away from the money
    max_rate_error: float = Field(default=0.005, gt=0)  # standard error at which parity, not the curve, gives the rate
    min_rate: float = -0.02  # implied rates outside these bounds are not believed
    max_rate: float = 0.20
    spot_tolerance: float = Field(default=0.0015, gt=0)  # quoted against parity spot: beyond it parity is used ...
    max_spot_gap: float = Field(default=0.10, gt=0)  # ... and beyond this nothing is: another share unit or another day
    carry_doubt: float = Field(default=0.02, ge=0)  # unknown dividend yield a year when a forward is brought to spot
    max_carry: float = Field(default=0.50, gt=0)  # |ln(F/S)| a year (above 10 % flat) that a forward may show
    outlier_floor: float = Field(default=0.05, ge=0)  # a mid may miss its smile by this much, USD per share ...
    outlier_spreads: float = Field(default=3.0, ge=0)  # ... and this many of its spreads ...
    outlier_vol: float = Field(default=0.15, ge=0)  # ... and vega times this share of the smile's volatility ...
    early_exercise: float = Field(default=0.02, ge=0)  # ... and, American in the money, this share of the forward
    min_quotes: int = Field(default=3, ge=1)  # good out-of-the-money quotes without which an expiry has no smile
    bend_quotes: int = Field(default=16, ge=10)  # with as many between 5 and 95 delta a smile may bend twice
    poor_quotes: int = Field(default=4, ge=1)  # a smile is poor with fewer between 5 and 95 delta ...
    poor_inside_share: float = Field(default=0.20, ge=0, le=1)  # ... or inside fewer of them ...
    poor_rmse_points: float = Field(default=0.50, gt=0)  # ... or missing them by more than this, volatility points ...
    poor_rmse_spreads: float = Field(default=1.0, gt=0)  # ... and by more than this many median spreads

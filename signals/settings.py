"""Every threshold of the signals room, as records. The figures themselves stand once, in `config/signals.yaml`.

There are no defaults here on purpose: a threshold written in two places is two thresholds.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from domain.signals import EDGE_AXIS, SOURCES, Axis
from signals.social.settings import SocialSettings

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class EdgeLife(Record):
    """How long a claim lives and how fast it fades, in calendar days."""

    horizon_days: Positive
    half_life_days: Positive


class HistorySettings(Record):
    """What counts as a usable history of a daily measure."""

    window_days: Count  # observations looked back on (252: one trading year)
    min_days: Count  # fewer observations than this: refuse
    max_gap_days: Count  # a longer hole in calendar days ends the history
    max_age_days: Count  # last observation older than this many calendar days: stale


class ResidualSettings(Record):
    """Which quotes off the fitted surface count as an edge."""

    min_interest: Count  # open interest, or the day's volume where that is unknown, below which a quote is thin
    min_delta: Annotated[
        float, Field(gt=0, lt=0.5)
    ]  # |delta| of the out-of-the-money option: further out nothing counts
    max_spread_points: Positive  # bid-ask spread in vol points beyond which a quote is thin
    min_inside_share: Share  # of an expiry's quotes that must contain the fit: else the model, not a quote, is off
    start_spreads: Annotated[float, Field(ge=0)]  # distance beyond bid or ask, in spreads, that starts to speak ...
    full_spreads: Positive  # ... and at which conviction is full
    cap: Share  # relative value says little on the level of volatility
    named: Count  # strikes named in the signal, the largest first


class ArbitrageSettings(Record):
    """When a locked profit is believed."""

    forward_doubts: Positive  # standard errors of the forward taken off a conversion or reversal
    rate_doubt: Annotated[float, Field(ge=0)]  # decimal a year that funding may cost beyond the expiry's own rate
    max_stale_share: Share  # of strikes quoted out of line: beyond it the chain is no picture of one instant
    full_return: Positive  # simple annual return at which conviction is full
    cap: Share


class VolSettings(Record):
    """The vol-surface analyst."""

    tenors_days: tuple[Count, Count, Count]
    rv_windows: tuple[Count, Count, Count]
    rank_low: Share
    rank_high: Share
    percentile_low: Share  # of risk reversal and butterfly
    percentile_high: Share
    flat_slope: Positive  # |long / short maturity vol − 1| below this is a flat curve
    full_slope: Positive  # at this slope conviction is full
    vix_flat: Positive  # |VIX / VIX3M − 1| below this is a flat VIX curve
    premium_low: float  # (implied − realised) / implied at which the premium starts to speak for cheap
    premium_high: float  # … and for rich
    premium_full: Positive  # distance beyond the start at which conviction is full
    event_discount: Share  # conviction kept when earnings fall, or may fall, inside the 30-day horizon
    disagreement_discount: Share  # conviction kept when the VIX curve contradicts the ticker's own
    vix_proxies: tuple[str, ...]  # underlyings for whose IV history the VIX may stand in
    index_like: tuple[str, ...]  # indices and broad ETFs: term structure read after Simon & Campasano
    event_max_error: Share  # standard error of an implied move, as a share of it, up to which it is believed
    fee_per_contract: Annotated[float, Field(ge=0)]  # USD, what an executable edge must earn first
    residual: ResidualSettings
    arbitrage: ArbitrageSettings

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        pairs = (
            ("rank_low < rank_high", self.rank_low < self.rank_high),
            ("percentile_low < percentile_high", self.percentile_low < self.percentile_high),
            ("flat_slope < full_slope", self.flat_slope < self.full_slope),
            ("premium_low < premium_high", self.premium_low < self.premium_high),
        )
        for wanted, holds in pairs:
            if not holds:
                raise ValueError(f"needs {wanted}")
        return self


class FlowSettings(Record):
    """The options-flow analyst."""

    percentile_low: Share
    percentile_high: Share
    put_call_max: Positive  # a ratio above this is a scraping fault, not a market
    put_call_series: Mapping[str, str]  # ticker → market-wide put/call series that speaks for it
    volume_to_oi: Positive  # unusual: volume above this multiple of open interest
    min_contracts: Count  # … and at least this many contracts in the row
    min_expiry_days: Count  # … and not about to expire, where volume above open interest is ordinary
    unusual_share: Share  # share of the day's volume that starts to speak
    unusual_full: Share  # share at which conviction is full
    unconfirmed: Share  # conviction kept when the side's whole volume is ordinary in its own history, or that unknown
    gamma_convention: Literal[  # whom the assumption puts on which side; names of `options.exposure`
        "dealers_long_calls_short_puts", "dealers_short_calls_long_puts", "dealers_short_all"
    ]
    gamma_share: Share  # |net| / gross dealer gamma that starts to speak
    gamma_full: Share
    market_wide: tuple[str, ...]  # tickers that the published DIX and GEX speak for
    disagreement_discount: Share  # conviction of dealer gamma kept when the published GEX has the other sign
    poor_share: Share  # of dealers' gross exposure in badly fitted expiries beyond which a vote is removed
    turnover_days: Count  # bars over which the underlying's daily turnover is averaged
    least_turnover: Share  # a hedging flow below this share of turnover is none
    vanna_flow: Positive  # hedging a day over gross gamma, i.e. worth a move of so many per cent, that starts to speak
    vanna_full: Positive
    charm_flow: Positive
    charm_full: Positive
    charm_days: Positive  # calendar days before monthly expiration in which charm speaks
    pin_days: Positive
    pin_distance: Positive  # |strike / spot − 1|
    pin_risk: Share  # open-interest concentration × gamma share × time share that starts to speak
    pin_full: Share
    cap: Share  # no claim resting on an assumed dealer or customer side is surer than this

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        ramps = (
            (self.percentile_low, self.percentile_high),
            (self.unusual_share, self.unusual_full),
            (self.gamma_share, self.gamma_full),
            (self.vanna_flow, self.vanna_full),
            (self.charm_flow, self.charm_full),
            (self.pin_risk, self.pin_full),
        )
        if not all(start < full for start, full in ramps):
            raise ValueError("each threshold must lie below the value at which conviction is full")
        return self


class TechnicalSettings(Record):
    """The technical analyst; periods are in bars and the indicators' textbook ones."""

    min_bars: Count
    max_gap_days: Count
    max_age_days: Count
    rsi_period: Count
    macd_fast: Count
    macd_slow: Count
    macd_signal: Count
    band_period: Count
    band_width: Positive
    atr_period: Count
    adx_period: Count
    sma_fast: Count
    sma_slow: Count
    swing_width: Count  # bars on either side that a swing point must exceed
    volume_window: Count
    rsi_overbought: Annotated[float, Field(gt=50, lt=100)]
    rsi_oversold: Annotated[float, Field(gt=0, lt=50)]
    volume_surge: Positive  # volume over its mean that confirms a breakout
    speaks_from: Share  # |trend| or |momentum| below this is neutral
    unconfirmed: Share  # conviction kept when volume is unknown or against
    breakout_full: Positive  # distance beyond the level, in typical bar ranges, at full conviction
    score_weights: Mapping[str, Share]

    @model_validator(mode="after")
    def _complete_weights(self) -> Self:
        if set(self.score_weights) != {"trend", "momentum", "volume", "proximity"}:
            raise ValueError("score_weights needs exactly trend, momentum, volume and proximity")
        if abs(sum(self.score_weights.values()) - 1.0) > 1e-9:
            raise ValueError("score_weights must add up to 1")
        return self


class AggregateSettings(Record):
    """How signals become one view of a ticker."""

    expected_sources: tuple[str, ...]
    weights: Mapping[Axis, Mapping[str, Share]]
    saturation: Positive  # weighted evidence at which a score reaches tanh(1) = 0.76
    reliability_prior: Positive  # closed decisions worth of belief in a hit rate of one half
    answer_hours: Positive  # a signal younger than this counts as an answer in this run
    vol_view: Share  # |vol_score| from which there is a view on volatility
    conflict: Share  # opposed over dominant price evidence above this forces `inconclusive`
    conviction: Share  # below this a composite is no edge

    @model_validator(mode="after")
    def _known_sources(self) -> Self:
        if not set(self.expected_sources) <= set(SOURCES):
            raise ValueError(f"expected_sources must be among {', '.join(SOURCES)}")
        for axis in Axis:
            weights = self.weights.get(axis, {})
            if set(weights) != set(SOURCES) or not sum(weights.values()) > 0:
                raise ValueError(f"weights.{axis} needs one weight for each of {', '.join(SOURCES)}, not all 0")
        return self


class RankSettings(Record):
    """How many go on to the debate."""

    top_n: Count


class SignalSettings(Record):
    """The whole of `config/signals.yaml`."""

    edges: Mapping[str, EdgeLife]
    history: HistorySettings
    vol: VolSettings
    flow: FlowSettings
    technical: TechnicalSettings
    social: SocialSettings
    aggregate: AggregateSettings
    rank: RankSettings

    @model_validator(mode="after")
    def _every_edge(self) -> Self:
        missing = sorted(set(EDGE_AXIS) - set(self.edges))
        unknown = sorted(set(self.edges) - set(EDGE_AXIS))
        if missing or unknown:
            raise ValueError(f"edges: missing {missing}, unknown {unknown}")
        return self

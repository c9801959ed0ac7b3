"""When a whole chain cannot be used, and how that is said."""

from datetime import datetime, timedelta

import numpy as np

from domain.market import Chain
from domain.sessions import session_of
from options.hygiene import Flag, Flags
from options.priced import ChainRefusal
from options.settings import ChainSettings


def refuse_stamp(chain: Chain, as_of: datetime, settings: ChainSettings) -> ChainRefusal | None:
    """Refuse a chain without rows, from the future, from outside a session, or too old."""
    if len(chain) == 0:
        return refusal("empty_chain", chain, "has no rows", rows=0)
    age = (as_of - chain.as_of) / timedelta(minutes=1)
    if age < 0:
        return refusal("future_chain", chain, f"is stamped {-age:.1f} min after the run's instant", age_minutes=age)
    if session_of(chain.as_of) is None:
        stamp = f"{chain.as_of:%Y-%m-%d %H:%M} UTC"
        return refusal(
            "out_of_session", chain, f"was quoted outside New York trading hours, at {stamp}", age_minutes=age
        )
    if age > settings.max_quote_age_minutes:
        limit = settings.max_quote_age_minutes
        return refusal(
            "stale_chain", chain, f"is {age:.1f} min old, more than {limit:g}", age_minutes=age, limit_minutes=limit
        )
    return None


def refuse_rows(chain: Chain, flags: Flags, as_of: datetime, settings: ChainSettings) -> ChainRefusal | None:
    """Refuse a chain whose rows are mostly impossible, expired or crossed, or quote one side only."""
    rows = len(chain)
    bad = int(np.count_nonzero(flags & Flag.BAD_NUMBER))
    if not (np.isfinite(chain.spot) and chain.spot > 0):
        return refusal("bad_numbers", chain, f"has no usable spot ({chain.spot})", rows=rows, bad_rows=bad)
    if bad > settings.max_bad_share * rows:
        return refusal(
            "bad_numbers",
            chain,
            f"has impossible strikes, quotes or expiries in {bad} of {rows} rows",
            rows=rows,
            bad_rows=bad,
        )
    if (flags & Flag.EXPIRED).all():
        return refusal("expired", chain, f"has only contracts expired by {as_of:%Y-%m-%d %H:%M} UTC: {rows}", rows=rows)
    alive = flags & (Flag.EXPIRED | Flag.NO_QUOTE | Flag.BAD_NUMBER | Flag.ZERO_BID) == 0
    quoted = int(np.count_nonzero(alive))
    crossed = int(np.count_nonzero(alive & (flags & (Flag.CROSSED | Flag.LOCKED) != 0)))
    if quoted and crossed > settings.max_crossed_share * quoted:
        return refusal(
            "all_crossed" if crossed == quoted else "mostly_crossed",
            chain,
            f"has {crossed} of {quoted} two-sided quotes crossed or locked",
            crossed=crossed,
            quoted=quoted,
        )
    calls = int(np.count_nonzero(alive & chain.is_call))
    puts = quoted - calls
    if not (calls and puts):
        detail = f"has {calls} calls and {puts} puts with two-sided quotes among {rows} rows"
        return refusal("one_sided_chain", chain, detail, calls=calls, puts=puts, rows=rows)
    return None


def refusal(code: str, chain: Chain, detail: str, **numbers: float) -> ChainRefusal:
    """One sentence about `chain` with the numbers it rests on."""
    finite = {name: float(value) for name, value in numbers.items()}
    return ChainRefusal(code=code, detail=f"The chain of {chain.ticker} {detail}.", numbers=finite)

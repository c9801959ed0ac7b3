"""Words of the finance lexicon, written for this project from general knowledge of market English; no published
word list was copied. Base forms stand here, `forms` adds the regular endings. Scored by `signals.sentiment`.
"""

from collections.abc import Iterable, Mapping

MILD = 0.28  # one such word alone stays within the neutral band; two do not


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GOOD_THINGS = _words("""
profit profits earnings sales revenue revenues income margin margins turnover growth orders order bookings backlog
demand ebit ebitda eps dividend dividends volumes production deliveries exports output productivity traffic
subscribers users share shares stock stocks futures index guidance outlook forecast estimate estimates target rating
pt cash backlogs results operating stake market confidence gdp payrolls jobs retail occupancy efficiency capacity
equity
""")

BAD_THINGS = _words("""
loss losses debt debts cost costs expenses expense unemployment jobless claims inflation charges charge writedowns
deficit delinquencies defaults default impairment impairments inventories liabilities tariffs vacancy layoffs
bankruptcies churn outages
""")

UP = _words("""
rise rises rose risen rising increase grow grew grown growing grows climb jump surge soar gain gains gained gaining
up higher improve double doubled triple tripled widen raise boost expand strengthen accelerate rally rallies rallied
rallying rebound recover advance hike upgrade lift exceed outpace top tops topped swell spike skyrocket leap leapt
pop popped
""")

DOWN = _words("""
fall falls fell fallen falling decrease decline drop dropped dropping plunge slump sink sank sunk sinking tumble
slide slid sliding down lower lowered lowers shrink shrank shrunk shrinking narrow cut cuts cutting reduce weaken
slow slowed plummet crash dip dipped slip slipped trim halve halved dive dove shed sheds tank tanked crater
downgrade worsen deteriorate ease slash retreat collapse
""")

_POSITIVE_STRONG = """
beat beats beating outperform upgrade surpass exceed strong stronger strongest robust record profitable bullish
upbeat upside breakout win wins won winning award awarded approval approves approve approved success successful
successfully breakthrough optimistic optimism tops topped delighted rally rallies rallied rebound surge soar
skyrocket improve improvement improvements recovery boost boosts outpace overweight best undervalued oversold moon
mooning rocket tendies accelerate milestone thrive
"""

_POSITIVE_MILD = """
good great positive growth gain gains expand expansion opportunity opportunities benefit benefits strengthen buy
buying bought long calls call advantage leading leader efficient attractive confident support supports supported
encouraging excellent solid healthy favourable favorable better rise rises rose increase jump climb raise
partnership cooperation innovation innovative satisfied pleased deal secured launch reward rewarding bull bulls
bounce momentum buyback hope hopes green nice love higher
"""

POSITIVE: Mapping[str, float] = {
    **dict.fromkeys(_words(_POSITIVE_STRONG), 1.0),
    **dict.fromkeys(_words(_POSITIVE_MILD), MILD),
}

_NEGATIVE_STRONG = """
miss misses missed missing downgrade bearish bankruptcy bankrupt fraud lawsuit sue sued sues probe investigation
recall scandal plunge slump tumble crash collapse plummet crater default layoff layoffs redundancies warning warn
warns warned weak weaker weakness weakest underperform underweight disappoint disappointing disappointment
disappoints worst crisis recession outage fine fined breach overvalued overbought dump dumped dumping bagholder rekt
halt halted suspend delisted sink sank slashed unprofitable writedown impairment
"""

_NEGATIVE_MILD = """
bad negative decline drop fall falls fell decrease concern concerns fear fears worry worries worried risk risks
risky threat threaten trouble troubled difficult difficulties problem problems sell selling sold selloff short
shorting puts put cut cuts loss losses lose losing lost delay delays delayed struggle pressure pressured slide
slowdown slow slowing uncertain uncertainty volatile tough challenge challenging hurt hurts drag drags dispute
strike strikes resign resigns accident accuse accused ban banned bans reject rejects rejected fail fails failed
failure shortfall shutdown closure dilution bear bears red down worse slip dip weigh weighs tariff tariffs
coronavirus virus outbreak lower lowered dismiss terminate terminated
"""

NEGATIVE: Mapping[str, float] = {
    **dict.fromkeys(_words(_NEGATIVE_STRONG), 1.0),
    **dict.fromkeys(_words(_NEGATIVE_MILD), MILD),
}

NEGATIONS = frozenset(
    _words("not no never without none neither nor cannot can't don't doesn't didn't won't isn't wasn't aren't hardly")
)

STRONGER = frozenset(
    _words(
        "very sharply significantly strongly substantially huge massive massively clearly considerably record steeply"
    )
)

WEAKER = frozenset(_words("slightly somewhat marginally mildly partly partially modestly little may might could"))

PHRASES: Mapping[str, float] = {
    "price target raised": 1.2,
    "raises price target": 1.2,
    "target raised": 1.2,
    "target cut": -1.2,
    "target lowered": -1.2,
    "pt raised": 1.2,
    "pt cut": -1.2,
    "pt lowered": -1.2,
    "swung to a profit": 1.5,
    "swung to profit": 1.5,
    "turned to a profit": 1.5,
    "swung to a loss": -1.5,
    "swung to loss": -1.5,
    "turned to a loss": -1.5,
    "laid off": -1.0,
    "lay off": -1.0,
    "laying off": -1.0,
    "profit warning": -1.5,
    "going concern": -1.5,
    "all time high": 1.0,
    "52 week high": 1.0,
    "52 week low": -1.0,
    "short squeeze": 1.2,
    "sold out": 0.8,
    "step down": -0.8,
    "steps down": -0.8,
    "head and shoulders": -0.5,
    "better than expected": 1.2,
    "worse than expected": -1.2,
    "lower than expected": -1.0,
    "higher than expected": 1.0,
    "in the red": -0.8,
    "under pressure": -0.8,
    "on track": 0.6,
    "well positioned": 0.8,
    "buy the dip": 0.8,
}


def forms(words: Iterable[str]) -> frozenset[str]:
    """The words with their regular endings: -s, -ed, -d, -ing, and e dropped before -ing."""
    found: set[str] = set()
    for word in words:
        found |= {word, word + "s", word + "ed", word + "ing"}
        if word.endswith("e"):
            found |= {word + "d", word[:-1] + "ing"}
    return frozenset(found)

"""Does the social signal fire before the price, and how often for nothing? `python -m benchmarks.social_history`

Replays the recorded mention counts of r/wallstreetbets (DESK_DATA or ../shared/data, folder reddit_wsb) day by day,
each day read at the midnight (UTC) at which its counts are complete. GME goes through the social analyst itself. NVDA,
TSLA and SPY (2018-2024) and the daily top 150 of 2026 have no usable mood, so every burst of theirs that *would* fire
with a strong one is counted as false, which is an upper bound. Compared with a plain rule: more than three times the
mean of the seven days before. `z_full` of config/signals.yaml is the least of a grid that keeps such bursts, in the odd
ISO weeks, to a quarter of the plain rule's; the even weeks, in which January's squeeze began, are only reported.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import yaml

from agents.contract import AnalystContext
from agents.social import Social
from benchmarks.social_records import (
    SQUEEZE,
    Day,
    daily_counts,
    hourly,
    plain_rule,
    quiver_days,
    title_posts,
    top_days,
)
from benchmarks.social_shot import snapshot
from domain.market import Series
from domain.sessions import NEW_YORK, is_session
from domain.signals import Signal
from domain.snapshot import MarketSnapshot
from options.priced import ChainRefusal
from signals.settings import SignalSettings
from signals.social.camillo import burst_strength
from signals.social.settings import SocialSettings
from signals.social.velocity import Velocity

DATA = Path(os.environ.get("DESK_DATA", Path(__file__).parents[1].parent / "shared" / "data")) / "reddit_wsb"
CONFIG = Path(__file__).parents[1] / "config" / "signals.yaml"
FIRES = 0.7
FIRST, LAST = date(2020, 5, 1), date(2021, 2, 16)
DEADLINE = date(2021, 1, 15)
SLOTS = (time(9, 35), time(12, 0), time(15, 30))  # New York, when the desk runs
GRID = tuple(range(6, 16))
WANTED = 0.25


def main() -> bool:
    """Print the tables; whether GME fired in time with at most a third of the plain rule's false days and episodes."""
    settings = SignalSettings.model_validate(yaml.safe_load(CONFIG.read_text(encoding="utf-8")))
    path = DATA / "gme_hourly_activity_2020_04_2021_02.csv.gz"
    counts = hourly(path)
    gme = list(gme_days(path, counts, settings))
    others = [*quiver_days(DATA, settings.social), *top_days(DATA, settings.social)]
    chosen = print_choice([*gme, *others], settings.social)
    print_false([*gme, *others], settings.social)
    passed = print_gme(gme, counts, settings)
    print_titles(DATA / "gme_posts_2021q1.csv.gz", settings)
    return passed and chosen == settings.social.spike.z_full


def gme_days(path: Path, counts: Sequence[Series], settings: SignalSettings) -> Iterator[Day]:
    """Every day of the hourly set, read by the analyst."""
    plain = plain_rule(daily_counts(path))
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=offset)
        signal = read_gme(counts, midnight_after(day), settings)
        velocity = None if signal is None else as_velocity(signal)
        tone = None if signal is None else signal.metadata["tone"]
        yield Day(
            "GME",
            day,
            velocity,
            plain.get(day, False),
            0.0 if signal is None else signal.conviction * signal.direction.sign,
            float(tone) if isinstance(tone, float) else None,
        )


def read_gme(counts: Sequence[Series], at: datetime, settings: SignalSettings) -> Signal | None:
    """What the social analyst says of GME's burst at `at`, from the counts known then; None if it abstains."""
    return burst_of(snapshot(at, "GME", series=[series.known_by(at) for series in counts]), settings)


def burst_of(shot: MarketSnapshot, settings: SignalSettings) -> Signal | None:
    """The analyst's Camillo score of GME in `shot`; None if it abstains."""
    found = Social().read(shot, "GME", AnalystContext(settings=settings, priced=_unpriced))
    return next((item for item in found if isinstance(item, Signal) and item.edge_type == "mention_velocity"), None)


def loud(day: Day, settings: SocialSettings, z_full: float | None = None) -> bool:
    """Whether the burst would fire if the mood were strong and the reason unknown."""
    spike = settings.spike if z_full is None else settings.spike.model_copy(update={"z_full": z_full})
    if day.velocity is None:
        return False
    return burst_strength(day.velocity, spike) * settings.contexts["unknown"].quality > FIRES


def episodes(days: Sequence[Day]) -> int:
    """Firing days of one ticker at most three days apart are one episode."""
    count = 0
    for ticker in sorted({day.ticker for day in days}):
        stamps = sorted(day.day for day in days if day.ticker == ticker)
        count += sum(at == 0 or (day - stamps[at - 1]).days > 3 for at, day in enumerate(stamps))
    return count


def print_choice(days: Sequence[Day], settings: SocialSettings) -> float:
    """The grid on the odd weeks, and what it says of the even; the chosen value."""
    print("z_full: bursts that would fire with a strong mood, as a share of the plain rule's days (squeeze left out)")
    judged = [day for day in days if not day.squeeze]
    halves = {name: [day for day in judged if day.odd is odd] for name, odd in (("odd", True), ("even", False))}
    plain = {name: sum(day.plain for day in half) for name, half in halves.items()}
    chosen = 0.0
    for z_full in GRID:
        share = {n: sum(loud(d, settings, z_full) for d in half) / plain[n] for n, half in halves.items()}
        if not chosen and share["odd"] <= WANTED:
            chosen = float(z_full)
        mark = "  <- chosen" if chosen == z_full else ""
        odd, even = share["odd"], share["even"]
        print(f"  z_full {z_full:2d}   odd weeks (choose) {odd:.2f}   even weeks (report) {even:.2f}{mark}")
    print(f"  in config/signals.yaml: {settings.spike.z_full:g}")
    return chosen


def print_false(days: Sequence[Day], settings: SocialSettings) -> None:
    """False days and episodes per ticker-year, by set and half."""
    print("\nfalse fires per ticker-year (days/episodes); 'loud' = would fire with a strong mood, an upper bound")
    groups = {"GME 2020-21": ("GME",), "NVDA": ("NVDA",), "TSLA": ("TSLA",), "SPY": ("SPY",)}
    sets = {name: [d for d in days if d.ticker in found and d.day < date(2026, 1, 1)] for name, found in groups.items()}
    sets["top 150, 2026"] = [day for day in days if day.day >= date(2026, 1, 1)]
    for name, rows in sets.items():
        for half in (True, False):
            judged = [day for day in rows if day.odd is half and not day.squeeze]
            years = len(judged) / 365.25
            fired = {
                "plain": [day for day in judged if day.plain],
                "loud": [day for day in judged if loud(day, settings)],
                "fired": [day for day in judged if day.conviction > FIRES],
            }
            if name != "GME 2020-21":
                del fired["fired"]  # they have no mood to fire with
            told = "   ".join(f"{n} {len(r) / years:5.1f} /{episodes(r) / years:5.1f}" for n, r in fired.items())
            print(f"  {name:14s} {'odd ' if half else 'even'} weeks  {years:5.1f} ticker-years   {told}")


def print_gme(days: Sequence[Day], counts: Sequence[Series], settings: SignalSettings) -> bool:
    """January 2021 day by day, the first fire at the desk's own hours, and the comparison that the target asks for."""
    print("\nGME in January 2021, read at the midnight after each day")
    for day in days:
        if date(2021, 1, 8) <= day.day <= date(2021, 1, 20) and day.velocity:
            tone = "   none" if day.tone is None else f"{day.tone:+7.2f}"
            v = day.velocity
            fired = ("  FIRES" if day.conviction > FIRES else "") + ("  plain rule" if day.plain else "")
            print(
                f"  {day.day}  mentions {v.observed:5.0f} of {v.expected:5.0f} expected  z {v.z_score:5.1f}  "
                f"tone {tone}  conviction {day.conviction:+.2f}{fired}"
            )
    slots = list(fires_at_slots(counts, settings))
    inside = [at for at in slots if SQUEEZE[0] <= at.date() <= SQUEEZE[1]]
    print(
        f"at the desk's hours ({', '.join(f'{slot:%H:%M}' for slot in SLOTS)} New York, sessions only): first fire ",
        end="",
    )
    print(f"{min(inside):%Y-%m-%d %H:%M}" if inside else "none", end="; ")
    print(f"days with a fire outside the squeeze: {len({at.date() for at in slots} - {at.date() for at in inside})}")
    right = [day.day for day in days if day.squeeze and day.conviction > FIRES]
    plain = [day.day for day in days if day.squeeze and day.plain]
    false = [day for day in days if not day.squeeze and day.conviction > FIRES]
    usual = [day for day in days if not day.squeeze and day.plain]
    print(f"first right day: signal {min(right, default=None)}, plain rule {min(plain, default=None)}")
    print(f"false days: signal {len(false)}, plain rule {len(usual)}; episodes {episodes(false)}, {episodes(usual)}")
    return (
        bool(right)
        and min(right) <= min(*plain, DEADLINE)
        and 3 * len(false) <= len(usual)
        and 3 * episodes(false) <= episodes(usual)
    )


def fires_at_slots(counts: Sequence[Series], settings: SignalSettings) -> Iterator[datetime]:
    """Every run of the desk's schedule, sessions only, at which the signal fires, New York time."""
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=offset)
        for slot in SLOTS if is_session(day) else ():
            at = datetime.combine(day, slot, tzinfo=NEW_YORK)
            signal = read_gme(counts, at.astimezone(UTC), settings)
            if signal is not None and signal.conviction * signal.direction.sign > FIRES:
                yield at


def print_titles(path: Path, settings: SignalSettings) -> None:
    """The same January from the words of GME titles alone (no forum, no authors), scored by the embedded lexicon."""
    items = title_posts(path)
    print("\nfrom the titles alone (their coverage is uneven), read at the midnight after each day")
    for offset in range(10, 31):
        at = midnight_after(date(2021, 1, offset))
        known = [post for post in items if at - timedelta(days=9) < post.known_at <= at]
        signal = burst_of(snapshot(at, "GME", posts=known), settings)
        if signal is not None and signal.conviction > 0:
            v, about = as_velocity(signal), signal.metadata
            tone = f"{about['tone']:+.2f}" if isinstance(about["tone"], float) else " none"
            fired = "  FIRES" if signal.conviction > FIRES else ""
            print(
                f"  2021-01-{offset}  mentions {v.observed:5.0f} of {v.expected:4.0f} expected  z {v.z_score:5.1f}  "
                f"tone {tone}  {about['context']}  conviction {signal.conviction:+.2f}{fired}"
            )


def as_velocity(signal: Signal) -> Velocity:
    """The figures of a signal as the velocity they came from."""
    names = ("mentions", "mentions_expected", "velocity_ratio", "z_score", "dispersion", "forum_tide")
    figures = [float(signal.metadata[name]) for name in names]
    return Velocity(*figures, unit=str(signal.metadata["mentions_unit"]))


def midnight_after(day: date) -> datetime:
    """When the counts of `day` are complete."""
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=UTC)


def _unpriced(ticker: str) -> ChainRefusal:
    raise AssertionError(f"the social analyst asked for the chain of {ticker}")


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

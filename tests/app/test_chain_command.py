"""`desk chain`: one JSON document, screens that fit, pictures, and one sentence for whatever cannot be shown."""

import io
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from rich.console import Console

from app.screens.chain import show_chain
from tests.e2e.conftest import called
from tests.support.market_files import CAPTURED, chain_file, chain_rows

AT = f"{CAPTURED:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A desk that knows one recorded chain of SPY, and no database."""
    folder = tmp_path_factory.mktemp("chain")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DESK_CONFIG", "DESK_DEBUG", "DESK_DATABASE_URL", "DESK_DATABASE_ADMIN_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("DESK_HOME", str(folder / "home"))
        ended = called("data", "import", str(chain_file(folder, chain_rows("SPY"))))
        assert ended.code == 0, ended.err
        yield folder


@pytest.fixture(scope="module")
def document(home):
    """The recorded chain, found without being asked for by feed."""
    ended = called("chain", "spy", "--at", AT, "--json")
    assert (ended.code, ended.err) == (0, "")
    return ended.document


@pytest.fixture(scope="module")
def simulated(home):
    """A reporting week of a simulated name."""
    ended = called("chain", "PLTR", "--feed", "simulated", "--at", "2025-02-13T17:00:00Z", "--json")
    assert (ended.code, ended.err) == (0, "")
    return ended.document


def test_a_past_instant_is_read_from_what_was_imported(document):
    assert (document["ticker"], document["feed"], document["as_of"]) == ("SPY", "recorded", AT)
    assert document["quotes"]["rows"] == 126
    assert document["quotes"]["good"] + sum(document["quotes"]["flags"].values()) >= 126
    assert [row["expiry"] for row in document["term"]] == ["2026-02-27", "2026-03-20", "2026-04-17"]
    for row in document["term"]:
        assert row["atm_iv"] == pytest.approx(0.18, abs=0.003)
        assert row["rate_per_year"] >= row["carry_per_year"] - 0.05
        assert not row["poor"]


def test_the_expiry_nearest_thirty_days_is_shown_unless_another_is_asked_for(home, document):
    assert document["expiry"]["expiry"] == "2026-03-20"
    asked = called("chain", "SPY", "--at", AT, "--expiry", "2026-04-17", "--json").document
    assert asked["expiry"]["expiry"] == "2026-04-17"
    assert asked["term"] == document["term"]


def test_the_smile_lists_each_out_of_the_money_quote_against_the_fit(document):
    expiry = document["expiry"]
    quotes = expiry["quotes"]
    assert [row["strike"] for row in quotes] == sorted(row["strike"] for row in quotes)
    assert {row["is_call"] for row in quotes if row["strike"] > expiry["forward"]} == {True}
    assert {row["is_call"] for row in quotes if row["strike"] < expiry["forward"]} == {False}
    for row in quotes:
        if not row["good"] or row["iv_bid"] is None:
            continue
        assert row["iv_bid"] < row["iv_mid"] < row["iv_ask"]
        assert row["residual_vol_points"] == pytest.approx(100 * (row["iv_mid"] - row["iv_fit"]), abs=1e-6)
        assert row["mispriced"] == (abs(row["residual_spreads"]) > 0.5)
        assert 0 < row["vega_per_point"] < 1.5
        assert -2 < row["theta_per_day"] < 0


def test_odds_exposure_and_arbitrage_carry_units_and_add_up(document):
    odds = document["expiry"]["density"]
    prices = [row["price"] for row in odds["quantiles"]]
    assert prices == sorted(prices)
    assert odds["deviation_log_return"] == pytest.approx(0.18 * np.sqrt(document["expiry"]["days"] / 365), rel=0.05)
    assert odds["moves"][0]["beyond_down"] > odds["moves"][1]["beyond_down"] > 0
    exposure = document["exposure"]
    total = sum(row["gamma_usd_per_1pct"] for row in exposure["by_expiry"])
    assert total == pytest.approx(exposure["gamma_usd_per_1pct"], abs=1.0)
    assert exposure["convention_in_words"] == "dealers assumed long calls and short puts"
    assert document["arbitrage"]["parity"] == []
    assert document["arbitrage"]["strikes"] > 20


def test_a_known_report_shows_the_move_that_options_expect(simulated):
    event = simulated["events"][0]
    assert event["implied_move"] == pytest.approx(0.087, rel=0.1)
    assert event["expected_absolute_move"] == pytest.approx(event["implied_move"] * np.sqrt(2 / np.pi))
    assert event["straddled_by"]


@pytest.mark.parametrize("width", [100, 140])
def test_the_screen_fits_and_says_what_the_figures_are(document, simulated, width):
    for shown in (document, simulated):
        screen = io.StringIO()
        show_chain(Console(file=screen, width=width, legacy_windows=False), shown)
        text = screen.getvalue()
        assert max(len(line) for line in text.splitlines()) <= width
        assert "…" not in text
        for words in ("USD of delta per 1 % move", "USD of delta per vol point up", "in vol points", "dealers assumed"):
            assert words in " ".join(text.split())
        assert ("theta/day" in text) is (width == 140)
    assert "implied move" in text


def test_the_screen_marks_what_is_mispriced_poor_stale_or_not_known(document):
    changed = json.loads(json.dumps(document))
    changed["term"][0] |= {"poor": True, "fit": "poor", "quality": "misses its quotes by 2.50 volatility points"}
    changed["expiry"]["quotes"][5] |= {"mispriced": True, "residual_spreads": 3.0}
    changed["exposure"] |= {"zero_gamma": None, "call_wall": None}
    changed["events"] = [
        {"at": AT, "title": "", "implied_move": None, "refused": "no_neighbour: too few", "straddled_by": []}
    ]
    found = {
        "kind": "long_box", "root": "SPY", "expiry": "2026-03-20", "strikes": [600.0, 610.0], "profit_per_share": 0.05,
        "profit_per_unit": 5.0, "annual_return": 0.04, "units": None, "hedge_shares_per_share": 0,
        "legs": [{"symbol": "SPY   260320C00600000", "quantity": 1, "price": 93.1}],
    }  # fmt: skip
    changed["arbitrage"] |= {"best_boxes": [found], "profitable_boxes": 1, "stale_strikes": 9, "synchronous": True}
    changed["notes"] = [{"code": "x", "subject": "SPY", "detail": f"note {at}", "count": 1} for at in range(9)]
    screen = io.StringIO()
    show_chain(Console(file=screen, width=100, legacy_windows=False), changed)
    text = " ".join(screen.getvalue().split())
    for words in (
        "2026-02-27 SPY: misses its quotes", "+3.00!", "none within 25 % of spot", "no_neighbour", "long box", "$5.00",
        "and 3 more with --json", "C600 @ 93.1",
    ):  # fmt: skip
        assert words in text
    changed["arbitrage"]["synchronous"] = False
    screen = io.StringIO()
    show_chain(Console(file=screen, width=100, legacy_windows=False), changed)
    text = " ".join(screen.getvalue().split())
    assert "none to be believed" in text
    assert "long box" not in text


@pytest.mark.parametrize("names", [("one.png",), ("one.pdf",), ("one.svg", "two.svg")])
def test_pictures_are_written_and_equal_chains_give_equal_bytes(home, names):
    written = []
    for name in names:
        ended = called("chain", "SPY", "--at", AT, "--plot", str(home / name), "--json")
        assert (ended.code, ended.document["plot"]) == (0, str(home / name))
        written.append((home / name).read_bytes())
    assert len(written[0]) > 20_000
    assert written[0] == written[-1], "not one digit may depend on the run"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("SPY", "--at", AT, "--expiry", "2026-03-21"), "There are 2026-02-27, 2026-03-20, 2026-04-17"),
        (("SPY", "--at", AT, "--expiry", "soon"), "'soon' is no date"),
        (("SPY", "--at", AT, "--plot", "chain.gif"), "A picture is written as .png, .svg, .pdf"),
        (("SPY", "--at", AT, "--plot", "nowhere/chain.png"), "There is no folder nowhere"),
        (("SPX", "--at", "2019-06-20T20:00:00Z"), "Nothing is recorded by 2019-06-20"),
        (("ZZZ", "--feed", "simulated"), "The simulated market lists none of ZZZ"),
        (("QQQ", "--feed", "recorded"), "Nothing of QQQ was imported"),
        (("SPY", "--at", "yesterday"), "is no ISO 8601 instant"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_sentence(home, arguments, says):
    ended = called("chain", *arguments)
    assert ended.code == 2
    assert says in ended.sentence


def test_an_unusable_chain_is_refused_with_its_code(home, tmp_path):
    crossed = chain_rows("KO", spot=60.0, at=datetime(2026, 2, 12, 16, 0, tzinfo=UTC))
    crossed[["bid", "ask"]] = crossed[["ask", "bid"]]
    assert called("data", "import", str(chain_file(tmp_path, crossed))).code == 0
    ended = called("chain", "KO", "--at", "2026-02-12T16:00:00Z", "--json")
    assert ended.code == 1
    assert ended.document["error"]["code"] == "all_crossed"


def test_without_an_instant_each_feed_shows_its_own_present(home):
    assert called("chain", "SPY", "--feed", "recorded", "--json").document["as_of"] == AT
    first = called("chain", "SPY", "--json").document
    assert (first["feed"], first["as_of"][:10]) == ("simulated", "2025-01-02")


def test_no_database_is_started(home, document):
    assert sorted(item.name for item in (home / "home").iterdir()) == ["library"]

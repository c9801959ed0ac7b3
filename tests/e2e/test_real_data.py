"""Both runs on real chains that the desk promises, checked against the raw files and by arithmetic of our own."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from domain.contract import occ_symbol
from domain.order import Greeks
from domain.risk import HardLimits
from domain.signals import SOURCES
from memory.postgres import EmbeddedPostgres
from tests.e2e.conftest import called
from tests.fixtures_database import fresh_database

pytestmark = pytest.mark.shared_data

NEEDED = (
    "multi_ticker_chains_2026_02", "spx_chains_2019/spx_2019-06.parquet", "daily_bars", "volatility", "rates",
    "positioning", "reddit_wsb/mention_counts_2018_2025.csv", "reddit_wsb/top150_mentions_2026.csv.gz",
)  # fmt: skip
SEVEN = ("AAPL", "AMZN", "IBIT", "NVDA", "QQQ", "SPY", "TSLA")
RUNS = {
    "seven names 2026": ("--at", "2026-02-12T15:10:00Z"),
    "SPX 2019": ("--at", "2019-06-20T20:00:00Z", "--watchlist", "SPX"),
}
NODES = {
    "collect", "manage", *SOURCES, "aggregate", "recall", "debate", "risk_gate", "strategy_selector", "allocator",
    "stage", "record",
}  # fmt: skip


@pytest.fixture(scope="module")
def real(shared_data: Path, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A desk with the needed data imported and both runs made: their documents, by name."""
    with pytest.MonkeyPatch.context() as patch, fresh_database(postgres) as database:
        for name in ("DESK_CONFIG", "DESK_DEBUG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("DESK_HOME", str(tmp_path_factory.mktemp("real")))
        patch.setenv("DESK_DATABASE_URL", database.pipeline_url)
        patch.setenv("DESK_DATABASE_ADMIN_URL", database.admin_url)
        for name in NEEDED:
            ended = called("data", "import", str(shared_data / name), "--json")
            assert ended.code == 0, ended.err
        documents = {}
        for name, arguments in RUNS.items():
            ended = called("run", "--feed", "recorded", *arguments, "--json")
            assert ended.code == 0, ended.err
            assert ended.err == ""
            documents[name] = ended.document
        yield SimpleNamespace(runs=documents, data=shared_data)


@pytest.fixture(params=RUNS)
def document(real, request) -> dict[str, Any]:
    """One run's JSON document."""
    return real.runs[request.param]


def quoted(real, document) -> pd.DataFrame:
    """The raw rows that the run may have seen, by OCC symbol."""
    if document["as_of"].startswith("2026"):
        rows = pd.read_parquet(real.data / "multi_ticker_chains_2026_02" / "seven_tickers.parquet")
        stamps = pd.to_datetime(rows.snapshot_utc, utc=True)
        rows = rows[stamps == pd.Timestamp(document["as_of"])]
        symbols = [f"{name[:-15]:<6}{name[-15:]}" for name in rows.contract.str.strip()]
    else:
        rows = pd.read_parquet(real.data / "spx_chains_2019" / "spx_2019-06.parquet")
        rows = rows[pd.to_datetime(rows.quote_date) == pd.Timestamp("2019-06-20")].assign(ticker="SPX")
        symbols = [
            f"{root:<6}{expiry:%y%m%d}{kind[0].upper()}{round(strike * 1000):08d}"
            for root, expiry, kind, strike in zip(
                rows.root.str.strip(), pd.to_datetime(rows.expiration), rows.type, rows.strike, strict=True
            )
        ]
    return rows.assign(symbol=symbols).set_index("symbol")


def test_the_document_has_every_promised_field(document):
    assert {
        "run_id", "slot", "as_of", "feed", "snapshot_id", "regime", "signals", "abstentions", "ranking", "debates",
        "checks", "orders", "durations_ms", "nlv",
    } <= document.keys()  # fmt: skip
    for signal in document["signals"]:
        assert {
            "id", "source", "ticker", "direction", "conviction", "edge_type", "timestamp", "metadata",
        } <= signal.keys()  # fmt: skip
    assert all({"source", "ticker", "code", "detail"} <= item.keys() for item in document["abstentions"])
    for debate in document["debates"]:
        assert {"ticker", "engine", "verdict", "confidence", "claims"} <= debate.keys()
    for check in document["checks"]:
        assert {"name", "ticker", "measured", "limit", "passed"} <= check.keys()
    for order in document["orders"]:
        assert {
            "order_id", "ticker", "strategy", "legs", "units", "contracts", "limit_per_unit", "limit_per_share",
            "max_loss", "max_profit", "breakevens", "pop", "greeks", "thesis",
        } <= order.keys()  # fmt: skip
        assert order["greeks"].keys() == Greeks.model_fields.keys()
        for leg in order["legs"]:
            assert {
                "symbol", "root", "right", "strike", "expiry", "settlement", "multiplier", "quantity",
            } <= leg.keys()  # fmt: skip
    assert document["durations_ms"].keys() == NODES


def test_the_pipeline_went_all_the_way_to_orders(real):
    seven, spx = real.runs.values()
    assert {item["ticker"] for item in seven["ranking"]} == set(SEVEN)
    assert [item["ticker"] for item in spx["ranking"]] == ["SPX"]
    for document in (seven, spx):
        assert document["orders"], "these days are known to give orders"
        assert {signal["source"] for signal in document["signals"]} >= {"vol_surface", "flow", "technical"}
        assert document["regime"] in ("low_vol", "neutral", "high_vol", "crisis")
        assert document["regime_reading"]["vix"] is not None
        assert not any("simulated" in words for words in document["provenance"].values())


def test_every_ticker_is_accounted_for_by_every_analyst(document):
    spoken = {(item["source"], item["ticker"]) for item in (*document["signals"], *document["abstentions"])}
    assert spoken == {(source, item["ticker"]) for source in SOURCES for item in document["ranking"]}
    assert {item["ticker"] for item in document["outcomes"]} == {item["ticker"] for item in document["ranking"]}


def test_nothing_was_known_later_than_the_run(document):
    stamps = [signal["timestamp"] for signal in document["signals"]] + [document["regime_reading"]["as_of"]]
    assert max(stamps) <= document["as_of"]


def test_claims_cite_signals_that_exist_and_verdicts_stay_within_conviction(document):
    known = {signal["id"] for signal in document["signals"]}
    conviction = {item["ticker"]: item["conviction"] for item in document["composites"]}
    for debate in document["debates"]:
        standing = [claim for claim in debate["claims"] if claim["struck"] is None]
        assert {cited for claim in standing for cited in claim["evidence_ids"]} <= known
        assert debate["confidence"] <= conviction[debate["ticker"]]


def test_legs_are_contracts_that_the_raw_file_quotes_at_these_prices(real, document):
    raw = quoted(real, document)
    for order in document["orders"]:
        for leg in order["legs"]:
            row = raw.loc[leg["symbol"]]
            assert (row.bid, row.ask) == pytest.approx((leg["bid"], leg["ask"]))
            assert 0 < row.bid < row.ask or leg["quantity"] > 0
            assert (row.strike, row.type) == (leg["strike"], leg["right"])
            assert leg["expiry"] == pd.Timestamp(row.expiration).date().isoformat()
            assert leg["symbol"] == occ_symbol(
                leg["root"], pd.Timestamp(leg["expiry"]).date(), SimpleNamespace(value=leg["right"]), leg["strike"]
            )
        mid = -sum(leg["quantity"] * (leg["bid"] + leg["ask"]) / 2 for leg in order["legs"])
        assert order["limit_per_share"] == pytest.approx(mid, abs=0.05)
        assert order["limit_per_unit"] == pytest.approx(100 * order["limit_per_share"])


def test_spots_lie_within_one_percent_of_the_files(real, document):
    raw = quoted(real, document).groupby("ticker").underlying_price.first()
    for order in document["orders"]:
        assert order["spot"] == pytest.approx(raw[order["ticker"]], rel=0.01)


def test_the_stated_maximum_loss_bounds_the_payoff_at_every_price_and_no_short_is_uncovered(document):
    for order in document["orders"]:
        legs = order["legs"]
        assert order["contracts"] == order["units"] * max(abs(leg["quantity"]) for leg in legs)
        for right in ("call", "put"):
            side = sorted((leg for leg in legs if leg["right"] == right), key=lambda leg: leg["expiry"], reverse=True)
            held = 0
            for leg in side:  # a short must be covered by longs that live at least as long
                held += max(0, leg["quantity"])
            assert held >= -sum(leg["quantity"] for leg in side if leg["quantity"] < 0)
            assert not side or side[0]["quantity"] > 0 or side[0]["expiry"] == side[-1]["expiry"]
        strikes = [leg["strike"] for leg in legs]
        prices = np.unique([0.0, *strikes, 10 * max(strikes)])
        payoff = sum(
            leg["quantity"] * np.maximum((prices - leg["strike"]) * (1 if leg["right"] == "call" else -1), 0.0)
            for leg in legs
        )
        result = 100 * (payoff + order["worst_per_share"]) * order["units"] - order["fees"]
        assert result.min() >= -order["max_loss"] - 0.01
        if order["payoff_basis"] == "exact":
            assert result.min() == pytest.approx(-order["max_loss"], abs=0.02)


def test_the_orders_of_a_run_stay_within_every_limit_together(document):
    hard, nlv = HardLimits(), document["nlv"]
    budget = {"low_vol": 0.02, "neutral": 0.02, "high_vol": 0.01, "crisis": 0.005}[document["regime"]]
    checks = [check for order in document["orders"] for check in order["checks"]]
    assert max(check["measured"] for check in checks if check["name"] == "var_budget") <= budget
    assert sum(order["margin"] for order in document["orders"]) <= (1 - hard.free_margin) * nlv
    for order in document["orders"]:
        assert order["max_loss"] <= hard.position_at_risk * nlv
        assert order["contracts"] <= hard.contracts_per_order
        assert order["transmit"] is False
        assert order["checks"]
        assert all(check["passed"] for check in order["checks"])
        assert order["units"] == min(cap["units"] for cap in order["sizing"]["caps"])


def test_both_runs_verify_and_replay_to_the_byte(real):
    verified = called("audit", "verify", "--json")
    assert (verified.code, verified.document["sound"], verified.document["seals"]) == (0, True, len(RUNS)), verified.err
    for document in real.runs.values():
        replayed = called("audit", "replay", document["run_id"], "--json")
        assert replayed.code == 0, replayed.out
        assert replayed.document["differing"] == 0


def test_an_order_of_a_real_run_is_approved_and_fills_against_its_real_quotes(real):
    document = real.runs["SPX 2019"]
    (order,) = document["orders"]
    approved = called("review", "approve", order["order_id"], "--json")
    assert approved.code == 0, approved.err
    book = called("book", "--feed", "recorded", "--at", document["as_of"], "--json")
    assert book.code == 0, book.err
    held = {position["leg"]["symbol"]: position["quantity"] for position in book.document["positions"]}
    assert held == {leg["symbol"]: leg["quantity"] * order["units"] for leg in order["legs"]}
    worst = 100 * order["worst_per_share"] * order["units"]
    assert worst - order["fees"] <= book.document["cash"] - document["nlv"] <= order["limit_per_unit"] * order["units"]
    assert abs(book.document["nlv"] - document["nlv"]) < order["max_loss"]

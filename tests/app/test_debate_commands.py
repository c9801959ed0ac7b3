"""`desk debate` and `desk costs`: on a run that happened, by rules and before a scripted server."""

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import SecretStr

from app.services.ablation import ablate, past_cases
from app.services.costs import costs
from app.services.doctor import verdicts as doctors_finding
from app.services.health import health
from app.services.journal import Journal
from app.services.verdicts import calibration, drifts, summary_of
from domain.debate import Verdict
from domain.errors import UsageError
from memory.debates import Judged, PostgresDebates
from tests.support.llm_server import LlmServer, edited


@pytest.fixture
def model_server():
    """A judge that doubts; all others are honest."""
    doubt = edited(lambda answer: {**answer, "confidence": answer["confidence"] * 0.8})
    with LlmServer({"judge": [doubt]}) as server:
        yield server


def before(server, config):
    """The configuration of a home whose models are served by `server`."""
    environment = config.environment.model_copy(
        update={"openai_base_url": server.url, "openai_api_key": SecretStr("sk-secret")}
    )
    return replace(config, environment=environment)


def asked(home, question, server=None):
    """An answer over the home's desk, with models if there is a server."""
    from app.wiring import open_desk

    async def ask():
        config = home.configuration()
        config = before(server, config) if server else config
        async with open_desk(config, debate="llm" if server else "rules") as desk:
            return await question(desk)

    return asyncio.run(ask())


def test_ablation_by_rules_agrees_with_itself_and_costs_nothing(audited):
    async def question(desk):
        cases = await past_cases(desk, runs=5)
        return cases, await ablate(desk, cases, engine="rules", repeats=2, token="t")

    cases, rows = asked(audited, question)
    assert len({case.ticker for case in cases}) == len(cases) == 3
    assert [row.variant for row in rows] == ["debate", "order swapped", "single judge"]
    for row in rows:
        assert (row.trials, row.calls, row.usd, row.fell_back) == (2 * len(cases), 0, 0.0, 0)
        assert (row.agreement, row.self_agreement, row.confidence_change) == (1.0, 1.0, 0.0)
        assert sum(row.shares.values()) == pytest.approx(1.0)


def test_ablation_with_models_counts_calls_agreement_and_money_and_costs_tell_them(twin, model_server):
    async def question(desk):
        cases = await past_cases(desk, runs=1)
        rows = await ablate(desk, cases, engine="llm", repeats=2, token="abc")
        return cases, rows, await costs(desk, days=1), await costs(desk, days=1, run_id="ablate-abc-debate-1-1")

    cases, rows, spent, one = asked(twin, question, model_server)
    found = {row.variant: row for row in rows}
    assert list(found) == ["debate", "order swapped", "single judge", "rules", "masked"]
    assert found["rules"].calls == 0
    assert 0 < found["single judge"].calls < found["debate"].calls
    assert found["single judge"].usd < found["debate"].usd
    assert found["debate"].self_agreement == 1.0
    assert found["rules"].confidence > found["debate"].confidence, "the judge doubts"
    assert found["rules"].confidence_change > 0
    assert found["masked"].struck == 0
    masked = {item.ticker for item in model_server.requests} - {case.ticker for case in cases}
    assert masked
    assert all(name.startswith("ASSET-") for name in masked)
    swapped = [item.role for item in model_server.requests if item.role != "judge"]
    assert "bear" in swapped
    total = sum(row.usd for row in rows)
    assert spent["total"]["usd"] == pytest.approx(total)
    assert spent["budget"]["day_usd_left"] == pytest.approx(2.0 - total)
    assert {row["name"] for row in spent["by_agent"]} == {"bull", "bear", "judge"}
    assert (one["total"]["calls"], one["budget"]) == (found["debate"].calls // 2, None)


def test_arguing_the_past_again_spends_todays_budget_and_stops_when_it_is_gone(twin, model_server):
    """The runs are of another year: the limit of the day is that of the day on which the money is spent."""

    async def question(desk):
        budget = desk.configuration.debate.models.budget.model_copy(update={"day_usd": Decimal("0.02")})
        debate = desk.configuration.debate
        debate = debate.model_copy(update={"models": debate.models.model_copy(update={"budget": budget})})
        graph = desk.configuration.graph.model_copy(update={"debate": debate})
        poor = replace(desk, configuration=replace(desk.configuration, graph=graph))
        cases = await past_cases(poor, runs=1)
        rows = await ablate(poor, cases, engine="llm", repeats=3, token="poor")
        stored = [await poor.models.calls(f"ablate-poor-debate-{repeat}-1") for repeat in (1, 2, 3)]
        return rows, [call.error for calls in stored for call in calls], await costs(poor, days=1)

    rows, errors, spent = asked(twin, question, model_server)
    assert "budget_day_usd" in errors
    because = sum((Counter(row.fell_because) for row in rows), Counter())
    assert because["budget_day_usd"] == sum(row.fell_back for row in rows) > 0
    assert 0 < spent["budget"]["day_usd_spent"] <= 0.02
    assert spent["total"]["turned_away"] > 0


async def test_without_a_finished_run_there_is_nothing_to_argue_again(desk):
    with pytest.raises(UsageError, match="No finished run of simulated debated anything"):
        await past_cases(desk, runs=3)


def test_the_commands_print_and_speak_json(audited, capsys):
    code, told = audited.json(capsys, "debate", "ablate", "--runs", "1", "--repeats", "1", "--debate", "rules")
    assert (code, told["engine"], told["cases"]) == (0, "rules", 3)
    assert told["variants"][0]["self_agreement"] is None
    for words, said in (
        (("debate", "ablate", "--debate", "rules"), "By rules neither order nor repeats"),
        (("debate", "verdicts"), "Too few debates to compare"),
        (("debate", "calibration"), "nothing to score"),
        (("costs",), "debates by rules cost nothing"),
        (("costs", "--run", "last"), "No model was asked"),
    ):
        code, out, _ = audited.desk(capsys, *words)
        assert code == 0
        assert said in " ".join(out.split())
    assert audited.json(capsys, "debate", "verdicts")[1]["alarm"] is None
    assert audited.json(capsys, "debate", "calibration")[1]["voices"] == []
    assert audited.json(capsys, "costs")[1]["total"]["calls"] == 0


def test_the_latest_debates_come_first_from_the_log(audited):
    async def question(desk):
        return await PostgresDebates(desk.engine, account=desk.account).judged(2), await drifts(
            desk.engine, desk.account, desk.configuration.debate.alarm
        )

    judged, found = asked(audited, question)
    assert len(judged) == 2
    assert {item.engine for item in judged} == {"rules"}
    assert all(item.run_id == audited.run_id for item in judged)
    assert found["rules"].recent == 3
    assert summary_of(found).startswith("rules: ")


async def test_a_shift_of_verdicts_warns_in_doctor_and_health(desk, monkeypatch):
    def judged(many):
        async def found(self, limit):
            mixed = [Verdict.BULL, Verdict.BEAR, Verdict.INCONCLUSIVE]
            lately = [Judged("r", "SPY", "llm", Verdict.INCONCLUSIVE)] * many
            return (*lately, *(Judged("r", "SPY", "llm", mixed[n % 3]) for n in range(200)))[:limit]

        return found

    monkeypatch.setattr(PostgresDebates, "judged", judged(0))
    assert (await doctors_finding(desk.engine, desk.configuration)).status == "ok"
    monkeypatch.setattr(PostgresDebates, "judged", judged(40))
    finding = await doctors_finding(desk.engine, desk.configuration)
    assert finding.status == "warn"
    assert finding.detail.startswith("llm: inconclusive 100% lately, 33% before (z +7.7), ")
    assert "ablate" in finding.remedy
    told = await health(desk.configuration, Journal(desk=desk), desk.account)
    assert told.components["verdicts"].status == "warn"
    assert told.components["verdicts"].numbers["llm_inconclusive"] == 1.0


async def test_a_closed_position_is_scored_and_the_screen_shows_its_voices(desk, staged, monkeypatch):
    from rich.console import Console

    from app.screens.debate import show_calibration, show_verdicts
    from portfolio.forecasts import Forecast

    at = staged.staged_at
    found = tuple(
        Forecast(kind=kind, name=name, order_id="O-1", probability=p, happened=happened, known_at=at)
        for kind, name in (("source", "flow"), ("engine", "rules"))
        for p, happened in ((0.8, True), (0.7, True), (0.6, False))
    )

    async def forecasts(as_of):
        return found

    monkeypatch.setattr(desk.state, "forecasts", forecasts)
    told = await calibration(desk, at)
    assert [(row["kind"], row["name"], row["count"], row["hits"]) for row in told["voices"]] == [
        ("engine", "rules", 3, 2), ("source", "flow", 3, 2),
    ]  # fmt: skip
    assert told["voices"][0]["factor"] is None
    assert told["voices"][1]["factor"] == pytest.approx(2 * (2 + 10) / 23)
    for width in (80, 140):
        console = Console(width=width, record=True)
        show_calibration(console, told)
        drift = {"shifts": [{"verdict": "bull", "recent": 0.9, "base": 0.2, "z": 5.0, "alarming": True}]}
        show_verdicts(console, {"alarm": "x", "engines": {"llm": {**drift, "recent": 40, "base": 200, "judged": True}}})
        text = console.export_text()
        assert "source flow" in text
        assert "×1.04" in text
        assert "alarm" in text
        assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [80, 140])
def test_no_screen_is_too_narrow_to_say_why_the_rules_spoke(width):
    from rich.console import Console

    from app.screens.run import argument

    debate = {
        "ticker": "SPY", "claims": [], "verdict": "bull", "confidence": 0.5, "vol_view": "short", "engine": "rules",
        "fell_back": "bull round 1: no_connection, then breaker_open", "masked": False, "stopped": None,
        "thesis": "Up.",
    }  # fmt: skip
    console = Console(width=width, record=True)
    console.print(argument(debate))
    assert "rules spoke for the model: bull round 1: no_connection, then breaker_open" in console.export_text()

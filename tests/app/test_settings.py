"""Settings: overlays by key, faults that name file and key, empty variables, and limits nobody can loosen."""

import json

import pytest

from app.cli.outcome import guarded
from app.cli.root import app
from app.settings import DeskSettings, Environment, load, read_yaml, shipped_config
from app.wiring import chosen_engine, configuration
from domain.errors import ConfigError
from risk.settings import RiskSettings


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write files of the user's own configuration folder."""
    monkeypatch.setenv("DESK_CONFIG", str(tmp_path))
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_the_shipped_configuration_is_valid_as_it_stands(own):
    own()
    config = configuration()
    assert config.desk.feed == "simulated"
    assert config.graph.risk.hard.contracts_per_order == 10


def test_an_overlay_changes_only_the_keys_it_names(own):
    folder = own(desk="schedule: {misfire_grace_minutes: 3}\n")
    merged = load(DeskSettings, "desk", folder)
    assert merged.schedule.misfire_grace_minutes == 3
    assert merged.schedule.times == load(DeskSettings, "desk", None).schedule.times


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("desk", "fed: recorded\n", ["desk.yaml", "unknown key 'fed'", "feed"]),
        ("desk", "schedule: {tims: ['09:35']}\n", ["desk.yaml", "schedule.tims", "times"]),
        ("desk", "schedule: {times: ['12:00', '09:35']}\n", ["schedule.times", "ascending"]),
        ("desk", "auto_execute: true\n", ["auto_execute", "track record"]),
        ("strategies", "min_popp: 3\n", ["strategies.yaml", "unknown key 'min_popp'", "selector"]),
        ("execution", "papr: {}\n", ["execution.yaml", "unknown key 'papr'", "paper"]),
        ("feeds", "cbeo: {}\n", ["feeds.yaml", "unknown key 'cbeo'", "cboe"]),
        ("signal", "rank: {top_n: 5}\n", ["signal.yaml", "no configuration file", "signals.yaml"]),
        ("desk", "just a sentence\n", ["keys and values"]),
        ("desk", "debate_timeout_s: 150\n", ["150 s (debate_seconds)", "debate_timeout_s", "exits"]),
        ("debate", "models: {reader: m, timeout_seconds: 120}\n", ["(timeout_seconds)", "below node_timeout_s"]),
        (
            "debate",
            "models: {providers: {local: {url: '127.0.0.1:11434', models: [m]}}}\n",
            ["debate.yaml", "models.providers.local.url", "no address of a server"],
        ),
        ("desk", "feed: [\n", ["not readable YAML"]),
        ("risk_matrix", "hard: {contracts_per_order: 50}\n", ["risk_matrix.yaml", "hard.contracts_per_order", "10"]),
        ("risk_matrix", "hard: {naked_short_options: 1}\n", ["hard.naked_short_options"]),
        ("signals", "rank: {top_n: 0}\n", ["signals.yaml", "rank.top_n"]),
        (
            "position_rules",
            "default: [{rule: stop_los, share: 0.5}]\n",
            ["position_rules.yaml", "default.0", "'stop_los'", "'stop_loss'", "'exit_dte'", "'any_of'"],
        ),
        (
            "position_rules",
            "strategies: {iron_condor: [{rule: stop_loss, shar: 0.5}]}\n",
            ["strategies.iron_condor.0.stop_loss.shar'", "known here: of, rule, share", "share: Field required"],
        ),
        (
            "position_rules",
            "default: [{rule: any_of, of: [{rule: exit_dte, dayz: 1, days: 1}]}]\n",
            ["default.0.any_of.of.0.exit_dte.dayz", "known here: days, leg, rule"],
        ),
        ("position_rules", "default: [{rule: stop_loss, share: many}]\n", ["stop_loss.share", "valid number"]),
        ("position_rules", "default: [{rule: stop_loss, share: -1}]\n", ["stop_loss.share", "greater than 0"]),
        ("position_rules", "default: {rule: stop_loss}\n", ["position_rules.yaml", "default", "tuple"]),
        ("position_rules", "families: {vertical: []}\n", ["families has no vertical", "credit_vertical"]),
        ("position_rules", "strategies: {condor: []}\n", ["strategies has no condor", "iron_condor"]),
        ("position_rules", "orders: [{rule: stop_loss}]\n", ["orders.0", "'stop_loss'", "'max_sector'"]),
        (
            "strategies",
            "legs: {structures: [{strategy: iron_condor, exits: {}}]}\n",
            ["strategies.yaml, legs", "structures.0.iron_condor.exits", "known here: balance"],
        ),
    ],
)
def test_a_fault_is_one_sentence_that_names_file_and_key(own, file, text, says):
    own(**{file: text})
    with pytest.raises(ConfigError) as fault:
        configuration()
    assert all(word in str(fault.value) for word in says), str(fault.value)


def test_a_hard_limit_can_be_tightened_by_an_overlay(own):
    folder = own(risk_matrix="hard: {contracts_per_order: 2}\n")
    assert load(RiskSettings, "risk_matrix", folder).hard.contracts_per_order == 2


def test_a_missing_folder_or_file_says_so(own, monkeypatch):
    own()
    with pytest.raises(ConfigError, match=r"nothing\.yaml is missing"):
        read_yaml("nothing", None)
    monkeypatch.setenv("DESK_CONFIG", "/nowhere")
    with pytest.raises(ConfigError, match="no folder"):
        configuration()


def test_an_empty_variable_is_unset_and_does_not_turn_the_model_on(own, monkeypatch):
    own()
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    config = configuration()
    assert config.environment.openai_api_key is None
    assert chosen_engine(config, None) == "rules"
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        chosen_engine(config, "llm")


@pytest.mark.parametrize(("variable", "value"), [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")])
def test_a_key_or_an_endpoint_turns_the_model_on(own, monkeypatch, variable, value):
    own()
    monkeypatch.setenv(variable, value)
    assert chosen_engine(configuration(), None) == "llm"
    assert chosen_engine(configuration(), "rules") == "rules"


def test_secrets_are_not_in_the_text_of_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert "very-secret" not in repr(Environment())


@pytest.mark.parametrize("arguments", [["config", "show"], ["config", "show", "--json"]])
def test_what_is_in_force_can_be_shown(own, capsys, arguments):
    own(desk="schedule: {times: ['09:40']}\n")
    assert guarded(app, arguments) == 0
    shown = capsys.readouterr().out
    assert "09:40:00" in shown
    if "--json" in arguments:
        assert json.loads(shown)["desk"]["schedule"]["times"] == ["09:40:00"]


def test_every_configuration_file_is_shown(own, capsys):
    own()
    assert guarded(app, ["config", "show", "--json"]) == 0
    shown = set(json.loads(capsys.readouterr().out))
    called = {"position_rules": "positions", "risk_matrix": "risk"}
    files = {path.stem for path in shipped_config().glob("*.yaml")} - {"columns.example"}
    assert {called.get(name, name) for name in files} <= shown


@pytest.mark.parametrize("url", ["127.0.0.1:11434/v1", "ftp://models", "http://127.0.0.1:99999/v1", "http://[bad"])
def test_an_endpoint_that_nothing_can_be_sent_to_is_a_fault_of_the_environment(own, monkeypatch, url):
    own()
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL"):
        configuration()

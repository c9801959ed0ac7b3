"""The journal and the health report in Prometheus' words."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.registry import ANALYSTS
from app.services.health import Health
from app.services.journal import Journal
from app.versions import code_version
from domain.risk import TradingState


def exposition(journal: Journal, report: Health) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Desk(journal, report))
    return generate_latest(registry)


class _Desk(Collector):
    def __init__(self, journal: Journal, report: Health) -> None:
        self._journal = journal
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Every family, once."""
        journal, report = self._journal, self._report
        info = InfoMetricFamily("desk", "Which code serves which account.")
        info.add_metric([], {"version": code_version(), "account": report.account})
        yield info
        yield _gauge("desk_up", "1 unless a component fails.", float(report.status != "fail"))
        up = GaugeMetricFamily("desk_component_up", "1 unless the component fails.", labels=["component"])
        for name, component in report.components.items():
            up.add_metric([name], float(component.status != "fail"))
        yield up
        yield from _switches(report)
        yield _counter("desk_runs", "Slots and runs by what became of them.", "outcome", journal.outcomes)
        yield _counter("desk_orders", "Orders that the worker dealt with, by state.", "state", journal.orders)
        yield CounterMetricFamily("desk_clock_jumps", "Jumps of the wall clock.", value=journal.jumps)
        yield _gauge("desk_failed_rounds", "Rounds in a row that the machine cut short.", journal.faults)
        free = report.components["disk"].numbers["free_bytes"]
        yield _gauge("desk_disk_free_bytes", "Room under DESK_HOME.", float(free) if isinstance(free, int) else 0.0)
        if journal.last_run:
            last = journal.last_run.at.timestamp()
            yield _gauge("desk_last_run_timestamp_seconds", "When the last run ended here.", last)
        if journal.next:
            following = journal.next.at.timestamp()
            yield _gauge("desk_next_run_timestamp_seconds", "When the next slot is due.", following)
        if journal.findings:
            took = GaugeMetricFamily("desk_node_seconds", "Duration of each step of the last run.", labels=["node"])
            for node, milliseconds in sorted(journal.findings.durations_ms.items()):
                took.add_metric([node], milliseconds / 1e3)
            yield took


def _switches(report: Health) -> Iterator[Metric]:
    """The trading state and who is halted; nothing while the database cannot be asked."""
    trading = report.components.get("trading")
    if trading is None:
        return
    state = GaugeMetricFamily("desk_trading_state", "1 for the state that trading is in.", labels=["state"])
    for each in TradingState:
        state.add_metric([each.value], float(trading.numbers["state"] == each.value))
    yield state
    since = trading.numbers["since"]
    if isinstance(since, str):
        entered = datetime.fromisoformat(since).timestamp()
        yield _gauge("desk_trading_state_since_seconds", "When the switch was set that decides it.", entered)
    halted = GaugeMetricFamily("desk_agent_halted", "1 while an analyst is halted.", labels=["agent"])
    named = str(trading.numbers["halted_agents"]).split(", ")
    for analyst in ANALYSTS:
        halted.add_metric([analyst.name], float(analyst.name in named))
    yield halted


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value)


def _counter(name: str, documentation: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family

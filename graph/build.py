"""The decision graph. This file is its table of contents."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from agents.registry import ANALYSTS
from domain.signals import AnalystReport, CompositeSignal, Signal
from graph.deps import Deps
from graph.nodes.aggregate import aggregate
from graph.nodes.allocator import allocator
from graph.nodes.analysts import failure, reading
from graph.nodes.collect import collect
from graph.nodes.debate import debate
from graph.nodes.manage import manage
from graph.nodes.recall import recall
from graph.nodes.record import record
from graph.nodes.risk_gate import risk_gate
from graph.nodes.stage import stage
from graph.nodes.strategy_selector import strategy_selector
from graph.state import BranchState, RunInput, RunState
from graph.step import node

Graph = CompiledStateGraph[RunState, Deps, RunInput, RunState]


def build(checkpointer: BaseCheckpointSaver[Any] | None = None) -> Graph:
    """Compile the graph; without a checkpointer it cannot be resumed (replay, drawing)."""
    graph = StateGraph(RunState, context_schema=Deps, input_schema=RunInput)
    step = partial(node, timeout_s=lambda deps: deps.settings.node_timeout_s)

    graph.add_node("collect", step("collect", collect))
    graph.add_node("manage", step("manage", manage))
    for analyst in ANALYSTS:
        graph.add_node(analyst.name, _analyst(analyst))
    graph.add_node("aggregate", step("aggregate", aggregate))
    graph.add_node("recall", step("recall", recall))
    graph.add_node("debate", node("debate", debate, timeout_s=lambda deps: deps.settings.debate_timeout_s))
    graph.add_node("risk_gate", step("risk_gate", risk_gate))
    graph.add_node("strategy_selector", step("strategy_selector", strategy_selector))
    graph.add_node("allocator", step("allocator", allocator))
    graph.add_node("stage", step("stage", stage))
    graph.add_node("record", step("record", record))

    graph.add_edge(START, "collect")
    graph.add_edge("collect", "manage")
    for analyst in ANALYSTS:
        graph.add_edge("manage", analyst.name)
    graph.add_edge([analyst.name for analyst in ANALYSTS], "aggregate")
    graph.add_edge("aggregate", "recall")
    graph.add_conditional_edges("recall", debates_or_gate, ["debate", "risk_gate"])
    graph.add_edge("debate", "risk_gate")
    graph.add_edge("risk_gate", "strategy_selector")
    graph.add_edge("strategy_selector", "allocator")
    graph.add_edge("allocator", "stage")
    graph.add_edge("stage", "record")
    graph.add_edge("record", END)
    return graph.compile(checkpointer=checkpointer)


def debates_or_gate(state: RunState) -> list[Send] | str:
    """One debate per ranked ticker, in parallel; with nobody ranked the gate records that."""
    branches = [
        Send(
            "debate",
            BranchState(
                run=state["run"],
                snapshot_id=state["snapshot_id"],
                ticker=item.ticker,
                composite=state["composites"][item.ticker],
                signals=_behind(state["composites"][item.ticker], state["reports"]),
                memories=state["memories"].get(item.ticker, []),
            ),
        )
        for item in state["ranking"]
        if item.debated
    ]
    return branches or "risk_gate"


def _behind(composite: CompositeSignal, reports: Mapping[str, AnalystReport]) -> list[Signal]:
    """A branch carries no more than it argues from: every one is written to the checkpoint whole."""
    wanted = {contribution.signal_id for contribution in composite.contributions}
    return [signal for source in sorted(reports) for signal in reports[source].signals if signal.id in wanted]


def _analyst(analyst: Any) -> Any:
    return node(
        analyst.name,
        reading(analyst),
        timeout_s=lambda deps: deps.settings.analyst_timeout_s,
        on_failure=failure(analyst.name),
    )


@cache
def mermaid() -> str:
    """The compiled graph as Mermaid text."""
    return build().get_graph().draw_mermaid()

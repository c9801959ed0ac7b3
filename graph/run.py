"""Start or resume one run of the graph."""

from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Durability

from domain.run import RunRequest
from graph.build import Graph
from graph.deps import Deps
from graph.state import RunInput, RunState

if TYPE_CHECKING:
    from langgraph.runtime import RunControl


async def run_graph(graph: Graph, request: RunRequest, deps: Deps, control: "RunControl | None" = None) -> RunState:
    """Run to the end; a run that was cut off continues at the node where it stopped.

    The thread is the run id. Re-invoking a thread with fresh input would append to its reducers, so what the
    checkpoint says comes first. `control` can stop it between two steps (`GraphDrained`).
    """
    config: RunnableConfig = {"configurable": {"thread_id": request.run_id}, "recursion_limit": 50}
    start: RunInput | None = RunInput(run=request)
    if graph.checkpointer:
        known = await graph.aget_state(config)
        if known.values and not known.next:
            return _state(known.values)
        if known.next:
            start = None
    durability: Durability | None = (
        "sync" if graph.checkpointer else None
    )  # LangGraph 1.2 fails over "sync" without one
    return _state(await graph.ainvoke(start, config, context=deps, durability=durability, control=control))


def _state(values: Any) -> RunState:
    return cast("RunState", values)

"""The same shape of work in LangGraph: a graph of five steps whose nodes do nothing, many threads at once, every step
checkpointed by its SQLite checkpointer. Prints one line of JSON. Usage: langgraph_loops.py DATABASE LOOPS CALLERS"""
import asyncio
import json
import sqlite3
import sys
import time
from importlib.metadata import version
from operator import add
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    message: str
    events: Annotated[list[str], add]


def step(name):
    async def run(state):
        return {"events": [name]}

    return run


def build(saver):
    graph = StateGraph(State)
    names = ["think", "look_left", "look_right", "think_again", "conclude"]
    for name in names:
        graph.add_node(name, step(name))
    for before, after in zip([START, *names], [*names, END]):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=saver)


async def main(database, loops, callers):
    async with AsyncSqliteSaver.from_conn_string(database) as saver:
        await saver.setup()
        # Durable as ours is: on disk before the next step counts.
        await saver.conn.execute("PRAGMA synchronous=FULL")
        graph, rest = build(saver), iter(range(loops))

        async def caller():
            for n in rest:
                config = {"configurable": {"thread_id": str(n)}}
                await graph.ainvoke({"message": f"payment {n} timed out", "events": []}, config, durability="sync")

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        seconds = time.perf_counter() - began
    rows = sqlite3.connect(database).execute("SELECT COUNT(*), COUNT(DISTINCT thread_id) FROM checkpoints").fetchone()
    print(json.dumps({
        "loops": loops, "seconds": seconds, "per_second": loops / seconds, "checkpoints": rows[0], "threads": rows[1],
        "version": f"langgraph {version('langgraph')}, langgraph-checkpoint-sqlite {version('langgraph-checkpoint-sqlite')}",
    }))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

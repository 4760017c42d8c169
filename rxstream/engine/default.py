"""The engine behind `graph.start()` and `graph.run()`: one in memory for each event loop."""

from __future__ import annotations

import asyncio
import weakref

from rxstream.engine.engine import Engine
from rxstream.engine.execution import Execution
from rxstream.graph.build import BoundGraph, Graph

_engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = weakref.WeakKeyDictionary()


async def default_engine() -> Engine:
    """The engine in memory of the running loop, opened."""
    loop = asyncio.get_running_loop()
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = Engine()
        await engine.open()
    return engine


class Launcher:
    """See `rxstream.graph.build.Launcher`."""

    async def start(self, bound: BoundGraph) -> Execution:
        """Start a graph on the default engine."""
        return await (await default_engine()).start(bound)


Graph.launcher = Launcher()

"""Answers queries in several processes, each query with a time-out.

Knows nothing of what is asked: `ask(query, timeout)` is all it calls, in children that were forked with everything already
built.  A child that does not come back in time is killed, its query unknown; the others go on.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from checker.deadline import paused
from checker.engines.smt.plan import Answered, Query

Ask = Callable[[Query, float | None], Answered]
GRACE = 2.0  # seconds that a solver may need to notice that its time is over


@dataclass
class _Child:
    process: Any
    pipe: Connection
    query: Query | None = None
    since: float = 0.0

    def send(self, q: Query) -> None:
        self.query, self.since = q, time.perf_counter()
        self.pipe.send(q)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def answers(
    queries: list[Query], ask: Ask, jobs: int = 1, timeout: float | None = None, end: float | None = None
) -> Iterator[Answered]:
    """The answers, as they come.  `timeout`: seconds for each; `end`: when all must be over (as time.perf_counter counts)."""
    jobs = min(jobs, len(queries) // 4)  # a child costs more than a few queries
    if jobs < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from (ask(q, timeout) for q in queries)
        return
    left = list(reversed(queries))
    with paused():
        children = [_start(ask, timeout) for _ in range(jobs)]
        try:
            while left or any(c.query for c in children):
                for c in children:
                    if left and c.query is None:
                        c.send(left.pop())
                yield from _collect(children, ask, timeout, end)
        finally:
            for c in children:
                c.kill()


def _collect(children: list[_Child], ask: Ask, timeout: float | None, end: float | None) -> Iterator[Answered]:
    """What has been answered by now; children that are late or dead are replaced."""
    busy = [c for c in children if c.query]
    latest = float("inf") if end is None else end + GRACE / 2
    wait([c.pipe for c in busy], 0.5)
    for i, c in enumerate(children):
        if c.query is None:
            continue
        spent = time.perf_counter() - c.since
        try:
            found = c.pipe.recv() if c.pipe.poll() else None
        except (EOFError, OSError):  # killed from outside: out of memory, perhaps
            found = Answered(c.query, "unknown", spent)
            c.kill()
            children[i] = _start(ask, timeout)
        late = (timeout is not None and spent > timeout + GRACE) or time.perf_counter() > latest
        if found is None and late:
            found = Answered(c.query, "unknown", spent)
            c.kill()
            children[i] = _start(ask, timeout)
        if isinstance(found, Exception):
            raise found
        if found is not None:
            c.query = None
            yield found


def _start(ask: Ask, timeout: float | None) -> _Child:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, ask, timeout), daemon=True)
    process.start()
    theirs.close()
    return _Child(process, ours)


def _serve(pipe: Connection, ask: Ask, timeout: float | None) -> None:
    """A child's life.  A bug in `ask` is raised again in the parent."""
    try:
        while True:
            query = pipe.recv()
            try:
                pipe.send(ask(query, timeout))
            except Exception as why:
                pipe.send(RuntimeError(f"{type(why).__name__}: {why}"))
    except (EOFError, OSError, KeyboardInterrupt):
        return

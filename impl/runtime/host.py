"""One node for real: the core behind TCP, with SQLite as its disk and the wall clock for its timers.

    python -m impl.runtime.host DIR NAME            one node of the cluster that DIR/cluster.json describes

A step is persisted and synced before any of its messages leaves; steps of the same moment share a transaction.  Over a set
network messages are sent once and may be lost.  Over a bag or fifo network a message stays in the outbox until the receiver
has it on disk, so it survives broken connections and restarts, and is handled exactly once, in the order of its sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import signal
import sqlite3
import stat
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from checker.failures import failure
from impl.runtime.core import Core, Envelope, Ready, SpecFault
from impl.runtime.kv import Command, Refused, Replica
from impl.runtime.plan import Address, Plan
from impl.runtime.protocol import Moment
from impl.runtime.record import Recorder
from impl.runtime.store import Batch, Store, Unreadable
from impl.runtime.wire import DECODER, ENCODER, BadFrame, frame, pack, read_frame, unpack

LISTENS = 3.0  # seconds in which a port gets free that was in use: of a node that is just being stopped
PENDING = 1000  # so many messages wait for a connection of a set network
UNSENT = 1 << 20  # and so many to be sent by one, as a step may send many
RETRY = 0.05, 1.0  # seconds until a broken connection is tried again: at first, at most

PULSE, PULSE_LASTS = 0.1, 0.4  # seconds between two pulses; until one is too old
PULSE_NUMBER = -1  # instead of a message's

CLIENT = "a client"  # how a client introduces itself

Endpoint = tuple[str, int]


class Failed(Exception):
    """What a node cannot do, in words."""


@dataclass
class Link:
    """What is to be sent to one other node."""

    target: str
    waiting: deque[bytes]
    wake: asyncio.Event
    sent: int = 0  # the last number given to this connection
    writer: asyncio.StreamWriter | None = None


class Host:
    """A running node.  `finished` is set when it has to stop; `fault` says why, if a spec fault did it, `failure` if it can
    write no more.  `tell` is told what people may want to know meanwhile."""

    def __init__(
        self,
        plan: Plan,
        address: Address,
        endpoints: dict[str, Endpoint],
        store: Store,
        recorder: Recorder | None = None,
        tell: Callable[[dict[str, Any]], None] = lambda news: None,
    ) -> None:
        self.plan, self.address, self.endpoints, self.store, self.recorder = plan, address, endpoints, store, recorder
        self.reliable = plan.network != "set"
        self.rng = random.Random()
        self.core = Core(plan, address, self.rng)
        service = plan.protocol.service
        self.replica = Replica(service, self.core.process) if service else None
        self.links = {n: Link(n, deque(), asyncio.Event()) for n in endpoints if n != address.name}
        self.timers: dict[str, asyncio.TimerHandle] = {}
        self.lately: dict[str, Moment] = {}  # when an action was last due
        self.counts: Counter[str] = Counter()
        self.fault: SpecFault | None = None
        self.failure: str | None = None
        self.listening, self.finished = asyncio.Event(), asyncio.Event()
        self.numbers: dict[str, tuple[str, int]] = {}  # message id → where it is in the inbox table
        self.tasks: set[asyncio.Task[None]] = set()
        self.batch, self.flushing = Batch(), False
        self.heard: dict[str, tuple[float, Any]] = {}  # node → when and what it has told of itself
        self.leads = False
        self.full: str | None = None  # why it takes no more requests
        self.tell = tell

    async def run(self) -> None:
        """Until `finished` is set.  Raises Failed."""
        server = await self._listen()
        self.listening.set()
        tasks = [asyncio.create_task(self._connect(link)) for link in self.links.values()]
        self._guard(self._start)
        self._pulse()
        await self.finished.wait()
        self._flush()
        server.close()
        for timer in self.timers.values():
            timer.cancel()
        for task in (*tasks, *self.tasks):
            task.cancel()
        await asyncio.gather(*tasks, *self.tasks, return_exceptions=True)

    async def _listen(self) -> asyncio.Server:
        host, port = self.endpoints[self.address.name]
        end = time.monotonic() + LISTENS
        while True:
            try:
                return await asyncio.start_server(self._serve, host, port)
            except OSError as why:
                if why.errno != errno.EADDRINUSE or time.monotonic() > end:
                    text = os.strerror(why.errno) if why.errno else str(why)
                    raise Failed(f"{self.address.name} cannot listen at {host}:{port}: {text}") from None
            await asyncio.sleep(0.1)

    def _guard(self, act: Any, *args: Any) -> None:
        """Acts; a spec fault ends the node, and so does a disk that does not take what it is given."""
        if self.finished.is_set():
            return
        try:
            act(*args)
        except SpecFault as fault:
            self._flush()
            self.fault = fault
            self.finished.set()
        except (OSError, sqlite3.Error) as why:
            self._fail(why)

    def _fail(self, why: Exception) -> None:
        """Nothing more leaves this node: what it says has to be on its disk."""
        self.failure = self.failure or f"{self.address.name} cannot write to its disk: {why}"
        self.finished.set()

    # steps

    def _start(self) -> None:
        boots = self.store.boot()
        if self.recorder:
            self.recorder.begin(time.time())
        self._take(self.core.boot(self.store.state(), boots, {self.address.name: boots << 32}))
        for source, number, body in self.store.inbox():
            self._offer(source, number, body)
        for name in self.core.process.spontaneous:
            self._arm(name)
        self._work()

    def _work(self) -> None:
        """Does what can be done now; after some steps others get their turn."""
        for _ in range(100):
            ready = self.core.poll() or self._eager()
            if ready is None:
                return
            self._take(ready)
        self._soon(self._work)

    def _eager(self) -> Ready | None:
        protocol = self.plan.protocol
        names = (n for n in self.core.process.spontaneous if protocol.timer(n).eager and protocol.alone(n))
        return next((ready for n in names if (ready := self.core.attempt(n)) is not None), None)

    def _take(self, ready: Ready) -> None:
        """A step is persisted, together with others of the same moment, and then let out."""
        batch = self.batch
        batch.persist |= ready.persist
        if ready.action.action.kind == "start":
            self.store.started()
        if self.reliable:
            self._keep(ready)
        batch.steps.append(ready)
        batch.then.append(partial(self._out, ready))
        self.counts[ready.name] += 1
        for name in self.core.process.spontaneous:
            if ready.name in self.plan.protocol.timer(name).resets:
                self._arm(name)
        self._flush_soon()

    def _keep(self, ready: Ready) -> None:
        """What a reliable network keeps: the messages of a step, and not any more the one that it handled."""
        if ready.received and (handled := self.numbers.pop(ready.received.id, None)):
            self.batch.handle(*handled)
        for e in ready.send:
            number, body = self.store.count(f"to {e.target}"), self._body(e)
            if e.target == self.address.name:
                self.batch.inbox[e.target, number] = body
                self.batch.then.append(partial(self._soon, self._again_from, e.target, number, body))
            else:
                self.batch.outbox.append((e.target, number, body))

    def _out(self, ready: Ready) -> None:
        """A step is on disk."""
        for e in ready.send:
            if e.target != self.address.name:
                self._send(e)
            elif not self.reliable:
                self._soon(self._arrived, e)
        if self.replica:
            self.replica.advance(ready.state)
            self._news(self.replica)

    def _soon(self, act: Any, *args: Any) -> None:
        asyncio.get_running_loop().call_soon(self._guard, act, *args)

    def _flush_soon(self) -> None:
        """Whatever else is there to be done now gets into the same transaction: one sync for many steps under load."""
        if not self.flushing:
            self.flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Syncs what the steps since the last time leave on disk; then their messages and answers leave."""
        if self.failure is None:
            try:
                self._sync()
            except (OSError, sqlite3.Error) as why:
                self._fail(why)

    def _sync(self) -> None:
        batch, self.batch, self.flushing = self.batch, Batch(), False
        if batch.persist or batch.inbox or batch.handled or batch.outbox or self.store.counted:
            self.store.commit(batch)
        else:
            self.batch.acknowledged = batch.acknowledged
        if self.recorder:  # before anyone else learns of it, so that who is killed then has written what he did
            for ready in batch.steps:
                self.recorder.step(time.time(), ready)
            self.recorder.flush()
        for act in batch.then:
            act()

    def _news(self, replica: Replica) -> None:
        """Has this node become the one that takes commands, or ceased to be?"""
        leads = replica.takes and replica.service.ready(self.core.state, self.address.identity)
        if leads != self.leads:
            self.leads = leads
            self.tell({"leads": leads, "executed": replica.applied})

    # timers

    def _arm(self, name: str) -> None:
        timer = self.plan.protocol.timer(name)
        if timer.eager or not self.plan.protocol.alone(name):
            return
        if name in self.timers:
            self.timers[name].cancel()
        delay = self.rng.uniform(timer.low, timer.high)
        self.timers[name] = asyncio.get_running_loop().call_later(delay, self._guard, self._tick, name)

    def _tick(self, name: str) -> None:
        self._arm(name)
        if unless := self.plan.protocol.timer(name).unless:
            before, self.lately[name] = self.lately.get(name), Moment(self.core.state, self._heard())
            if unless(self.lately[name], self.address.identity, before):
                return
        for known in self.core.ways(name, self.plan.protocol.timer(name)):
            ready = self.core.attempt(name, known)
            if ready is not None:
                self._take(ready)
        self._work()

    def _pulse(self) -> None:
        """Tells the others of its kind again how things are here."""
        pulse = self.plan.protocol.pulse
        if pulse and not self.finished.is_set():
            data = frame([PULSE_NUMBER, pulse(self.core.state)])
            for a in self.plan.kin(self.address):
                if (writer := self.links[a.name].writer) and not writer.is_closing():
                    writer.write(data)
            asyncio.get_running_loop().call_later(PULSE, self._pulse)

    def _heard(self) -> dict[Any, Any]:
        """What the others of its kind have told lately."""
        now = time.monotonic()
        return {self.plan.addresses[n].identity: x for n, (at, x) in self.heard.items() if now - at < PULSE_LASTS}

    # the network: what arrives

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, BadFrame, asyncio.CancelledError):
            source = await read_frame(reader)
            if source == CLIENT:
                await self._client(reader, writer)
            while source in self.links:
                number, body = await read_frame(reader)
                if number == PULSE_NUMBER:
                    self.heard[source] = time.monotonic(), body
                elif not self.reliable:
                    self._guard(self._arrived, self._envelope(source, body))
                else:
                    if number > self.store.counter(f"from {source}"):
                        self.store.count(f"from {source}", number)
                        self.batch.inbox[source, number] = body
                        self._guard(self._again_from, source, number, body)
                    self.batch.then.append(partial(_acknowledge, writer, number))
                    self._flush_soon()
        writer.close()
        self.tasks.discard(task)

    # clients

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers requests of one client: [number, True, result], or [number, False, None] where another node has to, or
        [number, False, True] where this one has taken it and another executes it, or [number, False, why] if it is not executed.
        Number 0 is answered with how many commands have been executed here."""
        while True:
            match await read_frame(reader):
                case [str() as session, int() as number, str() as op, *args]:
                    self._guard(self._request, Command(session, number, op, tuple(args)), writer)
                case other:
                    raise BadFrame(f"{other} is no request")

    def _request(self, c: Command, writer: asyncio.StreamWriter) -> None:
        def say(done: bool, what: Any) -> None:
            if not writer.is_closing():
                writer.write(frame([c.number, done, what]))

        def answer(result: Any) -> None:
            if isinstance(result, Refused):
                say(False, result.why)
                return
            if self.recorder:
                self.recorder.line(time.time(), self.address.name, "return", client=c.session, number=c.number, result=result)
                self.recorder.flush()
            say(True, result)

        replica = self.replica
        if replica is None:
            say(False, f"{self.plan.nodes.instance.model.name} serves no clients")
        elif c.number <= 0:
            say(replica.executes, replica.machine.applied if replica.executes else None)
        else:
            self._ask(replica, c, say, answer)

    def _ask(self, replica: Replica, c: Command, say: Callable[[bool, Any], None], answer: Callable[[Any], None]) -> None:
        if self.recorder:
            self.recorder.line(time.time(), self.address.name, "invoke", client=c.session, number=c.number, op=c.op, args=c.args)
        try:
            found = replica.request(self.core, c, answer)
        except ValueError as why:
            say(False, str(why))
            return
        if isinstance(found, Ready):
            self._take(found)
            self._work()
        if not found:
            say(False, self._full(replica))
        elif not replica.executes:
            say(False, True)

    def _full(self, replica: Replica) -> str | None:
        """Why a node that leads takes no request nevertheless, if that is because of a size; it is told once."""
        me = self.address
        if not (replica.takes and replica.service.ready(self.core.state, me.identity)):
            return None
        why = self.plan.at_end(me.process, replica.service.action, self.core.state)
        if why and not self.full:
            self.full = why
            self.tell({"full": why})
        return why and f"{me.name} takes no more requests: {why}"

    def _again_from(self, source: str, number: int, body: bytes) -> None:
        self._offer(source, number, body)
        self._work()

    def _arrived(self, e: Envelope) -> None:
        self.core.offer(e)
        self._work()

    def _offer(self, source: str, number: int, body: bytes) -> None:
        e = self._envelope(source, body)
        self.numbers[e.id] = (source, number)
        self.core.offer(e)

    def _body(self, e: Envelope) -> bytes:
        types = self.plan.nodes.instance.messages[e.message].payload.fields
        return ENCODER.encode([e.id, e.message, [pack(v, t) for v, (_, t) in zip(e.fields, types, strict=True)], e.clock])

    def _envelope(self, source: str, body: bytes) -> Envelope:
        number, message, fields, clock = DECODER.decode(body)
        types = self.plan.nodes.instance.messages[message].payload.fields
        values = tuple(unpack(d, t) for d, (_, t) in zip(fields, types, strict=True))
        return Envelope(number, source, self.address.name, message, values, self.plan.addresses[source].party, clock)

    # the network: what leaves

    def _send(self, e: Envelope) -> None:
        link = self.links[e.target]
        if not self.reliable:
            link.waiting.append(frame([0, self._body(e)]))
            if len(link.waiting) > (UNSENT if link.writer else PENDING):
                link.waiting.popleft()
        link.wake.set()

    async def _connect(self, link: Link) -> None:
        """Keeps a connection to one node, for as long as this one lives."""
        pause = RETRY[0]
        while True:
            try:
                reader, writer = await asyncio.open_connection(*self.endpoints[link.target])
                pause, link.sent = RETRY[0], 0
                writer.write(frame(self.address.name))
                link.writer = writer
                await self._pump(link, reader, writer)
            except (OSError, asyncio.IncompleteReadError, BadFrame):
                pause = min(2 * pause, RETRY[1])
            except sqlite3.Error as why:
                self._fail(why)
            await asyncio.sleep(pause * self.rng.uniform(0.5, 1.0))

    async def _pump(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sends what there is to send until the connection breaks."""
        listener = asyncio.create_task(self._acknowledge(link, reader))
        listener.add_done_callback(lambda _: link.wake.set())
        try:
            while not listener.done() and not writer.is_closing():
                link.wake.clear()
                if data := self._due(link):
                    writer.write(b"".join(data))  # of many writes to a broken connection asyncio complains
                await writer.drain()
                await link.wake.wait()
        finally:
            link.writer = None
            listener.cancel()
            writer.close()
            await asyncio.gather(listener, return_exceptions=True)

    def _due(self, link: Link) -> list[bytes]:
        if not self.reliable:
            found = list(link.waiting)
            link.waiting.clear()
            return found
        rows = self.store.outbox(link.target, link.sent)
        link.sent = rows[-1][0] if rows else link.sent
        return [frame([n, body]) for n, body in rows]

    async def _acknowledge(self, link: Link, reader: asyncio.StreamReader) -> None:
        while True:
            self.batch.acknowledged[link.target] = int(await read_frame(reader))


def _acknowledge(writer: asyncio.StreamWriter, number: int) -> None:
    if not writer.is_closing():
        writer.write(frame(number))


# ── one process, one node ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Cluster:
    """DIR/cluster.json: which spec, how bound, and who listens where."""

    spec: str
    instance: str | None
    define: list[str]
    nodes: int | None
    endpoints: dict[str, Endpoint]
    record: bool = True
    whole: bool = False


def plan_of(cluster: Cluster) -> Plan:
    from checker import load
    from checker.settings import sizes
    from impl.runtime.plan import make_plan

    model = load(cluster.spec)
    return make_plan(model, cluster.instance, cluster.nodes, sizes(model, cluster.define))


async def serve(cluster: Cluster, folder: Path, name: str) -> Host:
    """Runs one node until a signal says to stop, or whoever started it is gone.  Raises Failed, Unreadable, OSError."""
    plan = plan_of(cluster)
    address = plan.addresses[name]
    store = Store(folder / f"{name}.db", plan.process(address).vars)
    with (folder / f"{name}.ndjson").open("ab", buffering=0) as file:
        recorder = Recorder(plan, file.write, cluster.whole) if cluster.record else None
        host = Host(plan, address, cluster.endpoints, store, recorder, say)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, host.finished.set)
        _end_with_parent(loop, host.finished)
        running = asyncio.create_task(host.run())
        ready = asyncio.create_task(host.listening.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if host.listening.is_set():
            say({"listening": True, "started": store.counter("boots")})
        await running
    store.close()
    return host


def _end_with_parent(loop: asyncio.AbstractEventLoop, finished: asyncio.Event) -> None:
    """Standard input is a pipe whose other end nobody has any more when whoever started this node is gone."""

    def look() -> None:
        if not os.read(0, 100):
            loop.remove_reader(0)
            finished.set()

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, look)


def say(data: dict[str, Any]) -> None:
    """One line to whoever started this node, if there still is anybody."""
    try:
        sys.stdout.buffer.write(msgspec.json.encode(data) + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main() -> int:
    """python -m impl.runtime.host DIR NAME"""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    try:
        cluster = msgspec.json.decode((folder / "cluster.json").read_bytes(), type=Cluster)
        host = asyncio.run(serve(cluster, folder, name))
    except Exception as why:
        return _failed(name, why)
    if host.failure:
        say({"failed": host.failure})
        return 1
    fault = host.fault
    place = host.plan.nodes.instance.model.place(fault.fault.node) if fault else None
    summary = {"steps": host.counts.total(), "actions": dict(host.counts), "fault": str(fault) if fault else None, "place": place}
    say(summary)
    return 75 if fault else 0


def _failed(name: str, why: Exception) -> int:
    """Says why a node cannot run."""
    known = isinstance(why, Failed | Unreadable)
    say({"failed": str(why) if known else f"{name}: {failure(why).message}"})
    return 1 if known else failure(why).exit


if __name__ == "__main__":
    sys.exit(main())
